"""Reading files that somebody else may have made: regular ones, bounded, never waited for.

A pipe without a writer, a device or a file without an end in the place of a file would hold root up
or fill its memory. An edge: reads.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

#: Bytes of the largest file of ours, the manifest of the largest generation there can be.
MOST = 64 << 20
_CHUNK = 1 << 20
_LITTLE = 4096


def regular(path: str | Path, flags: int = os.O_RDONLY, *, follow: bool = True) -> int:
    """A descriptor of the regular file at ``path``; ``OSError`` (EINVAL) if it is no such.

    With ``follow`` false its last name may not be a link (ELOOP).
    """
    mode = os.stat(path, follow_symlinks=follow).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):  # some devices act when they are opened
        raise _irregular(path)
    # O_NONBLOCK: should it be a pipe by now, opening it must not wait for its other end.
    more = os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags | more)
    try:
        refuse_irregular(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def refuse_irregular(descriptor: int, path: str | Path) -> os.stat_result:
    """``OSError`` (EINVAL) where what was opened is no regular file; its status where it is one."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(path)
    return status


def digest(descriptor: int, size: int) -> str:
    """The sha256 (hex) of a regular file from where its descriptor is; ``size`` is what it has.

    Room for a megabyte takes longer than most files: it is made for ``size``. A file that has more
    by now is read to its end.
    """
    import hashlib  # not where nothing is verified (digest.py)

    most = size + 1 if size < _CHUNK else _CHUNK
    chunk = os.read(descriptor, most)
    found = hashlib.sha256(chunk)
    while len(chunk) == most:  # less is the end of a regular file (read(2))
        chunk = os.read(descriptor, most)
        found.update(chunk)
    return found.hexdigest()


def content(path: str | Path, *, most: int = MOST, follow: bool = True) -> bytes:
    """All of a regular file; ``OSError`` (EFBIG) where that is more than ``most`` bytes."""
    data = beginning(path, most + 1, follow=follow)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MiB", os.fspath(path))
    return data


def beginning(path: str | Path, most: int, *, follow: bool = True) -> bytes:
    """All of a regular file, or its first ``most`` bytes."""
    descriptor = regular(path, follow=follow)
    try:
        # Room for all that it may have takes longer than most files. Those of /proc have no size.
        room = max(os.fstat(descriptor).st_size + 1, _LITTLE)
        chunks = []
        while most and (chunk := os.read(descriptor, min(room, most))):
            chunks.append(chunk)
            most -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def end(path: Path, most: int) -> bytes:
    """The last bytes of a regular file, which is no link."""
    descriptor = regular(path, follow=False)
    try:
        return os.pread(descriptor, most, max(os.fstat(descriptor).st_size - most, 0))
    finally:
        os.close(descriptor)


def _irregular(path: str | Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", os.fspath(path))


def is_readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, or an end, within this time."""
    import select  # only where somebody is listened to

    poll = select.poll()  # select(2) does not take descriptors above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(seconds, 0) * 1000))
