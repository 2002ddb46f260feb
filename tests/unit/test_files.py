"""The filesystem primitives: what they promise about links, modes, owners and leftovers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rpm_venv.system import files
from rpm_venv.system.tree import Tree


@pytest.fixture
def strict_umask() -> object:
    old = os.umask(0o077)
    yield None
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_write_atomic_replaces_a_link_and_leaves_its_target_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "state.json").symlink_to(victim)
    files.write_atomic(tmp_path / "state.json", b"{}", 0o640)
    assert victim.read_text() == "untouched"
    assert (tmp_path / "state.json").read_bytes() == b"{}"
    assert mode(tmp_path / "state.json") == 0o640
    assert sorted(os.listdir(tmp_path)) == ["state.json", "victim"]


def test_write_atomic_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "full").mkdir()
    with pytest.raises(OSError):
        files.write_atomic(tmp_path / "taken", b"data")
    assert os.listdir(tmp_path) == ["taken"]


@pytest.mark.usefixtures("strict_umask")
def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    files.make_directory(tmp_path / "a" / "b")
    tree = Tree(tmp_path / "tree")
    tree.write("pkg/data/file", 0o644, b"x")
    tree.write("pkg/tool", 0o755, b"x")
    tree.finish()
    files.write_atomic(tmp_path / "atomic", b"")
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o755
    assert mode(tmp_path / "tree") == mode(tmp_path / "tree/pkg/data") == 0o755
    assert mode(tmp_path / "tree/pkg/data/file") == mode(tmp_path / "atomic") == 0o644
    assert mode(tmp_path / "tree/pkg/tool") == 0o755


def test_a_tree_has_one_time_throughout(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "tree")
    tree.write("a/b", 0o644, b"x")
    tree.finish()
    times = {p.stat().st_mtime_ns for p in [tmp_path / "tree", *(tmp_path / "tree").rglob("*")]}
    assert times == {files.MTIME_NS}


@pytest.mark.parametrize("planted", ["file", "link", "directory link"])
def test_a_tree_never_opens_what_was_there_before(tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    tree = Tree(tmp_path / "tree")
    if planted == "file":
        (tmp_path / "tree" / "name").write_text("planted")
        name = "name"
    elif planted == "link":
        (tmp_path / "tree" / "name").symlink_to(outside / "made")
        name = "name"
    else:
        (tmp_path / "tree" / "name").symlink_to(outside)
        name = "name/made"
    with pytest.raises(FileExistsError):
        tree.write(name, 0o644, b"data")
    tree.release()
    assert os.listdir(outside) == []


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = tmp_path / "tree"
    (tree / "deep" / "deeper").mkdir(parents=True)
    (tree / "deep" / "file").write_text("x")
    (tree / "deep" / "link").symlink_to(outside)
    (tree / "dangling").symlink_to("nowhere")
    files.remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").read_text() == "kept"


def test_remove_tree_of_a_link_a_file_and_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "file").write_text("x")
    for name in ("link", "file", "nothing", "nothing/below"):
        files.remove_tree(tmp_path / name)
    assert os.listdir(tmp_path) == ["outside"]


def test_link_atomic_replaces_a_link_to_a_directory(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "current").symlink_to("old")
    files.link_atomic(tmp_path / "current", "new")
    assert os.readlink(tmp_path / "current") == "new"
    assert os.listdir(tmp_path / "old") == os.listdir(tmp_path / "new") == []


def test_syncfs_keeps_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    files.syncfs(tmp_path)
    assert (tmp_path / "file").read_text() == "x"


def _put(tmp_path: Path, kind: str) -> tuple[Path, Path]:
    """A finished directory; and the place that it is for, where something of this kind is."""
    made, place, outside = tmp_path / "staging/made", tmp_path / "place", tmp_path / "outside"
    made.mkdir(parents=True)
    outside.mkdir()
    for directory in (made, outside):
        (directory / "object.json").write_text(directory.name)
    if kind == "directory":
        place.mkdir()
        (place / "object.json").write_text("old")
    elif kind == "file":
        place.write_text("old")
    else:
        place.symlink_to(outside if kind == "link" else "nowhere")
    return made, place


@pytest.mark.parametrize("kind", ["directory", "file", "link", "dangling link"])
@pytest.mark.parametrize("error", ["", "ENOSYS", "EXDEV"])
def test_a_directory_comes_into_the_place_of_whatever_is_there(
    tmp_path: Path, kind: str, error: str
) -> None:
    """Also where the system cannot exchange two names: the kernel is made to say so."""
    made, place = _put(tmp_path, kind)
    script = (
        "import sys; from pathlib import Path; from rpm_venv.system import files\n"
        "made, place = map(Path, sys.argv[1:])\n"
        "files.remove_tree(files.replace_directory(made, place, 'object.json'))"
    )
    argv = [sys.executable, "-B", "-c", script, str(made), str(place)]
    if error:
        inject = ["-e", "trace=renameat2", "-e", f"inject=renameat2:error={error}"]
        argv = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), *inject, *argv]
    source = str(Path(files.__file__).parents[2])
    subprocess.run(argv, check=True, env={**os.environ, "PYTHONPATH": source})
    assert place.is_dir()
    assert not place.is_symlink()
    assert (place / "object.json").read_text() == "made"
    assert (tmp_path / "outside/object.json").read_text() == "outside"
    assert os.listdir(tmp_path / "staging") == []
    if error:
        assert "(INJECTED)" in (tmp_path / "trace").read_text()
