"""What verbs ask of the kernel, counted: figures that do not depend on how busy the machine is.

    python -m tests.bench.counted [--record]

Runs small works under strace and compares the counts with those in counts.json; ``--record``
writes them anew, for a change that is meant. Only what concerns the system below ``--root`` is
counted, and the processes started: neither the Python nor where it lies makes a difference.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.faults.systems import OTHER, PATH, Command
from tests.host.wheels import make_lock, make_wheel

RECORDED = Path(__file__).with_name("counts.json")
#: More than this share above the recorded count, and more than ``SLACK``, is a slow-down.
TOLERANCE, SLACK = 1.1, 5

_CALL = re.compile(r"^(\d+) +(<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$")
_UNFINISHED = "<unfinished ...>"
_CLASSES = {
    "looks": "newfstatat fstat stat lstat statx readlink readlinkat access faccessat faccessat2 "
    "getdents64",
    "reads": "read pread64 readv",
    "changes": "rename renameat renameat2 unlink unlinkat rmdir chmod fchmod fchmodat fchmodat2 "
    "utimensat ftruncate flock",
    "durable": "fsync fdatasync syncfs",
    "creates": "mkdir mkdirat symlink symlinkat link linkat",
    "opens": "open openat",
    "writes": "write pwrite64 writev",
}
_CLASS = {call: name for name, calls in _CLASSES.items() for call in calls.split()}
_STARTS = ("clone", "clone3", "fork", "vfork")
_TRACED = ",".join(f"?{call}" for call in (*_CLASS, *_STARTS))


def works(system: Path, command: Command) -> Iterator[tuple[str, list[str]]]:
    """The works in their order: the words of each, on a system that has what they need."""
    for version in (1, 2):
        _wheels(system, version)
    (system / "etc").mkdir()

    def install(version: int, path: str) -> list[str]:
        place = f"/usr/share/app/{version}"
        lock = f"{place}/requirements.txt"
        return command(system, "install", "-r", lock, "-w", place, "-o", path)

    yield "install of five wheels", install(1, PATH)
    yield "install with nothing to do", install(1, PATH)
    yield "second environment", install(1, OTHER)
    yield "nothing to do beside another environment", install(1, PATH)
    yield "one wheel changed", install(2, PATH)
    yield "verify", command(system, "verify", PATH)
    yield "list", command(system, "list")
    yield "remove", command(system, "remove", OTHER)


def _wheels(system: Path, version: int) -> None:
    """A version of the application: its own wheel is another, the four beside it are the same."""
    place = system / f"usr/share/app/{version}"
    place.mkdir(parents=True)
    sources = {f"app/part{n}.py": f"VALUE = {n + version}\n" for n in range(20)}
    wheels = [make_wheel("app", f"{version}.0", {"app/__init__.py": "", **sources})]
    for name in ("one", "two", "three", "four"):
        modules = {f"{name}/{part}/__init__.py": f"{part} = 1\n" for part in ("a", "b", "c")}
        wheels.append(make_wheel(name, "1.0", {f"{name}/__init__.py": "", **modules}))
    for wheel in wheels:
        wheel.save(place)
    (place / "requirements.txt").write_text(make_lock(wheels))


def counted(argv: list[str], system: Path, trace: Path) -> Counter[str]:
    """The counts of one command, started on one CPU: it has as many workers as there are CPUs."""
    strace = ["strace", "-f", "-y", "-qq", "-s", "0", "-e", f"trace={_TRACED}", "-o", str(trace)]
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    done = subprocess.run([*strace, *pinned, *argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr}")
    counts: Counter[str] = Counter()
    for call, rest in _calls(trace.read_text(errors="replace").splitlines()):
        counts.update(_counts(call, rest, str(system)))
    return counts


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each call once: strace tells it in two lines where another process makes one meanwhile."""
    begun: dict[str, tuple[str, str]] = {}
    for line in lines:
        found = _CALL.match(line)
        if not found:
            continue
        process, is_resumed, call, rest = found.groups()
        if is_resumed:
            _, start = begun.pop(process, (call, ""))
            yield call, start + rest
        elif rest.endswith(_UNFINISHED):
            begun[process] = call, rest[: -len(_UNFINISHED)]
        else:
            yield call, rest
    yield from begun.values()  # of a process that was killed in it


def _counts(call: str, rest: str, system: str) -> dict[str, int]:
    result = re.search(r"= (-?\d+)(?:<[^>]*>)?(?: \w+ \([^)]*\))?$", rest)
    if call in _STARTS:
        is_new = result is not None and int(result[1]) > 0 and "CLONE_THREAD" not in rest
        return {"processes": 1} if is_new else {}
    if system not in rest:
        return {}
    kind = _CLASS[call]
    if kind == "opens" and "O_CREAT" in rest:
        kind = "creates"
    counts = {kind: 1}
    if kind == "writes" and result and int(result[1]) > 0:
        counts["bytes written"] = int(result[1])
    return counts


def measured(scratch: Path) -> dict[str, dict[str, int]]:
    """The counts of all works, done below a directory."""
    command = Command.copied(scratch / "src")
    system = scratch / "root"
    found = {}
    for name, argv in works(system, command):
        found[name] = dict(sorted(counted(argv, system, scratch / "trace").items()))
    return found


def slower(
    recorded: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """What takes more than was recorded, a line each."""
    lines = []
    for work, counts in found.items():
        before = recorded.get(work, {})
        for kind, count in counts.items():
            most = max(before.get(kind, 0) * TOLERANCE, before.get(kind, 0) + SLACK)
            if count > most:
                lines.append(f"{work}: {kind} {count}, recorded {before.get(kind, 0)}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.counted")
    parser.add_argument("--record", action="store_true", help="write counts.json anew")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        found = measured(Path(scratch))
    if args.record:
        RECORDED.write_text(json.dumps(found, indent=1) + "\n")
    for work, counts in found.items():
        print(f"{work}: {', '.join(f'{kind} {count}' for kind, count in counts.items())}")
    worse = slower(json.loads(RECORDED.read_text()), found)
    print("\n".join(worse))
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
