"""A disk that keeps only what it was told to keep: the least that POSIX promises after power loss.

Real filesystems order most changes and so hide a missing fsync. This one may lose or keep each
change of a name that no fsync of its directory or syncfs covers, in any combination, and the
content of each file without one. A rename is one change, covered with either of its names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.faults.supervised import Call

_REMOVE_DIRECTORY = 0x200  # AT_REMOVEDIR
_CONTENT = frozenset(
    ("write", "pwrite64", "writev", "ftruncate", "fallocate", "fchmod", "fchown", "chmod",
     "fchmodat", "fchownat", "utimensat", "copy_file_range", "sendfile")
)  # fmt: skip


@dataclass(eq=False)
class Node:
    """A file, directory or link; ``kept`` is whether all of its own content would be there."""

    kind: str
    leads_to: str = ""
    kept: bool = True
    entries: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Change:
    """A change of names that happens as a whole: in each directory, what a name comes to mean."""

    sets: tuple[tuple[Node, str, Node | None], ...]
    #: The directories whose fsync makes it last.
    covered_by: tuple[Node, ...]


Names = Mapping[tuple[int, str], "Node | None"]


class StrictDisk:
    """The tree as it is, and the changes that are not yet sure to last."""

    def __init__(self, root: Path) -> None:
        known: dict[int, Node] = {}
        self.root = _load(root, known)
        self._kept = _load_names(self.root)
        self.pending: list[Change] = []

    def do(self, call: Call) -> bool:
        """Make a call; whether it changed a name."""
        name = call.name
        before = len(self.pending)
        if name in ("open", "openat"):
            self._open(call)
        elif name in _CONTENT:
            node = self.find(call.paths[0])
            if node is not None:
                node.kept = False
        elif name in ("mkdir", "mkdirat"):
            self._add(call.paths[0], Node("directory"))
        elif name in ("symlink", "symlinkat"):
            self._add(call.paths[0], Node("link", call.text))
        elif name in ("link", "linkat"):
            found = self.find(call.paths[0])
            if found is not None:
                self._add(call.paths[1], found)
        elif name in ("rename", "renameat", "renameat2"):
            self._rename(call)
        elif name in ("unlink", "unlinkat", "rmdir"):
            self._remove(call)
        elif name in ("fsync", "fdatasync"):
            self._fsync(self.find(call.paths[0]))
        elif name == "syncfs":
            self._keep(self.pending)
            for node in _all(self.root):
                node.kept = True
        elif name != "flock":
            raise AssertionError(f"no model of {call}")
        return len(self.pending) > before

    def find(self, path: str) -> Node | None:
        """What is at a path now."""
        node: Node | None = self.root
        for part in PurePosixPath(path).parts:
            node = node.entries.get(part) if node else None
        return node

    def _place(self, path: str) -> tuple[Node, str] | None:
        above, _, name = path.rpartition("/")
        parent = self.find(above)
        return (parent, name) if parent is not None and parent.kind == "directory" else None

    def _add(self, path: str, node: Node) -> None:
        place = self._place(path)
        if place and place[1] not in place[0].entries:
            self._change(Change(((*place, node),), (place[0],)))

    def _open(self, call: Call) -> None:
        found = self.find(call.paths[0])
        if found is None and call.flags & os.O_CREAT:
            self._add(call.paths[0], Node("file", kept=False))
        elif found is not None and call.flags & os.O_TRUNC:
            found.kept = False

    def _rename(self, call: Call) -> None:
        source, target = (self._place(path) for path in call.paths)
        moved, there = (self.find(path) for path in call.paths)
        if not source or not target or moved is None:
            return
        if call.name == "renameat2" and call.flags:
            self._change(Change(((*source, there), (*target, moved)), (source[0], target[0])))
        elif there is None or not (there.kind == "directory" and there.entries):
            self._change(Change(((*source, None), (*target, moved)), (source[0], target[0])))

    def _remove(self, call: Call) -> None:
        place, found = self._place(call.paths[0]), self.find(call.paths[0])
        if not place or found is None:
            return
        wants_directory = call.name == "rmdir" or bool(call.flags & _REMOVE_DIRECTORY)
        if wants_directory == (found.kind == "directory") and not found.entries:
            self._change(Change(((*place, None),), (place[0],)))

    def _change(self, change: Change) -> None:
        for directory, name, node in change.sets:
            if node is None:
                directory.entries.pop(name, None)
            else:
                directory.entries[name] = node
        self.pending.append(change)

    def _fsync(self, node: Node | None) -> None:
        if node is None:
            return
        if node.kind == "directory":
            self._keep([change for change in self.pending if node in change.covered_by])
        node.kept = True

    def _keep(self, changes: Iterable[Change]) -> None:
        sure = list(changes)
        self._kept = {**self._kept, **_names(sure)}
        self.pending = [change for change in self.pending if change not in sure]

    def after_power_loss(self) -> Iterator[Names]:
        """Trees that may be there after power loss: the worst of the many.

        None of the pending changes, all, all but one, and one alone.
        """
        pending = self.pending
        yield self._kept
        if not pending:
            return
        yield {**self._kept, **_names(pending)}
        for place, change in enumerate(pending):
            yield {**self._kept, **_names(pending[:place] + pending[place + 1 :])}
            yield {**self._kept, **_names([change])}

    def tree(self, names: Names | None = None) -> dict[str, tuple[str, str]]:
        """Every path with its kind and what it leads to; ``lost`` where content may be missing.

        Of the tree as it is, or of one of those after power loss.
        """
        children: dict[int, dict[str, Node]] = {}
        if names is not None:
            for (number, name), child in names.items():
                if child is not None:
                    children.setdefault(number, {})[name] = child
        found: dict[str, tuple[str, str]] = {}
        waiting = [("", self.root)]
        while waiting:
            path, directory = waiting.pop()
            inside = directory.entries if names is None else children.get(id(directory), {})
            for name, node in inside.items():
                here = f"{path}/{name}".lstrip("/")
                lost = node.kind == "file" and not node.kept and names is not None
                found[here] = ("lost" if lost else node.kind, node.leads_to)
                if node.kind == "directory":
                    waiting.append((here, node))
        return found


def _load(path: Path, known: dict[int, Node]) -> Node:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Node("link", os.readlink(path))
    if not stat.S_ISDIR(status.st_mode):
        return known.setdefault(status.st_ino, Node("file"))
    entries = {name: _load(path / name, known) for name in os.listdir(path)}
    return Node("directory", entries=entries)


def _load_names(directory: Node) -> dict[tuple[int, str], Node | None]:
    found: dict[tuple[int, str], Node | None] = {}
    for name, node in directory.entries.items():
        found[(id(directory), name)] = node
        found.update(_load_names(node))
    return found


def _names(changes: Iterable[Change]) -> dict[tuple[int, str], Node | None]:
    return {(id(node), name): to for change in changes for node, name, to in change.sets}


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.entries.values():
        yield from _all(child)
