"""The works that are measured on one set: all contenders do them in turn, round after round."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import disk, distant, least, ours
from tests.bench.measured import Cost, cost
from tests.bench.others import Commands, Pip, SystemPip, Uv, newest_pip
from tests.bench.ours import PATH, SECOND, Runtime, install
from tests.bench.sets import Set
from tests.host.realwheels import SYSTEM_PYTHON

#: (work, contender) → what it cost, once a round.
Costs = dict[tuple[str, str], list[Cost]]

#: Reads and hashes a generation and what its links lead to, in one process: ``verify`` cannot do
#: without.
_HASH = """
import hashlib, os, sys
for directory, below, names in os.walk(sys.argv[1], followlinks=True):
    if "lib64" in below:
        below.remove("lib64")  # a link to its neighbour
    for name in names:
        descriptor = os.open(os.path.join(directory, name), os.O_RDONLY)
        digest = hashlib.sha256()
        while chunk := os.read(descriptor, 1 << 20):
            digest.update(chunk)
        os.close(descriptor)
"""

#: Compiles the sources of an environment by as many processes as there are cores, and keeps
#: nothing: no install that makes byte code can be faster than this.
_COMPILE = """
import os, sys, warnings
warnings.simplefilter("ignore")
sources = [os.path.join(directory, name) for directory, _, names in os.walk(sys.argv[1])
           for name in names if name.endswith(".py")]
sources.sort(key=os.path.getsize)
cores = len(os.sched_getaffinity(0))
for core in range(cores):
    if os.fork() == 0:
        for source in sources[core::cores]:
            with open(source, "rb") as file:
                data = file.read()
            try:
                compile(data, source, "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                pass
        os._exit(0)
for core in range(cores):
    os.wait()
"""


class Works:
    """One set, the contenders, and a directory in which they work."""

    def __init__(self, wheels: Set, scratch: Path) -> None:
        self._set = wheels
        self._scratch = scratch
        self.costs: Costs = defaultdict(list)
        self._runtime = Runtime(scratch / "runtime")
        self._unconfined = Runtime(scratch / "unconfined", confined=False)
        self._pips: dict[str, Pip | SystemPip] = {"pip 26": newest_pip(), "pip 23": SystemPip()}

    def round(self, number: int) -> None:
        """All works once; who is first changes from round to round."""
        roads: list[Callable[[Path], None]] = [
            self._ours, self._uv, self._pip, self._unsheltered, self._least,
        ]  # fmt: skip
        first = number % len(roads)
        for road in roads[first:] + roads[:first]:
            with disk.fresh(self._scratch / "disk") as place:
                road(place)

    def disk(self) -> float:
        """The room that ten identical environments take, in that of one."""
        used = []
        with disk.fresh(self._scratch / "disk") as place:
            root = ours.system(place / "ten", self._set)
            for number in range(10):
                cost(self._runtime.command(root, *install(f"/opt/app{number}/penv")), settle=False)
                used.append(_blocks(root / "usr/lib/rpm-venv"))
        return used[-1] / used[0]

    def _note(self, work: str, contender: str, *commands: Sequence[str]) -> None:
        self.costs[work, contender].append(cost(*commands))

    def _ours(self, place: Path) -> None:
        root = ours.system(place / "ours", self._set)

        def run(work: str, *words: str) -> None:
            self._note(work, "ours", self._runtime.command(root, *words))

        run("cold", *install())
        run("nothing to do", *install())
        run("second", *install(SECOND))
        run("verify", "verify", PATH)
        (live,) = (root / "usr/lib/rpm-venv/envs/opt-app1-penv").iterdir()
        self._note("verify", "hashing", [sys.executable, "-ISc", _HASH, str(live)])
        run("one changed", *install(PATH, "changed.txt"))
        run("remove", "remove", SECOND)
        run("remove, the last", "remove", PATH)
        packaged = place / "packaged"
        ours.declared(self._runtime, packaged, self._set, "store")
        command = self._runtime.command(packaged, "install", PATH)
        self._note("packaged: store", "ours", command)
        distant.ours(self._note, self._runtime, self._set, place)

    def _unsheltered(self, place: Path) -> None:
        root = ours.system(place / "ours", self._set)
        self._note("cold", "ours, unconfined", self._unconfined.command(root, *install()))

    def _least(self, place: Path) -> None:
        wheels = map(str, self._set.locked())
        self._note("cold", "the least", [SYSTEM_PYTHON, "-IS", least.__file__, str(place), *wheels])

    def _uv(self, place: Path) -> None:
        for contender, byte_code in (("uv with byte code", True), ("uv", False)):
            mine = place / f"uv-{byte_code}"
            mine.mkdir()
            uv = Uv(mine / "cache", byte_code)
            first, second = mine / "first", mine / "second"
            self._environment("cold", contender, uv.install, first)
            if not byte_code:
                compiling = [SYSTEM_PYTHON, "-ISc", _COMPILE, str(first)]
                self._note("cold", "compile() alone", compiling)
            self._environment("second", contender, uv.install, second)
            again = uv.update(self._set, self._set.lock, first)
            self._note("nothing to do", contender, *again)
            changed = uv.update(self._set, self._set.changed, first)
            self._note("one changed", contender, *changed)
        distant.others(self._note, self._set, place)

    def _pip(self, place: Path) -> None:
        for contender, pip in self._pips.items():
            into = place / contender.replace(" ", "")
            self._environment("cold", contender, pip.install, into)
            if isinstance(pip, Pip):
                changed = pip.update(self._set, self._set.changed, into)
                self._note("one changed", contender, *changed)
                self._note("remove", "rm -rf", ["rm", "-rf", str(into)])

    def _environment(
        self,
        work: str,
        contender: str,
        commands: Callable[[Set, Path, Path], Commands],
        into: Path,
    ) -> None:
        self._note(work, contender, *commands(self._set, self._set.lock, into))


def _blocks(directory: Path) -> int:
    """Kilobytes on the disk, each file once."""
    argv = ["du", "-sk", str(directory)]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[0])
