"""How much room an environment takes, and how much of that is its own. Only reads."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator

from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.trees import generations

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


def use(layout: Layout, path: str) -> Use:
    """The room that the environment at ``path`` takes.

    A file is its own when it has no more names than those below its generations and one in the
    store, which goes with the last generation that refers to it.
    """
    names: Counter[tuple[int, int]] = Counter()
    known: dict[tuple[int, int], os.stat_result] = {}
    for generation in generations.names(layout, path):
        top = os.fspath(generations.directory(layout, path, generation))
        for status in _below(top):
            inode = (status.st_dev, status.st_ino)
            names[inode] += 1
            known[inode] = status
    own = shared = 0
    for inode, status in known.items():
        is_file = stat.S_ISREG(status.st_mode)
        if is_file and status.st_nlink > names[inode] + 1:
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
