"""How much room an environment takes, and how much of that is its own. Only reads."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator

from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.trees import generations
from rpm_venv.trees.generation import FILES

_BLOCK = 512  # bytes; what st_blocks counts, on every filesystem
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_Inode = tuple[int, int]  # of a device


@dataclass(frozen=True)
class Use:
    """Bytes on the disk of all generations of an environment, each file counted once.

    ``own`` would be free without the environment; ``shared`` are files that other environments or
    packages have as well.
    """

    own: int
    shared: int


def use(layout: Layout, path: str) -> Use:
    """The room that the environment at ``path`` takes, with the objects that it refers to.

    A file is its own when it has no more names than are here. Each generation has some files of its
    objects under names of its own: an object of which another one has any is shared as a whole. So
    no other environment is looked at.
    """
    names: Counter[_Inode] = Counter()
    known: dict[_Inode, os.stat_result] = {}

    def count(top: os.PathLike[str]) -> list[_Inode]:
        below = []
        for status in _below(os.fspath(top)):
            inode = (status.st_dev, status.st_ino)
            names[inode] += 1
            known[inode] = status
            below.append(inode)
        return below

    for generation in generations.names(layout, path):
        count(generations.directory(layout, path, generation))
    objects = [count(layout.object(name)) for name in _referred(layout, path)]
    has_more = {
        inode
        for inode, status in known.items()
        if stat.S_ISREG(status.st_mode) and status.st_nlink > names[inode]
    }
    for below in objects:
        if not has_more.isdisjoint(below):
            has_more.update(below)
    shared = sum(known[inode].st_blocks for inode in has_more)
    everything = sum(status.st_blocks for status in known.values())
    return Use((everything - shared) * _BLOCK, shared * _BLOCK)


def _referred(layout: Layout, path: str) -> set[str]:
    """The objects that the generations of an environment may have links to."""
    found: set[str] = set()
    for name in generations.names(layout, path):
        described = generations.read(layout, path, name)
        if described is not None and described.layout != FILES:
            found.update(described.objects)
    return found


def _below(directory: str) -> Iterator[os.stat_result]:
    """The status of everything in a directory and below; of what goes meanwhile, nothing."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    yield from _below(entry.path)
    except FileNotFoundError:  # an install may drop a generation at any time
        return


def shown(size: int) -> str:
    """A number of bytes for people."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"
