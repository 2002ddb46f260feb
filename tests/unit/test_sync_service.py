"""The unit that tries again what had to wait, and the file that says that there is something."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv import state
from rpm_venv.declaration import Declaration
from rpm_venv.environment import Environment
from rpm_venv.locks.amended import OVERRIDE, PENDING, Outcome
from rpm_venv.paths import Layout

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "rpm-venv-sync.service"
ONE = Environment(Declaration("/opt/app1/penv", "/lock"))
OTHER = Environment(Declaration("/opt/app2/penv", "/lock"))
WAITING = Outcome(OVERRIDE, "tls", "2.1", "/etc/rpm-venv/overrides.d/x.txt", "line 1", PENDING)


@pytest.mark.parametrize(
    "waiting", [replace(ONE, failure="no network"), replace(ONE, outcomes=(WAITING,))]
)
def test_the_mark_is_there_as_long_as_an_environment_waits(
    tmp_path: Path, waiting: Environment
) -> None:
    layout = Layout(tmp_path)
    state.write(layout, OTHER)
    assert not layout.pending.exists()
    state.write(layout, waiting)
    state.write(layout, OTHER)
    assert layout.pending.read_bytes() == b""
    state.unmark(layout)
    assert layout.pending.exists()
    state.write(layout, ONE)
    state.unmark(layout)
    assert not layout.pending.exists()
    state.write(layout, waiting)
    state.forget(layout, ONE.path)
    state.unmark(layout)
    assert not layout.pending.exists()


def test_the_unit_runs_when_there_is_something_to_do() -> None:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    assert parser["Unit"]["ConditionPathExists"] == str(Layout().pending)
    assert parser["Unit"]["After"].startswith("network-online.target")
    assert parser["Service"]["ExecStart"] == "/usr/bin/rpm-venv sync"
    # What the confined children, and environments anywhere, cannot do without.
    forbidden = ("RestrictNamespaces", "ProtectSystem", "PrivateUsers", "MemoryDenyWriteExecute",
                 "CapabilityBoundingSet", "SystemCallFilter", "ProtectProc", "User")  # fmt: skip
    assert not {*forbidden} & {*parser["Service"]}


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """Where it is: it names every option that it does not know."""
    analyze = shutil.which("systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/rpm-venv sync", "/bin/true"))
    assert "ExecStart=/bin/true\n" in unit.read_text()
    if analyze:
        done = subprocess.run(
            [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
