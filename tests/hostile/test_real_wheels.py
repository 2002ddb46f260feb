"""Real wheels are accepted, with all the quirks they have.

A few dozen of the wheels that other tests install; with ``VENV_TORTURE`` those of
``real_wheels.txt``, each of another project, fetched once into ``build/wheels/real`` by a CPython
3.11 on x86_64, which they are for. Reading them needs neither.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rpm_venv.wheels.wheel import WheelName
from tests.host.realwheels import BUILD, real_wheels
from tests.hostile import real
from tests.hostile.conftest import Tally

LIST = Path(__file__).with_name("real_wheels.txt")
TORTURE = bool(os.environ.get("VENV_TORTURE"))
LARGE = 1 << 20  # bytes; of larger wheels it takes long to read every member
LEAST = 300 if TORTURE else 60


def listed() -> dict[str, str]:
    """The version of each project of the list."""
    return dict(
        re.findall(r"^([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$", LIST.read_text(), re.M)
    )


def wheels() -> list[Path]:
    if not TORTURE:
        there = real_wheels("zuul").wheels.glob("*.whl")
        return sorted(path for path in there if path.stat().st_size <= LARGE)
    place = BUILD / "real"
    place.mkdir(parents=True, exist_ok=True)
    if len(list(place.glob("*.whl"))) < len(listed()):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        what = ["--only-binary", ":all:", "-r", str(LIST), "-d", str(place)]
        subprocess.run([*pip, *what], check=True)
    return sorted(place.glob("*.whl"))


def test_the_list_names_as_many_projects_as_are_promised() -> None:
    lines = [line for line in LIST.read_text().splitlines() if not line.startswith("#")]
    assert len(listed()) == len(lines) >= 300


def test_real_wheels_are_accepted(tally: Tally) -> None:
    found = {path.name: list(real.problems(path)) for path in wheels()}
    for problems in found.values():
        tally("wheels of real packages", "refused" if problems else "accepted")
    assert len({WheelName.parse(name).name for name in found}) >= LEAST
    assert not {name: problems[:3] for name, problems in found.items() if problems}


@pytest.mark.parametrize("change", [b"", b"x"])
def test_a_wheel_that_is_not_whole_would_be_seen(tmp_path: Path, change: bytes) -> None:
    """What says that all are accepted can say that one is not."""
    path = next(path for path in wheels() if path.stat().st_size <= LARGE)
    cut = tmp_path / path.name
    cut.write_bytes(path.read_bytes()[:-30] + change)
    assert list(real.problems(cut))
