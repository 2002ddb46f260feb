"""The filter of system calls, run as the kernel would run it, for each machine that has one.

What the kernel does with such a program is in seccomp(2) and its own networking/filter.rst: of the
instructions ours uses four. So aarch64's filter is tried here on whatever machine this is.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import product

import pytest

from rpm_venv.confined import system_calls
from rpm_venv.confined.system_calls import UNPACK, ZYGOTE

#: AUDIT_ARCH_* of linux/audit.h, and the numbers that no call has beyond.
CONVENTIONS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHERS = (0x40000003, 0xC00000F3, 0x40000028, 0x80000016, 0xC0000015, 0)  # i386, riscv64, arm, …
LAST = 512
X32 = 0x40000000
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
PROT_READ, PROT_EXEC = 1, 4
MAP_SHARED, MAP_PRIVATE = 1, 2
NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80)
THREAD = 0x3D0F00  # what the C library asks clone for


def verdict(program: bytes, convention: int, number: int, arguments: Sequence[int] = ()) -> int:
    """What the kernel does with a call, by the program that it was given."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, convention, 0, *values)
    steps = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    here = accumulator = 0
    while True:
        code, then, otherwise, value = steps[here]
        here += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            assert value % 4 == 0
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
            here += then if accumulator == value else otherwise
        elif code == 0x45:  # BPF_JMP | BPF_JSET | BPF_K
            here += then if accumulator & value else otherwise
        else:
            assert code == 0x06  # BPF_RET | BPF_K
            return int(value)


on_both = pytest.mark.parametrize("machine", CONVENTIONS)


def numbers(machine: str, names: Sequence[str]) -> set[int]:
    column = list(CONVENTIONS).index(machine)
    return {system_calls._NUMBERS[name][column] for name in names} - {-1}


@on_both
@pytest.mark.parametrize(("names", "sharing"), [(UNPACK, False), (ZYGOTE, True)])
def test_what_is_named_is_allowed_and_nothing_else(
    machine: str, names: tuple[str, ...], sharing: bool
) -> None:
    program = system_calls.program(names, machine, sharing=sharing)
    own = CONVENTIONS[machine]
    allowed = {number for number in range(LAST) if verdict(program, own, number) == ALLOW}
    assert allowed == numbers(machine, names)
    (clone3,) = numbers(machine, ["clone3"])
    refused = {verdict(program, own, n) for n in range(LAST) if n not in {*allowed, clone3}}
    assert refused == {EPERM}
    assert verdict(program, own, clone3) == ENOSYS
    assert len(program) // 8 <= 4096  # BPF_MAXINSNS


@on_both
@pytest.mark.parametrize("names", [UNPACK, ZYGOTE])
def test_a_call_by_another_convention_is_the_end(machine: str, names: tuple[str, ...]) -> None:
    program = system_calls.program(names, machine)
    others = {*OTHERS, *CONVENTIONS.values()} - {CONVENTIONS[machine]}
    for other, number in product(others, range(0, LAST, 7)):
        assert verdict(program, other, number) == KILL
    for number in range(LAST):  # x32 has x86_64's convention, and numbers of its own
        assert verdict(program, CONVENTIONS[machine], X32 | number) == EPERM


@on_both
def test_no_code_no_shared_memory_no_namespace(machine: str) -> None:
    own = CONVENTIONS[machine]
    child = system_calls.program(UNPACK, machine, sharing=False)
    parent = system_calls.program(ZYGOTE, machine)
    (mmap,), (mprotect,) = numbers(machine, ["mmap"]), numbers(machine, ["mprotect"])
    (clone,) = numbers(machine, ["clone"])
    for program in (child, parent):
        for call in (mmap, mprotect):
            for more in range(4):
                assert verdict(program, own, call, [0, 0, PROT_EXEC | more]) == EPERM
            assert verdict(program, own, call, [0, 0, PROT_READ, MAP_PRIVATE]) == ALLOW
    shared = [0, 0, PROT_READ, MAP_SHARED]
    assert (verdict(child, own, mmap, shared), verdict(parent, own, mmap, shared)) == (EPERM, ALLOW)
    assert verdict(parent, own, clone, [THREAD]) == ALLOW
    for namespace in NAMESPACES:
        assert verdict(parent, own, clone, [THREAD | namespace]) == EPERM
        # Only the lower half of a register is flags; the upper hides none.
        assert verdict(parent, own, clone, [namespace | 1 << 32]) == EPERM


def test_another_machine_has_none() -> None:
    assert system_calls.program(UNPACK, "s390x") == b""
