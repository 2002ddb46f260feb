"""A file system of its own for each contender in each round: what others wrote and deleted is not
in its way.

ext4 looks for a free inode past all that were deleted minutes ago: who comes after a large
deletion pays for it with every file.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SIZE = 24 << 30  # of a sparse file: what is not written takes no room
_FILES = "500000"


@contextlib.contextmanager
def fresh(place: Path) -> Iterator[Path]:
    """A new, empty ext4 at ``place`` for the length of the block; as root."""
    image = place.with_name(f"{place.name}.image")
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(_SIZE)
    try:
        now = "lazy_itable_init=0,lazy_journal_init=0"  # nothing is left to do while we measure
        subprocess.run(["mkfs.ext4", "-q", "-E", now, "-N", _FILES, str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
        try:
            yield place
        finally:
            subprocess.run(["umount", str(place)], check=True)
    finally:
        os.unlink(image)
        place.rmdir()
