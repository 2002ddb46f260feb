"""``rpm-venv lock`` by hand: wheels made here, an index in a directory, no network."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.errors import LockError, VenvError, WheelError
from rpm_venv.locks import lock
from rpm_venv.report import Report
from tests.host.wheels import Wheel, make_lock, make_wheel

PYTHON = os.path.realpath(sys.executable)
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
LIB = make_wheel("lib", "2.1")
OLD_LIB = make_wheel("lib", "1.0")
APP = make_wheel("app", "1.0", requires=["lib>=2", "nothing; python_version < '3'"])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, where no index can be reached by mistake."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    own = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run(*words: str | Path) -> Report:
    return cli.call(["lock", "-p", PYTHON, *map(str, words)])


def locked(name: str) -> list[str]:
    found = lock.parse(Path(name).read_bytes(), name)
    return [f"{entry} {entry.hashes[0][:8]}" for entry in found.entries]


def line(wheel: Wheel) -> str:
    return f"{wheel.name} {wheel.version} {wheel.sha256[:8]}"


def wheels(*made: Wheel) -> Path:
    directory = Path("wheels")
    directory.mkdir()
    for wheel in made:
        wheel.save(directory)
    return directory


def test_a_built_wheel_joins_an_exact_lock_without_a_resolver(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    Path("in.txt").write_text(make_lock([LIB]))
    report = run("-a", APP.save(place), "in.txt", "out.txt")
    assert locked("out.txt") == [line(APP), line(LIB)]
    assert report.data["resolver"] is None
    assert report.talk == ("out.txt: 2 distributions",)
    assert report.text == ()


def test_the_file_says_how_it_was_made_and_nothing_of_this_machine(place: Path) -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    target = place / "out.txt"
    run("-a", APP.save(place), place / "in.txt", target)
    first = target.read_text()
    command = f"rpm-venv lock -a {APP.filename} -p {Path(PYTHON).name} in.txt out.txt"
    assert first.startswith(f"# Made by: {command}\n")
    assert str(place) not in first
    run("-a", APP.save(place), "in.txt", "out.txt")
    assert target.read_text() == first
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_built_wheel_takes_the_place_of_another_version() -> None:
    Path("in.txt").write_text(make_lock([OLD_LIB, make_wheel("zope")]))
    run("-a", LIB.save(Path()), "in.txt", "out.txt")
    assert locked("out.txt")[0] == line(LIB)
    assert len(locked("out.txt")) == 2


def test_what_a_built_wheel_needs_is_held_against_the_lock() -> None:
    Path("in.txt").write_text(make_lock([OLD_LIB]))
    app = make_wheel("app", requires=["lib>=2", "other", "lib<1; python_version<'3'", "Lib~=1.0"])
    with pytest.raises(LockError) as caught:
        run("-a", app.save(Path()), "in.txt", "out.txt")
    name = "app-1.0-py3-none-any.whl"
    assert [str(problem) for problem in caught.value.problems] == [
        f"{name}: it needs lib>=2, and the lock has lib 1.0 (line 1)",
        f"{name}: it needs other, and the lock does not have it",
    ]
    assert not Path("out.txt").exists()


def test_built_wheels_may_need_each_other() -> None:
    Path("in.txt").write_text(make_lock([make_wheel("zope")]))
    run("-a", APP.save(Path()), "-a", LIB.save(Path()), "in.txt", "out.txt")
    assert [entry.split()[0] for entry in locked("out.txt")] == ["app", "lib", "zope"]


def test_a_wheel_that_needs_nothing_needs_no_requirements() -> None:
    Path("in.txt").write_text("")
    run("-a", LIB.save(Path()), "in.txt", "out.txt")
    assert locked("out.txt") == [line(LIB)]


MISFITS = {
    "for another Python": (make_wheel("x", tag="cp27-cp27m-any"), "a wheel for cp27-cp27m-any"),
    "for a Python to come": (make_wheel("x", requires_python=">=4"), "it is for Python >=4"),
}


@pytest.mark.parametrize("wheel, reason", MISFITS.values(), ids=MISFITS)
def test_a_wheel_that_does_not_fit_the_python_is_not_added(wheel: Wheel, reason: str) -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    with pytest.raises(LockError, match="not to be added") as caught:
        run("-a", wheel.save(Path()), "in.txt", "out.txt")
    assert caught.value.problems[0].message.startswith(reason)


def test_what_is_no_wheel_is_not_added() -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    Path("app-1.0-py3-none-any.whl").write_bytes(b"PK")
    Path("app.tar.gz").write_bytes(b"")
    other = Path("other-1.0-py3-none-any.whl")
    other.write_bytes(LIB.content)
    for name in ("app-1.0-py3-none-any.whl", "app.tar.gz", str(other), "none-1-py3-none-any.whl"):
        with pytest.raises(WheelError):
            run("-a", name, "in.txt", "out.txt")


def test_one_distribution_is_not_added_twice() -> None:
    Path("in.txt").write_text("")
    with pytest.raises(LockError) as caught:
        run("-a", LIB.save(Path()), "-a", OLD_LIB.save(Path()), "in.txt", "out.txt")
    assert str(caught.value.problems[0]) == "lib: given twice"


def test_ranges_are_resolved_from_local_wheels() -> None:
    Path("app.in").write_text("# ours\nApp>=1\n")
    report = run("-w", wheels(APP, LIB, OLD_LIB), "app.in", "out.txt")
    assert locked("out.txt") == [line(APP), line(LIB)]
    assert report.data["resolver"] in ("uv", "pip")
    assert f"for Python {MINOR} on " in Path("out.txt").read_text().splitlines()[1]


def test_what_a_built_wheel_needs_is_resolved_with_the_rest() -> None:
    Path("app.in").write_text("zope\n")
    directory = wheels(LIB, OLD_LIB, make_wheel("zope"))
    run("-a", APP.save(Path()), "-w", directory, "app.in", "out.txt")
    assert locked("out.txt")[:2] == [line(APP), line(LIB)]
    assert len(locked("out.txt")) == 3


def test_a_refused_file_is_mended_by_the_command_that_the_refusal_names() -> None:
    directory = wheels(APP, LIB, OLD_LIB)
    text = f"lib<2 --hash=sha256:{OLD_LIB.sha256}\n-c limits.txt\n"
    Path("my requirements.txt").write_text(text)
    Path("limits.txt").write_text("lib>0.1\n")
    with pytest.raises(LockError) as refused:
        lock.parse(text.encode(), "my requirements.txt")
    words = shlex.split(refused.value.hint.partition(": ")[2])
    assert words[:2] == ["rpm-venv", "lock"]
    run("-w", directory, *words[2:])
    assert locked(words[-1]) == [line(OLD_LIB)]
    assert Path("my requirements.txt").read_text() == text


def test_hashes_that_the_file_has_bind_the_resolver() -> None:
    directory = wheels(LIB)
    Path("in.txt").write_text(f"lib==2.1 --hash=sha256:{'0' * 64}\nlib>=1\n")
    with pytest.raises(LockError, match="not those it names") as caught:
        run("-w", directory, "in.txt", "out.txt")
    assert str(caught.value.problems[0]) == f"line 1: {LIB.filename} has sha256 {LIB.sha256}"
    Path("in.txt").write_text(f"lib==2.1 --hash=sha256:{LIB.sha256}\nlib>=1\n")
    run("-w", directory, "in.txt", "out.txt")
    assert locked("out.txt") == [line(LIB)]


def test_what_cannot_be_resolved_is_told_in_the_resolvers_words() -> None:
    Path("app.in").write_text("missing-thing>=3\n")
    with pytest.raises(LockError) as caught:
        run("-w", wheels(LIB), "app.in", "out.txt")
    assert "missing-thing" in str(caught.value)
    assert caught.value.subject == "app.in"
    assert not Path("out.txt").exists()


def test_a_pylock_names_its_files_and_its_python() -> None:
    Path("app.in").write_text("app\n")
    run("-w", wheels(APP, LIB), "app.in", "pylock.app.toml")
    found = lock.parse(Path("pylock.app.toml").read_bytes(), "pylock.app.toml")
    assert [file.filename for entry in found.entries for file in entry.files] == [
        APP.filename,
        LIB.filename,
    ]
    assert str(found.requires_python) == f"=={MINOR}.*"


def test_formats_become_each_other() -> None:
    directory = wheels(APP, LIB)
    Path("in.txt").write_text(make_lock([APP, LIB]))
    run("-w", directory, "in.txt", "pylock.toml")
    report = run("pylock.toml", "out.txt")
    assert report.data["resolver"] is None
    assert locked("out.txt") == locked("pylock.toml") == locked("in.txt")


PYLOCK = 'lock-version = "1.0"\ncreated-by = "x"\n'


def test_a_pylock_without_wheels_is_resolved_again() -> None:
    Path("pylock.toml").write_text(
        PYLOCK
        + 'extras = ["x"]\n'
        + '[[packages]]\nname = "app"\ndirectory = { path = "." }\n'
        + '[[packages]]\nname = "lib"\nversion = "1.0"\nmarker = "\'x\' in extras"\n'
        + f'sdist = {{ path = "lib-1.0.tar.gz", hashes = {{ sha256 = "{"0" * 64}" }} }}\n'
    )
    app = make_wheel("app").save(Path())
    run("-a", app, "-w", wheels(OLD_LIB, LIB), "pylock.toml", "pylock.exact.toml")
    assert [entry.split()[:2] for entry in locked("pylock.exact.toml")] == [
        ["app", "1.0"],
        ["lib", "1.0"],
    ]
    found = lock.parse(Path("pylock.exact.toml").read_bytes(), "pylock.exact.toml")
    assert found.extras == ("x",)
    assert str(found.entries[1].marker) == '"x" in extras'
    with pytest.raises(LockError, match="has no extras and groups, which decide about lib"):
        run("pylock.exact.toml", "out.txt")


def test_a_pylock_for_another_python_is_resolved_again() -> None:
    Path("pylock.toml").write_text(
        PYLOCK
        + 'requires-python = "==2.7.*"\n[[packages]]\nname = "lib"\nversion = "1.0"\n'
        + f'wheels = [{{ path = "{OLD_LIB.filename}", '
        + f'hashes = {{ sha256 = "{OLD_LIB.sha256}" }} }}]\n'
    )
    run("-w", wheels(OLD_LIB, LIB), "pylock.toml", "pylock.exact.toml")
    assert locked("pylock.exact.toml") == [line(OLD_LIB)]


def test_a_pylock_that_is_no_toml_is_refused() -> None:
    Path("pylock.toml").write_text("[[")
    with pytest.raises(LockError, match="not an exact lock"):
        run("pylock.toml", "out.txt")


def test_an_exact_lock_is_printed_condensed() -> None:
    Path("in.txt").write_text("# a comment\n" + make_lock([LIB, APP]))
    assert run("in.txt", "-").text == (APP.requirement(), LIB.requirement())
    tool = make_wheel("tool")
    report = run("-a", tool.save(Path()), "in.txt", "-")
    assert report.text == (APP.requirement(), LIB.requirement(), tool.requirement())
    assert report.talk == ()


def test_printing_never_asks_a_resolver() -> None:
    Path("in.txt").write_text("lib>=1")
    with pytest.raises(LockError, match="not an exact lock"):
        run("in.txt", "-")
    with pytest.raises(LockError, match="not an exact lock"):
        run("-a", APP.save(Path()), "in.txt", "-")


def test_a_failed_write_leaves_what_was_there() -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    Path("out").mkdir()
    for target in ("out", "missing/out.txt"):
        with pytest.raises(VenvError, match="cannot be written"):
            run("in.txt", target)
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(LockError, match="No such file"):
        run("none.txt", "out.txt")
    Path("in.txt").write_text(make_lock([LIB]))
    with pytest.raises(LockError, match="there are no wheels") as caught:
        run("-w", "none", "in.txt", "out.txt")
    assert str(caught.value.problems[0]) == "none: no such directory"


def test_a_strange_file_name_does_not_spoil_the_lock() -> None:
    Path("in\n\x1b.txt").write_text(make_lock([LIB]))
    run("in\n\x1b.txt", "out.txt")
    assert locked("out.txt") == [line(LIB)]


def test_the_command_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.txt").write_text(make_lock([LIB]))
    assert cli.main(["--json", "lock", "-p", PYTHON, "in.txt", "out.txt"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "lock": "out.txt",
        "resolver": None,
        "entries": [{"name": "lib", "version": "2.1", "sha256": [LIB.sha256]}],
    }
