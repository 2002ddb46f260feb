"""Wheels of which their file name says plainly that an interpreter of this machine can use them.

``packaging.tags`` knows of every wheel, and takes as long to import as a hundred wheels take to be
linked. What this does not know is asked there: it never says that a wheel does not fit. An edge:
only reads.
"""

from __future__ import annotations

import functools
import os
import sys
from itertools import product

from rpm_venv.system.interpreter import Interpreter

#: The oldest glibc that these machines have had, by PEP 600 a wheel's ``manylinux_2_MINOR``.
_FIRST_GLIBC = {"x86_64": 5, "aarch64": 17}
_OLD_NAMES = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}


def fit(interpreter: Interpreter, filename: str) -> bool:
    """Whether a wheel is plainly for an interpreter; False where it may be all the same.

    The interpreter is one that this machine runs (``Interpreter.is_here``).
    """
    stem, dot, suffix = filename.rpartition(".")
    parts = stem.split("-")[-3:]
    if not (dot and suffix == "whl" and len(parts) == 3):
        return False
    pythons, abis, platforms = (part.split(".") for part in parts)
    if "any" in platforms and "none" in abis:
        major, minor, _ = interpreter.version
        return not {f"py{major}", f"py{major}{minor}"}.isdisjoint(pythons)
    return any(_are_loaded(interpreter, *pair) for pair in product(pythons, abis)) and any(
        map(_is_this, platforms)
    )


def _are_loaded(interpreter: Interpreter, python: str, abi: str) -> bool:
    """Whether an interpreter loads extension modules of this kind; debug builds are not plain."""
    major, minor, _ = interpreter.version
    if interpreter.abiflags not in ("", "t"):
        return False
    if abi == "abi3":
        older = (f"cp{major}{each}" for each in range(2, minor + 1))
        return not interpreter.abiflags and python in older
    return python == f"cp{major}{minor}" and abi == python + interpreter.abiflags


def _is_this(platform: str) -> bool:
    """Whether a platform is this machine's with its glibc (PEP 600)."""
    machine = os.uname().machine
    name, _, rest = platform.partition("_")
    if machine not in _FIRST_GLIBC or sys.maxsize <= 1 << 32:
        return False
    if name == "linux":
        return rest == machine
    number, _, its_machine = rest.partition("_")
    needed = _OLD_NAMES.get(name)
    if needed is not None:
        its_machine = rest
    elif name == "manylinux" and number == "2":
        number, _, its_machine = its_machine.partition("_")
        needed = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else None
    if needed is None or its_machine != machine:
        return False
    return _FIRST_GLIBC[machine] <= needed <= _glibc_minor() and not _is_told_otherwise()


def _glibc_minor() -> int:
    """The minor version of this machine's glibc 2; -1 where it has another C library."""
    try:
        library, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (OSError, ValueError, AttributeError):
        return -1
    major, _, minor = version.partition(".")
    return int(minor) if (library, major) == ("glibc", "2") and minor.isdecimal() else -1


@functools.cache  # a module that is not there is looked for in every directory
def _is_told_otherwise() -> bool:
    """Whether the distribution has a module that decides what fits (PEP 600)."""
    try:
        import _manylinux  # type: ignore[import-not-found]
    except ImportError:
        return False
    return _manylinux is not None
