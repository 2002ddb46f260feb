"""This project's own RPMs, and bases on which they are installed."""

from __future__ import annotations

import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.host.host import CommandFailed, Host, Result
from tests.host.hosts import Base, Hosts

TREE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ProjectRpms:
    """The RPMs that ``make rpms`` leaves in ``dist/``."""

    macros: Path
    runtime: Path


def build_project_rpms(destination: Path) -> ProjectRpms:
    """Build this tree's RPMs below ``destination``, without their ``%check``.

    ``VENV_TEST_RPMS`` names a directory that has them already.
    """
    ready = os.environ.get("VENV_TEST_RPMS")
    if ready:
        return find_rpms(Path(ready))
    build = TREE / "build"
    build.mkdir(exist_ok=True)
    with (build / ".rpms.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        command = ("sh", str(TREE / "fedora" / "build.sh"), "--without", "check")
        environment = {**os.environ, "DIST": str(destination)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(Result(command, done.returncode, done.stdout, done.stderr, 0))
    return find_rpms(destination)


def find_rpms(directory: Path) -> ProjectRpms:
    """The RPMs of this project in a directory."""

    def one(name: str) -> Path:
        (package,) = directory.glob(f"{name}-[0-9]*.noarch.rpm")
        return package

    return ProjectRpms(one("venv-rpm-macros"), one("rpm-venv"))


def target(hosts: Hosts, rpms: ProjectRpms) -> Base:
    """A base for systems that applications are installed on: it has rpm-venv."""

    def prepare(host: Host) -> None:
        host.publish(rpms.runtime)
        _install(host, rpms.runtime)

    return hosts.base("target", prepare, on=hosts.system())


def builder(hosts: Hosts, rpms: ProjectRpms) -> Base:
    """A base for systems that build packages: it has venv-rpm-macros, too."""

    def prepare(host: Host) -> None:
        host.publish(rpms.runtime, rpms.macros)
        _install(host, rpms.runtime, rpms.macros)

    return hosts.base("builder", prepare, on=hosts.system())


def _install(host: Host, *packages: Path) -> None:
    """By the rpm that is tested: dnf has the system's, which may not write another's database."""
    host.rpm("-i", *map(host.repository_path, packages))
    for package in packages:
        host.share_configuration(package)
