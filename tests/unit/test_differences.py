"""How links to one object are verified: each as if it was the only one, all in one go."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from rpm_venv.paths import Layout
from rpm_venv.trees import differences, generations
from rpm_venv.trees.manifest import Manifest, Tree
from rpm_venv.trees.manifest import Path as Row
from rpm_venv.wheels import store
from rpm_venv.wheels.store import StoredFile, StoredObject
from tests.unit.assembling import GENERATION, make_object

PATH = "/opt/app/penv"
FILES = (
    *("site/a/x.py", "site/a/b/x.py", "site/a/b/c/x.py", "site/a/b-c.py", "site/a/b0/x.py"),
    *("site/a-b/x.py", "site/a.py", "site/a0/x.py", "site/ab/x.py", "site/A/x.py"),
    *("site/é/ü.py", "site/\U0001f600/x.py", "site/\uffee/x.py", "data/a/x.py", "site/gone/x.py"),
)
#: Nested ones, some whose names begin alike, one with no file at all, and one of another scheme.
INSIDE = (
    *("site/a", "site/a/b", "site/a/b/c", "site/a-b", "site/a0", "site/ab", "site/A", "site"),
    *("site/é", "site/\U0001f600", "site/\uffee", "data/a", "site/none", "site/empty", "site/gone"),
    *("site/a.py", "site/a/", "site/a/b0/x.py"),
)


def _save(layout: Layout, stored: StoredObject) -> str:
    """Describe an object; the description's sha256."""
    data = stored.dumps()
    (layout.object(stored.id) / "object.json").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _link(layout: Layout, trees: Sequence[Tree]) -> list[str]:
    """A generation of links to directories of objects; their names."""
    top = generations.directory(layout, PATH, GENERATION)
    (top / generations.ABOUT).mkdir(parents=True)
    (top / generations.ABOUT / "generation.json").write_text("{}")
    names = [f"{number:04}" for number in range(len(trees))]
    for name, tree in zip(names, trees):
        (top / name).symlink_to(tree.target(name))
    rows = [Row(name, "tree", digest=str(tree)) for name, tree in zip(names, trees)]
    (top / generations.ABOUT / "manifest").write_bytes(Manifest.of(rows).dumps())
    return names


def _damage(site: Path) -> None:
    """Something missing, changed, in another's place, or added, in and beside nested links."""
    (site / "a/b/c/x.py").write_text("changed")
    (site / "a/b/c/x.py").chmod(0o600)
    (site / "a/b0/x.py").unlink()
    (site / "a/b0/more.py").touch()
    (site / "a/b/added/deep").mkdir(parents=True)
    (site / "a-b/x.py").unlink()
    (site / "a-b/x.py").mkdir()
    (site / "a0/x.py").unlink()
    (site / "a0").rmdir()
    (site / "a0").symlink_to("a")
    (site / "ab/x.py").unlink()
    (site / "ab/x.py").symlink_to("/etc/passwd")
    (site / "é").chmod(0o700)
    (site / "\uffee/x.py").chmod(0o755)
    (site / "empty").mkdir()
    (site / "gone/x.py").unlink()
    (site / "gone").rmdir()


def _plain(object_: Path, files: Sequence[StoredFile], inside: str) -> Iterator[tuple[str, str]]:
    """What is wrong behind one link, by a look at every file of the object for it alone."""
    expected: dict[str, StoredFile | None] = {"": None}
    for file in files:
        path = f"{file.scheme}/{file.path}"
        if path.startswith(f"{inside}/"):
            path = path[len(inside) + 1 :]
            for end in range(len(path)):
                if path[end] == "/":
                    expected[path[:end]] = None
            expected[path] = file
    top = object_ / inside
    if not os.path.lexists(top):
        yield "missing", ""
        return
    there = {"": top}
    if top.is_dir() and not top.is_symlink():
        there.update({str(place.relative_to(top)): place for place in top.rglob("*")})
    for path in sorted({*expected, *there}):
        if path not in there or path not in expected:
            yield "missing" if path not in there else "added", path
            continue
        place, entry = there[path], expected[path]
        is_right = place.is_dir() if entry is None else place.is_file()
        if place.is_symlink() or not is_right:
            yield "type", path
            continue
        if entry is not None and hashlib.sha256(place.read_bytes()).hexdigest() != entry.sha256:
            yield "content", path
        if place.stat().st_mode & 0o7777 != (0o755 if entry is None else entry.mode):
            yield "mode", path


def test_each_link_is_looked_at_as_if_it_was_the_only_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    stored = make_object(layout, "odd", files={path: path for path in FILES})
    again = replace(stored.files[0], mode=0o755)  # said twice: the last one holds
    stored = replace(stored, files=(*reversed(stored.files), again))
    digest = _save(layout, stored)
    place = layout.object(stored.id)
    sound = make_object(layout, "sound", files={"site/pack/x.py": ""})
    trees = [Tree(stored.id, inside.rstrip("/"), digest) for inside in INSIDE]
    trees.append(Tree(sound.id, "site/pack", _save(layout, sound)))
    trees += [replace(trees[0], description="0" * 64), replace(trees[0], object_id="no-object")]
    _damage(place / "site")
    names = _link(layout, trees)
    expected = [(".rpm-venv/generation.json", "content")]
    for name, tree in zip(names, trees[:-3]):
        for kind, path in _plain(place, stored.files, tree.inside):
            expected.append((f"{name}/{path}".rstrip("/"), kind))
    expected += [(names[-2], "content"), (names[-1], "missing")]
    found = [(finding.path, finding.kind) for finding in differences.of(layout, PATH, GENERATION)]
    assert [each for each in found if each[1] != "target"] == expected
    assert {kind for _, kind in found} >= {"added", "content", "missing", "mode", "type"}


def _steps(layout: Layout, trees: Sequence[Tree]) -> int:
    """How many of Python's instructions it takes to look at these."""
    taken = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal taken
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        taken += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        differences.Trees(layout).look(trees, [])
    finally:
        sys.settrace(before)
    return taken


def _many(layout: Layout, links: int) -> list[Tree]:
    """As many directories of an object, of four files each."""
    files = [f"site/p{link}/x{n}.py" for link in range(links) for n in range(4)]
    stored = make_object(layout, "many", files=dict.fromkeys(files, ""))
    digest = _save(layout, stored)
    return [Tree(stored.id, f"site/p{link}", digest) for link in range(links)]


def test_four_times_the_links_and_files_are_four_times_the_work(tmp_path: Path) -> None:
    """And not eight times, as it was where all files were gone over for each link."""
    taken = []
    for links in (25, 100):
        layout = Layout(tmp_path / str(links))
        taken.append(_steps(layout, _many(layout, links)))
    assert taken[0] < taken[1] < 4.4 * taken[0]


@pytest.mark.parametrize("damage", [b"[]\n", b""])
def test_a_description_is_read_once_for_all_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    layout = Layout(tmp_path)
    trees = _many(layout, 5)
    with (layout.object(trees[0].object_id) / "object.json").open("ab") as file:
        file.write(damage)
    read: list[str] = []
    description = store.description

    def noted(layout: Layout, object_id: str) -> store.Description:
        read.append(object_id)
        return description(layout, object_id)

    monkeypatch.setattr(store, "description", noted)
    looking = differences.Trees(layout)
    looking.look(trees, [])
    assert read == [trees[0].object_id]
    kinds = ["missing"] if damage else []
    assert [[each.kind for each in looking.differences(tree)] for tree in trees] == [kinds] * 5
