"""Old or new, never between: a fault at every call that changes a file, of every verb that does.

The cases of ``make test`` are a sample, in which each run's place is shifted so that neighbours are
met by different faults; kills of an upgrade, a removal and a switch back are all there. With
``VENV_TORTURE`` every case is tried.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.faults import table
from tests.faults.cases import ERRORS, SIGNALS, Case, Outcome
from tests.faults.laboratories import Laboratories
from tests.faults.scenarios import MANY, SCENARIOS

TORTURE = bool(os.environ.get("VENV_TORTURE"))
NAMES = tuple(scenario.name for scenario in (*SCENARIOS, *MANY))
FAULTS = [(name, False) for name in SIGNALS]
FAULTS += [(error, persistent) for error in ERRORS for persistent in (False, True)]

#: Every how many calls a fault is tried in the sample.
EVERY_KILL = {"upgrade": 1, "remove": 1, "back": 1}
OTHER_SIGNALS = 15
ERRORS_EVERY = 60
#: The same where a call is about several environments, or is dear for another reason.
DEAR = {
    scenario.name: {"KILL": 40, "INTERRUPT": 170, "EIO": 500, "ENOSPC": 500} for scenario in MANY
}


def step(scenario: str, fault: str) -> int:
    if scenario == "fetch":  # pip takes its time
        return 10 if TORTURE else 70
    if TORTURE:
        return 1
    if scenario in DEAR:
        return DEAR[scenario][fault]
    if fault == "KILL":
        return EVERY_KILL.get(scenario, OTHER_SIGNALS)
    return OTHER_SIGNALS if fault in SIGNALS else ERRORS_EVERY


def faults(scenario: str) -> Sequence[tuple[str, bool]]:
    """The faults of a scenario; in the sample of a dear one, two errors stand for all.

    Where pip runs, each error is there once: for good every other one of them.
    """
    if not TORTURE and scenario == "fetch":
        errors = [(error, number % 2 == 0) for number, error in enumerate(ERRORS)]
        return [*((name, False) for name in SIGNALS), *errors]
    if TORTURE or scenario not in DEAR:
        return FAULTS
    return [*((name, False) for name in SIGNALS), ("EIO", False), ("ENOSPC", True)]


def cases(scenario: str, fault: str, persistent: bool, calls: int) -> list[Case]:
    """The cases of a fault in a scenario with so many calls that it can meet."""
    every = step(scenario, fault)
    shift = (7 * FAULTS.index((fault, persistent)) + 3 * NAMES.index(scenario)) % every
    numbers = range(1 + shift % max(calls, 1), calls + 1, every)
    return [Case(scenario, fault, number, persistent) for number in numbers]


@pytest.mark.parametrize("scenario", NAMES)
def test_the_environment_is_old_or_new(laboratories: Laboratories, scenario: str) -> None:
    trace = laboratories.trace(scenario)
    own = [(name, changes) for name, is_own, changes in trace if is_own]
    changing = Counter(name for name, changes in own if changes)
    named = ", ".join(f"{name} {count}" for name, count in changing.most_common())
    table.note(f"{scenario}: {changing.total()} calls that change files ({named})")
    failed = []
    for fault, persistent in faults(scenario):
        calls = changing.total() if fault in SIGNALS else len(own)
        chosen = cases(scenario, fault, persistent, calls)
        outcomes = list(laboratories.try_all(chosen))
        assert all(outcome.hit for outcome in outcomes), "a fault met no call"
        wrong = [outcome for outcome in outcomes if outcome.problems]
        what = fault if fault in SIGNALS else "errors"
        how = f"{scenario}: {what}{' from there on' * persistent}"
        table.survived(how, len(outcomes), len(outcomes) - len(wrong))
        failed += wrong
    assert not failed, _told(failed)


@pytest.mark.parametrize("scenario", ["fresh", "remove"])
def test_a_fork_does_what_the_command_does(laboratories: Laboratories, scenario: str) -> None:
    """The cases are tried on forks of a process that has the command's modules loaded."""

    def changing(started: bool) -> Counter[str]:
        trace = laboratories.trace(scenario, started=started)
        return Counter(name for name, own, changes in trace if own and changes)

    assert changing(started=True) == changing(started=False)


@pytest.mark.parametrize("scenario", ["fresh", "upgrade", "repair"])
def test_a_confined_child_dies(laboratories: Laboratories, scenario: str) -> None:
    trace = laboratories.trace(scenario)
    calls = sum(not own for _, own, _ in trace)
    assert calls, "no confined child has done anything"
    every = 1 if TORTURE else 9
    chosen = [Case(scenario, "KILL", n, children=True) for n in range(1, calls + 1, every)]
    outcomes = list(laboratories.try_all(chosen))
    wrong = [outcome for outcome in outcomes if outcome.problems]
    table.survived(f"{scenario}: a child is killed", len(outcomes), len(outcomes) - len(wrong))
    assert not wrong, _told(wrong)


@pytest.mark.parametrize("fault", ["KILL", "INTERRUPT", "EIO", "ENOSPC"])
def test_several_workers(laboratories: Laboratories, fault: str) -> None:
    calls = sum(own and changes for _, own, changes in laboratories.trace("fresh"))
    every = 1 if TORTURE else 40
    chosen = [Case("fresh", fault, n, parallel=True) for n in range(9, calls - 9, every)]
    outcomes = list(laboratories.try_all(chosen))
    wrong = [outcome for outcome in outcomes if outcome.problems]
    table.survived(f"several workers: {fault}", len(outcomes), len(outcomes) - len(wrong))
    assert not wrong, _told(wrong)


def _told(outcomes: Sequence[Outcome]) -> str:
    lines = [str(outcome)[:1500] for outcome in outcomes]
    return "\n".join([f"{len(lines)} cases", *lines[:12]])
