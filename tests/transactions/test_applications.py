"""Real applications from the package index go the whole road: a pure, a compiled, a large one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.host import Host
from tests.host.applications import Application
from tests.host.realwheels import RealWheels, real_wheels
from tests.transactions.conftest import Build, Leftovers


@dataclass(frozen=True)
class Real:
    """A real application: what to run in its environment, which prints the version."""

    name: str
    command: tuple[str, ...]
    wheels: int

    def version(self, host: Host) -> str:
        """The version that the application itself says, run by nobody."""
        program, *arguments = self.command
        said = host.run(f"/opt/{self.name}/penv/bin/{program}", *arguments, user=65534)
        return said.stdout.split()[-1]


REAL = [
    Real("httpie", ("http", "--version"), 10),
    Real("pandas", ("python", "-c", "import pandas; print(pandas.__version__)"), 5),
    Real("zuul", ("zuul-scheduler", "--version"), 131),
]


def _locked_version(wheels: RealWheels, name: str) -> str:
    lines = wheels.lock.read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}==")]
    return line.split()[0].split("==")[1]


@pytest.mark.parametrize("real", REAL, ids=lambda real: real.name)
def test_install_run_upgrade_downgrade_reinstall_undo_and_erase(
    host: Host, build: Build, leftovers: Leftovers, real: Real
) -> None:
    wheels = {"1": real_wheels(real.name), "2": real_wheels(f"{real.name}-new")}
    assert all(some.count() >= real.wheels for some in wheels.values())
    old, new = (_locked_version(wheels[version], real.name) for version in ("1", "2"))
    assert old != new
    host.publish(
        *(
            build(Application(real.name, version, f"/opt/{real.name}/penv", wheels[version]))
            for version in ("1", "2")
        )
    )
    host.dnf("install", f"{real.name}-1")
    assert real.version(host) == old
    assert host.rpm("-V", real.name).output == ""
    host.dnf("upgrade", real.name)
    assert real.version(host) == new
    host.dnf("downgrade", real.name)
    assert real.version(host) == old
    host.dnf("history", "undo", "last")
    assert real.version(host) == new
    host.dnf("reinstall", real.name)
    assert real.version(host) == new
    assert host.rpm("-V", real.name).output == ""
    host.dnf("remove", real.name)
    assert leftovers() == {}
