"""Making a lock exact: built wheels join it, or a resolver's answer takes its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rpm_venv.errors import LockError, Problem
from rpm_venv.locks import built, lock, pylock
from rpm_venv.locks.built import Built
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.system.interpreter import Interpreter


def joined(
    found: Lock, wheels: Sequence[Built], interpreter: Interpreter, as_pylock: bool
) -> Lock | None:
    """The lock with these wheels in it; None where it takes a resolver to make it exact.

    ``LockError`` where a wheel needs what an exact lock does not have.
    """
    whole = _with(found, wheels)
    if as_pylock and not all(entry.files or entry.source for entry in whole.entries):
        return None  # a requirements.txt has the hashes of wheels, not their names
    try:
        held = lock.select(whole, interpreter.markers)
        if any(entry.source for entry in whole.entries):
            everything = (whole.extras, (*whole.groups, *whole.default_groups))
            lock.select(whole, interpreter.markers, *everything)
    except LockError:
        return None
    problems = list(_missing(wheels, held, interpreter))
    if not found.entries and (problems or not wheels):
        return None
    if problems:
        raise LockError(
            "the lock has not all that the added wheels need",
            subject=found.filename,
            problems=problems,
            hint="lock again from the requirements it was made of, with the same -a",
        )
    return replace(whole, entries=tuple(e for e in whole.entries if not e.source))


def _with(found: Lock, wheels: Sequence[Built]) -> Lock:
    names = {wheel.entry.name for wheel in wheels}
    others = (entry for entry in found.entries if entry.name not in names)
    return replace(found, entries=(*others, *(wheel.entry for wheel in wheels)))


def _missing(
    wheels: Iterable[Built], held: Sequence[Entry], interpreter: Interpreter
) -> Iterator[Problem]:
    for wheel in wheels:
        for problem in built.missing(wheel, held, interpreter.markers):
            yield replace(problem, where=wheel.path.name)


def answered(
    entries: Iterable[Entry], found: Lock, wheels: Sequence[Built], interpreter: Interpreter
) -> Lock:
    """The lock that a resolver's answer makes, which may not contradict what was locked before."""
    from packaging.specifiers import SpecifierSet

    conditions = {e.name: e.marker for e in found.entries if pylock.is_conditional(e)}
    entries = [replace(e, marker=conditions.get(e.name), requires_python=None) for e in entries]
    problems = [problem for entry in entries for problem in _contradictions(entry, found)]
    if problems:
        raise LockError(
            "the wheels that were found are not those it names",
            subject=found.filename,
            problems=problems,
            hint="take the line out of it if the other wheel is right",
        )
    resolved = replace(
        found,
        entries=tuple(entries),
        requires_python=SpecifierSet(f"=={interpreter.minor}.*"),
        environments=(),
    )
    return _with(resolved, wheels)


def _contradictions(entry: Entry, found: Lock) -> Iterator[Problem]:
    """Where a wheel is not one of those that the file had a hash for."""
    for old in found.entries:
        if (old.name, old.version) != (entry.name, entry.version) or not old.hashes:
            continue
        named = {file.filename: file.sha256 for file in old.files}
        for file in entry.files:
            right = (named.get(file.filename, file.sha256),) if named else old.hashes
            if file.sha256 not in right:
                yield Problem(f"{file.filename} has sha256 {file.sha256}", old.where)


def refuse_conditions(made: Lock) -> None:
    """Refuse what a requirements.txt cannot say (``LockError``)."""
    names = sorted({entry.name for entry in made.entries if pylock.is_conditional(entry)})
    if names:
        raise LockError(
            f"a requirements.txt has no extras and groups, which decide about {', '.join(names)}",
            subject=made.filename,
            hint="name OUT pylock.toml or pylock.NAME.toml",
        )
