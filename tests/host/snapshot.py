"""What a host has that its base has not: read from the upper directories of its overlays."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

#: A path on the host → what is there, for example ``file 644 root 3a7b…`` or ``link → /usr/bin``.
Snapshot = Mapping[str, str]

#: Where rpm, dnf and the host itself keep books.
_BOOKS = (
    "/var/lib/rpm",
    "/var/lib/dnf",
    "/var/cache/dnf",
    "/var/cache/libdnf5",
    "/usr/lib/sysimage",
    "/var/log",
    "/var/lib/throwaway",
)


def snapshot(layers: Path, lowers: Mapping[str, Sequence[Path]]) -> Snapshot:
    """The entries in the upper directories below ``layers``.

    ``lowers`` are each overlay's lower directories: a directory that is below already is in the
    upper one only because something was, once, changed in it.
    """
    entries: dict[str, str] = {}
    for target, directories in lowers.items():
        _add(layers / target.strip("/") / "upper", target, directories, entries)
    return entries


def _add(upper: Path, inside: str, lowers: Sequence[Path], entries: dict[str, str]) -> None:
    for entry in sorted(os.scandir(upper), key=lambda entry: entry.name):
        path = f"{inside}/{entry.name}"
        if path in _BOOKS:
            continue
        below = [lower / entry.name for lower in lowers]
        status = entry.stat(follow_symlinks=False)
        is_directory = stat.S_ISDIR(status.st_mode)
        if not (is_directory and any(lower.is_dir() for lower in below)):
            entries[path] = _describe(Path(entry.path), status)
        if is_directory:
            _add(Path(entry.path), path, below, entries)


def _describe(path: Path, status: os.stat_result) -> str:
    mode = status.st_mode
    where = f"{mode & 0o7777:o} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(mode):
        return f"link → {os.readlink(path)}"
    if stat.S_ISDIR(mode):
        return f"directory {where}"
    if stat.S_ISREG(mode):
        return f"file {where} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    if stat.S_ISCHR(mode) and status.st_rdev == 0:
        return "removed"
    return f"special {mode:o}"
