"""Make throw-away hosts, and the bases they start from, for one session."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.host import stubs
from tests.host.holding import Held
from tests.host.host import CONFIGURATION, GROUND, HOME, POOL, REPOSITORY, Host
from tests.host.rpmtools import RpmTools

#: What a host sees of the running system, and what it starts with empty.
SYSTEM_DIRECTORIES = ("/usr", "/etc", "/var")
EMPTY_DIRECTORIES = ("/opt", "/srv", "/tmp")
_EMPTY = f"{GROUND}/empty"

#: Where the running system may have packages, histories and repositories of its own.
_FORGOTTEN = (
    "/var/lib/rpm",
    "/usr/lib/sysimage/rpm",
    "/usr/lib/sysimage/libdnf5",
    "/var/lib/dnf",
    "/var/cache/dnf",
    "/var/cache/libdnf5",
    "/etc/yum.repos.d",
    "/etc/dnf/protected.d",
    "/etc/rpm-venv.conf",
    "/etc/rpm-venv",
    "/usr/lib/rpm-venv",
    "/usr/share/rpm-venv",
)

_RPM_MACROS = """\
%_dbpath /var/lib/rpm
%_topdir {home}/rpmbuild
%_binary_payload w.ufdio
%_source_payload w.ufdio
%_build_id_links none
%_pkgverify_level digest
"""

#: Another build of rpm has a prefix of its own, where a distribution's packages are not. It has
#: another /etc, too, so this is in the user's macros.
_DISTRIBUTION = """\
%_prefix /usr
%_exec_prefix /usr
%_sysconfdir /etc
%_localstatedir /var
"""

#: The rpm from which on the system's library can read the database that another build is at work
#: with. Before, that is Berkeley DB: it reads what is on the disk by then, and may go in circles.
_SHARED_DATABASE = (4, 16)

_DNF_CONFIGURATION = f"""\
[main]
gpgcheck=0
plugins=0
assumeyes=1
cachedir=/var/cache/dnf
persistdir=/var/lib/dnf
reposdir={REPOSITORY}
zchunk=0
install_weak_deps=0
"""


@dataclass(frozen=True)
class Base:
    """A host's changes, kept: fresh hosts start with them. The latest change is the first."""

    layers: tuple[str, ...] = ()


class Hosts:
    """Everything throw-away of one session; it ends with ``close`` or with this process."""

    def __init__(self, tools: RpmTools | None = None) -> None:
        if os.geteuid() != 0:
            raise PermissionError("throw-away hosts need root: they are made of mount namespaces")
        self.tools = tools or RpmTools.from_environment()
        Path(GROUND).mkdir(exist_ok=True)
        self._ground = Held({"ground": GROUND})
        self._numbers = itertools.count(1)
        self._bases: dict[str, Base] = {}
        self._running: list[Host] = []
        for directory in (_EMPTY, POOL):
            self._ground.outside(directory).mkdir()

    def __enter__(self) -> Hosts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every host of this session and forget all bases."""
        for host in self._running:
            host.close()
        self._ground.end()

    def fresh(self, base: Base | None = None) -> Host:
        """A new host that starts from ``base`` (the bare system when None)."""
        return self._start(base or Base(), private=True)

    def base(self, name: str, prepare: Callable[[Host], object], on: Base | None = None) -> Base:
        """The base of this name; made, the first time, by ``prepare`` on a fresh host."""
        if name not in self._bases:
            below = on or Base()
            host = self._start(below, private=False)
            prepare(host)
            host.close()
            self._bases[name] = Base((host.layers, *below.layers))
        return self._bases[name]

    def system(self) -> Base:
        """A base with a configured rpm and dnf, and stubs for the system's packages installed."""
        bare = self.base("bare", lambda host: _configure(host, self.tools))

        def install_stubs(host: Host) -> None:
            packages = host.build(stubs.spec(host.python_version()))
            host.publish(*packages)
            host.rpm("-i", *(host.repository_path(package) for package in packages))

        return self.base("system", install_stubs, on=bare)

    def _start(self, base: Base, *, private: bool) -> Host:
        layers = f"{GROUND}/layers-{next(self._numbers)}"
        lowers = _lowers(base)
        wanted = {
            "layers": layers,
            "private": private,
            "overlays": list(lowers.items()),
            "visible": self.tools.visible(),
        }
        held = Held(wanted, self._ground.enter("mount"))
        own = self.tools if self.tools.is_system else self.tools.configured_at(CONFIGURATION)
        host = Host(held, own, self._ground, layers, lowers)
        self._running = [other for other in self._running if other.is_running]
        self._running.append(host)
        return host


def _lowers(base: Base) -> dict[str, list[str]]:
    """The lower directories of each of a host's overlays, topmost first."""
    bottom = {directory: directory for directory in SYSTEM_DIRECTORIES}
    bottom.update(dict.fromkeys(EMPTY_DIRECTORIES, _EMPTY))
    return {
        directory: [f"{layers}{directory}/upper" for layers in base.layers] + [lowest]
        for directory, lowest in bottom.items()
    }


def _configure(host: Host, tools: RpmTools) -> None:
    """Make the running system's rpm and dnf start from nothing, with the host's repository."""
    if not tools.is_system:
        host.write(CONFIGURATION, tools.configuration())
    for directory in _FORGOTTEN:
        path = host.path(directory, follow=False)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.exists() or path.is_symlink():
            path.unlink()
    macros = _RPM_MACROS.format(home=HOME)
    host.write("/etc/rpm/macros", macros)
    host.write(f"{HOME}/.rpmmacros", macros + ("" if tools.is_system else _DISTRIBUTION))
    host.write("/etc/dnf/dnf.conf", _DNF_CONFIGURATION)
    host.write("/etc/dnf/vars/releasever", "1\n")
    host.write("/etc/hosts", "127.0.0.1 localhost throwaway\n")
    host.mkdir("/var/lib/rpm")
    host.mkdir("/var/lib/dnf")
    host.rpm("--initdb")
    if not tools.is_system and tools.version() < _SHARED_DATABASE:
        _have_one_rpm(host, tools)
    host.publish()


def _have_one_rpm(host: Host, tools: RpmTools) -> None:
    """Let the tested rpm be the only one that programs of the host find, as on EL8.

    There, too, rpm's bindings are for none of the Pythons that rpm-venv runs under.
    """
    without_bindings(host)
    lines = [f"export {name}={value}" for name, value in host.tools.environment.items()]
    lines.append(f'exec {tools.rpm} --define "_dbpath /var/lib/rpm" "$@"')
    host.write("/usr/bin/rpm", "\n".join(["#!/bin/sh", *lines, ""]), 0o755)


def without_bindings(host: Host) -> None:
    """Take rpm's Python bindings away from a host."""
    where = "import rpm; print(rpm.__path__[0])"
    found = host.run("/usr/bin/python3", "-c", where, check=False).stdout.strip()
    if found:
        shutil.rmtree(host.path(found))
