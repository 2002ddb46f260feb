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

from rpm_venv.confined import protocol
from tests.hostile.building import running_interpreter, source
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

TORTURE = bool(os.environ.get("VENV_TORTURE"))
#: As many modules as a wheel may have; fewer where that would take minutes, and memory for as many.
MODULES = protocol.MAX_FILES - 10 if TORTURE else 4_000
ROAD = r"""
import re, sys
from pathlib import Path
from rpm_venv import cli
assert cli.main(["--root", *sys.argv[1:]]) == 0
print(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
"""

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


def modules(directory: Path) -> Path:
    """A wheel of many modules, written without holding all of it."""
    names = (f"demo/package{n // 100}/a_module_{n}.py" for n in range(MODULES))
    return replace(Wheel(), files=dict.fromkeys(names, b"x = 1\n")).write(directory)


@pytest.mark.parametrize("verb", ["install", "verify"])
def test_root_does_not_hold_an_environment_of_many_files(
    crowded: tuple[Path, dict[str, int]], tally: Tally, verb: str
) -> None:
    """Each file takes its share of memory, and the largest wheel stays below the limit."""
    _, peaks = crowded
    share = LIMIT if TORTURE else (40 << 10) + (LIMIT - (40 << 10)) * MODULES // protocol.MAX_FILES
    assert peaks[verb] < share
    tally("memory", "made safe")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A root with an environment of many modules, and what root took to make and verify it."""
    root = tmp_path_factory.mktemp("crowded")
    code = "import sys; from pathlib import Path; from tests.hostile.test_limits import modules; "
    run(f"{code} modules(Path(sys.argv[1]))", str(root))
    digest = source(root / Wheel().filename).sha256
    (root / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{digest}\n")
    python = running_interpreter().path
    install = ["install", "-o", "-w", "/", "-p", python, "-r", "/lock.txt", "/opt/app/penv"]
    verbs = {"install": install, "verify": ["verify"]}
    return root, {name: int(run(ROAD, str(root), *verb)) for name, verb in verbs.items()}
