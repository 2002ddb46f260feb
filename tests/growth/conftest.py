"""The table of what calls on systems with many environments took, at the end of a test run."""

from __future__ import annotations

import pytest

from tests.reported import properties


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = list(properties(terminalreporter, "growth"))
    if lines:
        terminalreporter.section("many environments")
        for line in lines:
            terminalreporter.write_line(line)
