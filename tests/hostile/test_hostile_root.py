"""``--root`` on a system whose files an attacker made: nothing outside of it is touched or run."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.trees import generations
from rpm_venv.wheels import store
from tests.hostile.building import build, only_object
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

LOCK = f"demo==1.0 --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What belongs to the system that the command runs on."""
    place = tmp_path / "outside"
    (place / "kept").mkdir(parents=True)
    (place / "file").write_text("kept")
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    (place / "usr/lib").mkdir(parents=True)
    (place / "lock.txt").write_text(LOCK)
    return place


def untouched(outside: Path) -> bool:
    return sorted(path.name for path in outside.rglob("*")) == ["file", "kept"]


@pytest.mark.parametrize("place", ["", "staging", "store", "envs", "state"])
@pytest.mark.parametrize("verb", ["gc", "install", "remove"])
def test_a_link_in_place_of_our_directories_is_not_followed(
    root: Path,
    outside: Path,
    capsys: pytest.CaptureFixture[str],
    tally: Tally,
    place: str,
    verb: str,
) -> None:
    link = root / "usr/lib/rpm-venv" / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    words = {
        "gc": ["gc"],
        "install": ["install", "-o", "-r", "/lock.txt", "/opt/app1/penv"],
        "remove": ["remove", "/opt/app1/penv"],
    }
    assert cli.main(["--root", str(root), *words[verb]]) == 1
    assert "leads out of the root directory" in capsys.readouterr().err
    assert untouched(outside)
    tally("another root's files", "refused")


def test_a_link_above_the_environment_is_not_followed(
    root: Path, outside: Path, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    (root / "opt").symlink_to(outside)
    words = ["install", "-o", "-r", "/lock.txt", "/opt/app1/penv"]
    assert cli.main(["--root", str(root), *words]) == 1
    assert "leads out of the root directory" in capsys.readouterr().err
    layout = Layout(root)
    for step in (
        lambda: generations.make_parents(layout, "/opt/app1/penv"),
        lambda: generations.switch(layout, "/opt/app1/penv", "0" * 20),
        lambda: generations.unlink(layout, "/opt/app1/penv"),
    ):
        with pytest.raises(VenvError, match="out of the root directory"):
            step()
        tally("another root's files", "refused")
    assert untouched(outside)


def test_a_state_that_names_places_outside_is_refused(root: Path, outside: Path) -> None:
    (outside / "empty").mkdir()
    state = root / "usr/lib/rpm-venv/state/opt-app1-penv.json"
    state.parent.mkdir(parents=True)
    path = "/opt/app1/penv"
    declaration = {
        "path": path, "lock": "/../outside/file", "wheels": [], "python": "/usr/bin/python3",
        "system_site": False, "offline": True, "extras": [], "groups": [], "package": None,
    }  # fmt: skip
    state.write_text(json.dumps({
        "format": 1, "declaration": declaration, "lock_digest": "", "inputs": "", "wanted": "",
        "failure": "", "left": "", "kept": [], "parents": ["/../outside/empty"],
    }))  # fmt: skip
    assert cli.main(["--root", str(root), "repair"]) == 1
    assert cli.main(["--root", str(root), "remove", path]) != 0
    assert (outside / "empty").is_dir()


@pytest.mark.parametrize("way", ["link", "state"])
def test_no_program_of_another_root_is_run(
    root: Path, capsys: pytest.CaptureFixture[str], tally: Tally, way: str
) -> None:
    """The root knows where it is: it names itself as if it were this system."""
    evil = root / "tmp/python3"
    inside = root / str(evil)[1:]
    inside.parent.mkdir(parents=True)
    evil.parent.mkdir(exist_ok=True)
    for program in (evil, inside):
        program.write_text(f"#!/bin/sh\ntouch {root}/owned\n")
        program.chmod(0o755)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/python3").symlink_to(evil)
    python = "/usr/bin/python3" if way == "link" else str(evil)
    words = ["install", "-o", "-p", python, "-r", "/lock.txt", "/opt/app1/penv"]
    assert cli.main(["--root", str(root), *words]) == 1
    assert "whose programs are not run" in capsys.readouterr().err
    assert not (root / "owned").exists()
    tally("another root's files", "refused")


@pytest.mark.parametrize(
    "path", ["/evil", "../../../evil", "a/../../evil", "a\x1bb", "\udcff"], ids=ascii
)
def test_a_description_with_paths_of_its_own_is_refused(
    tmp_path: Path, tally: Tally, path: str
) -> None:
    layout = build(tmp_path / "root", Wheel().write(tmp_path))
    stored = only_object(layout)
    first, *others = stored.files
    for changed in (
        replace(stored, files=(replace(first, path=path), *others)),
        replace(stored, dist_info=path),
        replace(stored, files=(replace(first, scheme=path), *others)),
    ):
        (layout.object(stored.id) / "object.json").write_bytes(changed.dumps())
        with pytest.raises(VenvError, match="description is damaged"):
            store.read(layout, stored.id)
        tally("another root's files", "refused")


def test_an_object_whose_directory_is_a_link_gives_nothing_away(
    root: Path, outside: Path, tmp_path: Path
) -> None:
    from rpm_venv.trees.assemble import _Linker  # the one place that opens it

    layout = build(root, Wheel().write(tmp_path))
    stored = only_object(layout)
    (layout.object(stored.id) / "data").symlink_to(outside)
    (root / "made").mkdir()
    top = os.open(root / "made", os.O_RDONLY)
    item = replace(stored.files[0], scheme="data", path="file")
    try:
        with _Linker(layout) as linker, pytest.raises((VenvError, OSError)):
            linker.fill(top, ".", [("file", stored, item)])
    finally:
        os.close(top)
    assert os.listdir(root / "made") == []
