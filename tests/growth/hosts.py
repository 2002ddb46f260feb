"""Systems with many environments below a directory, and what calls of the command cost there."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rpm_venv.declaration import Declaration
from rpm_venv.paths import declared_at
from rpm_venv.system import declared
from tests.faults.systems import Command
from tests.host.wheels import Wheel, make_lock, make_wheel

#: What all environments have, and what each has as its application.
SHARED = make_wheel("tls", "2.0")
APP = make_wheel("app", requires=["tls"], scripts={"app": "app:main"})
#: A call of strace's report and its answer, but for memory, which Python asks for as it likes.
_CALL = re.compile(r"(?!mmap|munmap|mprotect|mremap|madvise|brk|futex|rt_sig)(\w+)\(.* = (-?\d+)")
_READS = ("read", "pread64")


@dataclass(frozen=True)
class Cost:
    """What a call of the command cost its own process: system calls, and bytes read."""

    calls: int
    read: int


@dataclass(frozen=True)
class System:
    """A system below ``root`` whose packages declare environments of small wheels."""

    command: Command
    root: Path

    def ship(self, numbers: Sequence[int], wheels: Sequence[Wheel] = (APP, SHARED)) -> None:
        """Put the declarations of environments where their packages would have them."""
        for number in numbers:
            share = declared_at(path_of(number))
            place = self.root / str(share)[1:]
            (place / "wheels").mkdir(parents=True)
            for wheel in wheels:
                wheel.save(place / "wheels")
            (place / "requirements.txt").write_text(make_lock(wheels))
            declaration = Declaration(
                path_of(number),
                f"{share}/requirements.txt",
                wheels=(f"{share}/wheels",),
                offline=True,
                level="wheels",
            )
            (place / declared.NAME).write_bytes(declared.dumps(declaration))

    def fix(self, wheel: Wheel) -> None:
        """What an administrator drops in: a fixed version of what all of them have."""
        place = self.root / "etc/rpm-venv"
        for directory in ("overrides.d", "wheels"):
            (place / directory).mkdir(parents=True, exist_ok=True)
        wheel.save(place / "wheels")
        (place / "overrides.d/fix.txt").write_text(make_lock([wheel]))

    def call(self, *words: str, stdin: str = "") -> float:
        """Call the command, which must succeed; the seconds of CPU that it took."""
        before = _cpu()
        self._run(self.command(self.root, *words), stdin)
        return _cpu() - before

    def cost(self, *words: str, stdin: str = "") -> Cost:
        """Call the command, counted."""
        report = self.root.with_suffix(".strace")
        # On one CPU: there is one process, whose calls are all that the work takes.
        pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        strace = ["strace", "-qq", "-s", "0", "-o", str(report)]
        self._run([*pinned, *strace, *self.command(self.root, *words)], stdin)
        found = filter(None, map(_CALL.match, report.read_text().splitlines()))
        calls = [(call[1], int(call[2])) for call in found]
        return Cost(len(calls), sum(max(size, 0) for name, size in calls if name in _READS))

    def _run(self, argv: Sequence[str], stdin: str) -> None:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv[-2:]}: {done.stdout[-500:]}{done.stderr[-2000:]}"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def path_of(number: int) -> str:
    """The environment of a number."""
    return f"/opt/app{number}/penv"


def declaration_of(number: int) -> str:
    """What a trigger reads on stdin when the package of this environment comes."""
    return f"{declared_at(path_of(number))}/{declared.NAME}\n"
