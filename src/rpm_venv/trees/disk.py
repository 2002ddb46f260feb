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


@dataclass(frozen=True)
class Use:
    """Bytes on the disk of all generations of an environment, each file counted once.

    ``own`` would be free without the environment; ``shared`` are files that other environments or
    packages have as well.
    """

    own: int
    shared: int


class Disk:
    """What the environments of a system take, told apart by who else refers to the same objects."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._objects = {path: self._referred(path) for path in generations.environments(layout)}
        self._users = Counter(name for names in self._objects.values() for name in names)

    def _referred(self, path: str) -> frozenset[str]:
        names: set[str] = set()
        for name in generations.names(self._layout, path):
            described = generations.read(self._layout, path, name)
            if described is not None and described.layout != FILES:
                names.update(described.objects)
        return frozenset(names)

    def use(self, path: str) -> Use:
        """The room that the environment at ``path`` takes, with the objects that it refers to.

        An object is its own when no other environment refers to it: it goes with the last
        generation that does. A file is when it has no more names than those.
        """
        names: Counter[tuple[int, int]] = Counter()
        known: dict[tuple[int, int], os.stat_result] = {}
        others: set[tuple[int, int]] = set()

        def count(top: os.PathLike[str], *, shared: bool = False) -> None:
            for status in _below(os.fspath(top)):
                inode = (status.st_dev, status.st_ino)
                names[inode] += 1
                known[inode] = status
                if shared:
                    others.add(inode)

        for generation in generations.names(self._layout, path):
            count(generations.directory(self._layout, path, generation))
        for object_id in self._objects.get(path, ()):
            count(self._layout.object(object_id), shared=self._users[object_id] > 1)
        own = shared = 0
        for inode, status in known.items():
            is_file = stat.S_ISREG(status.st_mode)
            if inode in others or (is_file and status.st_nlink > names[inode]):
                shared += status.st_blocks * _BLOCK
            else:
                own += status.st_blocks * _BLOCK
        return Use(own, shared)


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
