"""A file's bytes in a second place: by hardlink, by shared blocks, or copied. An edge: writes."""

from __future__ import annotations

import errno
import os
import stat

from rpm_venv.system import files

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # linux/fs.h
_CHUNK = 1 << 20

#: What link(2) says where a hardlink cannot be: another filesystem, too many links, a filesystem
#: without links, fs.protected_hardlinks.
_CANNOT_LINK = frozenset((errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP))


class Sharer:
    """Puts files into directories: by hardlink, or by copy once there can be none."""

    def __init__(self) -> None:
        self._link = True

    def put(self, source: int, inside: str, target: int, name: str, mode: int) -> None:
        """Put the file ``inside`` into ``target``, a descriptor as ``source`` is, as ``name``.

        A link that stands for the file is linked as such; a copy follows none, and gets ``mode``
        and ``files.MTIME_NS``.
        """
        if not self.link(source, inside, target, name):
            self.copy(source, inside, target, name, mode)

    def link(self, source: int, inside: str, target: int, name: str) -> bool:
        """As ``put``, by hardlink alone: whether there could be one, which a directory has not."""
        if not self._link:
            return False
        try:
            os.link(inside, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            # One file has too many links, or is none: the others are linked all the same.
            status = os.stat(inside, dir_fd=source, follow_symlinks=False)
            self._link = error.errno == errno.EMLINK or stat.S_ISDIR(status.st_mode)
            return False
        return True

    def copy(self, source: int, inside: str, target: int, name: str, mode: int) -> None:
        """As ``put``, by copy alone."""
        _copy(source, inside, target, name, mode)


def _copy(source: int, inside: str, target: int, name: str, mode: int) -> None:
    reader = os.open(inside, _READ, dir_fd=source)
    try:
        writer = os.open(name, _NEW, mode, dir_fd=target)
        try:
            if not _clone(reader, writer):
                while chunk := os.read(reader, _CHUNK):
                    files.write_all(writer, chunk)
            os.fchmod(writer, mode)
            os.utime(writer, ns=files.TIMES)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _clone(reader: int, writer: int) -> bool:
    """Share the blocks of a file where the filesystem can (btrfs, xfs, between subvolumes too)."""
    import fcntl

    try:
        fcntl.ioctl(writer, _FICLONE, reader)
    except OSError:
        return False
    return True
