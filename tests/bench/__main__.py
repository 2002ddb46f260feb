"""``make bench``: how fast we are, against whom, and which goals that meets.

    python -m tests.bench [--runs N] [--document] [SET[:N] …]

As root, on a quiet machine. Sets are fetched from the index once. Writes
build/bench/result.json and result.svg; with --document also what docs/performance.md shows.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

from tests.bench import disk, goals, others, sets, show
from tests.bench.works import Costs, Works


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--document", action="store_true", help="write docs/performance.*")
    parser.add_argument(
        "sets", nargs="*", metavar="SET[:N]", help=f"of {', '.join(sets.NAMES)}, with its own runs"
    )
    args = parser.parse_args()
    rounds = {
        name: int(own) if own.isdecimal() else 0 if colon else args.runs
        for name, colon, own in (word.partition(":") for word in args.sets or sets.NAMES)
    }
    unknown = rounds.keys() - set(sets.NAMES)
    if unknown or min(rounds.values()) < 1:
        parser.error(f"no such set: {', '.join(sorted(unknown))}" if unknown else "runs: 1 or more")
    if os.geteuid() != 0:
        parser.error("this needs root: as another user nothing would be confined as on a target")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what is mounted goes
    measured: dict[str, Costs] = {}
    verdicts: dict[str, list[goals.Verdict]] = {}
    disks: dict[str, float] = {}
    for name, runs in rounds.items():
        measured[name], disks[name] = _measure(name, runs)
        verdicts[name] = goals.verdicts(measured[name], disks[name])
        print("\n".join(show.lines(name, measured[name], verdicts[name])), flush=True)
    _write(measured, verdicts, document=args.document)
    return 0 if all(goal.met for each in verdicts.values() for goal in each) else 3


def _measure(name: str, runs: int) -> tuple[Costs, float]:
    wheels = sets.prepared(name)
    with disk.scratch(sets.PLACE / "scratch") as scratch:
        works = Works(wheels, scratch)
        for number in range(runs):
            works.round(number)
        return works.costs, works.disk()


def _write(
    measured: dict[str, Costs], verdicts: dict[str, list[goals.Verdict]], *, document: bool
) -> None:
    result = {
        "versions": others.versions(),
        "cpus": len(os.sched_getaffinity(0)),
        "sets": {
            name: {
                "costs": [
                    {"work": work, "contender": who, "rounds": list(map(dataclasses.asdict, costs))}
                    for (work, who), costs in each.items()
                ],
                "goals": [{**dataclasses.asdict(goal), "met": goal.met} for goal in verdicts[name]],
            }
            for name, each in measured.items()
        },
    }
    (sets.PLACE / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    (sets.PLACE / "result.svg").write_text(show.plot(measured))
    if document:
        performance = sets.TREE / "docs" / "performance.md"
        shown = f"{show.table(measured, verdicts)}\n\n![seconds by work](performance.svg)"
        performance.write_text(show.with_table(performance.read_text(), shown))
        Path(performance.with_suffix(".svg")).write_text(show.plot(measured))


if __name__ == "__main__":
    sys.exit(main())
