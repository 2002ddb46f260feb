"""The administrator's configuration: what is in it, and what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system import configuration
from rpm_venv.system.configuration import Configuration


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert configuration.read(Layout(tmp_path)) == Configuration(require_sandbox=False)


def test_the_file_of_the_root_is_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/rpm-venv.conf").write_text("# safe\n\nrequire-sandbox = yes\n")
    assert configuration.read(Layout(tmp_path)) == Configuration(require_sandbox=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("require-sandbox=on", True), ("require-sandbox = No", False), ("  # x", False)],
)
def test_values(text: str, expected: bool) -> None:
    assert configuration.parse(text.encode()).require_sandbox is expected


@pytest.mark.parametrize(("text", "days"), [("", None), ("audit-max-age = 30", 30)])
def test_the_age_of_a_database(text: str, days: int | None) -> None:
    assert configuration.parse(text.encode()).audit_max_age == days


@pytest.mark.parametrize(("text", "keep"), [("", 1), ("keep = 0", 0), ("keep=12", 12)])
def test_how_many_generations_stay(text: str, keep: int) -> None:
    assert configuration.parse(text.encode()).keep == keep


@pytest.mark.parametrize(
    "text",
    ["keep", "keep = all", "keep = -1", "keep = 101", "keep = 1.5", "keep = ²",
     "audit-max-age = soon", "audit-max-age = -1", "audit-max-age = 999999", "audit-max-age = ²",
     "require-sandbox", "require_sandbox = yes", "require-sandbox = maybe", "[main]",
     "require-sandbox = yes # certainly", "\x1b[2J = yes"],
)  # fmt: skip
def test_a_setting_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(VenvError) as caught:
        configuration.parse(text.encode())
    (problem,) = caught.value.problems
    assert problem.where == "line 1"
    assert problem.message.isprintable()


def test_all_problems_are_named(tmp_path: Path) -> None:
    text = b"require-sandbox = yes\nrequire-sandbox = no\nx = y\n\xff\n"
    with pytest.raises(VenvError) as caught:
        configuration.parse(text)
    assert [problem.where for problem in caught.value.problems] == ["line 2", "line 3", "line 4"]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "etc/rpm-venv.conf").mkdir(parents=True)
    with pytest.raises(VenvError, match="cannot be read"):
        configuration.read(Layout(tmp_path))


def test_the_document_names_every_setting() -> None:
    document = Path(__file__).parents[2] / "docs" / "configuration.md"
    rows = re.findall(r"^\| `([a-z-]+) = \w+` \|", document.read_text(), re.MULTILINE)
    assert rows == sorted(configuration.SETTINGS, key=rows.index)


def test_the_file_that_is_shipped_names_every_setting_and_sets_none() -> None:
    shipped = (Path(__file__).resolve().parents[2] / "fedora/rpm-venv.conf").read_text()
    assert configuration.parse(shipped.encode()) == Configuration()
    settings = re.findall(r"^#(\S+ = .*)$", shipped, re.M)
    assert {line.partition(" ")[0] for line in settings} == set(configuration.SETTINGS)
    for line in settings:
        meant = configuration.parse(line.encode())
        assert meant == Configuration() or line.startswith("audit-max-age")


def test_the_documents_have_every_setting() -> None:
    for name in ("configuration.md", "commands.md"):
        text = (Path(__file__).resolve().parents[2] / "docs" / name).read_text()
        assert set(re.findall(r"^\| `([\w-]+) = ", text, re.M)) == set(configuration.SETTINGS), name
