"""The directories that everything stands in, and what may be in the place of an object's."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.paths import Layout
from rpm_venv.system import files
from rpm_venv.trees import generations
from tests.hostile.building import source
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

PATH = "/opt/app/penv"
PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with an environment, whose wheel is at hand."""
    root = tmp_path_factory.mktemp("places") / "root"
    wheels = root / "wheels"
    wheels.mkdir(parents=True)
    wheel = source(Wheel().write(wheels))
    (root / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{wheel.sha256}\n")
    install = ["install", "-o", "-w", "/wheels", "-r", "/lock.txt", "-p", PYTHON, PATH]
    assert cli.main(["--root", str(root), *install]) == 0
    return root


@pytest.fixture
def layout(made: Path, tmp_path: Path) -> Layout:
    """That system anew."""
    root = tmp_path / "root"
    shutil.copytree(made, root, symlinks=True)
    return Layout(root)


Call = Callable[..., "tuple[int, str]"]


@pytest.fixture
def call(layout: Layout, capsys: pytest.CaptureFixture[str]) -> Call:
    """A verb on that system: its exit code, and all that it said."""

    def done(*words: str) -> tuple[int, str]:
        code = cli.main(["--root", str(layout.root), *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return done


def _object(layout: Layout) -> Path:
    (place,) = layout.store.iterdir()
    return place


def _file(place: Path, beside: Path) -> None:
    files.remove_tree(place)
    place.write_text("no object")


def _link(place: Path, beside: Path) -> None:
    """To the object itself, where somebody else could change it."""
    place.rename(beside)
    place.symlink_to(os.path.relpath(beside, place.parent))


def _stale(place: Path, beside: Path) -> None:
    _link(place, beside)
    (beside / "site/demo/__init__.py").write_text("changed = True\n")


def _dangling(place: Path, beside: Path) -> None:
    files.remove_tree(place)
    place.symlink_to(beside)


IN_PLACE = {"file": _file, "link": _link, "link to a changed one": _stale, "dangling": _dangling}
LOCK = ("-o", "-w", "/wheels", "-r", "/lock.txt", "-p", PYTHON)


def _content(place: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in place.rglob("*") if each.is_file()}


@pytest.mark.parametrize("kind", IN_PLACE)
def test_what_is_in_the_place_of_an_object_is_found_and_mended(
    layout: Layout, call: Call, tally: Tally, kind: str
) -> None:
    place, beside = _object(layout), layout.root / "elsewhere"
    IN_PLACE[kind](place, beside)
    before = _content(beside)
    code, said = call("verify")
    assert (code, said.split()[0]) == (3, "type")
    assert f"rpm-venv repair {PATH}" in said
    assert call("gc") == (0, "")
    assert os.path.lexists(place), "a generation refers to it"
    assert call("repair") == (0, f"repaired {PATH}\n")
    assert place.is_dir()
    assert not place.is_symlink()
    assert call("verify") == (0, "")
    assert _content(beside) == before
    assert os.listdir(layout.staging) == []
    tally("in place of an object", "made safe")


@pytest.mark.parametrize("kind", IN_PLACE)
def test_an_install_takes_no_object_from_behind_a_link_nor_gc_what_is_there(
    layout: Layout, call: Call, tally: Tally, kind: str
) -> None:
    place, beside = _object(layout), layout.root / "elsewhere"
    IN_PLACE[kind](place, beside)
    before = _content(beside)
    assert call("install", *LOCK, "/opt/other/penv") == (0, "")
    assert place.is_dir()
    assert not place.is_symlink()
    assert call("verify") == (0, "")
    IN_PLACE[kind](place, layout.root / "again")
    for path in (PATH, "/opt/other/penv"):
        assert call("remove", path)[0] == 0
    assert call("gc") == (0, "")
    assert os.listdir(layout.store) == []
    assert _content(beside) == before
    tally("in place of an object", "made safe")


def _open(place: Path) -> None:
    place.chmod(0o777)


def _group(place: Path) -> None:
    place.chmod(0o2775)


def _given(place: Path) -> None:
    os.chown(place, 1234, 1234)


def _regrouped(place: Path) -> None:
    os.chown(place, 0, 1234)


def _moved(place: Path, elsewhere: Path) -> None:
    place.rename(elsewhere / "moved")
    place.symlink_to(os.path.relpath(elsewhere / "moved", place.parent))


#: How a stranger gets a say; the word for it, and the command that takes it away again.
STRANGERS = {
    "everybody": (
        _open,
        "mode",
        "others may write to it: its mode is 0777",
        "chmod {mode} {place}",
    ),
    "a group": (_group, "mode", "others may write to it: its mode is 2775", "chmod {mode} {place}"),
    "an owner": (_given, "owner", "it belongs to the user with id 1234", "chown root:root {place}"),
}
#: What is not as it was made, and nobody has a say by.
OTHERWISE = {
    "its group": (
        _regrouped,
        "owner",
        "it belongs to the group with id 1234",
        "chown root:root {place}",
    ),
}
#: Below the home; the last is one environment's.
OURS = ("", "store", "envs", "state", "staging", "envs/opt-app-penv")


def _of_one(said: str) -> str:
    """What is said of a directory of one environment's, where that was asked about."""
    return said.replace("rpm-venv: ", f"rpm-venv: {PATH}: ", 1)


@pytest.mark.parametrize("inside", OURS)
def test_a_directory_of_ours_that_others_may_change_is_named(
    layout: Layout, call: Call, tally: Tally, inside: str
) -> None:
    place = layout.home / inside
    for change, kind, reason, mend in {**STRANGERS, **OTHERWISE}.values():
        change(place)
        mode = "0711" if inside == "staging" else "0755"
        command = mend.format(mode=mode, place=place)
        target = layout.target(place)
        line = f"{kind:<8} {target}  {reason}\n"
        said = f"rpm-venv: {target}: {reason}; mend it with: {command}\n"
        assert call("verify", PATH) == (3, line + said)
        is_of_one = inside == OURS[-1] and change not in (_group, _regrouped)
        assert call("repair", PATH) == (1, _of_one(said) if is_of_one else said)
        assert os.system(command) == 0
        assert call("repair") == (0, "")
        assert call("verify") == (0, "")
        tally("our directories", "refused")


@pytest.mark.parametrize("inside", OURS[:-1])
def test_a_directory_of_ours_that_was_moved_where_others_decide_is_named(
    layout: Layout, call: Call, tally: Tally, inside: str
) -> None:
    place, elsewhere = layout.home / inside, layout.root / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    _moved(place, elsewhere)
    if inside != "envs":  # whose links into the store mean another place there
        assert call("verify", PATH) == (0, "")
    os.chown(elsewhere, 1234, 1234)
    code, said = call("verify", PATH)
    assert code == 3
    theirs = f"{elsewhere} belongs to the user with id 1234, who could replace what is in it"
    target = layout.target(place)
    assert said.startswith(f"target   {target}  it is a link, and {theirs}\n")
    assert f"{theirs}; make {elsewhere} a directory that only root can write to\n" in said
    tally("our directories", "refused")


#: Every verb that changes something, and the one that says before whether an install would succeed.
CHANGING = {
    "install": ("install", *LOCK, PATH),
    "another install": ("install", *LOCK, "/opt/other/penv"),
    "remove": ("remove", PATH),
    "repair": ("repair",),
    "rollback": ("rollback", PATH),
    "gc": ("gc",),
    "check": ("check", *LOCK, PATH),
}
#: Where a stranger may have a say in all environments, below the root.
ABOVE = ("", "usr", "usr/lib")
SAY = (*ABOVE, *(f"usr/lib/rpm-venv/{inside}".rstrip("/") for inside in OURS[:-1]))


def _snapshot(layout: Layout) -> dict[str, int]:
    """All that is there, and when it was last changed in any way."""
    there = [layout.real("/opt/app"), *layout.home.rglob("*")]
    return {str(place): place.lstat().st_ctime_ns for place in there}


@pytest.mark.parametrize("inside", SAY)
def test_nothing_is_changed_where_others_have_a_say(
    layout: Layout, call: Call, tally: Tally, inside: str
) -> None:
    place = layout.root / inside
    (layout.staging / "left").mkdir()  # by a killed call: whoever changes something deletes it
    for who in ("everybody", "an owner"):
        change, _, reason, mend = STRANGERS[who]
        change(place)
        before = _snapshot(layout)
        for words in CHANGING.values():
            code, said = call(*words)
            assert (code, reason in said) == (1, True), (words, said)
            tally("our directories", "refused")
        assert _snapshot(layout) == before
        if inside in ABOVE:
            mend = {"everybody": "chmod go-w {place}", "an owner": "chown root {place}"}[who]
        command = mend.format(mode="0711" if place == layout.staging else "0755", place=place)
        assert f"mend it with: {command}\n" in call("verify")[1]
        assert os.system(command) == 0
    assert call("install", *LOCK, PATH) == (0, "")
    assert call("verify") == (0, "")
    assert os.listdir(layout.staging) == []


def test_one_environment_in_whose_directory_others_have_a_say_stays_as_it_is(
    layout: Layout, call: Call, tally: Tally
) -> None:
    place = layout.envs / "opt-app-penv"
    _open(place)
    before = _snapshot(layout)
    for verb, words in CHANGING.items():
        if verb != "another install":
            assert call(*words)[0] == 1
            tally("our directories", "refused")
    assert _snapshot(layout) == before
    assert call(*CHANGING["another install"]) == (0, "")


def test_an_upgrade_is_not_stopped_half_way_where_others_have_a_say(
    layout: Layout, call: Call, tally: Tally
) -> None:
    """rpm would keep both versions: the old one's %preun leaves all as it is, and says why."""
    _open(layout.store)
    before = _snapshot(layout)
    words = ("remove", "--package", "app-1-1.noarch", "--count")
    code, said = call(*words, "1", PATH)
    assert code == 0
    assert said.startswith(f"rpm-venv: {PATH}: left as it is: {layout.target(layout.store)}: ")
    assert "chmod 0755" in said
    assert call(*words, "0", PATH)[0] == 1
    assert _snapshot(layout) == before
    tally("our directories", "refused")


@pytest.mark.parametrize("inside", SAY)
def test_a_group_that_is_roots_may_write_and_everybody_add_to_what_is_above(
    layout: Layout, call: Call, inside: str
) -> None:
    place = layout.root / inside
    place.chmod(0o2775)
    assert call("gc") == (0, "")
    os.chown(place, 0, 1234)
    assert call("gc")[0] == 1
    place.chmod(0o1777)
    assert call("gc")[0] == (inside not in ABOVE)
    if inside == "usr/lib":  # where ours is not there, somebody else may be first
        files.remove_tree(layout.home)
        assert call("gc")[0] == 1


def test_a_staging_directory_that_a_stranger_has_made_a_link_is_not_emptied(
    layout: Layout, call: Call, tally: Tally
) -> None:
    beside = layout.root / "etc"
    beside.mkdir(mode=0o755)
    (beside / "kept").touch()
    layout.staging.rmdir()
    layout.staging.symlink_to("../../../etc")
    os.chown(layout.staging, 1234, 1234, follow_symlinks=False)
    for words in CHANGING.values():
        code, said = call(*words)
        assert (code, "it is a link, and it belongs to the user with id 1234" in said) == (1, True)
        tally("our directories", "refused")
    assert os.listdir(beside) == ["kept"]


def test_all_directories_that_others_have_a_say_in_are_said_at_once(
    layout: Layout, call: Call
) -> None:
    for place in (layout.store, layout.state):
        place.chmod(0o777)
    code, said = call("install", *LOCK, PATH)
    assert code == 1
    first, *lines = said.splitlines()
    assert first == f"rpm-venv: {PATH}: others have a say in directories of rpm-venv"
    assert [line.split()[1] for line in lines] == [
        f"/usr/lib/rpm-venv/{name}:" for name in ("store", "state")
    ]
    assert all("(mend it with: chmod 0755 " in line for line in lines)


@pytest.mark.parametrize("words", [("sync",), ("sync", "--trigger", "file")])
def test_a_sync_says_once_for_all_that_others_have_a_say(
    layout: Layout, call: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    declaration = layout.real("/usr/share/rpm-venv/opt-app-penv/declaration.json")
    declaration.parent.mkdir(parents=True)
    declaration.write_text("{}")  # not looked at
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{layout.target(declaration)}\n"))
    layout.store.chmod(0o777)
    code, said = call(*words)
    reason = "others may write to it: its mode is 0777"
    command = f"mend it with: chmod 0755 {layout.store}"
    assert (code, said) == (1, f"rpm-venv: /usr/lib/rpm-venv/store: {reason}; {command}\n")


@pytest.mark.parametrize("inside", ["store", "state"])
def test_what_is_no_directory_in_the_place_of_ours_is_named(
    layout: Layout, call: Call, tally: Tally, inside: str
) -> None:
    place = layout.home / inside
    files.remove_tree(place)
    for kind in ("file", "link"):
        place.touch() if kind == "file" else place.symlink_to("nowhere")
        code, said = call("verify", PATH)
        assert code == 3
        assert f"mend it with: rm {place}, and then rpm-venv repair\n" in said
        assert call("repair", PATH)[0] == 1
        place.unlink()
        tally("our directories", "refused")


def test_an_environment_whose_state_is_gone_is_among_all(layout: Layout, call: Call) -> None:
    layout.state_file(PATH).unlink()
    code, said = call("list")
    assert code == 0
    assert f"{PATH}: the state of this environment is lost; reinstall the package" in said
    code, said = call("verify")
    assert (code, f"unknown  {PATH}  the state of" in said) == (3, True)
    code, said = call("repair")
    assert (code, f"{PATH}: nothing is known of an environment" in said) == (1, True)


def test_generations_that_no_path_leads_to_are_no_environment(layout: Layout, call: Call) -> None:
    layout.state_file(PATH).unlink()
    layout.real(PATH).unlink()  # what an erased package leaves where a process holds a generation
    assert generations.environments(layout) == (PATH,)
    for words in (["list"], ["verify"], ["repair"]):
        assert call(*words) == (0, "")
