"""The application's own wheels: found where its build leaves them, and joined to its lock.

An edge: reads directories and the wheels in them, of the system that builds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rpm_venv.errors import LockError, Problem
from rpm_venv.frozen import replace
from rpm_venv.locks import built, lock, requirements
from rpm_venv.locks.built import Built
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.system.interpreter import Interpreter


def find(
    named: Sequence[Path], directories: Sequence[Path], interpreter: Interpreter
) -> tuple[Built, ...]:
    """The wheels that join a lock: the named ones, and those in directories of the build.

    Of several wheels of one distribution in the directories, the one that fits the interpreter is
    taken. ``LockError`` with each distribution for which that is none, or more than one.
    """
    files = [*named, *(file for place in directories for file in sorted(place.glob("*.whl")))]
    found: dict[str, list[Built]] = {}
    for wheel in map(built.read, dict.fromkeys(files)):
        found.setdefault(wheel.entry.name, []).append(wheel)
    chosen: list[Built] = []
    problems: list[Problem] = []
    for name, wheels in sorted(found.items()):
        reasons = {wheel.path: list(built.misfits(wheel, interpreter)) for wheel in wheels}
        fitting = [wheel for wheel in wheels if not reasons[wheel.path]]
        chosen += fitting
        if len(fitting) > 1:
            problems.append(_several(name, fitting))
        elif not fitting:
            problems += [replace(p, where=path.name) for path in reasons for p in reasons[path]]
    if problems:
        raise LockError(
            "the wheels of this build cannot join the lock",
            problems=problems,
            hint="name with -a those that belong to this environment, or say -a none",
        )
    return tuple(chosen)


def _several(name: str, wheels: Sequence[Built]) -> Problem:
    places = " and ".join(str(wheel.path) for wheel in wheels)
    return Problem(f"there are {len(wheels)} wheels of {name}: {places}")


def join(data: bytes, filename: str, wheels: Sequence[Built]) -> tuple[Lock, tuple[str, ...]]:
    """The lock in ``data`` with these wheels in it as exact entries; and what to say of each.

    An entry of the same name gives way where it is of the same version and names no wheel.
    ``LockError`` with every reason why the lock is not exact, or not for these wheels.
    """
    if not wheels:
        return lock.parse(data, filename), ()
    found, problems = lock.read(data, filename)
    versions = {wheel.entry.name: wheel.entry for wheel in wheels}
    pinned = {}
    if not found.pylock:
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
        pinned = {where: (n, v) for where, n, v in requirements.pins(text) if n in versions}
    problems = [problem for problem in problems if problem.where not in pinned]
    for where, (name, version) in pinned.items():
        problems += _differs(versions[name], Entry(name, version, (), where=where))
    for entry in found.entries:
        if entry.name in versions:
            problems += _differs(versions[entry.name], entry)
    if problems:
        raise LockError(
            "not an exact lock that the wheels of this build can join",
            subject=filename,
            problems=problems,
        )
    kept = tuple(entry for entry in found.entries if entry.name not in versions)
    joined = replace(found, entries=(*kept, *(wheel.entry for wheel in wheels)))
    return joined, tuple(f"{w.entry} is of this build: {w.path.name}" for w in wheels)


def read(data: bytes, filename: str) -> tuple[Lock, tuple[str, ...]]:
    """A lock before its own wheels join it: without them, and the names that it has of them.

    Those are entries of a requirements.txt without a hash, and the source directory that a
    pylock.toml names. ``LockError`` where it is not exact besides.
    """
    found, problems = lock.read(data, filename)
    names = [entry.name for entry in found.entries if entry.source == "directory"]
    if not found.pylock:
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
        pinned = {where: name for where, name, _ in requirements.pins(text)}
        problems = [problem for problem in problems if problem.where not in pinned]
        names += pinned.values()
    if problems:
        lock.parse(data, filename)
    entries = tuple(entry for entry in found.entries if entry.source != "directory")
    return replace(found, entries=entries), tuple(names)


def _differs(own: Entry, other: Entry) -> Iterator[Problem]:
    """Why an entry of the lock is not that of a wheel of the same name."""
    (digest,) = own.hashes
    unknown = bool(other.source) and str(other.version) == "0"
    if other.version != own.version and not unknown:
        message = f"the lock has {other}, and the wheel of this build is {own.version}"
        yield Problem(message, other.where, "take the entry out of the lock: the build adds it")
    elif other.hashes and digest not in other.hashes:
        message = f"the lock names another wheel of {other} than this build's {own.where}"
        hint = "take its hashes out of the lock, or keep this build's out of it with -a none"
        yield Problem(message, other.where, hint)


def refuse_needs(
    wheels: Iterable[Built], entries: Sequence[Entry], interpreter: Interpreter, filename: str
) -> None:
    """Refuse wheels that need what these entries of the lock do not have (``LockError``)."""
    problems = [
        replace(problem, where=f"METADATA of {wheel.path.name}")
        for wheel in wheels
        for problem in built.missing(wheel, entries, interpreter.markers)
    ]
    if problems:
        raise LockError(
            "the lock has not all that the wheels of this build need",
            subject=filename,
            problems=problems,
            hint="lock again from what the application requires: rpm-venv lock",
        )


def shipped(made: Lock, told: Sequence[str]) -> bytes:
    """A lock that was changed by the build as a file, which says how it differs from its source."""
    header = [f"Of {Path(made.filename).name}, as rpm-venv declare changed it:", *told]
    return lock.render(replace(made, entries=tuple(map(_plain, made.entries))), header).encode()


def _plain(entry: Entry) -> Entry:
    return replace(entry, where="")
