"""Wheels as one source of a package: a tar archive of files without directories. An edge.

The same wheels make the same archive. It is the author's own, on the machines of the author and the
builder; each file in it is compared with the lock like any other.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from rpm_venv.errors import VenvError, first_line
from rpm_venv.system.files import MTIME_NS

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.!+-]*\.(?:whl|tar\.gz|zip)", re.ASCII)


def is_archive(path: Path) -> bool:
    """Whether this is such an archive, by its name."""
    return path.suffix == ".tar" and not path.is_dir()


def pack(wheels: Iterable[Path], target: Path) -> None:
    """Make ``target`` the archive of these files; whoever reads it meanwhile sees the old one."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
            for wheel in sorted(wheels, key=lambda path: path.name):
                member = tarfile.TarInfo(wheel.name)
                member.size = wheel.stat().st_size
                member.mtime = MTIME_NS // 10**9
                with wheel.open("rb") as stream:
                    archive.addfile(member, stream)
        os.replace(temporary, target)
    except OSError as error:
        raise VenvError(f"cannot be written: {error.strerror}", subject=str(target)) from None
    finally:
        temporary.unlink(missing_ok=True)


def unpack(archive: Path, place: Path) -> None:
    """Put the wheels and sdists of an archive into a directory; ``VenvError`` where it is none.

    Wherever in the archive they are: only their names count, and nothing else in it is looked at.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is not None and _FILE.fullmatch(name):
                    if member.issparse():  # a few bytes that become as many as it likes
                        raise tarfile.TarError(f"{name} is a sparse file")
                    with (place / name).open("wb") as target:
                        shutil.copyfileobj(stream, target)
    except (OSError, tarfile.TarError) as error:
        reason = f"not an archive of wheels: {first_line(error)}"
        raise VenvError(reason, subject=str(archive)) from None
