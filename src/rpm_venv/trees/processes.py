"""Which generations running processes hold. An edge: reads /proc, in a child of its own.

To read of a process what is in its memory can wait for that process for ever: its owner only needs
pages that a file system of his own (FUSE) does not give away. So a child looks, and for so long.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rpm_venv.frozen import dataclass
from rpm_venv.paths import HOME, Layout, environment_named, escape
from rpm_venv.system.reading import is_readable
from rpm_venv.trees.generation import NAME_DIGITS, is_name
from rpm_venv.wheels import store

_PATIENCE = 10.0  # seconds, for all processes; a thousand take a tenth of one
_PROC = "/proc"
_MAX_SHOWN = 512  # bytes of a path below envs/ or store/ that tell where it is
_READ = 1 << 18  # a process may have mapped 65,530 places, each told in 4 KiB
_MOST = 20_000  # names that processes show: who shows more means no good, and holds everything


class _TooMany(Exception):
    """Processes show more names than there are environments."""


@dataclass(frozen=True)
class Held:
    """What running processes hold: generations as ID/GENERATION; None for perhaps all.

    ``mapped`` are the objects that a process has files of, for each that shows no generation.
    """

    names: frozenset[str] | None
    mapped: frozenset[frozenset[str]] = frozenset()

    def of(self, path: str, there: Mapping[str, Collection[str]]) -> frozenset[str]:
        """Those of an environment; all that are ``there`` where nothing is known: they stay.

        With each are the objects that it may have links to. A process that shows no generation is
        in each that has all objects that it has mapped.
        """
        if self.names is None:
            return frozenset(there)
        shown = {name for name in there if f"{escape(path)}/{name}" in self.names}
        return frozenset(shown).union(
            name
            for name, has in there.items()
            if any(objects <= set(has) for objects in self.mapped)
        )


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
    if answer is None:
        return Held(None)
    lines = answer.splitlines()
    names = frozenset(line for line in lines if "/" in line)
    return Held(names, frozenset(frozenset(line.split()) for line in lines if "/" not in line))


def _tell(writing: int, layout: Layout) -> None:
    """In the child: write the names, and a full stop, if nothing goes wrong; does not return.

    Or a question mark, where there are too many.
    """
    try:
        try:
            told = "\n".join([*sorted(_held(layout)), "."]).encode()
        except _TooMany:
            told = b"?"
        while told:
            told = told[os.write(writing, told) :]
    finally:
        os._exit(0)


def _answer(reading: int, end: float) -> str | None:
    """What the child found; None where it has not come to its end by then, or is not to."""
    data = b""
    while time.monotonic() < end and is_readable(reading, end - time.monotonic()):
        more = os.read(reading, 1 << 16)
        data += more
        if not more and data == b"?":
            return None
        if not more and data.endswith(b"."):
            return data[:-1].decode("ascii", "replace")
        if not more:
            raise OSError("the process that looks at the others ended too soon")
    return None


def _held(layout: Layout) -> set[str]:
    """Lines of what is held: ID/GENERATION, or objects with blanks between them; ``_TooMany``."""
    target, real = f"{HOME}/envs/", f"{layout.envs}/"
    found: set[str] = set()
    try:
        processes = [entry for entry in os.listdir(_PROC) if entry.isdigit()]
    except OSError:
        return found
    for process in processes:
        shown: set[str] = set()
        objects: set[str] = set()
        for is_target, text in _traces(process, layout):
            shown.update(_generations(text, target if is_target else real))
            objects.update(() if is_target else _objects(text, f"{layout.store}/"))
            if max(map(len, (found, shown, objects))) > _MOST:
                raise _TooMany
        found |= shown
        if objects and not shown:
            found.add(" ".join(sorted(objects)))
    return found


def _generations(text: bytes, envs: str) -> Iterator[str]:
    """The generations that a text has paths of, each as ``ID/NAME``."""
    for after in text.split(envs.encode())[1:]:
        environment, _, rest = after[:_MAX_SHOWN].decode("ascii", "replace").partition("/")
        if is_name(rest[:NAME_DIGITS]) and environment_named(environment):
            yield f"{environment}/{rest[:NAME_DIGITS]}"


def _objects(text: bytes, place: str) -> Iterator[str]:
    """The objects that a text has paths of."""
    for after in text.split(place.encode())[1:]:
        name = after[:_MAX_SHOWN].decode("ascii", "replace").partition("/")[0]
        if store.is_id(name):
            yield name


def _traces(process: str, layout: Layout) -> Iterator[tuple[bool, bytes]]:
    """Where a process shows the files it runs: arguments, mappings, files.

    With whether the paths there are target paths.
    """
    place = f"{_PROC}/{process}"
    with contextlib.suppress(OSError):
        if layout.root == Path("/") or os.readlink(f"{place}/root") == str(layout.root):
            yield True, Path(place, "cmdline").read_bytes()
    with contextlib.suppress(OSError):
        for lines in _mappings(f"{place}/maps"):
            yield False, lines
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"{place}/fd"):
            with contextlib.suppress(OSError):
                yield False, os.readlink(f"{place}/fd/{descriptor}").encode()


def _mappings(file: str) -> Iterator[bytes]:
    """What a process has mapped, whole lines of it."""
    with open(file, "rb", buffering=0) as maps:
        rest = b""
        while chunk := maps.read(_READ):
            lines, end, rest = (rest + chunk).rpartition(b"\n")
            yield lines + end
