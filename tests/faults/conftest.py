"""The laboratory of a test run, and the table of what was tried and survived, at its end."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

import pytest

from tests.faults import calls, table
from tests.faults.laboratories import Laboratories


def needs_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def laboratories() -> Iterator[Laboratories]:
    """Workers that try cases, on systems like those that every scenario starts from."""
    needs_root()
    if platform.machine() not in calls.MACHINES:
        pytest.skip(f"needs the numbers of the system calls on {platform.machine()}")
    with Laboratories() as laboratories:
        yield laboratories


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = table.lines()
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
