"""Power loss on ext4, xfs and btrfs: what was reported done is there, and nothing half.

Without one of its fsyncs a verb should fail here too; where a filesystem's own order of writes
hides that, the table says so, and ``test_strict_disk.py`` has the proof that it is needed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from typing import Any

import pytest

from tests.faults import table
from tests.faults.laboratories import Laboratories
from tests.faults.power import FILESYSTEMS

TORTURE = bool(os.environ.get("VENV_TORTURE"))
#: Power is lost at every so many of the moments at which something public is about to change.
EVERY = {"fresh": 5, "upgrade": 3, "remove": 6, "repair": 9}


def experiment(laboratories: Laboratories, kind: str, scenario: str, *, skip: bool) -> Any:
    """What ``power.main`` found."""
    command = FILESYSTEMS[kind][0][0]
    if not shutil.which(command):
        pytest.skip(f"needs {command}")
    every = 1 if TORTURE else EVERY[scenario]
    code = "from tests.faults import power; power.main(*sys.argv[1:])"
    words = (kind, scenario, str(laboratories.top), str(every), "skip" if skip else "")
    done = subprocess.run(
        ["unshare", "--mount", *laboratories.command.python(code, *words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("scenario", EVERY)
@pytest.mark.parametrize("kind", FILESYSTEMS)
def test_power_is_lost(laboratories: Laboratories, kind: str, scenario: str) -> None:
    losses = experiment(laboratories, kind, scenario, skip=False)["losses"]
    wrong = [(moment, problems) for moment, problems in losses if problems]
    table.survived(f"{scenario}: power loss, {kind}", len(losses), len(losses) - len(wrong))
    assert losses
    assert not wrong, "\n".join(map(str, wrong[:5]))


@pytest.mark.parametrize("kind", FILESYSTEMS if TORTURE else ["ext4"])
def test_power_is_lost_without_an_fsync(laboratories: Laboratories, kind: str) -> None:
    caught: dict[str, bool] = defaultdict(bool)
    for scenario in EVERY if TORTURE else ["fresh"]:
        for call, lost in experiment(laboratories, kind, scenario, skip=True)["without"]:
            caught[re.sub(r"[0-9a-f]{16,}", "…", call)] |= any(lost)
    for call, found in caught.items():
        table.note(f"{kind} without {call}: {'fails' if found else 'its order of writes hides it'}")
    assert any(caught.values()), f"{kind} misses no fsync at all: is power really lost?"
