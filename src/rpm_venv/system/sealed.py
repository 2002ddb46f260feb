"""A wheel's bytes, copied to where nobody can change them, and checked. An edge: reads files."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rpm_venv.confined import protocol
from rpm_venv.errors import WheelError
from rpm_venv.system import reading

_READ = 1 << 20
F_ADD_SEALS = 1033  # fcntl(2); the name is missing in Python 3.9
ALL_SEALS = 0xF


@contextmanager
def sealed(path: Path, sha256: str) -> Iterator[int]:
    """A descriptor of a copy of a wheel that nobody can change, its sha256 (hex) checked.

    ``WheelError`` where it is another, or where the path is not a regular file of bearable size.
    """
    with open(path, "rb", buffering=0, opener=open_regular) as source:
        copy = os.memfd_create("wheel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            found = _copy(source.fileno(), copy, path)
            if found != sha256:
                raise WheelError(
                    f"its sha256 is {found}, not {sha256}",
                    subject=os.fspath(path),
                    hint="it is not the wheel that the lock names",
                )
            fcntl.fcntl(copy, F_ADD_SEALS, ALL_SEALS)
            yield copy
        finally:
            os.close(copy)


def open_regular(path: str, flags: int) -> int:
    """An opener that takes regular files of a size that a wheel may have; ``WheelError`` else."""
    try:
        descriptor = reading.regular(path, flags)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise WheelError("not a file", subject=path) from None
        raise
    if os.fstat(descriptor).st_size > protocol.MAX_WHEEL:
        os.close(descriptor)
        raise WheelError("larger than a wheel may be", subject=path)
    return descriptor


def _copy(source: int, target: int, path: Path) -> str:
    import hashlib  # not where every wheel is in the store (digest.py)

    digest = hashlib.sha256()
    copied = 0
    while True:
        data = os.read(source, _READ)
        if not data:
            return digest.hexdigest()
        copied += len(data)
        if copied > protocol.MAX_WHEEL:
            raise WheelError("larger than a wheel may be", subject=os.fspath(path))
        digest.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
