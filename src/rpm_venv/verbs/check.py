"""``rpm-venv check``: say whether an install would succeed, changing nothing.

In ``%pre`` this is what can still stop an install, so it looks at all that can be known there. The
package's files are not unpacked yet: its lock comes on stdin, and its wheels are not looked at.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from rpm_venv import survey
from rpm_venv.declaration import Declaration
from rpm_venv.errors import Problem, VenvError
from rpm_venv.fetching import fetch
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks import lock
from rpm_venv.locks.amended import OVERRIDE, broken
from rpm_venv.locks.lock import Entry
from rpm_venv.paths import Layout
from rpm_venv.report import Context, Report
from rpm_venv.system import interpreter, occupancy
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import generations, places
from rpm_venv.verbs import options
from rpm_venv.wheels import store, wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

#: Room for one wheel, unpacked and with byte code, where its size is not known: a quarter of the
#: mean over zuul's 139 wheels, so that only a disk that is really full is refused.
_ROOM_PER_WHEEL = 640 << 10  # bytes


@dataclass(frozen=True)
class _Subject:
    """What is checked, with what of it could be read."""

    declaration: Declaration
    python: Interpreter | None = None
    entries: tuple[Entry, ...] = ()
    in_post: bool = False


def arguments(parser: argparse.ArgumentParser) -> None:
    options.declaration_arguments(
        parser,
        lock_help="the lock; - reads it from stdin",
        wheels_help="there are wheels: the index is not asked whether it answers; repeatable",
    )
    parser.add_argument(
        "--scriptlet",
        metavar="NAME",
        help="where the install will be called, post or posttrans (the macros pass it)",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Check; ``VenvError`` with everything that is in the way."""
    declaration = options.declaration(context.layout, args)
    problems: list[Problem] = []
    subject = _read(context, declaration, problems)
    subject = replace(subject, in_post=args.scriptlet == "post")
    problems.extend(_problems(context, subject))
    if problems:
        raise VenvError(
            "the environment cannot be installed",
            subject=declaration.path,
            hint="nothing was changed",
            problems=problems,
        )
    return Report(data={"path": declaration.path, "problems": []})


def _read(context: Context, declaration: Declaration, problems: list[Problem]) -> _Subject:
    """The interpreter and the entries for it; what cannot be had becomes a problem."""
    python: Interpreter | None = None
    entries: tuple[Entry, ...] = ()
    try:
        python = interpreter.inspect(context.layout, declaration.python)
    except VenvError as error:
        problems.append(_problem(error))
    try:
        read = _lock(context, declaration)
        if python is not None:
            entries = lock.select(read, python.markers, declaration.extras, declaration.groups)
    except VenvError as error:
        problems.append(_problem(error))
        problems.extend(error.problems)
    return _Subject(declaration, python, entries)


def _lock(context: Context, declaration: Declaration) -> lock.Lock:
    if declaration.lock == "-":
        return lock.parse(sys.stdin.buffer.read(lock.MAX_SIZE + 1), "-")
    return lock.parse(survey.lock(context.layout, declaration), declaration.lock)


def _problem(error: VenvError) -> Problem:
    return Problem(error.message, error.subject, error.hint)


def _problems(context: Context, subject: _Subject) -> Iterator[Problem]:
    layout, path = context.layout, subject.declaration.path
    try:
        live = generations.live(layout, path)
        occupancy.refuse(layout, subject.declaration, live, own_files=subject.in_post)
    except VenvError as error:
        yield _problem(error)
    yield from places.problems(layout, path)
    yield from _unfit(subject)
    yield from _wrong_overrides(context, subject)
    yield from _room(context, subject)
    if not (subject.declaration.offline or subject.declaration.wheels):
        yield from fetch.index_problems(context.layout)


def _unfit(subject: _Subject) -> Iterator[Problem]:
    """Entries whose wheels the lock names and none of which is for this Python."""
    if subject.python is None:
        return
    for entry in subject.entries:
        names = [wheel.WheelName.parse(file.filename) for file in entry.files]
        if names and all(wheel.rank(name, subject.python.tags) is None for name in names):
            tags = f"Python {subject.python.minor} on this machine"
            yield Problem(f"no wheel of {entry} is for {tags}", entry.where)


def _wrong_overrides(context: Context, subject: _Subject) -> Iterator[Problem]:
    """Files of overrides that are wrong and keep this environment from being installed."""
    layout, path = context.layout, subject.declaration.path
    names = [entry.name for entry in subject.entries]
    for file in survey.amendments(layout).broken_for(path, names, ()):
        if file.kind == OVERRIDE:
            error = broken(file)
            yield _problem(error)
            yield from error.problems


def _room(context: Context, subject: _Subject) -> Iterator[Problem]:
    layout = context.layout
    home = layout.home
    while not home.exists():
        home = home.parent
    status = os.statvfs(home)
    free = status.f_bavail * status.f_frsize
    needed = sum(not _is_unpacked(layout, subject.python, each) for each in subject.entries)
    needed *= _ROOM_PER_WHEEL
    if free < needed:
        yield Problem(
            f"{free >> 10} KiB are free and at least {needed >> 10} KiB are needed",
            layout.target(home),
            "make room there",
        )


def _is_unpacked(layout: Layout, python: Interpreter | None, entry: Entry) -> bool:
    """Whether the store has one of an entry's wheels, so that it takes no more room."""
    return python is not None and any(
        store.has(layout, store.object_id(sha256, python)) for sha256 in entry.hashes
    )
