"""``PYTHONPATH=src python -m tests.growth``: the tables of docs/performance.md on how costs grow.

As root, on a machine with strace. Counts of the command's main thread, which assembles, links and
writes; its workers and their children are left out. They do not depend on how busy the machine is.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.laboratories import scratch
from tests.faults.systems import Command
from tests.growth.hosts import System, declaration_of, path_of
from tests.host.wheels import Wheel, make_wheel

ENVIRONMENTS = (1, 10, 50, 200)
PACKAGES = (10, 139, 400)
_TRIGGER = ("sync", "--trigger", "file")
#: What is called at each size, by its name in the tables.
_CALLS: Mapping[str, tuple[Sequence[str], str]] = {
    "`list`": (("list",), ""),
    "`sync` with nothing to do": (("sync",), ""),
    "a trigger for one package, nothing to do": (_TRIGGER, declaration_of(0)),
    "`install` with nothing to do": (("install", path_of(0)), ""),
    "`show`": (("show", path_of(0)), ""),
    "`verify` of one": (("verify", path_of(0)), ""),
}
Counts = dict[str, list[int]]


def environments(top: Path) -> Counts:
    """Calls of the kernel by how many environments there are, each with two wheels."""
    system, there, counts = _system(top), 0, Counts()
    for size in ENVIRONMENTS:
        system.ship(range(there, size - 1))
        system.call("sync")
        system.ship([size - 1])
        made = system.cost(*_TRIGGER, stdin=declaration_of(size - 1)).calls
        counts.setdefault("a trigger that makes one", []).append(made)
        there = size
        _count(system, counts)
    return counts


def packages(top: Path) -> Counts:
    """Calls of the kernel by how many wheels one environment has; there is another beside it."""
    counts = Counts()
    for size in PACKAGES:
        system = _system(top / str(size))
        wheels = [make_wheel(f"part{number}") for number in range(size)]
        system.ship([1])
        system.call("sync")
        system.ship([0], wheels)
        made = system.cost(*_TRIGGER, stdin=declaration_of(0)).calls
        counts.setdefault("a trigger that makes it", []).append(made)
        _count(system, counts)
        _change(system, [make_wheel("part0", "2.0"), *wheels[1:]])
        changed = system.cost(*_TRIGGER, stdin=declaration_of(0)).calls
        counts.setdefault("one package of it changed", []).append(changed)
        beside = system.cost(*_TRIGGER, stdin=declaration_of(1)).calls
        counts.setdefault("a trigger for the other one", []).append(beside)
        shutil.rmtree(top / str(size))
    return counts


def _system(top: Path) -> System:
    system = System(Command.copied(top / "src"), top / "root")
    system.root.mkdir()
    return system


def _change(system: System, wheels: Sequence[Wheel]) -> None:
    shutil.rmtree(system.root / declaration_of(0)[1:].rpartition("/")[0])
    system.ship([0], wheels)


def _count(system: System, counts: Counts) -> None:
    for name, (words, stdin) in _CALLS.items():
        counts.setdefault(name, []).append(system.cost(*words, stdin=stdin).calls)


def _table(what: str, sizes: Sequence[int], counts: Counts) -> str:
    rows = [f"| {what} | {' | '.join(map(str, sizes))} |", f"|---|{'---|' * len(sizes)}"]
    for name, found in counts.items():
        rows.append(f"| {name} | {' | '.join(f'{count:,}' for count in found)} |")
    return "\n".join(rows)


def main() -> int:
    for what, sizes, count in (
        ("calls of the kernel, by environments", ENVIRONMENTS, environments),
        ("calls of the kernel, by packages in one", PACKAGES, packages),
    ):
        top = scratch()
        try:
            sys.stdout.write(f"{_table(what, sizes, count(top))}\n\n")
            sys.stdout.flush()
        finally:
            shutil.rmtree(top, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
