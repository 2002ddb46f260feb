"""What ``rpm-venv declare`` ships: own wheels join the lock, sdists become wheels. No network."""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.errors import FetchError, LockError, VenvError
from rpm_venv.locks import lock
from rpm_venv.locks.locked import Lock
from tests.host.sources import make_sdist, make_source, source_files
from tests.host.wheels import Wheel, make_lock, make_wheel

PYTHON = os.path.realpath(sys.executable)
SHIPPED = Path("root/usr/share/rpm-venv/opt-app-penv")
LIB = make_wheel("lib", "2.1")
APP = make_wheel("app", "1.0", requires=["lib>=2"])
PYLOCK = 'lock-version = "1.0"\ncreated-by = "x"\n'


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a buildroot, the wheel of lib, and an index that has nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name in ("root", "wheels", "built", "empty"):
        Path(name).mkdir()
    LIB.save(Path("wheels"))
    own = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "empty"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return tmp_path


def declare(*words: str, source: str = "in.txt", index: bool = False) -> dict[str, str]:
    """Declare with the wheels at hand; every entry of the shipped lock by its name and version."""
    options = ["-r", source, "-p", PYTHON, "-w", "wheels", *([] if index else ["-o"])]
    cli.call(["--root", "root", "declare", *options, *words, "/opt/app/penv"])
    return {str(entry): " ".join(entry.hashes) for entry in shipped(source).entries}


def shipped(source: str = "in.txt") -> Lock:
    name = "pylock.toml" if source.startswith("pylock") else "requirements.txt"
    (file,) = Path("root/usr/share/rpm-venv").glob(f"*/{name}")
    return lock.parse(file.read_bytes(), name)


def wheels() -> list[str]:
    return sorted(path.name for path in Path("root/usr/share/rpm-venv").glob("*/wheels/*"))


def pylock_entry(wheel: Wheel) -> str:
    return (
        f'[[packages]]\nname = "{wheel.name}"\nversion = "{wheel.version}"\nwheels = [{{ path = '
        f'"{wheel.filename}", hashes = {{ sha256 = "{wheel.sha256}" }} }}]\n'
    )


def test_an_archive_without_the_wheel_is_named_and_not_where_it_was_unpacked(place: Path) -> None:
    Path("in.txt").write_text(make_lock([APP]))
    with tarfile.open("wheels.tar", "w") as archive:
        archive.add(Path("wheels") / LIB.filename, LIB.filename)
    with pytest.raises(FetchError) as refused:
        declare("-w", "wheels.tar")
    (problem,) = refused.value.problems
    looked = f"{place}/wheels, {place}/wheels.tar"
    assert problem.message == f"app 1.0: there is no wheel of it in {looked}"


@pytest.mark.parametrize("level", ["lock", "wheels", "store"])
@pytest.mark.parametrize("source", ["in.txt", "pylock.toml"])
def test_a_wheel_of_the_build_joins_the_lock_and_is_shipped(level: str, source: str) -> None:
    text = make_lock([LIB]) if source == "in.txt" else PYLOCK + pylock_entry(LIB)
    Path(source).write_text(text)
    APP.save(Path("built"))
    words = ("--built", "built", "--built", "nowhere", "-b", level)
    assert declare(*words, source=source) == {"app 1.0": APP.sha256, "lib 2.1": LIB.sha256}
    shipped = {"lock": [APP.filename], "wheels": [APP.filename, LIB.filename], "store": []}
    assert wheels() == shipped[level]
    assert declare("-b", level, source=source) == {"lib 2.1": LIB.sha256}


def test_a_lock_that_nothing_joins_is_shipped_as_it_was_written() -> None:
    text = f"# a comment\n{make_lock([LIB])}\n# via app\n"
    Path("in.txt").write_text(text)
    declare("--built", "built")
    (file,) = Path("root/usr/share/rpm-venv").glob("*/requirements.txt")
    assert file.read_text() == text


TAKEN = {
    "a pin without a hash": f"app==1.0\n{make_lock([LIB])}",
    "the very wheel": make_lock([APP, LIB]),
    "one of its wheels": make_lock([LIB]) + f"app==1.0 --hash=sha256:{'0' * 64} --hash=sha256:"
    f"{APP.sha256}\n",
    "nothing of it": make_lock([LIB]),
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_an_entry_of_the_same_version_gives_way(text: str) -> None:
    Path("in.txt").write_text(text)
    APP.save(Path("built"))
    assert declare("--built", "built")["app 1.0"] == APP.sha256


def test_a_source_directory_in_a_pylock_gives_way() -> None:
    own = '[[packages]]\nname = "app"\ndirectory = { path = "." }\n'
    Path("pylock.toml").write_text(PYLOCK + own + pylock_entry(LIB))
    APP.save(Path("built"))
    assert declare("--built", "built", source="pylock.toml")["app 1.0"] == APP.sha256


REFUSED = {
    "another version": (
        f"app==0.9\n{make_lock([LIB])}",
        "line 1: the lock has app 0.9, and the wheel of this build is 1.0",
    ),
    "another version with a hash": (
        make_lock([LIB, make_wheel("app", "2")]),
        "line 2: the lock has app 2, and the wheel of this build is 1.0",
    ),
    "another wheel": (
        f"{make_lock([LIB])}app==1.0 --hash=sha256:{'0' * 64}\n",
        "line 2: the lock names another wheel of app 1.0 than this build's app-1.0-py3-none-any",
    ),
    "what is not exact besides": (
        f"app==1.0\nlib>=2\n{make_lock([LIB])}",
        "line 2: 'lib>=2' is a range, not one exact version",
    ),
    "a missing requirement": (
        make_lock([make_wheel("other")]),
        "METADATA of app-1.0-py3-none-any.whl: it needs lib>=2, and the lock does not have it",
    ),
    "a requirement of another version": (
        make_lock([make_wheel("lib", "1.0")]),
        "METADATA of app-1.0-py3-none-any.whl: it needs lib>=2, and the lock has lib 1.0 (line 1)",
    ),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_lock_that_the_wheel_does_not_agree_with_is_refused(text: str, problem: str) -> None:
    Path("in.txt").write_text(text)
    APP.save(Path("built"))
    with pytest.raises(LockError) as caught:
        declare("--built", "built")
    assert any(line.strip().startswith(problem) for line in caught.value.lines())
    assert not any(Path("root").iterdir())


def test_two_wheels_of_one_name_and_one_for_another_python_are_refused() -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    for wheel in (APP, make_wheel("app", "1.1"), make_wheel("tool", tag="cp27-cp27m-any")):
        wheel.save(Path("built"))
    with pytest.raises(LockError) as caught:
        declare("--built", "built")
    first, second = map(str, caught.value.problems)
    assert first.startswith("there are 2 wheels of app: built/app-1.0-py3-none-any.whl and ")
    assert second.startswith("tool-1.0-cp27-cp27m-any.whl: a wheel for cp27-cp27m-any")
    assert declare("-a", f"built/{APP.filename}")["app 1.0"] == APP.sha256


def test_of_wheels_for_several_pythons_the_one_that_fits_joins() -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    own = make_wheel("app", tag=f"{tag}-none-any")
    for wheel in (own, make_wheel("app", tag="cp27-none-any")):
        wheel.save(Path("built"))
    assert declare("--built", "built")["app 1.0"] == own.sha256


# ---- sdists


def test_an_sdist_becomes_a_wheel_that_the_lock_names(place: Path) -> None:
    sdist = make_sdist("old", "1.5")
    sdist.save(Path("wheels"))
    Path("in.txt").write_text(
        f"{make_lock([LIB])}old==1.5 ; os_name == 'posix' --hash=sha256:{sdist.sha256}\n"
    )
    found = declare()
    assert wheels() == [LIB.filename, "old-1.5-py3-none-any.whl"]
    (wheel,) = Path("root").rglob("old-1.5-*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert found == {"lib 2.1": LIB.sha256, "old 1.5": digest}
    (file,) = Path("root").rglob("requirements.txt")
    said = f"# old 1.5 was built of old-1.5.tar.gz, sha256:{sdist.sha256}\n"
    assert said in file.read_text()
    assert str(place) not in file.read_text()
    assert str(shipped().entries[1].marker) == 'os_name == "posix"'
    assert declare() == found  # the same bytes, at another time and place
    Path("wheels", sdist.filename).unlink()
    with pytest.raises(FetchError, match="1 of the wheels that the lock names are not at hand"):
        declare()


def test_the_index_is_asked_for_what_has_no_wheel_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of one, of another an sdist alone, by a requirements.txt that does not say which."""
    sdist, wheel = make_sdist("old", "1.5"), make_wheel("new", "3")
    for file in (sdist, wheel):
        file.save(Path("empty"))
    Path("in.txt").write_text(f"{make_lock([wheel])}old==1.5 --hash=sha256:{sdist.sha256}\n")
    found = declare(index=True)
    assert list(found) == ["new 3", "old 1.5"]
    assert found["new 3"] == wheel.sha256
    assert wheels() == [wheel.filename, "old-1.5-py3-none-any.whl"]


def test_a_pylock_names_its_sdist() -> None:
    sdist = make_sdist("old", "1.5")
    sdist.save(Path("wheels"))
    Path("pylock.toml").write_text(
        f'{PYLOCK}[[packages]]\nname = "old"\nversion = "1.5"\nsdist = {{ path = "'
        f'{sdist.filename}", hashes = {{ sha256 = "{sdist.sha256}" }} }}\n'
    )
    assert list(declare(source="pylock.toml")) == ["old 1.5"]
    assert wheels() == ["old-1.5-py3-none-any.whl"]
    with pytest.raises(LockError, match="does not fit"):  # nothing is built on a target
        declare("-b", "lock", source="pylock.toml")


def test_an_sdist_whose_build_lacks_something_says_what() -> None:
    files = source_files("old")
    project = files["pyproject.toml"].replace('"backend"', '"no.such"')
    files["pyproject.toml"] = project.replace("[]", '["No_Such[x]>=3", "setuptools"]')
    sdist = make_sdist("old", files=files)
    sdist.save(Path("wheels"))
    Path("in.txt").write_text(f"old==1.0 --hash=sha256:{sdist.sha256}\n")
    with pytest.raises(VenvError) as caught:
        declare()
    assert "/opt/app/penv: old-1.0.tar.gz: no wheel could be built" in caught.value.line()
    assert "requires python3dist(no-such), python3dist(setuptools)" in caught.value.hint
    assert any("BackendUnavailable" in str(problem) for problem in caught.value.problems)
    assert not any(Path("root").iterdir())


def test_an_sdist_of_another_hash_is_not_built() -> None:
    make_sdist("old").save(Path("wheels"))
    Path("in.txt").write_text(f"old==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(FetchError) as caught:
        declare()
    assert "there is only a source distribution" in str(caught.value.problems[0])


# ---- rpm-venv wheel


def test_a_source_tree_becomes_a_wheel_in_place_of_an_older_one() -> None:
    for version in ("1.0", "2.0"):
        tree = make_source(Path("tree"), "app", version, ["lib>=2"])
        (line,) = cli.call(["wheel", "-p", PYTHON, "--wheeldir", "built", str(tree)]).text
        assert line == f"built/app-{version}-py3-none-any.whl"
    assert [path.name for path in Path("built").iterdir()] == ["app-2.0-py3-none-any.whl"]
    Path("in.txt").write_text(make_lock([LIB]))
    assert list(declare("--built", "built")) == ["app 2.0", "lib 2.1"]


def test_what_cannot_be_built_is_said() -> None:
    with pytest.raises(VenvError, match="there is nothing to build a wheel of"):
        cli.call(["wheel", "-p", PYTHON, "nowhere"])
