"""Wheels from the site's index: what the site has configured, and nothing of the caller's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application
from tests.host.index import ADDRESS, listening, serve
from tests.host.wheels import Wheel, make_wheel
from tests.transactions.conftest import Build, Leftovers


@pytest.fixture
def index(host: Host) -> Iterator[Host]:
    """The host, with an index that has app1 and serves it."""
    serve(host, *_made())
    with listening(host):
        yield host


def _made() -> tuple[Wheel, ...]:
    wheels = tiny_application().wheels
    assert isinstance(wheels, tuple)
    return wheels


def _from_index(version: str = "1") -> Application:
    """An application whose package has the lock and no wheels."""
    return tiny_application(version, ship=False, options="")


def test_wheels_come_from_the_sites_index(index: Host, build: Build, leftovers: Leftovers) -> None:
    index.publish(build(_from_index()))
    index.dnf("install", "app1")
    assert answer(index) == "app1 1"
    assert index.rpm("-V", "app1").output == ""
    index.dnf("remove", "app1")
    assert leftovers() == {}


def test_the_callers_environment_does_not_choose_the_index(index: Host, build: Build) -> None:
    package = build(_from_index())
    index.publish(package)
    hostile = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_CONFIG_FILE": "/nonexistent",
        "PYTHONPATH": "/nonexistent",
        "PYTHONHOME": "/nonexistent",
        "VIRTUAL_ENV": "/nonexistent",
    }
    index.run("rpm", "-i", index.repository_path(package), env=hostile)
    assert answer(index) == "app1 1"


def test_an_index_with_another_wheel_of_that_name_is_refused(index: Host, build: Build) -> None:
    package = build(_from_index())
    serve(index, make_wheel("app1", "1", {"app1.py": "print('other bytes')"}))
    index.publish(package)
    said = index.rpm("-i", index.repository_path(package), check=False).stderr
    assert "rpm-venv:" in said
    assert "app1" in said
    assert answer(index) == "nothing there"


def test_repeating_the_command_finishes_what_had_no_network(host: Host, build: Build) -> None:
    package = build(_from_index())
    host.publish(package)
    host.write("/etc/pip.conf", f"[global]\nindex-url = {ADDRESS}/simple\n")
    said = host.rpm("-i", host.repository_path(package), check=False).stderr.splitlines()
    assert len([line for line in said if "rpm-venv:" in line]) == 1
    assert answer(host) == "nothing there"
    serve(host, *_made())
    with listening(host):
        host.dnf("reinstall", "app1")
    assert answer(host) == "app1 1"
