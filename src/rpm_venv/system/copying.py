"""A directory that somebody else may own and change meanwhile, copied as it is. An edge: writes.

By descriptors from top to bottom: a name that becomes a link while root copies leads nowhere, and
what a copy is given to its owner as, is what was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from rpm_venv.system import files

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20
_GONE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)  # what it says of a name that changed


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory with owners, modes and times to a name that is free, in root's directory.

    Nothing becomes set-user-id: a user's program must not become one of root's. Pipes, sockets and
    devices stay behind.
    """
    os.mkdir(target, 0o700)
    with files.directory(source, follow=False) as here, files.directory(target) as there:
        _fill(here, there)
        _give(there, os.fstat(here))


def _fill(source: int, target: int) -> None:
    with os.scandir(source) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        try:
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                owner = (status.st_uid, status.st_gid)
                os.chown(name, *owner, dir_fd=target, follow_symlinks=False)
            elif stat.S_ISDIR(status.st_mode):
                _directory(source, target, name)
            elif stat.S_ISREG(status.st_mode):
                _file(source, target, name)
        except OSError as error:
            if error.errno not in _GONE:
                raise


def _directory(source: int, target: int, name: str) -> None:
    here = os.open(name, _DIRECTORY, dir_fd=source)
    try:
        os.mkdir(name, 0o700, dir_fd=target)  # until it is given away, nobody is in it but root
        there = os.open(name, _DIRECTORY, dir_fd=target)
        try:
            _fill(here, there)
            _give(there, os.fstat(here))
        finally:
            os.close(there)
    finally:
        os.close(here)


def _file(source: int, target: int, name: str) -> None:
    here = os.open(name, _READ, dir_fd=source)
    try:
        status = os.fstat(here)
        if not stat.S_ISREG(status.st_mode):
            return
        there = os.open(name, _NEW, 0o600, dir_fd=target)
        try:
            while chunk := os.read(here, _CHUNK):
                files.write_all(there, chunk)
            _give(there, status)
        finally:
            os.close(there)
    finally:
        os.close(here)


def _give(copy: int, status: os.stat_result) -> None:
    os.fchown(copy, status.st_uid, status.st_gid)
    os.fchmod(copy, stat.S_IMODE(status.st_mode) & 0o1777)
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
