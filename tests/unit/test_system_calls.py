"""The numbers of system calls are the kernel's own, on both machines that have a filter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rpm_venv.confined import system_calls

#: The C headers of the kernel's interface, where Debian and Fedora have them, by the column of the
#: table. aarch64's is the generic one, on every machine; x86_64's is only on machines of its own.
_GENERIC = Path("/usr/include/asm-generic/unistd.h")
_OWN = (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h"))
_HEADERS = [(1, _GENERIC), *((0, path) for path in _OWN if path.exists())]
_DEFINED = re.compile(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", re.M)


def _kernel(header: Path) -> dict[str, int]:
    numbers = {name: int(number) for name, number in _DEFINED.findall(header.read_text())}
    # The generic table calls this one by the name that its first 64-bit machine gave it.
    return {"newfstatat": numbers.get("fstatat", -1), **numbers}


@pytest.mark.parametrize(("column", "header"), _HEADERS)
@pytest.mark.parametrize("name", system_calls._NUMBERS)
def test_a_number_is_the_kernels(name: str, column: int, header: Path) -> None:
    number = system_calls._NUMBERS[name][column]
    assert number == _kernel(header).get(name, -1)
