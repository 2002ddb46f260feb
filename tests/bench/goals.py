"""The goals as ratios of what was measured in one run, and whether each is met. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.measured import Cost

#: (work, contender) → its costs, round after round.
Measured = Mapping[tuple[str, str], list[Cost]]


@dataclass(frozen=True)
class Goal:
    """Seconds of ours in a work, at most ``most`` times those of another."""

    work: str
    against: tuple[str, str]
    most: float


_UV_CODE, _UV, _PIP, _OLD_PIP = "uv with byte code", "uv", "pip 26", "pip 23"
RATIOS = (
    Goal("cold", ("cold", _UV_CODE), 0.85),
    Goal("cold", ("cold", _PIP), 0.4),
    Goal("packaged: store", ("cold", _UV_CODE), 0.2),
    Goal("packaged: store", ("cold", _PIP), 0.1),
    Goal("packaged: store", ("cold", _OLD_PIP), 0.07),
    Goal("second", ("second", _UV_CODE), 0.06),
    Goal("second", ("second", _UV), 1),
    Goal("one changed", ("one changed", _UV_CODE), 0.5),
    Goal("verify", ("verify", "hashing"), 1.3),
    Goal("remove", ("remove", "rm -rf"), 0.5),
    # With it go the generation before it, and all wheels: more than is in the tree of pip.
    Goal("remove, the last", ("remove", "rm -rf"), 0.5),
    Goal("cold", ("cold", "ours, unconfined"), 1.1),
    Goal("from an index", ("from an index", _UV_CODE), 1),
    Goal("fetched alone", ("from an index", _UV), 1),
)
NOTHING_CPU = 0.06  # seconds of CPU of an install with nothing to do
PEAK = 200  # megabytes of any process
DISK = 1.1  # ten identical environments, in the room of one


@dataclass(frozen=True)
class Verdict:
    """A goal in words, what was found, and what it may be at most.

    ``cpu`` is the same ratio of CPU seconds, which a busy machine moves less.
    """

    goal: str
    found: float
    most: float
    cpu: float | None = None

    @property
    def met(self) -> bool:
        return self.found <= self.most


def median(costs: list[Cost]) -> float:
    """The median of wall times."""
    return statistics.median(cost.seconds for cost in costs)


def verdicts(measured: Measured, disk: float | None) -> list[Verdict]:
    """Every goal that these measurements tell something of."""
    found = []
    for goal in RATIOS:
        ours, other = measured.get((goal.work, "ours")), measured.get(goal.against)
        if ours and other:
            # Both were measured in the same round: the middle of the rounds' ratios.
            ratios = [mine.seconds / its.seconds for mine, its in zip(ours, other)]
            of_cpu = [mine.cpu / its.cpu for mine, its in zip(ours, other)]
            words = f"{goal.work} / {goal.against[1]}"
            ratio = statistics.median(ratios)
            found.append(Verdict(words, ratio, goal.most, statistics.median(of_cpu)))
    nothing = measured.get(("nothing to do", "ours"))
    if nothing:
        cpu = statistics.median(cost.cpu for cost in nothing)
        found.append(Verdict("nothing to do, CPU seconds", cpu, NOTHING_CPU))
    mine = [cost for (_, who), costs in measured.items() if who == "ours" for cost in costs]
    if mine:
        found.append(Verdict("megabytes of any process", max(cost.peak for cost in mine), PEAK))
    if disk is not None:
        found.append(Verdict("disk of ten environments / one", disk, DISK))
    return found
