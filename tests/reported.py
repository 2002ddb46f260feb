"""What tests said beside passing or failing, from their reports; whichever process ran them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def properties(reporter: pytest.TerminalReporter, name: str) -> Iterator[Any]:
    """The values of a user property of every test of this run, in the order of their reports."""
    for reports in reporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                yield from (value for key, value in report.user_properties if key == name)
