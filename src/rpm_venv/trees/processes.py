"""Which generations running processes hold. An edge: reads /proc, in a child of its own.

To read of a process what is in its memory can wait for that process for ever: its owner only needs
pages that a file system of his own (FUSE) does not give away. So a child looks, and for so long.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rpm_venv.frozen import dataclass
from rpm_venv.paths import HOME, Layout, environment_named, escape
from rpm_venv.trees.generation import NAME_DIGITS, is_name

_PATIENCE = 10.0  # seconds, for all processes; a thousand take a tenth of one
_PROC = "/proc"
_LONGEST = 512  # bytes of ID/GENERATION, where ID is one name


@dataclass(frozen=True)
class Held:
    """The generations that running processes hold, as ID/GENERATION; None: perhaps all."""

    names: frozenset[str] | None

    def of(self, path: str, there: Sequence[str]) -> frozenset[str]:
        """Those of an environment; all that are ``there`` where nothing is known: they stay."""
        if self.names is None:
            return frozenset(there)
        return frozenset(name for name in there if f"{escape(path)}/{name}" in self.names)


def held(layout: Layout) -> Held:
    """The generations that a running process was started from or has mapped.

    Nothing is known where that cannot be found out in time; ``OSError`` where nobody can look.
    A process of another root may run from a generation of the same name: where this root is not
    ``/``, only paths below it count, and the arguments of processes whose root it is.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _tell(writing, layout)
    os.close(writing)
    answer = None
    try:
        answer = _answer(reading, time.monotonic() + _PATIENCE)
    finally:
        os.close(reading)
        # One that waits for a process inside the kernel is not to be killed: it is not waited for.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0 if answer is not None else os.WNOHANG)
    return Held(None if answer is None else frozenset(answer.split()))


def _tell(writing: int, layout: Layout) -> None:
    """In the child: write the names, and a full stop, if nothing goes wrong; does not return."""
    try:
        told = "\n".join([*sorted(_held(layout)), "."]).encode()
        while told:
            told = told[os.write(writing, told) :]
    finally:
        os._exit(0)


def _answer(reading: int, end: float) -> str | None:
    """What the child found; None where it has not come to its end by then."""
    data = b""
    while select.select([reading], [], [], max(end - time.monotonic(), 0))[0]:
        more = os.read(reading, 1 << 16)
        data += more
        if not more and data.endswith(b"."):
            return data[:-1].decode("ascii", "replace")
        if not more:
            raise OSError("the process that looks at the others ended too soon")
    return None


def _held(layout: Layout) -> set[str]:
    target = f"{HOME}/envs/"
    real = f"{layout.real(target)}/"
    found: set[str] = set()
    try:
        processes = [entry for entry in os.listdir(_PROC) if entry.isdigit()]
    except OSError:
        return found
    for process in processes:
        for prefix, text in _traces(process, layout, target, real):
            for part in text.split(prefix.encode())[1:]:
                environment, _, rest = part[:_LONGEST].partition(b"/")
                name = rest[:NAME_DIGITS].decode("ascii", "replace")
                if is_name(name) and environment_named(environment.decode("ascii", "replace")):
                    found.add(f"{environment.decode()}/{name}")
    return found


def _traces(process: str, layout: Layout, target: str, real: str) -> Iterable[tuple[str, bytes]]:
    """Where a process shows the files it runs, and how they begin: arguments, mappings, files."""
    place = f"{_PROC}/{process}"
    with contextlib.suppress(OSError):
        if layout.root == Path("/") or os.readlink(f"{place}/root") == str(layout.root):
            yield target, Path(place, "cmdline").read_bytes()
    with contextlib.suppress(OSError):
        yield real, Path(place, "maps").read_bytes()
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"{place}/fd"):
            with contextlib.suppress(OSError):
                yield real, os.readlink(f"{place}/fd/{descriptor}").encode()
