"""The system calls that change a filesystem, and a kernel filter that reports each to a supervisor.

See seccomp_unotify(2). Unlike a count per thread and call, the supervisor sees one sequence of all
the calls of a process and its threads, so "the N-th call" is a place in the whole of its work.
"""

from __future__ import annotations

import ctypes
import os
import struct

#: name: number on x86_64, number on aarch64 (-1: it has none).
_NUMBERS = {
    "write": (1, 64),
    "open": (2, -1),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "ftruncate": (77, 46),
    "rename": (82, -1),
    "mkdir": (83, -1),
    "rmdir": (84, -1),
    "link": (86, -1),
    "unlink": (87, -1),
    "symlink": (88, -1),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchown": (93, 55),
    "flock": (73, 32),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "sendfile": (40, 71),
    "socketpair": (53, 199),
    "openat": (257, 56),
    "mkdirat": (258, 34),
    "fchownat": (260, 54),
    "unlinkat": (263, 35),
    "renameat": (264, 38),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "fchmodat": (268, 53),
    "utimensat": (280, 88),
    "fallocate": (285, 47),
    "pipe2": (293, 59),
    "syncfs": (306, 267),
    "renameat2": (316, 276),
    "memfd_create": (319, 279),
    "copy_file_range": (326, 285),
    "fchmodat2": (452, 452),
}
#: machine: column above, AUDIT_ARCH_*, number of seccomp(2).
MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8

#: Calls that take a descriptor as their first argument, and no path.
BY_DESCRIPTOR = frozenset(
    ("write", "fsync", "fdatasync", "ftruncate", "fchmod", "fchown", "flock", "pwrite64", "writev",
     "fallocate", "syncfs")
)  # fmt: skip
#: Calls that open files, with the position of their flags, and the flags of those that may change.
OPENING = {"open": 1, "openat": 2}
FLAGS = {**OPENING, "unlinkat": 2, "renameat2": 4}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
#: Calls that make descriptors of no file: where memory or descriptors run out, they fail too.
RESOURCES = frozenset(("socketpair", "pipe2", "memfd_create"))
#: Calls that make something durable.
DURABLE = frozenset(("fsync", "fdatasync", "syncfs"))


def machine() -> str:
    return os.uname().machine


def names() -> dict[int, str]:
    """The number of each call on this machine, with its name."""
    column = MACHINES[machine()][0]
    return {numbers[column]: name for name, numbers in _NUMBERS.items() if numbers[column] >= 0}


def listen(*, reading: bool) -> int:
    """Report the calls of this process and all it starts; the descriptor to listen on.

    Each of the calls waits until the listener has answered. ``reading`` is whether also those that
    open a file only to read it are reported.
    """
    program = _program(reading)
    buffer = ctypes.create_string_buffer(program, len(program))

    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    filter_ = Filter(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    number = MACHINES[machine()][2]
    listener = libc.syscall(number, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.byref(filter_))
    if listener < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"seccomp: {os.strerror(error)}")
    return int(listener)


def _program(reading: bool) -> bytes:
    steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, MACHINES[machine()][1]),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 0),
    ]
    for number, name in sorted(names().items()):
        if name in OPENING and not reading:
            steps += [
                (_EQUAL, 0, 4, number),
                (_LOAD, 0, 0, 16 + 8 * OPENING[name]),
                (_ANY_BIT, 0, 1, WRITING),
                (_RETURN, 0, 0, _NOTIFY),
                (_RETURN, 0, 0, _ALLOW),
            ]
        else:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
