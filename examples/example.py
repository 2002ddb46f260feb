"""The examples as the demo and the tests build them: a directory each, and wheels from the index.

The wheels that a lock names are fetched once, by their hashes, and kept below ``build/wheels``.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
WHEELS = TREE / "build" / "wheels"
SYSTEM_PYTHON = "/usr/bin/python3"
#: Beside the wheels: all of them, with no directory, as ``rpm-venv vendor`` packs them.
ARCHIVE = "archive.tar"


@dataclass(frozen=True)
class Example:
    """One directory of ``examples``: a spec file and what it is built from."""

    name: str

    @property
    def directory(self) -> Path:
        return TREE / "examples" / self.name

    @property
    def spec(self) -> str:
        return (self.directory / f"{self.name}.spec").read_text()

    @property
    def lock(self) -> Path:
        return self.directory / "requirements.txt"

    def sources(self, version: str = "1.0") -> dict[str, str | bytes | Path]:
        """What goes to SOURCES: the directory's files, the archive of its source tree where it has
        one, and the wheels of its lock in an archive."""
        found = {path.name: path for path in sorted(self.directory.iterdir()) if path.is_file()}
        files: dict[str, str | bytes | Path] = {**found}
        if (self.directory / "src").is_dir():
            files[f"{self.name}-{version}.tar.gz"] = self._source_archive(version)
        if self.lock.exists():
            files[f"{self.name}-{version}-wheels.tar"] = wheels(self.lock) / ARCHIVE
        return files

    def _source_archive(self, version: str) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as archive:
            for name in ("pyproject.toml", "src"):
                archive.add(self.directory / name, f"{self.name}-{version}/{name}")
        return target.getvalue()


SALES_REPORT = Example("sales-report")
DEMAND_FORECAST = Example("demand-forecast")
GUESTBOOK = Example("guestbook")
DICE = Example("dice")
DICE_POKER = Example("dice-poker")
EXAMPLES = (SALES_REPORT, DEMAND_FORECAST, GUESTBOOK, DICE, DICE_POKER)
#: Those that cannot share one set of libraries.
IN_CONFLICT = (SALES_REPORT, DEMAND_FORECAST)


def wheels(lock: Path) -> Path:
    """The directory with ``wheels/``, the wheels of this lock for the system's Python, in an
    archive, too; fetched when it is not there."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:8]
    place = WHEELS / f"{lock.parent.name}-{_python_tag()}-{digest}"
    WHEELS.mkdir(parents=True, exist_ok=True)
    with (WHEELS / f".{place.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not place.exists():
            _fetch(lock, place)
        if not (place / ARCHIVE).exists():
            _archive(place / "wheels", place / ARCHIVE)
    return place


def _python_tag() -> str:
    code = "import sys; print('cp%d%d' % sys.version_info[:2])"
    command = [SYSTEM_PYTHON, "-ISc", code]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _fetch(lock: Path, place: Path) -> None:
    """Fetch into a directory beside ``place`` that gets its name when it is whole."""
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "wheels").mkdir(parents=True)
    # The command in examples/README.md, by a pip that the system's Python need not have itself.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", f"--python={SYSTEM_PYTHON}"]
    download = ["download", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, *download, "-r", lock, "-d", unfinished / "wheels"], check=True)
    os.rename(unfinished, place)


def _archive(directory: Path, archive: Path) -> None:
    """The directory as a tar: the same wheels give the same bytes."""

    def nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o644
        return entry

    unfinished = archive.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as tar:
        for path in sorted(directory.iterdir()):
            tar.add(path, path.name, filter=nobodys)
    unfinished.rename(archive)


def locked_versions(wheels_of: Path) -> Mapping[str, str]:
    """The distributions in a fetched directory and their versions."""
    names = (path.name.split("-")[:2] for path in sorted((wheels_of / "wheels").iterdir()))
    return {name.replace("_", "-").lower(): version for name, version in names}
