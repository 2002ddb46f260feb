"""The command as packages have it, and systems below a directory that it works on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import packaging

from tests.bench.measured import ENVIRONMENT
from tests.bench.sets import TREE, Set
from tests.host.realwheels import SYSTEM_PYTHON

PATH = "/opt/app1/penv"
SECOND = "/opt/app2/penv"
_SHIPPED = "usr/share/app1"
_UNCONFINED = """

def confine(empty: int) -> list[str]:  # the bench measures what the layers cost
    return []


def filter_calls(allowed: object, *, sharing: bool = True) -> bool:
    return True


def limit(limits: object) -> bool:
    return True
"""


class Runtime:
    """A copy of the command, started and compiled as that of the package rpm-venv."""

    def __init__(self, place: Path, *, confined: bool = True) -> None:
        """``confined=False``: without the layers around its children, to see what they cost."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(TREE / "src" / "rpm_venv", place / "rpm_venv", ignore=ignored)
        vendored = place / "vendor" / "packaging"
        shutil.copytree(Path(packaging.__file__).parent, vendored, ignore=ignored)
        if not confined:
            with (place / "rpm_venv" / "confined" / "lockdown.py").open("a") as lockdown:
                lockdown.write(_UNCONFINED)
        compiling = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(place)]
        subprocess.run([SYSTEM_PYTHON, *compiling], check=True)
        script = (TREE / "bin" / "rpm-venv").read_text()
        self._script = place / "rpm-venv"
        self._script.write_text(script.replace("/usr/lib/rpm-venv/runtime", str(place)))
        self._script.chmod(0o755)

    def command(self, root: Path, *words: str) -> list[str]:
        """The words of a call that works on the system below ``root``."""
        return [str(self._script), "--root", str(root), *words]

    def python(self, text: str, *words: str) -> list[str]:
        """The words that run some Python that finds the command's modules."""
        where = [str(self._script.parent), str(self._script.parent / "vendor")]
        return [SYSTEM_PYTHON, "-Ic", text, *where, *words]


def system(place: Path, wheels: Set) -> Path:
    """A system whose packages brought these wheels and locks."""
    shipped = place / _SHIPPED
    (shipped / "wheels").mkdir(parents=True)
    os.makedirs(place / "etc")
    for wheel in wheels.wheels.iterdir():
        shutil.copyfile(wheel, shipped / "wheels" / wheel.name)
    shutil.copyfile(wheels.lock, shipped / "lock.txt")
    shutil.copyfile(wheels.changed, shipped / "changed.txt")
    return place


def install(path: str = PATH, lock: str = "lock.txt") -> Sequence[str]:
    """The words that install from the wheels of ``system``."""
    return ("install", "-r", f"/{_SHIPPED}/{lock}", "-w", f"/{_SHIPPED}/wheels", "-o", path)


def declared(runtime: Runtime, place: Path, wheels: Set, level: str, *options: str) -> Path:
    """A system with a package that brings PATH at this level, made as rpmbuild makes it."""
    place.mkdir()
    subprocess.run(
        runtime.command(
            place, "declare", "-r", str(wheels.lock), "-b", level, "-w", str(wheels.wheels), "-o",
            "--package", f"app1-1.0-1.{os.uname().machine}", *options, PATH,
        ),
        env=ENVIRONMENT, cwd="/", check=True,
    )  # fmt: skip
    emptied(place)  # the path that rpm would call a ghost
    return place


def emptied(root: Path) -> None:
    """Forget every environment of a system, and what is in its store."""
    for name in ("store", "envs", "state", "staging"):
        shutil.rmtree(root / "usr/lib/rpm-venv" / name, ignore_errors=True)
    shutil.rmtree(root / "opt", ignore_errors=True)
