"""Many environments on one host: nothing grows faster than the work.

System calls and bytes are counted, which come out the same on a busy machine. Three sizes of a
system tell whether a call that looks at every environment takes the same for each of them, however
many there are; and that a call about one does not grow with the others. ``VENV_TORTURE`` goes to
two hundred. The times are in the table at the end of the run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.laboratories import scratch
from tests.faults.systems import Command
from tests.growth.hosts import SHARED, Cost, System, declaration_of, path_of
from tests.host.wheels import make_wheel
from tests.unit.advisories import fixed, introduced, record

SIZES = (10, 50, 200) if os.environ.get("VENV_TORTURE") else (3, 9, 27)
LOOKING = ("list", "verify", "audit --all", "sync", "gc", "a fix for all")
OF_ONE = ("sync of a trigger", "install", "show")
#: System calls that another environment may cost a call that is not about it: its name is seen.
_NAME = 3


@dataclass
class Measured:
    """What was measured at each size, and the seconds of CPU at the last one."""

    costs: dict[str, list[Cost]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    smaller: dict[str, Cost] = field(default_factory=dict)
    larger: dict[str, Cost] = field(default_factory=dict)


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    if os.geteuid() != 0:
        pytest.skip("needs root: environments belong to it")
    top = scratch()
    try:
        yield _measured(top)
    finally:
        shutil.rmtree(top)


def _verbs(database: Path) -> dict[str, tuple[tuple[str, ...], str]]:
    """The words of each call, and its stdin."""
    return {
        "list": (("list",), ""),
        "verify": (("verify",), ""),
        "audit --all": (("audit", "--all", "--db", str(database)), ""),
        "sync": (("sync",), ""),
        "gc": (("gc",), ""),
        "sync of a trigger": (("sync", "--trigger", "file"), declaration_of(0)),
        "install": (("install", path_of(0)), ""),
        "show": (("show", path_of(0)), ""),
    }


def _measured(top: Path) -> Measured:
    system = System(Command.copied(top / "src"), top / "root")
    system.root.mkdir()
    database = top / "advisories"
    database.mkdir()
    one = record("PYSEC-1", "tls", introduced("0"), fixed("2.0"))
    (database / "PYSEC-1.json").write_text(json.dumps(one))
    verbs = _verbs(database)
    found = Measured()
    system.fix(make_wheel("tls", "2.0.1"))  # there is one at every size
    there = 0
    for number, size in enumerate(SIZES):
        system.ship(range(there, size))
        found.seconds["sync that makes them"] = system.call("sync")
        there = size
        for name, (words, stdin) in verbs.items():
            found.costs.setdefault(name, []).append(system.cost(*words, stdin=stdin))
        system.fix(make_wheel("tls", f"2.{number + 1}"))
        found.costs.setdefault("a fix for all", []).append(system.cost("sync"))
    for name, (words, stdin) in verbs.items():
        found.seconds[name] = system.call(*words, stdin=stdin)
        found.smaller[name] = system.cost(*words, stdin=stdin)
    # The last one becomes a large one: 400 files where there were a few.
    files = {f"app/part{n}.py": f"part = {n}\n" for n in range(400)}
    shutil.rmtree(system.root / declaration_of(there - 1)[1:].rpartition("/")[0])
    system.ship([there - 1], (make_wheel("app", "2", files), SHARED))
    system.call("sync")
    for name, (words, stdin) in verbs.items():
        found.larger[name] = system.cost(*words, stdin=stdin)
    return found


def test_times(measured: Measured, record_property: Callable[[str, object], None]) -> None:
    """For people: with how many environments, system calls, and seconds of CPU."""
    sizes = "  ".join(f"{size:>8}" for size in SIZES)
    record_property("growth", f"{'environments':22}{sizes}  CPU at {SIZES[-1]}")
    for name, costs in measured.costs.items():
        calls = "  ".join(f"{cost.calls:8}" for cost in costs)
        seconds = measured.seconds.get(name)
        record_property(
            "growth", f"{name:22}{calls}  {'' if seconds is None else f'{seconds:.2f} s'}"
        )
    assert set(measured.costs) == {*LOOKING, *OF_ONE}


def _slopes(costs: list[Cost]) -> tuple[float, float, float, float]:
    """Calls and bytes for each further environment: of the first ones added, and of the last."""
    few, some, many = costs
    first, second = SIZES[1] - SIZES[0], SIZES[2] - SIZES[1]
    return (
        (some.calls - few.calls) / first,
        (many.calls - some.calls) / second,
        (some.read - few.read) / first,
        (many.read - some.read) / second,
    )


@pytest.mark.parametrize("verb", LOOKING)
def test_nothing_grows_faster_than_the_work(measured: Measured, verb: str) -> None:
    few, many, read_few, read_many = _slopes(measured.costs[verb])
    assert few > 0, "it does look at each of them"
    assert many <= 1.1 * few, f"{few:.0f} calls for each of few, {many:.0f} for each of many"
    # What is read of many is text that has numbers in it, which grow longer.
    assert read_many <= 1.2 * read_few + 200, (read_few, read_many)


@pytest.mark.parametrize("verb", OF_ONE)
def test_a_call_about_one_does_not_grow_with_the_others(measured: Measured, verb: str) -> None:
    # At the first size it has no older generation yet.
    _, many, _, read_many = _slopes(measured.costs[verb])
    assert many <= _NAME
    assert read_many <= 1_500, "its lines of the history, and no file of its own"


@pytest.mark.parametrize("verb", ["list", "sync", "sync of a trigger", "install", "show", "gc"])
def test_the_size_of_another_environment_has_no_say(measured: Measured, verb: str) -> None:
    small, large = measured.smaller[verb], measured.larger[verb]
    assert large.calls - small.calls <= 40, (small, large)
    assert large.read - small.read <= 3_000, (small, large)
    verified = measured.larger["verify"].calls - measured.smaller["verify"].calls
    assert verified > 400 * 3, "verify does look at each file"
