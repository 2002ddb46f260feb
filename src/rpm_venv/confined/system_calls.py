"""The few system calls that a confined child needs, as a program for the kernel's filter. Pure.

There is one for x86_64 and aarch64, whose numbers are tested against the kernel's headers; it has
run on x86_64 alone. On other machines there is none, and the layer is reported as missing: a wrong
number would stop every installation there.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable

#: What a child uses that reads one wheel: memory, its pipe, its end.
UNPACK = (
    "read", "pread64", "write", "writev", "close", "fstat", "newfstatat", "lseek", "mmap",
    "mprotect", "munmap", "mremap", "madvise", "brk", "futex", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "sigaltstack",
    "sched_yield", "getpid", "gettid", "clock_gettime", "getrandom", "restart_syscall", "exit",
    "exit_group",
)  # fmt: skip
#: What the process uses that makes those children.
ZYGOTE = (
    *UNPACK, "clone", "wait4", "recvmsg", "sendto", "prctl", "getrlimit", "setrlimit",
    "prlimit64", "fcntl", "set_robust_list", "set_tid_address", "rseq", "fork",
)  # fmt: skip

#: name: number on x86_64, number on aarch64 (-1: has none).
_NUMBERS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvmsg": (47, 212),
    "clone": (56, 220),
    "fork": (57, -1),
    "exit": (60, 93),
    "wait4": (61, 260),
    "fcntl": (72, 25),
    "getrlimit": (97, 163),
    "sigaltstack": (131, 132),
    "prctl": (157, 167),
    "setrlimit": (160, 164),
    "gettid": (186, 178),
    "futex": (202, 98),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "set_robust_list": (273, 99),
    "prlimit64": (302, 261),
    "newfstatat": (262, 79),
    "getrandom": (318, 278),
    "rseq": (334, 293),
    "clone3": (435, 435),
}
#: The machine's column above, and the kernel's name for its calling convention (AUDIT_ARCH_*).
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_PROT_EXEC, _MAP_SHARED = 4, 1
_CLONE_NAMESPACES = 0x7E020080
#: Calls whose argument (by its position) may not have certain bits: no new code in memory, and no
#: new namespace, in which a process would be its own root.
_FORBIDDEN_BITS = {
    "mmap": ((2, _PROT_EXEC),),
    "mprotect": ((2, _PROT_EXEC),),
    "clone": ((0, _CLONE_NAMESPACES),),
}
#: Shared memory is not counted against the limit of a process's own (RLIMIT_DATA).
_SHARING = {"mmap": ((3, _MAP_SHARED),)}


_MACHINE = os.uname().machine  # asked once: the filter itself does not allow the question


def program(allowed: Iterable[str], machine: str = _MACHINE, *, sharing: bool = True) -> bytes:
    """The filter (struct sock_filter[]) that allows these calls; empty for an unknown machine.

    Without ``sharing``, memory that others may have as well is not to be had.
    """
    known = _MACHINES.get(machine)
    if known is None or sys.maxsize < 1 << 32:  # a 32-bit process on a 64-bit kernel
        return b""
    column, convention = known
    code = [
        _step(_LOAD, _MACHINE_AT),
        _step(_EQUAL, convention, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
    ]
    for name in allowed:
        number = _NUMBERS[name][column]
        if number >= 0:
            code += _allow(name, number, () if sharing else _SHARING.get(name, ()))
    # clone3 hides its flags behind a pointer; libc falls back to clone where there is none.
    code += [_step(_EQUAL, _NUMBERS["clone3"][column], 0, 1), _step(_RETURN, _ERROR | _ENOSYS)]
    code.append(_step(_RETURN, _ERROR | _EPERM))
    return b"".join(code)


def _allow(name: str, number: int, also: tuple[tuple[int, int], ...]) -> list[bytes]:
    forbidden = (*_FORBIDDEN_BITS.get(name, ()), *also)
    code = [_step(_EQUAL, number, 0, 3 * len(forbidden) + 1)]
    for position, bits in forbidden:
        code += [
            # The lower half: both machines are little-endian.
            _step(_LOAD, _ARGUMENTS_AT + 8 * position),
            _step(_ANY_BIT, bits, 0, 1),
            _step(_RETURN, _ERROR | _EPERM),
        ]
    return [*code, _step(_RETURN, _ALLOW)]


def _step(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, then, otherwise, value)
