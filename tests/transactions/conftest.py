"""Fixtures of the transactions tests: packages that are built once, whoever asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.host import Host, Hosts, Snapshot, pythonpackage, systemd
from tests.host.applications import Application
from tests.host.project import ProjectRpms, builder
from tests.pythons import newer_than

#: Made by the runtime's first calls, owned by its package, gone with it.
_RUNTIME = {"/usr/lib/rpm-venv/lock", "/usr/lib/rpm-venv/history"}

Build = Callable[[Application], Path]
Leftovers = Callable[[], Snapshot]


@pytest.fixture(scope="session")
def build(build_host: Host) -> Build:
    """Build an application's RPM; the same application is built once in a run."""
    built: dict[str, Path] = {}

    def build_once(application: Application) -> Path:
        key = f"{application.spec()}{sorted(map(str, application.all_sources().items()))}"
        if key not in built:
            built[key] = application.build(build_host)
        return built[key]

    return build_once


@pytest.fixture(scope="session")
def author(hosts: Hosts, project_rpms: ProjectRpms) -> Iterator[Host]:
    """A host that builds packages, with systemd's macros."""
    host = hosts.fresh(builder(hosts, project_rpms))
    systemd.install_macros(host)
    yield host
    host.close()


@pytest.fixture(scope="session")
def newer(build_host: Host) -> Path:
    """A package with another minor version of Python."""
    major, minor, *_ = build_host.python_version().split(".")
    return pythonpackage.build(build_host, newer_than((int(major), int(minor))))


def _is_above_a_ghost(path: str, what: str) -> bool:
    """What rpm 4.14 makes for a %ghost and leaves there: docs/rpm-versions.md."""
    top = path.rpartition("/")[0]
    return top in ("/opt", "/srv") and what == "directory 755 0:0"


@pytest.fixture
def leftovers(host: Host) -> Leftovers:
    """What is on the host now and was not, or not so, when the test began."""
    before = host.snapshot()

    def difference() -> Snapshot:
        now = host.snapshot()
        if host.tools.version() < (4, 15):
            now = {path: what for path, what in now.items() if not _is_above_a_ghost(path, what)}
        return {
            path: now.get(path, "as before the base")
            for path in {*before, *now} - _RUNTIME
            if before.get(path) != now.get(path)
        }

    return difference
