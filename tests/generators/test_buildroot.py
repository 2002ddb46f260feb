"""What the check after %install leaves in the buildroot, and what it leaves alone."""

from __future__ import annotations

import re

import pytest

from tests.generators.conftest import Build, Built
from tests.generators.specs import LOCK, PATH, SHIP_ALL, sources, spec
from tests.host.wheels import make_wheel

PLACEHOLDER = "../../usr/lib/rpm-venv/envs/opt-app1-penv"
_CHANGES = "* Sat Nov 21 2026 somebody <somebody@example.org> - 1.0-1\n- %%ghost /opt/app1/penv"
FILES = "[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILELINKTOS}\n]"


def listed(built: Built, path: str = PATH) -> list[str]:
    """Flags, mode and link target of a packaged path."""
    assert built.code == 0, built.output
    rows = [line.split(" ") for line in built.query("--qf", FILES)]
    return next((row[1:] for row in rows if row[0] == path), [])


def test_a_ghost_gets_a_link_for_its_placeholder(build: Build) -> None:
    built = build(spec(), sources(make_wheel("alpha")))
    assert listed(built) == ["g", "lrwxrwxrwx", PLACEHOLDER]
    assert "warning:" not in built.output


def test_a_ghost_beside_its_whole_directory_stays_a_ghost(build: Build) -> None:
    files = f"%{{_datadir}}/app1\n/opt/app1\n%ghost {PATH}"
    built = build(spec({"%files": files}), sources(make_wheel("alpha")))
    assert listed(built)[:1] == ["g"]


@pytest.mark.parametrize(
    "line",
    [
        "%ghost %{appdir}/penv",
        "%attr(-,root,root) %ghost /opt/app1/penv",
        '%ghost "/opt/app1/penv"',
        "%if 1\n%ghost /opt/app1/penv\n%endif",
    ],
)
def test_a_ghost_is_found_however_it_is_written(build: Build, line: str) -> None:
    files = f"%{{_datadir}}/app1\n{line}"
    built = build(spec({"%files": files}, "%global appdir /opt/app1"), sources(make_wheel("alpha")))
    assert listed(built) == ["g", "lrwxrwxrwx", PLACEHOLDER]


def test_without_a_ghost_rpm_does_not_see_the_path(build: Build) -> None:
    files = "%{_datadir}/app1\n/opt/app1"
    ship = f"{SHIP_ALL}\nmkdir -p %{{buildroot}}/opt/app1"
    built = build(spec({"%files": files}, ship=ship), sources(make_wheel("alpha")))
    assert listed(built) == []
    assert listed(built, "/opt/app1") == ["", "drwxr-xr-x", ""]


@pytest.mark.parametrize(
    "line",
    ["# %%ghost /opt/app1/penv", "# %ghost /opt/app1/penv", "%if 0\n%ghost /opt/app1/penv\n%endif"],
)
def test_what_only_looks_like_a_ghost_is_none(build: Build, line: str) -> None:
    sections = {"%files": f"%{{_datadir}}/app1\n{line}", "%changelog": _CHANGES}
    built = build(spec(sections), sources(make_wheel("alpha")))
    assert listed(built) == []


def test_a_ghost_that_is_said_to_be_a_directory_fails_the_build(build: Build) -> None:
    files = f"%{{_datadir}}/app1\n%ghost {PATH}/"
    built = build(spec({"%files": files}), sources(make_wheel("alpha")))
    assert built.code != 0
    assert re.search(f"Not a directory: .*{PATH}$", built.output, re.MULTILINE)


@pytest.mark.parametrize("content", ["%ghost /opt/app1/penv", "%dir /opt/app1"])
def test_a_list_of_files_may_have_the_ghost_or_not(build: Build, content: str) -> None:
    ship = f"{SHIP_ALL}\nmkdir -p %{{buildroot}}/opt/app1\necho '{content}' > files.list"
    sections = {"%files": "", "%files -f files.list": "%{_datadir}/app1"}
    text = spec(sections, ship=ship).replace("\n%files\n\n", "\n")
    built = build(text, sources(make_wheel("alpha")))
    assert listed(built)[:1] == (["g"] if "ghost" in content else [])


@pytest.mark.parametrize("section", ["%files", "%files -f files.list"])
def test_what_is_really_unpackaged_still_fails_the_build(build: Build, section: str) -> None:
    stray = f"mkdir -p %{{buildroot}}/opt/app1\ntouch %{{buildroot}}{PATH}2"
    ship = f"{SHIP_ALL}\n{stray}\necho '%dir /opt' > files.list"
    sections = {"%files": "", section: "%{_datadir}/app1"}
    text = spec(sections, ship=ship).replace("\n%files\n\n", "\n")
    built = build(text, sources(make_wheel("alpha")))
    assert built.code != 0
    assert f"   {PATH}2" in built.output.splitlines()
    assert f"   {PATH}" not in built.output.splitlines()


def test_an_authors_own_placeholder_is_kept(build: Build) -> None:
    ship = f"{SHIP_ALL}\nmkdir -p %{{buildroot}}/opt/app1\nln -s mine %{{buildroot}}{PATH}"
    built = build(spec(ship=ship), sources(make_wheel("alpha")))
    assert listed(built) == ["g", "lrwxrwxrwx", "mine"]


def test_a_package_without_offline_wheels_needs_none(build: Build) -> None:
    install = f"%venv_install -r {LOCK} {PATH}"
    built = build(spec({"%post": install}), sources(lock=make_wheel("alpha").requirement()))
    assert built.code == 0, built.output
    assert "bundled(python3dist(alpha)) = 1" in built.query("--provides")


def test_what_a_distribution_runs_after_install_still_runs_and_first(build: Build) -> None:
    hook = "if true; then\n    echo distribution-hook\nfi"
    defines = {"__arch_install_post": f"%{{expand:{hook}}}"}
    built = build(spec(), sources(make_wheel("alpha")), defines)
    assert built.code == 0, built.output
    lines = [line for line in built.output.splitlines() if line.startswith("+")]
    first = lines.index("+ echo distribution-hook")
    assert any("deps --check" in line for line in lines[first:])


def test_a_spec_file_that_runs_nothing_after_install(build: Build) -> None:
    preamble = "%global __os_install_post %{nil}\n%global __check_files %{nil}"
    built = build(spec(preamble=preamble), sources(make_wheel("alpha")))
    assert listed(built)[:1] == ["g"]


def test_scriptlets_in_front_of_the_build_sections(build: Build) -> None:
    text = spec({"%post": "", "%postun": ""})
    moved = text.replace("%prep", f"%post\n%venv_install -r {LOCK} {PATH}\n\n%prep", 1)
    built = build(moved.replace("\n%post\n\n", "\n", 1), sources(make_wheel("alpha")))
    assert listed(built)[:1] == ["g"]
    assert f"venv({PATH})" in built.query("--provides")


def test_an_architecture_package_is_told_as_such(build: Build) -> None:
    text = spec().replace("BuildArch: noarch\n", "")
    built = build(text, sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    arch = built.query("--qf", "%{ARCH}")[0]
    assert arch != "noarch"
    assert f"--package app1-1.0-1.{arch} {PATH}" in "\n".join(built.query("--scripts"))


SUBPACKAGE = {
    "%package web": "Summary: Web\nEpoch: 4\nVersion: 7.1\nRelease: 3%{?dist}",
    "%description web": "Web.",
    "%files web": "%{_datadir}/web",
}
SHIP_WEB = (
    f"{SHIP_ALL}\nmkdir -p %{{buildroot}}%{{_datadir}}/web\n"
    "cp %{_sourcedir}/requirements.txt %{buildroot}%{_datadir}/web"
)
INSTALL_WEB = "%venv_install -n app1-web -r %{_datadir}/web/requirements.txt /opt/web/penv"


def test_packages_of_several_versions_are_told_apart(build: Build) -> None:
    """In rpm's own macros, the version is the one that was said last."""
    sections = {**SUBPACKAGE, "%post web": INSTALL_WEB}
    files = sources(make_wheel("alpha"))
    built = build(spec(sections, ship=SHIP_WEB), files, {"dist": ".el9"})
    assert built.code == 0, built.output
    assert f"--package app1-1.0-1.noarch {PATH}" in "\n".join(built.query("--scripts"))
    web = "\n".join(built.query("--scripts", name="app1-web"))
    assert "--package app1-web-4:7.1-3.el9.noarch /opt/web/penv" in web


def test_a_noarch_subpackage_of_another_package_is_told_as_such(build: Build) -> None:
    header = {"%package web": "Summary: Web\nBuildArch: noarch"}
    sections = {**SUBPACKAGE, **header, "%post": "", "%postun": "", "%post web": INSTALL_WEB}
    text = spec({**sections, "%files": "%{_datadir}/app1"}, ship=SHIP_WEB)
    built = build(text.replace("BuildArch: noarch\n", "", 1), sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    scripts = "\n".join(built.query("--scripts", name="app1-web"))
    assert "--package app1-web-1.0-1.noarch /opt/web/penv" in scripts


def test_the_lock_travels_in_the_check(build: Build) -> None:
    wheel = make_wheel("alpha")
    condition = "os_name == 'posix'"
    lock = f"# a comment\n{wheel.requirement(condition)}\n"
    sections = {"%pre": f"%venv_check -r %{{_sourcedir}}/requirements.txt {PATH}\necho after"}
    built = build(spec(sections), sources(wheel, lock=lock))
    assert built.code == 0, built.output
    script = "\n".join(built.query("--scripts"))
    carried = script.partition("<<'VENV_LOCK' || trap 'exit 1' 0\n")[2].partition("VENV_LOCK")[0]
    assert carried.startswith("alpha==1.0 ;")
    assert carried.count("\n") == 1
    assert wheel.sha256 in carried
    assert "\nVENV_LOCK\necho after\n" in script


def test_scriptlets_in_a_file_of_their_own(build: Build) -> None:
    included = f"%post\n%venv_install -r {LOCK} {PATH}\n"
    text = spec({"%post": ""}).replace("\n%post\n\n", "\n%include %{_sourcedir}/post.inc\n")
    built = build(text, {**sources(make_wheel("alpha")), "post.inc": included})
    assert listed(built)[:1] == ["g"]
    assert f"venv({PATH})" in built.query("--provides")


OWN_POST = """\
%define __spec_install_post \\
    %{__arch_install_post}\\
    %{__os_install_post}\\
    echo "own 100%% a.b" | sed 's/a\\\\.b/step/'\\
%{nil}
"""


def test_what_an_author_has_made_of_the_end_of_install_is_kept(build: Build) -> None:
    built = build(spec(preamble=OWN_POST), sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    output = built.output
    assert "own 100% step" in output.splitlines()
    places = [output.index(text) for text in ("deps --set-aside", "own 100% step", "deps --check")]
    assert places == sorted(places)
