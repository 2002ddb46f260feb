"""The other installers: uv, pip of today, and pip with ``venv`` as the system has them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import uv

from tests.bench.sets import PLACE, Set
from tests.host.realwheels import SYSTEM_PYTHON

Commands = list[list[str]]


@dataclass(frozen=True)
class Uv:
    """uv with a directory for its cache."""

    cache: Path
    byte_code: bool

    def install(self, wheels: Set, lock: Path, into: Path) -> Commands:
        """A new environment."""
        options = ["--quiet", f"--cache-dir={self.cache}", f"--python={SYSTEM_PYTHON}"]
        return [[uv.find_uv_bin(), "venv", *options, str(into)], *self.update(wheels, lock, into)]

    def update(self, wheels: Set, lock: Path, into: Path) -> Commands:
        """An environment that is there, brought to a lock."""
        options = ["--compile-bytecode"] if self.byte_code else []
        return [
            [
                uv.find_uv_bin(), "pip", "sync", "--quiet", "--no-index", *options,
                f"--find-links={wheels.wheels}", f"--cache-dir={self.cache}",
                f"--python={into}/bin/python", str(lock),
            ]
        ]  # fmt: skip


@dataclass(frozen=True)
class Pip:
    """A pip that is kept apart from the environments it makes."""

    python: Path

    def install(self, wheels: Set, lock: Path, into: Path) -> Commands:
        made = [SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(into)]
        return [made, *self.update(wheels, lock, into)]

    def update(self, wheels: Set, lock: Path, into: Path) -> Commands:
        pip = [str(self.python), "-m", "pip", f"--python={into}/bin/python"]
        return [[*pip, *_arguments(wheels, lock)]]


class SystemPip:
    """``python -m venv`` and the pip that it brings."""

    def install(self, wheels: Set, lock: Path, into: Path) -> Commands:
        made = [SYSTEM_PYTHON, "-m", "venv", str(into)]
        return [made, *self.update(wheels, lock, into)]

    def update(self, wheels: Set, lock: Path, into: Path) -> Commands:
        return [[str(into / "bin" / "pip"), *_arguments(wheels, lock)]]


def _arguments(wheels: Set, lock: Path) -> list[str]:
    return [
        "install", "--quiet", "--no-index", "--no-deps", "--require-hashes",
        f"--find-links={wheels.wheels}", "-r", str(lock),
    ]  # fmt: skip


def newest_pip() -> Pip:
    """The pip of the index, in an environment of its own below build/bench."""
    place = PLACE / "pip"
    if not (place / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        upgrade = ["-m", "pip", "install", "--quiet", "--upgrade", "pip>=26"]
        subprocess.run([str(place / "bin" / "python"), *upgrade], check=True)
    return Pip(place / "bin" / "python")


def versions() -> dict[str, str]:
    """What was measured against."""
    asked = {
        "uv": [uv.find_uv_bin(), "--version"],
        "pip": [str(newest_pip().python), "-m", "pip", "--version"],
        "system pip": [SYSTEM_PYTHON, "-m", "pip", "--version"],
        "python": [SYSTEM_PYTHON, "--version"],
    }
    answers = {}
    for name, argv in asked.items():
        words = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        answers[name] = words[1]
    return answers
