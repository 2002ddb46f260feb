"""-b store: a package brings unpacked, compiled objects, which rpm owns, verifies and shares."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.host import Host
from tests.host.applications import Application, answer, tiny_declared
from tests.host.wheels import make_wheel
from tests.transactions.conftest import Build, Leftovers

PACKAGED = "/usr/lib/rpm-venv/packaged"
COMMON = make_wheel("common", "1.0")


def _store(version: str = "1", name: str = "app1", **fields: Any) -> Application:
    return tiny_declared(version, name, level="store", **fields)


def _with_common(name: str) -> Application:
    own = make_wheel(name, "1", scripts={name: f"{name}:main"})
    return _store("1", name, wheels=(own, COMMON))


def _module(host: Host, name: str) -> str:
    """The packaged file of a module that one wheel has."""
    (found,) = host.run("find", PACKAGED, "-name", f"{name}.py").stdout.split()
    return found


def test_the_life_of_a_package(host: Host, build: Build, leftovers: Leftovers) -> None:
    packages = [build(_store(version)) for version in ("1", "2")]
    host.publish(*packages)
    old, new = map(host.repository_path, packages)
    said = [host.rpm("-i", old)]
    assert answer(host) == "app1 1"
    module = _module(host, "app1")
    live = "/opt/app1/penv/lib/python3*/site-packages/app1.py"
    assert host.shell(f"stat -c %i {module} {live} | uniq | wc -l").stdout == "1\n"
    assert host.rpm("-qf", module, os.path.dirname(module)).stdout == "app1-1-1.noarch\n" * 2
    said.append(host.rpm("-U", new))
    assert answer(host) == "app1 2"
    assert not host.exists(module)  # it was the old version's
    said.append(host.rpm("-U", "--oldpackage", old))
    assert answer(host) == "app1 1"
    said.append(host.rpm("--reinstall", old))
    assert answer(host) == "app1 1"
    said.append(host.rpm("-V", "app1", "rpm-venv"))
    said.append(host.rpm("-e", "app1"))
    assert [one.output for one in said] == [""] * len(said)
    assert leftovers() == {}


@pytest.mark.parametrize("first", ["app1", "zap"])
def test_packages_built_apart_share_what_they_have_in_common(
    host: Host, build: Build, leftovers: Leftovers, first: str
) -> None:
    packages = [build(_with_common(name)) for name in ("app1", "zap")]
    host.publish(*packages)
    for package in packages:
        assert host.rpm("-i", host.repository_path(package)).output == ""
    module = _module(host, "common")
    assert host.rpm("-qf", module).stdout == "app1-1-1.noarch\nzap-1-1.noarch\n"
    assert host.rpm("-V", "app1", "zap", "rpm-venv").output == ""
    last = "zap" if first == "app1" else "app1"
    host.rpm("-e", first)
    assert host.rpm("-qf", module).stdout == f"{last}-1-1.noarch\n"
    assert answer(host, f"/opt/{last}/penv", last) == f"{last} 1"
    assert host.run(f"/opt/{last}/penv/bin/python", "-m", "common").stdout == "common 1.0\n"
    assert host.rpm("-V", last, "rpm-venv").output == ""
    host.rpm("-e", last)
    assert leftovers() == {}


def test_an_environment_outlives_what_it_was_made_of(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    package = build(_store())
    host.publish(package)
    host.rpm("-i", host.repository_path(package))
    host.rpm("-e", "--notriggers", "app1")
    assert host.run("find", PACKAGED, "-type", "f").stdout == ""
    (generation,) = host.run("find", "/usr/lib/rpm-venv/envs", "-name", "app1").stdout.split()
    assert host.run(generation).stdout == "app1 1\n"
    host.run("rpm-venv", "sync")
    assert leftovers() == {}


def test_rpm_sees_a_changed_byte_and_a_reinstallation_mends_it(host: Host, build: Build) -> None:
    host.publish(build(_store()))
    host.dnf("install", "app1")
    module = _module(host, "app1")
    host.write(module, host.read(module).replace("main", "MAIN"))
    found = host.rpm("-V", "app1", check=False)
    assert (found.code, found.output) == (1, f"..5....T.    {module}\n")
    refused = host.run("rpm-venv", "repair", check=False)
    assert f"{module}: it is not what it was when it was packaged" in refused.output
    assert f"rpm -qf {PACKAGED}" in refused.output
    host.dnf("reinstall", "app1")
    # What was damaged waited to be made again: that came with the reinstalled files.
    assert host.run("rpm-venv", "repair").stdout == ""
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    assert answer(host) == "app1 1"


def test_nothing_is_made_of_what_is_not_as_it_was_packaged(host: Host, build: Build) -> None:
    package = build(_store())
    host.publish(package)
    host.rpm("-i", "--notriggers", host.repository_path(package))
    module = _module(host, "app1")
    host.path(module).chmod(0o666)
    refused = host.run("rpm-venv", "sync", check=False)
    assert refused.code == 1
    assert f"{module}: its mode is 0666, and not 0644" in refused.output
    assert answer(host) == "nothing there"
    host.path(module).chmod(0o644)
    host.path(module).unlink()
    assert "it is not there" in host.run("rpm-venv", "sync", check=False).output
    host.run("rm", "-r", os.path.dirname(os.path.dirname(module)))
    refused = host.run("rpm-venv", "sync", check=False)
    assert "there is no wheel of it; " in refused.output
    assert "of its package cannot be read: No such file or directory" in refused.output
