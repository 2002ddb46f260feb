"""Real wheels from the Python package index: fetched once for the system's Python, then kept.

A set lies below ``build/wheels/`` as ``wheels/`` and the exact ``requirements.txt`` of those very
files. A distribution that has no wheel is built into one here, as a package's own build would.

uv says which they are, where it is there, and pip then gets the very files: it would look at each
page of the index for what it decides by itself, for a minute and twice where there are two sets.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpm_venv.locks import pip, pylock, uv
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.wheels.wheel import WheelName, best, positions

BUILD = Path(__file__).resolve().parents[2] / "build" / "wheels"
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class RealWheels:
    """A fetched set: a directory of wheels and the lock that names them all."""

    wheels: Path
    lock: Path

    def count(self) -> int:
        return len(list(self.wheels.iterdir()))


@dataclass(frozen=True)
class _Set:
    """What to ask pip for; ``like`` names a set whose wheels serve again."""

    requirements: tuple[str, ...]
    like: str = ""


#: Two pandas of different major or minor version that both have wheels, by the newest Python that
#: the pair serves.
_PANDAS = (
    ((3, 12), (("pandas==2.1.4", "numpy==1.26.4"), ("pandas==2.2.3", "numpy==2.2.6"))),
    ((3, 13), (("pandas==2.2.3",), ("pandas==2.3.3",))),
    ((3, 99), (("pandas==2.3.3",), ("pandas==3.0.3",))),
)


@functools.cache
def system_python() -> tuple[int, int]:
    """Major and minor version of the system's Python."""
    code = "import sys; print(*sys.version_info[:2])"
    answer = subprocess.run(
        [SYSTEM_PYTHON, "-ISc", code], stdout=subprocess.PIPE, text=True, check=True
    )
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def _sets() -> dict[str, _Set]:
    old, new = next(pair for newest, pair in _PANDAS if system_python() <= newest)
    return {
        "cryptography": _Set(("cryptography==46.0.3",)),
        "httpie": _Set(("httpie==3.2.3",)),
        "httpie-new": _Set(("httpie==3.2.4",), like="httpie"),
        "lxml": _Set(("lxml==6.0.2",)),
        "markupsafe": _Set(("markupsafe==3.0.3",)),
        "numpy": _Set(new[-1:] if len(new) > 1 else ("numpy",)),
        "opencv": _Set(("opencv-python-headless==4.12.0.88",)),
        "pandas": _Set(old),
        "pandas-new": _Set(new),
        "zuul": _Set(("zuul==14.2.0",)),
        "zuul-new": _Set(("zuul==14.3.0",), like="zuul"),
    }


def real_wheels(name: str) -> RealWheels:
    """The set of this name, of those in ``_sets``."""
    wanted = _sets()[name]
    place = BUILD / f"{name}-cp{''.join(map(str, system_python()))}"
    BUILD.mkdir(parents=True, exist_ok=True)
    with _locked(BUILD / f".{place.name}.lock"):
        if not place.exists():
            _fetch(wanted, place)
    return RealWheels(place / "wheels", place / "requirements.txt")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch(wanted: _Set, place: Path) -> None:
    """Fetch into a directory beside ``place`` that gets its name when it is whole."""
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    wheels = unfinished / "wheels"
    wheels.mkdir(parents=True)
    command = [*_pip(), "wheel", "--quiet", "--prefer-binary", f"--wheel-dir={wheels}"]
    resolved = _resolved(wanted.requirements)
    if resolved:
        there = {_identity(wheel): wheel for wheel in _wheels_of(wanted.like)}
        for identity in there.keys() & resolved.keys():
            os.link(there[identity], wheels / there[identity].name)
        lines = [line for identity, line in resolved.items() if identity not in there]
        command += ["--no-deps"]
    else:
        lines = list(wanted.requirements)
        command += [f"--find-links={real_wheels(wanted.like).wheels}"] if wanted.like else []
    subprocess.run([*command, *lines], check=True)
    (unfinished / "requirements.txt").write_text(exact_lock(wheels))
    os.rename(unfinished, place)


def _wheels_of(name: str) -> Iterator[Path]:
    return real_wheels(name).wheels.iterdir() if name else iter(())


def _identity(wheel: Path) -> tuple[str, str]:
    name = WheelName.parse(wheel.name)
    return name.name, str(name.version)


def _resolved(requirements: Sequence[str]) -> dict[tuple[str, str], str]:
    """Each distribution that uv chooses, by name and version, as a requirement for pip.

    Nothing where there is no uv, or it has no answer.
    """
    command = uv.command()
    if not command:
        return {}
    words = [command, "pip", "compile", "--quiet", "--no-progress", "--python", SYSTEM_PYTHON]
    words += ["--format", "pylock.toml", "--no-header", "-"]
    environment = {**uv.as_uv(pip.configuration(_pip())), **os.environ}
    done = subprocess.run(
        words,
        input="\n".join(requirements),
        env={**environment, "UV_PYTHON_DOWNLOADS": "never"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return {}
    lock, problems = pylock.read(done.stdout, "pylock.toml")
    assert not problems, problems
    places = positions(interpreter.inspect(Layout(), SYSTEM_PYTHON).tags)
    return {(each.name, str(each.version)): _requirement(each, places) for each in lock.entries}


def _requirement(entry: Entry, places: Mapping[str, int]) -> str:
    """The very file, or the version where the index is a directory."""
    ranks = {file: best(WheelName.parse(file.filename), places) for file in entry.files}
    fitting = {file: rank for file, rank in ranks.items() if rank is not None}
    file = min(fitting, key=fitting.__getitem__) if fitting else entry.sdist
    url = file.url if file else ""
    return f"{entry.name} @ {url}" if url else f"{entry.name}=={entry.version}"


def _pip() -> list[str]:
    """pip for the system's Python, which need not have it itself."""
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", f"--python={SYSTEM_PYTHON}"]


def exact_lock(wheels: Path) -> str:
    """The lock of every wheel in a directory."""
    lines = []
    for wheel in sorted(wheels.iterdir()):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-').lower()}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)
