"""The laboratory of a test run, and the table of what was tried and survived, at its end."""

from __future__ import annotations

import os
import platform
from collections.abc import Generator, Iterator

import pytest

from tests.faults import calls, table
from tests.faults.laboratories import Laboratories
from tests.reported import properties

_TABLE = "faults"


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.when == "call":
        item.user_properties.extend((_TABLE, noted) for noted in table.drain())
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = table.lines(properties(terminalreporter, _TABLE))
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)
