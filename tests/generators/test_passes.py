"""What a package ships of environments comes out of the build as it was put in, whatever the
distribution does to buildroots; the rest of the package is the distribution's."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from rpm_venv.system.declared import LEVELS
from tests.generators.conftest import Build, Built, reads_binaries
from tests.generators.specs import PATH, sources
from tests.host import RpmTools
from tests.host.binaries import SYSTEM_LIBRARY, native_wheels
from tests.host.realwheels import real_wheels
from tests.host.wheels import make_wheel

#: What passes change, complain of, or draw dependencies from.
AWKWARD = make_wheel(
    "awkward",
    files={
        "awkward/__init__.py": "def main():\n    print('awkward')\n",
        "awkward/not_python_3.py": "print 'no'\n",
        "awkward/run.pl": "#!/usr/local/bin/perl\nuse Awkward::Module;\n",
        "awkward/share/man/man1/awkward.1": ".TH awkward 1\n",
        "awkward/plugin.la": "dlname='plugin.so'\n",
        "awkward/static.a": "!<arch>\n",
    },
    scripts={"awkward": "awkward:main"},
    data={"scripts/awkward-tool": "#!python\nprint('tool')\n"},
    executable=["awkward/run.pl"],
)
SCRIPT = "#!/usr/bin/env python3\nprint('own')\n"
SOURCES = {"own": SCRIPT, **sources(*native_wheels(), AWKWARD)}
#: Libraries inside the wheels of real packages, under the names that auditwheel makes.
VENDORED = re.compile(r"-[0-9a-f]{8}\.so")
DECLARE = "%venv_declare -b {} -r %{{_sourcedir}}/requirements.txt -w %{{_sourcedir}}/wheels -o {}"

#: An environment, and a script and a program that are the package's own.
SPEC = """\
Name: app1
Version: 1.0
Release: 1
Summary: Test
License: MIT
{preamble}
%description
Test.

{debuginfo}

%prep
%setup -c -T -n app1
echo 'int main(void) {{ return 0; }}' >program.c
echo 'int own(void) {{ return 0; }}' >own.c

%install
install -D %{{_sourcedir}}/own %{{buildroot}}/usr/bin/own
gcc -g -Wl,--build-id=sha1 -o %{{buildroot}}/usr/bin/program program.c
mkdir -p %{{buildroot}}/usr/lib/app1
gcc -g -Wl,--build-id=sha1 -shared -fPIC -o %{{buildroot}}/usr/lib/app1/libown.so own.c
sha256sum %{{buildroot}}/usr/bin/program >%{{_topdir}}/program
{declare}
cd %{{buildroot}}
find usr -path '*/rpm-venv/*' -type f -exec sha256sum {{}} + >%{{_topdir}}/before

%files -f %{{venv_files}}
/usr/bin/own
/usr/bin/program
/usr/lib/app1

%global __provides_exclude_from ^/usr/lib/app1/.*\\.so$
"""


def application(level: str, preamble: str = "") -> str:
    """A spec file of this level; rpm makes the debuginfo package by itself from 4.20."""
    debuginfo = "%debug_package" if RpmTools.from_environment().version() < (4, 19, 91) else ""
    return SPEC.format(preamble=preamble, declare=DECLARE.format(level, PATH), debuginfo=debuginfo)


def digests(built: Built) -> dict[str, str]:
    """The sha256 of every file of the package, by its path."""
    rows = built.query("--qf", "[%{FILENAMES} %{FILEDIGESTS}\\n]")
    return {name: digest for name, digest in (row.rsplit(" ", 1) for row in rows) if digest}


def listed(file: Path) -> dict[str, str]:
    """The same, of the buildroot before the passes."""
    rows = (line.split(None, 1) for line in file.read_text().splitlines())
    return {f"/{name}": digest for digest, name in rows}


@pytest.mark.parametrize("level", LEVELS)
def test_our_files_are_untouched_and_the_rest_is_not(
    build_under_passes: Build, tmp_path: Path, level: str
) -> None:
    built = build_under_passes(application(level), SOURCES)
    assert built.code == 0, built.output
    found = digests(built)
    ours = {name: digest for name, digest in found.items() if "/rpm-venv/" in name}
    assert ours == listed(tmp_path / "before")
    assert found["/usr/bin/own"] != hashlib.sha256(SCRIPT.encode()).hexdigest()
    (program,) = listed(tmp_path / "program").values()
    assert found["/usr/bin/program"] != program
    debuginfo = built.query("-l", name="app1-debuginfo")
    assert any("program" in path for path in debuginfo)
    assert not [path for path in debuginfo if "rpm-venv" in path or "native" in path]
    requires = built.query("--requires")
    brought = level != "lock" and reads_binaries()
    assert [line for line in SYSTEM_LIBRARY if line in requires] == SYSTEM_LIBRARY * brought
    asked = "\n".join(requires + built.query("--provides"))
    assert ("libc.so.6" in asked) == reads_binaries()
    for foreign in ("libown", "libvendored", "libbeside", "perl", "Awkward", "rpm-venv/"):
        assert foreign not in asked
    assert not list((tmp_path / "BUILDROOT").glob("*.venv-aside"))


REAL = ("pandas", "numpy", "opencv", "cryptography", "lxml", "zuul")
#: All of them take minutes; every run has a small one, at the level that has most to lose.
CASES = (
    [(name, level) for name in REAL for level in LEVELS]
    if os.environ.get("VENV_TORTURE")
    else [("markupsafe", LEVELS[-1])]
)


@pytest.mark.parametrize(("name", "level"), CASES)
def test_real_packages(build_under_passes: Build, tmp_path: Path, name: str, level: str) -> None:
    real = real_wheels(name)
    wheels = {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in real.wheels.iterdir()}
    # Not every binary in the world has a build-id.
    text = application(level, "%global _build_id_links none")
    lock = real.lock.read_bytes()
    built = build_under_passes(text, {"own": SCRIPT, "requirements.txt": lock, **wheels})
    assert built.code == 0, built.output
    ours = {path: digest for path, digest in digests(built).items() if "/rpm-venv/" in path}
    assert ours == listed(tmp_path / "before")
    requires, provides = built.query("--requires"), built.query("--provides")
    assert any("libc.so.6" in line for line in requires) == reads_binaries()
    assert not [line for line in provides if ".so" in line]
    assert not [line for line in requires if VENDORED.search(line)]
    assert len([line for line in provides if line.startswith("bundled(")]) == real.count()
