"""Small shared libraries, made by the system's compiler, and wheels that have them.

The wheel ``native`` has an extension module that needs a library of each kind: one vendored under
the name that auditwheel makes, one that the wheel ``beside`` brings, one of the system with a
symbol version, and the C library.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

from tests.host.realwheels import system_python
from tests.host.wheels import Wheel, make_wheel

#: What a package with both wheels needs of the system, beside the C library's own.
SYSTEM_LIBRARY = ["libvenvtest.so.3()(64bit)", "libvenvtest.so.3(VENVTEST_1.2)(64bit)"]

VENDORED = "libvendored-1a2b3c4d.so.1.2"
_VERSIONS = "VENVTEST_1.2 { global: system_call; };"
_MODULE = """
#include <math.h>
int vendored(void), beside(void), system_call(void);
double module(double x) { return pow(x, vendored() + beside() + system_call()); }
"""


@functools.cache
def native_wheels() -> tuple[Wheel, Wheel]:
    """The wheels ``native`` and ``beside``, for the system's Python alone; made once in a run."""
    tag = "cp{0}{1}-cp{0}{1}-linux_x86_64".format(*system_python())
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "versions").write_text(_VERSIONS)
        vendored = _library(place, VENDORED, "int vendored(void) { return 1; }")
        beside = _library(place, "libbeside.so.2", "int beside(void) { return 1; }")
        system = _library(
            place,
            "libvenvtest.so.3",
            "int system_call(void) { return 1; }",
            "-Wl,--version-script=versions",
        )
        needs = [path.name for path in (vendored, beside, system)]
        module = _library(place, "_module.so", _MODULE, "-fno-builtin", *needs, "-lm", soname=False)
        native = make_wheel(
            "native",
            files={
                "native/__init__.py": "",
                "native/_module.so": module.read_bytes(),
                f"native.libs/{vendored.name}": vendored.read_bytes(),
            },
            tag=tag,
            executable=["native/_module.so"],
        )
        other = make_wheel("beside", files={"beside/libbeside.so.2": beside.read_bytes()}, tag=tag)
    return native, other


def _library(place: Path, name: str, code: str, *options: str, soname: bool = True) -> Path:
    source = place / f"{name}.c"
    source.write_text(code)
    words = [f"-Wl,-soname,{name}"] if soname else []
    command = ["gcc", "-shared", "-fPIC", "-g", "-o", name, source.name, *words, *options]
    subprocess.run(command, cwd=place, check=True)
    return place / name
