"""Making a lock exact: built wheels join it, or a resolver's answer takes its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rpm_venv.errors import LockError, Problem
from rpm_venv.frozen import replace
from rpm_venv.locks import built, lock, pylock, targets
from rpm_venv.locks.built import Built
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.system.interpreter import Interpreter

if TYPE_CHECKING:
    from packaging.markers import Marker


def joined(
    found: Lock, wheels: Sequence[Built], interpreters: Sequence[Interpreter], as_pylock: bool
) -> Lock | None:
    """The lock with these wheels in it; None where it takes a resolver to make it exact.

    ``LockError`` where a wheel needs what an exact lock does not have.
    """
    whole = _with(found, wheels)
    if as_pylock and not all(entry.files or entry.source for entry in whole.entries):
        return None  # a requirements.txt has the hashes of wheels, not their names
    problems: list[Problem] = []
    for interpreter in interpreters:
        try:
            held = lock.select(whole, interpreter.markers)
            if any(entry.source for entry in whole.entries):
                everything = (whole.extras, (*whole.groups, *whole.default_groups))
                lock.select(whole, interpreter.markers, *everything)
        except LockError:
            return None
        problems += _missing(wheels, held, interpreter)
    if not found.entries and (problems or not wheels):
        return None
    if problems:
        raise LockError(
            "the lock has not all that the added wheels need",
            subject=found.filename,
            problems=dict.fromkeys(problems),
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


def answered(answers: targets.Answers, found: Lock, wheels: Sequence[Built]) -> Lock:
    """The lock that answers make, which may not contradict what was locked before.

    It has no entry without a wheel or an sdist; what stood in the place of such a one must be among
    the wheels.
    """
    conditions = {e.name: e.marker for e in found.entries if pylock.is_conditional(e)}
    entries = targets.merged(
        [(one, [_plain(e, conditions) for e in entries]) for one, entries in answers]
    )
    problems = [problem for entry in entries for problem in _contradictions(entry, found)]
    if problems:
        raise LockError(
            "the wheels that were found are not those it names",
            subject=found.filename,
            problems=problems,
            hint="take the line out of it if the other wheel is right",
        )
    interpreters = [interpreter for interpreter, _ in answers]
    resolved = replace(
        found,
        entries=entries,
        requires_python=targets.requires_python(interpreters),
        environments=targets.environments(interpreters) if len(interpreters) > 1 else (),
    )
    return _with(resolved, wheels)


def carried(answers: targets.Answers, wheels: Sequence[Built], as_pylock: bool) -> Lock:
    """The lock that another program's makes, which the wheels join.

    ``LockError`` where it names what is from no index, and is none of the wheels, or where a wheel
    needs what it does not have.
    """
    made = answered(answers, Lock("", "", (), pylock=as_pylock), wheels)
    problems = [
        Problem(
            f"{entry.name} is {lock.SOURCES[entry.source]}", hint="build it, and add it with -a"
        )
        for entry in made.entries
        if entry.source and not entry.sdist
    ]
    for interpreter, _ in answers:
        problems += _missing(wheels, held(made, interpreter), interpreter)
    if problems:
        raise LockError("it cannot be carried over", problems=dict.fromkeys(problems))
    return made


def held(found: Lock, interpreter: Interpreter) -> tuple[Entry, ...]:
    """The entries of a lock that hold for an interpreter, whatever else is wrong with it."""
    everything = (found.extras, (*found.groups, *found.default_groups))
    return lock.holding(found, interpreter.markers, *everything)


def _plain(entry: Entry, conditions: Mapping[str, Marker | None]) -> Entry:
    """An entry as it was answered, with the condition that it had in the lock before."""
    return replace(entry, marker=conditions.get(entry.name), requires_python=None, where="")


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
