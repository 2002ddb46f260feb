"""The whole life of a package, in both shapes and at every level, with rpm and with dnf.

With the scriptlet macros a package brings its lock, or its lock and wheels; with %venv_declare it
has four levels. Whichever it is, an administrator sees the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from rpm_venv.system.declared import LEVELS
from tests.host import Base, Host, Hosts
from tests.host.applications import Application, answer, tiny_application, tiny_declared
from tests.host.project import ProjectRpms
from tests.transactions.conftest import Build

CASES = [("scriptlets", "lock"), ("scriptlets", "wheels"), *(("declared", each) for each in LEVELS)]


def application(shape: str, level: str, version: str) -> Application:
    if shape == "declared":
        return tiny_declared(version, level=level)
    offline = level == "wheels"
    owns = {"%files": "%dir /opt/app1"}  # rpm 4.14 leaves it otherwise: docs/rpm-versions.md
    return tiny_application(version, ship=offline, options="-o" if offline else "", sections=owns)


class Rpm:
    """Transactions by rpm, which is given files in the order in which they are named."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def install(self, *packages: Path, options: Sequence[str] = ()) -> None:
        paths = map(self._host.repository_path, packages)
        assert self._host.rpm("-U", *options, *paths).output == ""

    def upgrade(self, package: Path) -> None:
        self.install(package)

    def downgrade(self, package: Path) -> None:
        self.install(package, options=["--oldpackage"])

    def reinstall(self, package: Path) -> None:
        said = self._host.rpm("--reinstall", self._host.repository_path(package))
        assert said.output == ""

    def erase(self, *names: str) -> None:
        assert self._host.rpm("-e", *names).output == ""


class Dnf:
    """Transactions by dnf, out of the host's repository."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def _run(self, verb: str, *words: str) -> None:
        said = self._host.dnf(verb, *words).output
        assert "rpm-venv:" not in said
        assert "warning:" not in said

    def install(self, *packages: Path) -> None:
        self._run("install", *(package.stem for package in packages))

    def upgrade(self, package: Path) -> None:
        self._run("upgrade", package.stem)

    def downgrade(self, package: Path) -> None:
        self._run("downgrade", package.stem)

    def reinstall(self, package: Path) -> None:
        self._run("reinstall", package.stem)

    def erase(self, *names: str) -> None:
        self._run("remove", *names)


@dataclass(frozen=True)
class Trip:
    """A host without rpm-venv, whose repository has it; the site's index has all wheels."""

    host: Host
    runtime: Path


@pytest.fixture
def trip(hosts: Hosts, system: Base, project_rpms: ProjectRpms) -> Iterator[Trip]:
    host = hosts.fresh(system)
    for directory in ("/usr/lib/rpm/lua", "/usr/share/licenses"):  # of rpm and filesystem
        host.mkdir(directory)
    for version in ("1", "2"):
        for wheel in application("declared", "lock", version).wheels:  # type: ignore[union-attr]
            host.write(f"/srv/wheels/{wheel.filename}", wheel.content)
    host.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /srv/wheels\n")
    yield Trip(host, project_rpms.runtime)
    host.close()


@pytest.mark.parametrize("manager", [Rpm, Dnf], ids=["rpm", "dnf"])
@pytest.mark.parametrize(("shape", "level"), CASES)
def test_a_round_trip(
    trip: Trip, build: Build, shape: str, level: str, manager: type[Rpm] | type[Dnf]
) -> None:
    host, runtime = trip.host, trip.runtime
    old, new = (build(application(shape, level, version)) for version in ("1", "2"))
    host.publish(runtime, old, new)
    before = host.snapshot()
    does = manager(host)

    def sound(wanted: str) -> None:
        assert answer(host) == wanted
        assert host.rpm("-V", "app1", "rpm-venv").output == ""

    does.install(runtime, old)
    sound("app1 1")
    does.erase("app1", "rpm-venv")
    assert host.snapshot() == before
    does.install(old, runtime)
    sound("app1 1")
    does.upgrade(new)
    sound("app1 2")
    does.downgrade(old)
    sound("app1 1")
    does.reinstall(old)
    sound("app1 1")
    does.erase("app1")
    assert answer(host) == "nothing there"
    does.install(new)
    sound("app1 2")
    does.erase("rpm-venv", "app1")
    assert host.snapshot() == before
