"""The stated limits of memory, held by every process, whatever the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hostile.conftest import Tally
from tests.hostile.wheels import STORED, Archive, Member, Wheel, with_file, with_member

LIMIT = 200 << 10  # kilobytes, as getrusage(2) counts

BUILD = r"""
import json, re, resource, sys
from pathlib import Path
from tests.hostile.building import build, only_object
layout = build(Path(sys.argv[2]), Path(sys.argv[1]))
# The peak of this process since it began; ru_maxrss would be that of its parent, if larger.
own = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
files = [file.path for file in only_object(layout).files]
print(json.dumps([[own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss], files]))
"""


def _numbers(size: int) -> bytes:
    return b"a = [" + b"1," * (size // 2) + b"]\n"


def _names(size: int) -> bytes:
    lines = (b"n%d = x%d.y%d(z%d)\n" % (n, n, n, n) for n in range(size // 28))
    return b"".join(lines)


LARGE: dict[str, Callable[[], Wheel | Archive]] = {
    "a source of numbers": lambda: with_file("demo/big.py", _numbers(5 << 20)),
    "a source of names": lambda: with_file("demo/big.py", _names(5 << 20)),
    "a source of brackets": lambda: with_file(
        "demo/big.py", b"[" * 90 + b"0," * (2 << 20) + b"]" * 90
    ),
    "many functions": lambda: with_file("demo/big.py", b"def f(): pass\n" * 300_000),
    "a file of 300 megabytes": lambda: with_member(
        Member(b"demo/big.bin", os.urandom(1 << 20) * 300, method=STORED)
    ),
    "a compressed file of 200 megabytes": lambda: with_member(
        Member(b"demo/big.bin", bytes(200 << 20))
    ),
    "thirty thousand files": lambda: replace(
        Wheel(), files={f"demo/{n // 100}/{n}.txt": b"%d" % n for n in range(30_000)}
    ),
    "ten thousand tags": lambda: replace(
        Wheel(),
        wheel=Wheel.wheel + b"Tag: py3-none-any\n" * 10_000,  # type: ignore[operator]
    ),
}

#: Not in the test's own process: what it once needed would count for each that it starts.
WRITE = """
import sys
from pathlib import Path
from tests.hostile.test_limits import write
write(sys.argv[1], Path(sys.argv[2]))
"""


def write(name: str, directory: Path) -> None:
    """Write one of the wheels."""
    value = LARGE[name]()
    if isinstance(value, Wheel):
        value.write(directory)
    else:
        Wheel().write(directory, value)


def run(code: str, *arguments: str) -> str:
    """What a fresh process prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_no_process_takes_more_than_its_share(tmp_path: Path, tally: Tally, name: str) -> None:
    run(WRITE, name, str(tmp_path))
    peaks, files = json.loads(run(BUILD, str(tmp_path / Wheel().filename), str(tmp_path / "root")))
    assert max(peaks) < LIMIT
    assert {"demo/big.py", "demo/big.bin", "demo/299/29999.txt", "demo/data.txt"} & set(files)
    tally("memory", "made safe")
