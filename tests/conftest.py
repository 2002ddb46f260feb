"""Fixtures of all tests: throw-away RPM hosts, and what they start from.

All of them last as long as they are cheap to share: ``hosts`` and the bases for the whole run, a
``host`` for one test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Base, Host, Hosts, RpmTools
from tests.host.project import ProjectRpms, build_project_rpms, builder, target

_COMMANDS = ("rpm", "rpmbuild", "dnf", "createrepo_c", "nsenter", "setpriv")


def pytest_report_header() -> list[str]:
    tools = RpmTools.from_environment()
    return [f"rpm: {tools.describe()}"] if shutil.which(tools.rpm) else ["rpm: not installed"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: what it needs is to be there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("\nskipped tests are failures where CI is set", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _missing() -> str:
    """What throw-away hosts need and this machine does not have; empty when nothing."""
    if os.geteuid() != 0:
        return "root"
    return ", ".join(command for command in _COMMANDS if not shutil.which(command))


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that everybody may read; pytest's own are not."""
    name = Path(tempfile.mkdtemp())
    name.chmod(0o755)
    yield name
    shutil.rmtree(name)


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


@pytest.fixture(scope="session")
def project_rpms(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> ProjectRpms:
    """The RPMs of this tree."""
    return build_project_rpms(tmp_path_factory.mktemp("rpms"))


@pytest.fixture(scope="session")
def target_base(hosts: Hosts, project_rpms: ProjectRpms) -> Base:
    """A system with rpm-venv."""
    return target(hosts, project_rpms)


@pytest.fixture
def host(hosts: Hosts, target_base: Base) -> Iterator[Host]:
    """A fresh host on which rpm-venv is installed."""
    host = hosts.fresh(target_base)
    yield host
    host.close()


@pytest.fixture(scope="session")
def build_host(hosts: Hosts, project_rpms: ProjectRpms) -> Iterator[Host]:
    """The host that builds this run's packages: venv-rpm-macros is installed there."""
    host = hosts.fresh(builder(hosts, project_rpms))
    yield host
    host.close()
