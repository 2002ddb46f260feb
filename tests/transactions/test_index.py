"""Wheels from the site's index: what the site has configured, and nothing of the caller's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application
from tests.host.wheels import Wheel, make_wheel
from tests.transactions.conftest import Build, Leftovers

_ADDRESS = "http://127.0.0.1:8000"
_LISTENS = "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"


def _serve(host: Host, *wheels: Wheel) -> None:
    """Serve an index with these wheels on the host, and make it the site's."""
    for wheel in wheels:
        project = f"/srv/index/simple/{wheel.name}"
        host.write(f"{project}/{wheel.filename}", wheel.content)
        host.write(
            f"{project}/index.html",
            f'<a href="{wheel.filename}#sha256={wheel.sha256}">{wheel.filename}</a>',
        )
    host.write("/etc/pip.conf", f"[global]\nindex-url = {_ADDRESS}/simple\n")


@contextmanager
def _listening(host: Host) -> Iterator[None]:
    """An index server on the host, for the time of the block."""
    server = host.start("python3", "-m", "http.server", "-d", "/srv/index", "8000")
    deadline = time.monotonic() + 10
    while host.run("python3", "-c", _LISTENS, check=False).code and time.monotonic() < deadline:
        time.sleep(0.05)
    yield
    server.kill()
    server.communicate()


@pytest.fixture
def index(host: Host) -> Iterator[Host]:
    """The host, with an index that has app1 and serves it."""
    _serve(host, *_made())
    with _listening(host):
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
    _serve(index, make_wheel("app1", "1", {"app1.py": "print('other bytes')"}))
    index.publish(package)
    said = index.rpm("-i", index.repository_path(package), check=False).stderr
    assert "rpm-venv:" in said
    assert "app1" in said
    assert answer(index) == "nothing there"


def test_repeating_the_command_finishes_what_had_no_network(host: Host, build: Build) -> None:
    package = build(_from_index())
    host.publish(package)
    host.write("/etc/pip.conf", f"[global]\nindex-url = {_ADDRESS}/simple\n")
    said = host.rpm("-i", host.repository_path(package), check=False).stderr.splitlines()
    assert len([line for line in said if "rpm-venv:" in line]) == 1
    assert answer(host) == "nothing there"
    _serve(host, *_made())
    with _listening(host):
        host.dnf("reinstall", "app1")
    assert answer(host) == "app1 1"
