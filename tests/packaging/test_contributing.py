"""CONTRIBUTING.md and the configuration of pre-commit say what is."""

from __future__ import annotations

import re
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
TEXT = (TREE / "CONTRIBUTING.md").read_text()


def test_pre_commit_has_the_versions_that_make_check_has() -> None:
    project = (TREE / "pyproject.toml").read_text()
    hooks = (TREE / ".pre-commit-config.yaml").read_text()
    (ruff,) = re.findall(r'"ruff==([\d.]+)"', project)
    assert re.findall(r"rev: v([\d.]+)", hooks) == [ruff]
    assert re.search(r'"mypy==[\d.]+"', project)
    makefile = (TREE / "Makefile").read_text()
    (bin_directory,) = re.findall(r"^BIN := (\S+)", makefile, re.M)
    assert f"entry: {bin_directory}/mypy\n" in hooks  # the one that pyproject.toml has pinned
    for command in ("ruff check", "ruff format", "mypy"):
        assert f"$(BIN)/{command}" in makefile


def test_contributing_names_what_there_is() -> None:
    makefile = (TREE / "Makefile").read_text()
    targets = set(re.findall(r"\bmake (\w+)", TEXT))
    assert "release" in targets
    assert targets <= set(re.findall(r"^(\w+):", makefile, re.M))
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (TREE / link).exists(), link
    code = "".join(path.read_text() for path in (TREE / "tests").glob("*/*.py"))
    for variable in re.findall(r"\bVENV_TEST_\w+", TEXT):
        assert f'"{variable}"' in code, variable
    for path in re.findall(r"\b(?:tests|src|fedora)/[\w./-]+[\w]", TEXT):
        assert (TREE / path).exists(), path
