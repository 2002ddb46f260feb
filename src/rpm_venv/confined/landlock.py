"""The kernel's own rule (Linux 5.13) that a process writes below one directory and nowhere else."""

from __future__ import annotations

import os
import struct

try:
    import ctypes
except ImportError:  # some distributions package it apart
    ctypes = None  # type: ignore[assignment]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_PATH_BENEATH = 1
_WRITE_FILE = 1 << 1
#: Writing, removing and making of every kind, as the first version of landlock knows them.
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))


def writes_only_below(directory: str) -> bool:
    """Forbid this process all changes outside ``directory``, for good; whether it worked.

    Needs no privilege but no_new_privs. Reading, running and the network are left as they are.
    """
    if ctypes is None:
        return False
    try:
        ruleset = _call(_CREATE_RULESET, struct.pack("=Q", _CHANGES), 8, 0)
        _allow(ruleset, directory, _CHANGES)
        try:
            _allow(ruleset, "/dev/null", _WRITE_FILE)
        except OSError:
            pass  # a chroot may not have it
        _call(_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)
    except OSError:
        return False
    return True


def _allow(ruleset: int, path: str, access: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, descriptor)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    values = [
        ctypes.c_char_p(each) if isinstance(each, bytes) else ctypes.c_long(each)
        for each in arguments
    ]
    result = int(libc.syscall(ctypes.c_long(number), *values))
    if result < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return result
