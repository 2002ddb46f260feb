"""The runtime's own package: it is there when scriptlets run, and what it leaves when it goes.

The macros add a plain ``Requires: rpm-venv``: no generator can name a scriptlet. rpm orders by it
as by ``Requires(post,postun)``, but for dependency loops (lib/order.c); this is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.host import Base, Host, Hosts
from tests.host.applications import answer, tiny_application
from tests.host.project import ProjectRpms
from tests.transactions.conftest import Build


@pytest.fixture
def without_runtime(hosts: Hosts, system: Base, project_rpms: ProjectRpms) -> Iterator[Host]:
    """A host on which rpm-venv is not installed yet; its repository has it."""
    host = hosts.fresh(system)
    host.publish(project_rpms.runtime)
    yield host
    host.close()


@pytest.mark.parametrize("check", [False, True])
def test_application_and_runtime_arrive_in_one_transaction(
    without_runtime: Host, build: Build, check: bool
) -> None:
    host = without_runtime
    host.publish(build(tiny_application(check=check)))
    host.dnf("install", "app1")
    assert answer(host) == "app1 1"
    assert host.rpm("-V", "app1", "rpm-venv").stdout == ""


def test_rpm_sorts_the_runtime_in_front_whatever_the_order_of_the_arguments(
    without_runtime: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    host, applications = without_runtime, [build(tiny_application(name=n)) for n in ("app1", "zap")]
    host.publish(*applications)
    packages = [applications[0], project_rpms.runtime, applications[1]]
    host.rpm("-U", *map(host.repository_path, packages))
    assert answer(host) == "app1 1"
    assert answer(host, "/opt/zap/penv", "zap") == "zap 1"


def test_application_and_runtime_go_in_one_transaction(without_runtime: Host, build: Build) -> None:
    host = without_runtime
    before = host.snapshot()
    host.publish(build(tiny_application(sections={"%files": "%dir /opt/app1"})))
    host.dnf("install", "app1")
    host.rpm("-e", "rpm-venv", "app1")
    assert not host.exists("/opt/app1")
    left = {path for path in host.snapshot().keys() - before.keys() if "rpm-venv" in path}
    assert left == set()


def test_the_runtime_stays_while_a_package_needs_it(host: Host, build: Build) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    assert host.rpm("-e", "rpm-venv", check=False).code != 0
    assert answer(host) == "app1 1"


def test_a_reinstalled_runtime_keeps_environments(
    host: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    host.rpm("-U", "--replacepkgs", host.repository_path(project_rpms.runtime))
    assert answer(host) == "app1 1"
    assert host.run("rpm-venv", "verify", "/opt/app1/penv").code == 0
    assert host.rpm("-V", "rpm-venv").stdout == ""


def test_environments_made_by_hand_survive_the_runtime_and_it_says_so(
    host: Host, build: Build
) -> None:
    application = tiny_application()
    for name, content in application.all_sources().items():
        host.write(f"/srv/{name}", content)
    host.run(
        "rpm-venv", "install", "-r", "/srv/requirements.txt", "-w", "/srv/wheels", "/srv/x/env"
    )
    said = host.rpm("-e", "rpm-venv")
    assert answer(host, "/srv/x/env") == "app1 1"
    assert "environments are left" in said.stderr
    assert host.exists("/usr/lib/rpm-venv/state")


def test_running_the_command_leaves_nothing_in_the_package(host: Host) -> None:
    host.run("rpm-venv", "list")
    assert host.rpm("-V", "rpm-venv").stdout == ""
    unowned = host.shell(
        "find /usr/lib/rpm-venv/runtime -exec sh -c 'rpm -qf {} >/dev/null || echo {}' \\;"
    )
    assert unowned.stdout == ""
