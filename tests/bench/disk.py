"""A file system of its own for each contender in each round: what others wrote and deleted is not
in its way.

ext4 looks for a free inode past all that were deleted minutes ago: who comes after a large
deletion pays for it with every file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_SIZE = 24 << 30  # of a sparse file: what is not written takes no room
_FILES = "1000000"  # uv needs 450,000 for its works on 400 packages
_PATIENCE = 20  # seconds until what a killed run has started is gone


@contextlib.contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """An empty directory for the length of the block, whatever a killed run has left there."""
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another run of the bench works in {place}") from None
        _clear(place)
        place.mkdir()
        try:
            yield place
        finally:
            _clear(place)


def _clear(place: Path) -> None:
    """Remove a directory with all that is mounted below it."""
    for mounted in mounts_below(place, Path("/proc/self/mountinfo").read_text()):
        _unmount(mounted)
    if place.exists():
        shutil.rmtree(place)


def mounts_below(place: Path, mountinfo: str) -> list[Path]:
    """What is mounted below a directory, the last first (proc_pid_mountinfo(5))."""
    points = [line.split(" ")[4] for line in mountinfo.splitlines()]
    paths = [Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), each)) for each in points]
    return [path for path in reversed(paths) if place.resolve() in path.parents]


def _unmount(place: Path) -> None:
    """Unmount, once what was killed has let go."""
    end = time.monotonic() + _PATIENCE
    while subprocess.run(["umount", str(place)], check=False).returncode != 0:
        if time.monotonic() > end:
            raise SystemExit(f"{place} is still in use; see: fuser -vm {place}")
        time.sleep(1)


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
            _unmount(place)
    finally:
        os.unlink(image)
        place.rmdir()
