"""A package with the running system's own programs, of which mock can make a chroot.

mock's chroots are made of packages alone. Where there is no Fedora to take them from, this is a
system in one package: the files of what the running one has installed, under the names that RPMs
require (those of the stubs that throw-away hosts have).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.host.host import Host
from tests.host.stubs import stubs

#: What a build runs, by the names of Debian's packages; what they depend on comes with them.
_WANTED = (
    *("base-files", "base-passwd", "bash", "dash", "coreutils", "findutils", "grep", "sed"),
    *("gawk", "mawk", "tar", "gzip", "bzip2", "xz-utils", "diffutils", "file", "make", "patch"),
    *("passwd", "login", "util-linux", "rpm", "rpm-common", "elfutils", "cpio", "libc-bin"),
    *("python3", "python3-minimal", "python3.11", "python3-rpm", "python3-pip"),
    *("python3-setuptools", "python3-wheel", "binutils", "debugedit", "go-md2man"),
)
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NOT = re.compile(
    r"/usr/share/(doc|man|locale|info|lintian|bug)/|/var/|/etc/(cron|init)|/tmp|/home"
)
_ACCOUNTS = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
_GROUPS = "root:x:0:\nnogroup:x:65534:\n"


def build(host: Host) -> Path:
    """The package ``system``, built on a throw-away host of the running system."""
    files = sorted(set(_files(_closure())))
    host.write("/srv/userland", "".join(f"{file}\n" for file in files))
    (package,) = host.build(_spec(host), {"passwd": _ACCOUNTS, "group": _GROUPS})
    return package


def _closure() -> set[str]:
    """The names of installed packages: those wanted, and all that they depend on."""
    asked = "${Package}\t${Provides}\t${Pre-Depends}, ${Depends}\n"
    needs: dict[str, list[str]] = {}
    provided: dict[str, str] = {}
    for line in _output("dpkg-query", "-W", "-f", asked).splitlines():
        name, provides, depends = line.split("\t")
        needs[name] = _names(depends)
        provided.update(dict.fromkeys(_names(provides), name))
    found: set[str] = set()
    todo = list(_WANTED)
    while todo:
        name = todo.pop()
        name = name if name in needs else provided.get(name, "")
        if name and name not in found:
            found.add(name)
            todo += needs[name]
    return found


def _names(dependencies: str) -> list[str]:
    return re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", dependencies)


def _files(packages: set[str]) -> Iterator[str]:
    for line in _output("dpkg-query", "-L", *sorted(packages)).splitlines():
        first = line.split("/")[1] if line.startswith("/") else ""
        path = f"/usr{line}" if first in _MERGED else line
        is_file = os.path.islink(path) or os.path.isfile(path)
        if is_file and path.startswith(("/usr/", "/etc/")) and not _NOT.search(path):
            yield path
    for alternative in Path("/etc/alternatives").iterdir():
        yield str(alternative)
    yield from ("/etc/ld.so.cache", "/usr/bin/awk", "/usr/bin/which")


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _spec(host: Host) -> str:
    provides = [
        *(f"{stub.name} = {stub.version}" for stub in stubs(host.python_version())),
        *(each for stub in stubs(host.python_version()) for each in stub.provides),
        *("/bin/sh", "/usr/bin/env", "shadow-utils = 1", "rpm-build = 4.18"),
    ]
    lines = "".join(f"Provides: {each}\n" for each in dict.fromkeys(provides))
    links = "".join(f"ln -s usr/{name} %{{buildroot}}/{name}\n" for name in _MERGED)
    return f"""\
Name: system
Version: 1
Release: 1
Summary: The programs of the running system
License: MIT
AutoReqProv: no
Source0: passwd
Source1: group
{lines}
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%description
%{{summary}}.
%install
mkdir -p %{{buildroot}}/usr
tar -c -C / --no-recursion --ignore-failed-read -T /srv/userland | tar -x -C %{{buildroot}}
for name in {" ".join(_MERGED)}; do mkdir -p %{{buildroot}}/usr/$name; done
{links}
cp %{{SOURCE0}} %{{SOURCE1}} %{{buildroot}}/etc/
mkdir -p %{{buildroot}}/root %{{buildroot}}/home %{{buildroot}}/opt
mkdir -p %{{buildroot}}/var/lib/rpm
mkdir -m 1777 %{{buildroot}}/var/tmp %{{buildroot}}/tmp
%files
/*
"""
