"""Generations on disk: what stands at a path, the switch, and what is put aside or removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system import files
from rpm_venv.trees import generations, processes
from rpm_venv.trees.generation import Generation, Live
from rpm_venv.trees.manifest import Manifest
from rpm_venv.trees.manifest import Path as ManifestPath

PATH = "/opt/app1/penv"
ONE, TWO = "1" * 20, "2" * 20
THERE: dict[str, tuple[str, ...]] = {ONE: (), TWO: ()}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.real(PATH).parent.mkdir(parents=True)
    for name in (ONE, TWO):
        about = generations.directory(layout, PATH, name) / generations.ABOUT
        about.mkdir(parents=True)
        (about / "manifest").write_bytes(Manifest.of([ManifestPath("bin", "dir", 0o755)]).dumps())
    return layout


def test_the_switch_makes_a_generation_live_and_again_is_nothing_new(layout: Layout) -> None:
    assert generations.live(layout, PATH) == Live("nothing")
    for name in (ONE, TWO, TWO):
        assert generations.switch(layout, PATH, name) == ""
        assert generations.live(layout, PATH) == Live("ours", name)
    assert os.listdir(layout.real("/opt/app1")) == ["penv"]


def test_a_switch_is_one_rename_of_a_link(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    generations.switch(layout, PATH, ONE)
    seen = []
    real_rename = os.rename

    def watched(source: str, target: str) -> None:
        seen.append(generations.live(layout, PATH))
        real_rename(source, target)
        seen.append(generations.live(layout, PATH))

    monkeypatch.setattr(os, "rename", watched)
    generations.switch(layout, PATH, TWO)
    assert seen == [Live("ours", ONE), Live("ours", TWO)]


def test_a_handmade_environment_is_put_aside_whole(layout: Layout) -> None:
    handmade = layout.real(PATH)
    (handmade / "lib").mkdir(parents=True)
    (handmade / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (handmade / "lib" / "settings.py").write_text("mine\n")
    assert generations.live(layout, PATH) == Live("handmade")
    assert generations.switch(layout, PATH, ONE) == f"{PATH}.rpmorig"
    assert generations.live(layout, PATH) == Live("ours", ONE)
    assert layout.real(f"{PATH}.rpmorig/lib/settings.py").read_text() == "mine\n"


def test_what_was_put_aside_before_is_never_written_over(layout: Layout) -> None:
    for number, kept in enumerate((f"{PATH}.rpmorig", f"{PATH}.rpmorig.1")):
        generations.unlink(layout, PATH)
        layout.real(PATH).mkdir()
        (layout.real(PATH) / "pyvenv.cfg").write_text(str(number))
        assert generations.switch(layout, PATH, ONE) == kept
        assert (layout.real(kept) / "pyvenv.cfg").read_text() == str(number)


def test_where_directories_cannot_be_exchanged_the_road_is_longer_and_the_end_the_same(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overlay(one: str, other: str) -> None:
        raise OSError(18, "Invalid cross-device link", one, None, other)

    monkeypatch.setattr(files, "exchange", overlay)
    layout.real(PATH).mkdir()
    (layout.real(PATH) / "pyvenv.cfg").write_text("mine")
    assert generations.switch(layout, PATH, ONE) == f"{PATH}.rpmorig"
    assert generations.live(layout, PATH) == Live("ours", ONE)
    assert layout.real(f"{PATH}.rpmorig/pyvenv.cfg").read_text() == "mine"


def test_byte_code_that_rpm_left_behind_is_litter(layout: Layout) -> None:
    left = layout.real(f"{PATH}/lib/python3.11/__pycache__")
    left.mkdir(parents=True)
    (left / "app.cpython-311.pyc").write_bytes(b"")
    assert generations.live(layout, PATH) == Live("litter")
    assert generations.switch(layout, PATH, ONE) == ""
    assert os.listdir(layout.real("/opt/app1")) == ["penv"]


@pytest.mark.parametrize("kind", ["file", "directory", "link", "link elsewhere"])
def test_what_is_foreign_is_never_replaced_nor_removed(layout: Layout, kind: str) -> None:
    real = layout.real(PATH)
    if kind == "file":
        real.write_text("mine")
    elif kind == "directory":
        real.mkdir()
        (real / "data").write_text("mine")
    elif kind == "link":
        real.symlink_to("/usr/bin")
    else:
        real.symlink_to(f"/usr/lib/rpm-venv/envs/opt-other-penv/{ONE}")
    assert generations.live(layout, PATH) == Live("foreign")
    with pytest.raises(VenvError) as caught:
        generations.switch(layout, PATH, ONE)
    assert PATH in str(caught.value)
    generations.unlink(layout, PATH)
    assert os.path.lexists(real)


def test_a_link_that_a_killed_switch_left_goes_with_the_path(layout: Layout) -> None:
    generations.switch(layout, PATH, ONE)
    waiting = layout.real(f"/opt/app1/.penv.rpm-venv-{TWO}")
    waiting.symlink_to("anywhere")
    generations.unlink(layout, PATH)
    assert os.listdir(layout.real("/opt/app1")) == []


def test_what_rpm_took_away_with_its_directory_is_gone(layout: Layout) -> None:
    generations.switch(layout, PATH, ONE)
    files.remove_tree(layout.real("/opt"))
    generations.unlink(layout, PATH)
    assert not layout.real("/opt").exists()


def test_dropping_leaves_nothing_of_a_generation_and_nothing_else_away(layout: Layout) -> None:
    generations.drop(layout, PATH, (ONE,))
    assert generations.names(layout, PATH) == (TWO,)
    generations.drop(layout, PATH, (TWO,))
    assert os.listdir(layout.envs) == []


@pytest.mark.parametrize("damage", ["", "cut", "flipped", "gone"])
def test_a_generation_is_whole_with_its_manifest(layout: Layout, damage: str) -> None:
    about = generations.directory(layout, PATH, ONE) / generations.ABOUT
    described = Generation(ONE, PATH, "/usr/bin/python3.11", "cpython-311", False, ())
    (about / "generation.json").write_bytes(described.dumps())
    manifest = about / "manifest"
    data = manifest.read_bytes()
    if damage == "cut":
        manifest.write_bytes(data[:-10])
    elif damage == "flipped":
        manifest.write_bytes(data.replace(b"bin", b"bix"))
    elif damage == "gone":
        manifest.unlink()
    assert generations.whole(layout, PATH, ONE) is (damage == "")
    # What a call with nothing to do sees; the rest is for verify and repair.
    assert generations.finished(layout, PATH, ONE) is (damage in ("", "flipped"))


def test_parents_are_made_and_told_deepest_first(layout: Layout) -> None:
    made = generations.make_parents(layout, "/srv/a/b/penv")
    assert made == ("/srv/a/b", "/srv/a", "/srv")
    assert generations.make_parents(layout, "/srv/a/b/penv") == ()


def test_a_process_that_runs_from_a_generation_holds_it(layout: Layout) -> None:
    import subprocess
    import sys

    system = Layout(Path("/"))
    path = "/opt/of-this-test-alone/penv"  # processes of the whole machine are looked at
    target = system.generation_target(path, ONE)
    with subprocess.Popen(
        [sys.executable, "-c", "input()", f"{target}/bin/app"], stdin=subprocess.PIPE
    ) as process:
        assert processes.held(system).of(path, THERE) == frozenset({ONE})
        other = processes.held(layout).of(path, THERE)
        assert other == frozenset()  # another root's generation
        process.communicate(b"\n")
    assert processes.held(system).of(path, THERE) == frozenset()


def test_below_another_root_an_open_file_holds_a_generation(layout: Layout) -> None:
    import subprocess
    import sys

    file = generations.directory(layout, PATH, ONE) / "library"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    code = "import sys; file = open(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert processes.held(layout).of(PATH, THERE) == frozenset({ONE})
        process.communicate(b"\n")
    assert processes.held(layout).of(PATH, THERE) == frozenset()


@pytest.mark.parametrize("file", ["cmdline", "maps"])
def test_a_process_that_does_not_let_itself_be_looked_at_holds_nobody_up(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Reading its arguments waits for its memory, which its own file system need not give away."""
    stalled = tmp_path / "proc/123"
    stalled.mkdir(parents=True)
    os.mkfifo(stalled / file)
    monkeypatch.setattr(processes, "_PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(processes, "_PATIENCE", 0.2)
    assert processes.held(Layout()).of(PATH, THERE) == frozenset({ONE, TWO})


@pytest.mark.parametrize("file", ["cmdline", "maps"])
def test_a_process_that_shows_names_without_end_fills_no_memory(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """It may map one place 65,000 times, by a name of 4 KiB that has it a hundred times."""
    monkeypatch.setattr(processes, "_PROC", str(tmp_path / "proc"))
    place = tmp_path / "proc/123"
    place.mkdir(parents=True)
    system = Layout(Path("/"))
    names = (system.generation_target("/opt/a/b", f"{n:020x}") for n in range(30_000))
    (place / file).write_text("\n".join([*names, ""]))
    held = processes.held(system)
    assert held.names is None
    assert held.of(PATH, THERE) == frozenset({ONE, TWO})


def test_what_a_process_has_mapped_is_read_in_pieces(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_PROC", str(tmp_path / "proc"))
    monkeypatch.setattr(processes, "_READ", 100)
    place = tmp_path / "proc/123"
    place.mkdir(parents=True)
    lines = [f"7f00-7f01 r--p 00000000 08:01 {n} {layout.envs}/opt-app1-penv/" for n in range(9)]
    (place / "maps").write_text("".join(f"{line}{ONE}/lib/x.so\n" for line in lines))
    assert processes.held(layout).of(PATH, THERE) == frozenset({ONE})


def test_a_child_that_cannot_look_is_no_answer(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_held", lambda *_: os._exit(1))
    with pytest.raises(OSError, match="ended too soon"):
        processes.held(layout).of(PATH, THERE)


def test_a_link_that_a_package_ships_leads_to_its_generation(layout: Layout) -> None:
    layout.real(PATH).symlink_to(layout.live_target(PATH))
    assert generations.live(layout, PATH) == Live("ours")
    live = layout.real(layout.live_target(PATH))
    live.symlink_to(ONE)
    assert generations.live(layout, PATH) == Live("ours", ONE)
    layout.real(PATH).unlink()
    layout.real(PATH).symlink_to(os.path.relpath(live, layout.real(PATH).parent))
    assert generations.live(layout, PATH) == Live("ours", ONE)
    for elsewhere in ("..", "/etc", f"../{ONE}", f"{ONE}/bin", "live"):
        live.unlink()
        live.symlink_to(elsewhere)
        assert generations.live(layout, PATH) == Live("ours")
    assert generations.switch(layout, PATH, TWO) == ""
    assert generations.live(layout, PATH) == Live("ours", TWO)


def test_a_path_whose_directory_is_gone_is_not_there(layout: Layout) -> None:
    layout.real(PATH).parent.rmdir()
    generations.unlink(layout, PATH)
    assert generations.live(layout, PATH) == Live("nothing")
