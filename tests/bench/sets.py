"""The sets of real wheels that are measured: resolved and fetched once, then kept in build/bench.

Each set has a second lock in which one distribution has another version.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import uv

from tests.host.realwheels import SYSTEM_PYTHON, exact_lock, real_wheels, system_python

TREE = Path(__file__).resolve().parents[2]
PLACE = TREE / "build" / "bench"
#: What the index had then: a later resolution gives the same versions.
_AS_OF = "2026-10-01"
_AIRFLOW = (
    "amazon,celery,cncf.kubernetes,databricks,docker,elasticsearch,ftp,google,http,imap,"
    "microsoft.azure,mongo,pandas,postgres,redis,sftp,slack,smtp,snowflake,ssh,statsd"
)


@dataclass(frozen=True)
class _Wanted:
    """Requirements to resolve, and the one of another version in the second lock."""

    requirements: str
    changed: str


_SETS = {
    "ten": _Wanted("flask==3.1.0\nidna==3.10\ncertifi==2025.8.3\nurllib3==2.5.0", "idna==3.9"),
    "jupyterlab": _Wanted("jupyterlab==4.4.5", "idna==3.9"),
    "zuul": _Wanted("", "idna==3.9"),  # tests/host has it: some of it is built here
    "airflow": _Wanted(f"apache-airflow[{_AIRFLOW}]==3.1.0", "idna==3.9"),
}
NAMES = tuple(_SETS)


@dataclass(frozen=True)
class Set:
    """Wheels with the exact lock of all, and one in which one wheel is another."""

    name: str
    wheels: Path
    lock: Path
    changed: Path

    def count(self) -> int:
        return len(self.lock.read_text().splitlines())

    def locked(self) -> list[Path]:
        """The wheels of the lock."""
        digests = set(re.findall(r"sha256:([0-9a-f]{64})", self.lock.read_text()))
        return [
            wheel
            for wheel in sorted(self.wheels.iterdir())
            if hashlib.sha256(wheel.read_bytes()).hexdigest() in digests
        ]


def prepared(name: str) -> Set:
    """The set of this name, fetched from the index if it was not before."""
    version = "".join(map(str, system_python()))
    place = PLACE / f"{name}-cp{version}"
    if not place.exists():
        unfinished = place.with_name(f"{place.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _fetch(name, unfinished)
        os.rename(unfinished, place)
    return Set(name, place / "wheels", place / "lock.txt", place / "changed.txt")


def _fetch(name: str, place: Path) -> None:
    wanted, wheels = _SETS[name], place / "wheels"
    wheels.mkdir()
    if wanted.requirements:
        _resolve(wanted.requirements, place)
        _download(wheels, "--require-hashes", "-r", str(place / "resolved.txt"))
    else:
        for wheel in real_wheels(name).wheels.iterdir():
            shutil.copy2(wheel, wheels)
    lock = exact_lock(wheels)
    (place / "lock.txt").write_text(lock)
    other = place / "other"
    other.mkdir()
    _download(other, wanted.changed)
    line = exact_lock(other)
    changed = line.partition("==")[0] + "=="
    rest = [each for each in lock.splitlines(keepends=True) if not each.startswith(changed)]
    if len(rest) != len(lock.splitlines()) - 1 or line in lock:
        raise SystemExit(f"{name}: {wanted.changed} is no other version of what the lock has")
    (place / "changed.txt").write_text("".join(sorted([*rest, line])))
    for wheel in other.iterdir():
        os.rename(wheel, wheels / wheel.name)


def _resolve(requirements: str, place: Path) -> None:
    (place / "requirements.in").write_text(f"{requirements}\n")
    subprocess.run(
        [
            uv.find_uv_bin(), "pip", "compile", "--quiet", f"--python={SYSTEM_PYTHON}",
            "--only-binary=:all:", "--generate-hashes", f"--exclude-newer={_AS_OF}",
            f"--output-file={place / 'resolved.txt'}", str(place / "requirements.in"),
        ],
        check=True,
    )  # fmt: skip


def _download(into: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", f"--python={SYSTEM_PYTHON}"]
    subprocess.run(
        [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", str(into), *what],
        check=True,
    )
