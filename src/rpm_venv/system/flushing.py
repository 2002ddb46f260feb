"""Bringing what is written to the disk while more of it is being made. An edge: a thread."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from rpm_venv.system import files

#: Bytes that are worth a syncfs(2) of their own: some tenths of a second of an ordinary disk.
WORTH = 48 << 20


def early(path: Path) -> None:
    """Write the filesystem of ``path`` back now, so that there is little to wait for at the end.

    It stands for no ``files.syncfs``. An error of the disk is told once, to whoever asks first
    (syncfs(2)): an ``OSError`` here must end what is being made.
    """
    files.syncfs(path)


class Flusher:
    """Writes the filesystem of ``path`` back every ``WORTH`` bytes, beside what else is done.

    So there is little left to wait for at the end: it makes nothing durable that the caller may
    rely on, and stands for no ``files.syncfs``. An error of the disk is told once, to whoever asks
    first (syncfs(2)): the block ends with it, as an ``OSError``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0
        self._is_over = False
        self._changed = threading.Condition()
        self._failed: OSError | None = None
        self._thread = threading.Thread(target=self._flush, daemon=True)

    def __enter__(self) -> Flusher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    def wrote(self, size: int) -> None:
        """So many bytes more were written."""
        with self._changed:
            self._written += size
            if self._written >= WORTH:
                self._changed.notify_all()

    def _flush(self) -> None:
        while True:
            with self._changed:
                while self._written < WORTH and not self._is_over:
                    self._changed.wait()
                if self._is_over:
                    return
                self._written = 0
            try:
                files.syncfs(self._path)
            except OSError as error:
                self._failed = error
                return
