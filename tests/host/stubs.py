"""Stub packages: the running system's programs under the names that RPMs require.

Their files are ``%ghost``: rpm knows them, and never writes them.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stub:
    """One package of the system: what it provides, and the files that it is said to own."""

    name: str
    version: str = "1"
    provides: Sequence[str] = ()
    files: Sequence[str] = ()


#: Libraries of the running system, by the packages that have them elsewhere.
_LIBRARIES = {
    "glibc": (
        *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
        *("libresolv.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
    ),
    "libgcc": ("libgcc_s.so.1",),
    "libstdc++": ("libstdc++.so.6",),
    "libxcrypt": ("libcrypt.so.1",),
    "zlib": ("libz.so.1",),
}


@functools.cache
def library_provides(package: str) -> Sequence[str]:
    """What rpm would have a package of system libraries provide, asked from its own tool."""
    configuration = _output("rpm", "--eval", "%{_rpmconfigdir}").strip()
    files = [
        line.rpartition(" => ")[2]
        for line in _output("ldconfig", "-p").splitlines()
        if line.split()[0] in _LIBRARIES[package] and "i386" not in line
    ]
    return sorted(set(_output(f"{configuration}/elfdeps", "--provides", *files).split("\n")) - {""})


def _output(*command: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return subprocess.run(
        command, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def stubs(python: str) -> list[Stub]:
    """The stubs of a system whose /usr/bin/python3 has this version, for example ``3.11.2``."""
    minor = ".".join(python.split(".")[:2])
    return [
        Stub("bash", "5.2", ["/bin/sh", "/bin/bash"], ["/usr/bin/bash", "/usr/bin/sh"]),
        Stub("coreutils", "9.1", files=["/usr/bin/env", "/usr/bin/rm", "/usr/bin/mkdir"]),
        Stub("glibc", "2.36", ["rtld(GNU_HASH)", *library_provides("glibc")]),
        *(Stub(name, "1", library_provides(name)) for name in _LIBRARIES if name != "glibc"),
        Stub("rpm", "4.18", ["rpm-build = 4.18"], ["/usr/bin/rpm"]),
        Stub("python3-rpm", "4.18"),
        Stub(
            "python3",
            python,
            [f"python(abi) = {minor}", f"python{minor} = {python}", f"python3-libs = {python}"],
            ["/usr/bin/python3", f"/usr/bin/python{minor}"],
        ),
        Stub("python3-devel", python, ["python-rpm-macros", "python3-rpm-macros"]),
        Stub("python3-pip", "26", ["python3dist(pip) = 26"]),
        Stub("python3-setuptools", "66"),
        Stub("python3-wheel", "0.38"),
        Stub("python3-packaging", "26", ["python3dist(packaging) = 26"]),
        Stub("make", "4.3", files=["/usr/bin/make"]),
        Stub("systemd-rpm-macros", "252"),
        Stub("podman", "4"),
    ]


def spec(python: str) -> str:
    """A spec file that builds all stubs."""
    return f"""\
Name:           system-stubs
Version:        1
Release:        1
Summary:        The programs of the running system
License:        MIT
BuildArch:      noarch
AutoReqProv:    no
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%description
%{{summary}}.
{"".join(_package(stub) for stub in stubs(python))}
%install
{"".join(_install(stub) for stub in stubs(python))}
"""


def _package(stub: Stub) -> str:
    provides = "".join(f"Provides: {capability}\n" for capability in stub.provides)
    files = "".join(f"%ghost %attr(0755,root,root) {file}\n" for file in stub.files)
    return (
        f"\n%package -n {stub.name}\nVersion: {stub.version}\nSummary: Stub of {stub.name}\n"
        f"AutoReqProv: no\n{provides}\n%description -n {stub.name}\nA stub.\n"
        f"\n%files -n {stub.name}\n{files}"
    )


def _install(stub: Stub) -> str:
    return "".join(f"install -D /dev/null %{{buildroot}}{file}\n" for file in stub.files)
