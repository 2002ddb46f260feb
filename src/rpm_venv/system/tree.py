"""A new tree of files, which nobody else has a say in while it is filled. An edge: writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rpm_venv.paths import with_parents
from rpm_venv.system.files import MTIME_NS, TIMES, write_all

_TIMES = (MTIME_NS // 10**9, MTIME_NS // 10**9)  # whole seconds, which take less time to say

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_TO_ALL = 0o755  # directories of an object: everybody reads, nobody but root writes


class Tree:
    """A directory that only this process fills, below a held descriptor, with new names only.

    Nothing is ever opened that was there before: a file, directory or link in the way raises
    ``FileExistsError`` or ``NotADirectoryError``. Names are relative and checked by the caller.
    Modes are exact whatever the umask is; times are ``MTIME_NS``. Directories inside that another
    tree of this process has made are ``there``: then ``path`` is, too. Several threads may make
    files at a time.
    """

    def __init__(self, path: Path, there: Iterable[str] | None = None) -> None:
        from threading import RLock  # only what makes objects needs it

        made = with_parents(there or ())
        if there is None:
            os.mkdir(path, _OPEN_TO_ALL)
        self._root = os.open(path, _DIRECTORY)
        os.fchmod(self._root, _OPEN_TO_ALL)
        self._directories = {"", *made}
        self._exact: set[tuple[str, int]] = set()
        self._making = RLock()

    def directory(self, name: str) -> None:
        """Make the directory ``name`` and its parents, once."""
        with self._making:
            if name in self._directories:
                return
            self.directory(name.rpartition("/")[0])
            os.mkdir(name, _OPEN_TO_ALL, dir_fd=self._root)
            if stat.S_IMODE(os.stat(name, dir_fd=self._root).st_mode) != _OPEN_TO_ALL:
                os.chmod(name, _OPEN_TO_ALL, dir_fd=self._root)
            self._directories.add(name)

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """A descriptor of the directory ``name``, made if need be, for the length of the block."""
        self.directory(name)
        descriptor = os.open(name, _DIRECTORY, dir_fd=self._root)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def create(self, name: str, mode: int) -> int:
        """A descriptor to write the new file ``name`` through; ``close`` gives it its time."""
        parent = name.rpartition("/")[0]
        if parent not in self._directories:
            self.directory(parent)
        descriptor = os.open(name, _NEW_FILE, mode, dir_fd=self._root)
        # The umask, or an access list of the directory, takes the same bits from each file in it.
        if (parent, mode) not in self._exact:
            # Looking is cheap; a change that changes nothing is written to the disk all the same.
            if stat.S_IMODE(os.fstat(descriptor).st_mode) == mode:
                self._exact.add((parent, mode))
            else:
                os.fchmod(descriptor, mode)
        return descriptor

    def close(self, descriptor: int) -> None:
        """Close a file that ``create`` opened."""
        try:
            os.utime(descriptor, _TIMES)
        finally:
            os.close(descriptor)

    def write(self, name: str, mode: int, data: bytes | memoryview) -> None:
        """Write one whole new file."""
        descriptor = self.create(name, mode)
        try:
            write_all(descriptor, data)
        finally:
            self.close(descriptor)

    def finish(self) -> None:
        """Give the directories their time, and let go."""
        for name in self._directories:
            os.utime(name or ".", ns=TIMES, dir_fd=self._root)
        self.release()

    def release(self) -> None:
        """Let go of the directory, finished or not."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
