"""What rpmbuild says of a spec file with mistakes: rpm-venv lint's words, as warnings or errors."""

from __future__ import annotations

from tests.generators.conftest import Build
from tests.generators.specs import INSTALL, LOCK, PATH, SHIP_ALL, sources, spec
from tests.host.wheels import make_wheel


def test_mistakes_are_warnings_and_the_package_is_built(build: Build) -> None:
    """By hand beside our macros, and the macro package not required."""
    by_hand = f"{INSTALL}\npython3 -m venv /opt/app1/tools || :"
    text = spec({"%post": by_hand}).replace("BuildRequires: venv-rpm-macros\n", "")
    built = build(text, sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    line = text.split("\n").index("python3 -m venv /opt/app1/tools || :") + 1
    assert f"warning: app1.spec:{line}: '|| :' hides that" in built.output
    assert f"warning: app1.spec:{line - 1}: the macros of venv-rpm-macros may not" in built.output


def test_a_declaring_spec_file_is_read_too(build: Build) -> None:
    install = (
        f"cd %{{_sourcedir}}\n%venv_declare -r %{{_sourcedir}}/requirements.txt -w wheels {PATH}"
    )
    sections = {"%install": install, "%post": "pip install x", "%postun": ""}
    text = spec(sections).replace("\n%files\n", "\n%files -f %{venv_files}\n")
    text = text.replace(f"%{{_datadir}}/app1\n%ghost {PATH}", "")
    built = build(text, sources(make_wheel("alpha")), {"_arch": "x86_64"})
    assert built.code == 0, built.output
    assert "pip runs in %post as root" in built.output


def test_what_breaks_our_macros_fails_the_build(build: Build) -> None:
    """All of it at once, with the lines; the lock is listed as documentation."""
    broken = {
        "%postun": f"%venv_remove {PATH}\nrm -rf /opt/app1",
        "%files": f"%doc {LOCK}\n%{{_datadir}}/app1/wheels\n%ghost {PATH}",
    }
    text = spec(broken, ship=SHIP_ALL)
    built = build(text, sources(make_wheel("alpha")))
    assert built.code != 0
    lines = text.split("\n")
    removal, document = lines.index("rm -rf /opt/app1") + 1, lines.index(f"%doc {LOCK}") + 1
    assert f"app1.spec:{removal}: {PATH} is removed without a look at $1" in built.output
    assert f"app1.spec:{document}: the lock /usr/share/app1/requirements.txt is" in built.output
