"""The table at the end of a run: how many hostile inputs were tried, and what became of them."""

from __future__ import annotations

from collections import Counter
from typing import Callable

import pytest

from tests.reported import properties

Tally = Callable[[str, str], None]

_TABLE = "hostile inputs"
_OUTCOMES = ("refused", "made safe", "accepted")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Note what became of one input of a group: one of the outcomes of the table."""

    def note(group: str, outcome: str) -> None:
        assert outcome in _OUTCOMES
        request.node.user_properties.append((_TABLE, (group, outcome)))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = Counter((group, outcome) for group, outcome in properties(terminalreporter, _TABLE))
    if not counts:
        return
    terminalreporter.section(_TABLE)
    terminalreporter.line(f"{'':<34}{'tried':>10}" + "".join(f"{name:>11}" for name in _OUTCOMES))
    for group in dict.fromkeys(group for group, _ in counts):
        _line(terminalreporter, group, [counts[group, outcome] for outcome in _OUTCOMES])
    totals = [sum(n for (_, o), n in counts.items() if o == outcome) for outcome in _OUTCOMES]
    _line(terminalreporter, "all", totals)


def _line(reporter: pytest.TerminalReporter, name: str, numbers: list[int]) -> None:
    cells = "".join(f"{number:>11}" for number in numbers)
    reporter.line(f"{name:<34}{sum(numbers):>10}{cells}")
