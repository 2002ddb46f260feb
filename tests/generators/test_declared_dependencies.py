"""What %venv_declare makes of a build: files, their list, dependencies, and refusals."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.generators.conftest import KNOWS_OWNERS, Build
from tests.generators.specs import PATH, pylock, sources, spec
from tests.host import RpmTools
from tests.host.realwheels import system_python
from tests.host.wheels import make_lock, make_wheel

HERE = "/usr/share/rpm-venv/opt-app1-penv"
RUNTIME = "rpm-venv >= 0.1.0"
DECLARE = f"%venv_declare -r %{{_sourcedir}}/requirements.txt -w %{{_sourcedir}}/wheels -o {PATH}"
ALPHA = make_wheel("alpha", scripts={"alpha": "alpha:main"})


def declaring(*lines: str, files: str = "", **sections: str) -> str:
    """A spec file without scriptlets, whose %install has these lines."""
    nothing: Mapping[str, str] = {"%post": "", "%postun": "", "%files": ""}
    texts = {**nothing, **sections, "%files -f %{venv_files}": files}
    text = spec(texts, ship="\n".join(lines or (DECLARE,)))
    for name in (name for name, body in texts.items() if not body and name in nothing):
        text = text.replace(f"\n{name}\n\n", "\n")
    return text


def level(name: str) -> str:
    return DECLARE.replace("%venv_declare", f"%venv_declare -b {name}")


@pytest.mark.parametrize("name", ["lock", "wheels"])
def test_the_dependencies_are_those_of_the_other_shape(build: Build, name: str) -> None:
    wheels = (
        make_wheel("alpha", "1.0"),
        make_wheel("beta.two", "2.0rc1"),
        make_wheel("gamma", "1!3.0.post2"),
        make_wheel("delta", "0.1.dev4+local.1"),
    )
    built = build(declaring(level(name)), sources(*wheels))
    assert built.code == 0, built.output
    assert built.query("--provides") == [
        "bundled(python3dist(alpha)) = 1",
        "bundled(python3dist(beta-two)) = 2~rc1",
        "bundled(python3dist(delta)) = 0.1~~dev4",
        "bundled(python3dist(gamma)) = 1:3^post2",
        f"venv({PATH})",
    ]
    assert built.query("--requires") == [RUNTIME]
    assert built.query("--conflicts") == [f"venv({PATH})"]
    assert built.query("--scripts") == []


@pytest.mark.parametrize("name", ["lock", "wheels"])
def test_the_package_has_what_its_level_says(build: Build, name: str) -> None:
    built = build(declaring(level(name)), sources(ALPHA))
    assert built.code == 0, built.output
    wheels = [f"{HERE}/wheels", f"{HERE}/wheels/{ALPHA.filename}"] if name == "wheels" else []
    files = ["/opt/app1", PATH, "/usr/share/rpm-venv", HERE, f"{HERE}/declaration.json"]
    assert built.query("-l") == [*files, f"{HERE}/requirements.txt", *wheels]
    flags = "[%{FILENAMES} %{FILEFLAGS:fflags}\\n]"
    ghosts = [line.split()[0] for line in built.query("--qf", flags) if "g" in line.split()[-1]]
    assert ghosts == [PATH]


def test_packaged_objects_are_files_of_the_package(build: Build) -> None:
    built = build(declaring(level("store")), sources(ALPHA))
    assert built.code == 0, built.output
    minor = system_python()[1]
    assert built.query("--requires") == [RUNTIME], "no Python: byte code can be made for any"
    form = "[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEMTIMES}\n]"
    lines = [line.split() for line in built.query("--qf", form)]
    below = [line for line in lines if line[0].startswith("/usr/lib/rpm-venv/packaged/")]
    top = "/".join(below[0][0].split("/")[:6])
    assert {line[1] for line in below} == {"40755", "100644"}
    assert {(line[2], line[3], line[4]) for line in below} == {("root", "root", "315619200")}
    inside = [line[0].removeprefix(f"{top}/") for line in below]
    assert {"object.json", "site/alpha.py", f"site/__pycache__/alpha.cpython-3{minor}.pyc"} <= {
        *inside
    }
    assert "/usr/lib/rpm-venv" in [line[0] for line in lines]
    assert not [line[0] for line in lines if ".rpm-venv-" in line[0] or "/store" in line[0]]


def test_a_whole_environment_is_files_of_the_package(build: Build) -> None:
    built = build(declaring(level("env")), sources(ALPHA))
    assert built.code == 0, built.output
    minor = system_python()[1]
    required = built.query("--requires")
    assert [line for line in required if "/usr/lib/rpm-venv/" not in line] == [
        f"/usr/bin/python3.{minor}", f"python(abi) = 3.{minor}",
    ]  # fmt: skip
    assert f"venv({PATH})" in built.query("--provides")
    assert built.query("--conflicts") == [f"venv({PATH})"]
    form = "[%{FILENAMES} %{FILEFLAGS}%{FILELINKTOS}\\n]"
    files = dict(line.split() for line in built.query("--qf", form))
    home = "/usr/lib/rpm-venv/envs/opt-app1-penv"
    generation = files[f"{home}/live"][1:]
    assert files[PATH] == f"0{home}/live"
    assert {f"{home}/{generation}/pyvenv.cfg", f"{home}/{generation}/bin/alpha", home} <= {*files}
    assert not [name for name in files if ".rpm-venv-" in name or "/store" in name]


def test_wheels_of_one_python_and_an_interpreter_that_is_asked_for(build: Build) -> None:
    minor = system_python()[1]
    wheel = make_wheel("compiled", tag=f"cp3{minor}-cp3{minor}-linux_x86_64")
    text = declaring(f"{level('store')} -p python3.{minor}").replace("BuildArch: noarch\n", "")
    built = build(text, sources(wheel))
    assert built.code == 0, built.output
    assert built.query("--requires") == [f"/usr/bin/python3.{minor}", f"python(abi) = 3.{minor}",
                                         RUNTIME]  # fmt: skip


def test_a_pylock_stays_one(build: Build) -> None:
    text = pylock([ALPHA], 'requires-python = ">=3.9"')
    line = f"%venv_declare -b lock -r %{{_sourcedir}}/pylock.app1.toml {PATH}"
    built = build(declaring(line), {"pylock.app1.toml": text})
    assert built.code == 0, built.output
    assert f"{HERE}/pylock.toml" in built.query("-l")
    assert "bundled(python3dist(alpha)) = 1" in built.query("--provides")


def test_several_environments_and_commands_share_one_list(build: Build) -> None:
    second = DECLARE.replace(PATH, "-c alpha /srv/app1/second")
    built = build(declaring(DECLARE, second, second), sources(ALPHA))
    assert built.code == 0, built.output
    paths = built.query("-l")
    assert {PATH, "/srv/app1", "/srv/app1/second", "/usr/bin/alpha"} < set(paths)
    assert "listed twice" not in built.output
    assert built.query("--conflicts") == [f"venv({PATH})", "venv(/srv/app1/second)"]
    links = built.query("--qf", "[%{FILENAMES} %{FILELINKTOS}\\n]")
    assert "/usr/bin/alpha ../../srv/app1/second/bin/alpha" in links


def test_a_list_that_an_earlier_build_left_does_no_harm(build: Build) -> None:
    second = DECLARE.replace(PATH, "-c alpha /srv/app1/second")
    assert build(declaring(DECLARE, second), sources(ALPHA)).code == 0
    built = build(declaring(), sources(ALPHA))
    assert built.code == 0, built.output
    assert "/srv/app1" not in built.query("-l")


SUBPACKAGE = {"%package web": "Summary: Web", "%description web": "Web."}


def test_a_subpackage_has_its_own_list(build: Build) -> None:
    second = DECLARE.replace(PATH, "-n app1-web /opt/web/penv")
    sections = {**SUBPACKAGE, "%files web -f %{venv_files -n app1-web}": ""}
    built = build(declaring(DECLARE, second, **sections), sources(ALPHA))
    assert built.code == 0, built.output
    assert built.query("--conflicts") == [f"venv({PATH})"]
    assert built.query("--conflicts", name="app1-web") == ["venv(/opt/web/penv)"]


def test_the_package_is_in_the_declaration(build: Build, tmp_path: Path) -> None:
    keep = f"cp %{{buildroot}}{HERE}/declaration.json {tmp_path}/kept"
    built = build(declaring(f"{DECLARE} -s", keep), sources(ALPHA))
    assert built.code == 0, built.output
    declared = json.loads((tmp_path / "kept").read_text())
    assert declared["package"] == "app1-1.0-1.noarch"
    assert (declared["level"], declared["offline"], declared["system_site"]) == (
        "wheels", True, True,
    )  # fmt: skip


def test_missing_wheels_are_fetched_with_the_authors_configuration(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    index.mkdir()
    ALPHA.save(index)
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": str(index),
        "CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    line = f"%venv_declare -r %{{_sourcedir}}/requirements.txt {PATH}"
    built = build(declaring(line), sources(lock=make_lock([ALPHA])))
    assert built.code == 0, built.output
    assert f"{HERE}/wheels/{ALPHA.filename}" in built.query("-l")
    (index / ALPHA.filename).unlink()
    built = build(declaring(line), sources(lock=make_lock([ALPHA])))
    assert built.code != 0
    assert f"%venv_declare {PATH}: alpha==1.0: the index has no wheel of it" in built.output
    assert "pip wheel --no-deps" in built.output


# ---- refusals

MINOR = system_python()[1]
REFUSALS = {
    "no lock": (
        DECLARE.replace("requirements.txt", "none.txt"),
        f"%venv_declare {PATH}: %{{_sourcedir}}/none.txt: cannot be read",
    ),
    "a lock that is not exact": (
        DECLARE.replace("requirements.txt", "wheels/README"),
        f"%venv_declare {PATH}: README: not an exact lock",
    ),
    "a wheel that is not there": (
        DECLARE.replace("/wheels", "/nowhere"),
        "alpha 1.0: there is no wheel of it; the directory %{_sourcedir}/nowhere does not exist",
    ),
    "a command that no wheel has": (
        f"{DECLARE} -c beta,alpha",
        "-c beta: no wheel of the lock has this command (there are alpha)",
    ),
    "a command that belongs to the environment": (
        f"{DECLARE} -b lock -c python3",
        "-c python3: the name belongs to the environment itself",
    ),
    "something else at PATH": (
        f"mkdir -p %{{buildroot}}{PATH}\n{DECLARE}",
        f"{PATH}: the buildroot has something else than a symbolic link",
    ),
    "something else with the command's name": (
        f"install -D /dev/null %{{buildroot}}/usr/bin/alpha\n{DECLARE} -c alpha",
        "/usr/bin/alpha: there is something else in the buildroot already",
    ),
    "one path for two packages": (
        f"{DECLARE}\n{DECLARE} -n app1-web",
        "it is declared already, for the package app1",
    ),
    "a level that does not exist": (
        f"{DECLARE} -b most",
        "wheels, store or env, not most",
    ),
    "an option twice": (f"{DECLARE} -c a -c b", "-c is given twice; separate names with commas"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_mistake_fails_the_build_and_names_the_macro(
    build: Build, tmp_path: Path, case: str
) -> None:
    lines, message = REFUSALS[case]
    built = build(declaring(lines), sources(ALPHA))
    assert built.code != 0
    assert message.replace("%{_sourcedir}", str(tmp_path / "SOURCES")) in built.output
    assert "venv_declare" in built.output
    assert "Traceback" not in built.output


def test_a_wheel_for_one_architecture_in_a_noarch_package(build: Build) -> None:
    wheel = make_wheel("compiled", tag=f"cp3{MINOR}-cp3{MINOR}-linux_x86_64")
    built = build(declaring(), sources(wheel))
    assert built.code != 0
    assert f"{wheel.filename}: this wheel is not for a noarch package" in built.output


def test_a_scriptlet_is_no_place_for_it(build: Build) -> None:
    built = build(spec({"%post": DECLARE}), sources(ALPHA))
    assert built.code != 0
    assert "%venv_declare: stands in %install, not in a scriptlet" in built.output


def test_a_list_in_another_package_than_the_declaration_says(build: Build) -> None:
    if RpmTools.from_environment().version() < KNOWS_OWNERS:
        pytest.skip("needs rpm 4.16: an older one does not tell a generator the file's package")
    built = build(
        spec(
            {
                **SUBPACKAGE,
                "%files": "",
                "%files web -f %{venv_files}": "",
                "%post": "true",
                "%postun": "true",
            },
            ship=DECLARE,
        ),
        sources(ALPHA),
    )
    assert built.code != 0
    assert f"%venv_declare {PATH}: it is declared for the package app1" in built.output


def test_a_source_distribution_in_the_place_of_a_wheel(build: Build) -> None:
    files = {**sources(lock=make_lock([ALPHA])), "wheels/alpha-1.0.tar.gz": "sdist"}
    built = build(declaring(), files)
    assert built.code != 0
    assert "alpha 1.0: there is only a source distribution (build a wheel of it" in built.output
