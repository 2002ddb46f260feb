"""Fixtures of all tests: throw-away RPM hosts, and what they start from.

All of them last as long as they are cheap to share: ``hosts`` and the bases for the whole run, a
``host`` for one test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.host import Base, Host, Hosts, RpmTools

_COMMANDS = ("rpm", "rpmbuild", "dnf", "createrepo_c", "nsenter")


def pytest_report_header() -> list[str]:
    tools = RpmTools.from_environment()
    return [f"rpm: {tools.describe()}"] if shutil.which(tools.rpm) else ["rpm: not installed"]


def _missing() -> str:
    """What throw-away hosts need and this machine does not have; empty when nothing."""
    if os.geteuid() != 0:
        return "root"
    return ", ".join(command for command in _COMMANDS if not shutil.which(command))


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    """The throw-away hosts of this run."""
    missing = _missing()
    if missing:
        pytest.skip(f"needs {missing}")
    with Hosts() as hosts:
        yield hosts


@pytest.fixture(scope="session")
def system(hosts: Hosts) -> Base:
    """A system without anything of ours: rpm, dnf and stubs of the usual packages."""
    return hosts.system()


@pytest.fixture
def bare_host(hosts: Hosts, system: Base) -> Iterator[Host]:
    """A fresh host on which nothing of ours is installed."""
    host = hosts.fresh(system)
    yield host
    host.close()
