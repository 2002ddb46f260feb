"""Where the macro package is not installed, no package is made that has its macros as text."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.generators.specs import INSTALL, spec
from tests.host import RpmTools

TREE = Path(__file__).resolve().parents[2]
(GUARD,) = re.findall(
    r"^%\{!\?venv_install:.*\}$", (TREE / "docs" / "macros.md").read_text(), re.MULTILINE
)


def rpmbuild(tmp_path: Path, text: str, *options: str) -> tuple[int, str, str]:
    """Build with a real rpm that has none of our macros; the scriptlets of what came out."""
    tools = RpmTools.from_environment()
    environment = {**os.environ, **tools.environment, "LC_ALL": "C"}
    file = tmp_path / "app1.spec"
    file.write_text(text)
    defines = {"_topdir": tmp_path, "_dbpath": tmp_path / "db", "_build_name_fmt": "%%{NAME}.rpm"}
    words = [word for name, value in defines.items() for word in ("-D", f"{name} {value}")]
    done = subprocess.run(
        [tools.rpmbuild, *options, *words, str(file)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    package = tmp_path / "RPMS" / "app1.rpm"
    asked = [tools.rpm, "-qp", "--scripts", str(package)]
    scripts = package.exists() and subprocess.check_output(asked, env=environment, text=True)
    return done.returncode, done.stdout, scripts or ""


def bare(build: str = "") -> str:
    return spec({"%build": build, "%install": "", "%files": ""})


def test_without_a_guard_rpm_ships_the_macro_as_text(tmp_path: Path) -> None:
    """The reason for the guard, and how it is: no error, no warning."""
    code, output, scripts = rpmbuild(tmp_path, bare(), "-bb", "--nodeps")
    assert code == 0, output
    assert re.search(r"^%venv_install -r /\S+/app1/requirements.txt", scripts, re.MULTILINE)
    assert "warning" not in output


def test_with_the_guard_the_build_fails_and_says_why(tmp_path: Path) -> None:
    code, output, scripts = rpmbuild(tmp_path, bare(GUARD), "-bb", "--nodeps")
    assert code != 0
    assert re.search(r"^venv-rpm-macros is not installed$", output, re.MULTILINE)
    assert scripts == ""


def test_the_build_dependency_fails_before_anything_is_run(tmp_path: Path) -> None:
    code, output, scripts = rpmbuild(tmp_path, bare(), "-bb")
    assert code != 0
    assert "venv-rpm-macros is needed by app1" in output
    assert (scripts, "%build" in output) == ("", False)


def test_a_source_package_is_made_without_the_macros(tmp_path: Path) -> None:
    """mock and Koji make it before they install what it needs: the guard is no %{error:}."""
    code, output, _ = rpmbuild(tmp_path, bare(GUARD), "-bs", "--nodeps")
    assert code == 0, output


def test_a_declaration_fails_without_a_guard(tmp_path: Path) -> None:
    text = spec({"%install": "%venv_declare -r lock /opt/app1/penv", "%files": "", "%post": ""})
    code, output, _ = rpmbuild(tmp_path, text, "-bb", "--nodeps")
    assert code != 0
    assert "(%install)" in output


EXAMPLES = sorted(TREE.glob("examples/*/*.spec"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_have_the_guard(path: Path) -> None:
    """Where a scriptlet has a macro; one in a section that a shell runs fails by itself."""
    text = path.read_text()
    built, scriptlets = text[: text.index("%files")], text[text.index("%install\n") :]
    if INSTALL.split()[0] in scriptlets:
        assert text.index("%build") < text.index(GUARD) < text.index("%install\n")
    else:
        assert re.search(r"^(%venv_declare|rpm-venv wheel) ", built, re.MULTILINE)
        assert not re.search(r"^%(pre|post|preun|postun|verifyscript)\n%venv_", text, re.MULTILINE)
