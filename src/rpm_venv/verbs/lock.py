"""``rpm-venv lock``: requirements become an exact lock, and wheels the author built join it."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rpm_venv.errors import LockError, Problem, UsageError, VenvError
from rpm_venv.frozen import replace
from rpm_venv.locks import (
    built,
    carry,
    exact,
    lock,
    project,
    pylock,
    requirements,
    resolve,
    targets,
)
from rpm_venv.locks.built import Built
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.locks.question import Question
from rpm_venv.report import Context, Report
from rpm_venv.system.files import write_atomic
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.verbs import options
from rpm_venv.verbs.options import DEFAULT_PYTHON

_STDOUT = "-"
_ALL = ":all:"


def arguments(parser: argparse.ArgumentParser) -> None:
    def repeatable(option: str, dest: str, metavar: str, text: str) -> None:
        parser.add_argument(
            option, dest=dest, metavar=metavar, action="append", default=[], help=text
        )

    added = "add this wheel with its hash, in place of another version of it; repeatable"
    repeatable("-a", "add", "WHEEL", added)
    here = f"lock for PYTHON, or for a version such as 3.12; repeatable (default: {DEFAULT_PYTHON})"
    repeatable("-p", "pythons", "PYTHON", here)
    repeatable("-m", "machines", "MACHINE", "lock for MACHINE (default: this one); repeatable")
    repeatable("-w", "wheels", "DIR", "resolve from the wheels in DIR and ask no index; repeatable")
    repeatable("-x", "extras", "EXTRA", "with this extra of a project; repeatable")
    repeatable("-g", "groups", "GROUP", "with this dependency group of a project; repeatable")
    upgrade = f"choose the version of NAME anew, or with {_ALL} all; repeatable"
    repeatable("-U", "upgrades", "NAME", upgrade)
    parser.add_argument(
        "source",
        metavar="IN",
        help="requirements, exact or not, a pylock.toml, pyproject.toml, uv.lock or poetry.lock",
    )
    parser.add_argument(
        "target",
        metavar="OUT",
        help="the lock to write; pylock.toml or pylock.NAME.toml gives that format; "
        "- prints an exact IN, condensed, on stdout",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Write OUT, or for ``-`` print it; a resolver is asked only where IN is not exact."""
    args.wheels = [Path(directory) for directory in args.wheels]
    _refuse_missing(args.wheels)
    data = _read(Path(args.source))
    if args.target == _STDOUT and not args.add:
        return _report(lock.parse(data, args.source), args)
    interpreters = options.interpreters(context, args.pythons, args.machines)
    wheels = _built([Path(name) for name in args.add], interpreters)
    made, by = _made(context, args, data, interpreters, wheels)
    if not lock.is_pylock(args.target):
        exact.refuse_conditions(made)
    return _report(made, args, by)


def _made(
    context: Context,
    args: argparse.Namespace,
    data: bytes,
    interpreters: Sequence[Interpreter],
    wheels: Sequence[Built],
) -> tuple[Lock, str]:
    """The lock, and who has chosen what is in it; empty where nobody had to."""
    carried = carry.over(data, args.source, interpreters, args.extras, args.groups)
    if carried is not None:
        return exact.carried(carried, wheels, lock.is_pylock(args.target)), ""
    if project.is_project(args.source):
        lines = project.lines(data, args.source, args.extras, args.groups)
        question = Question(Path(args.source), interpreters[0], (), "\n".join(lines))
        found = Lock(args.source, "", ())
    elif args.extras or args.groups:
        raise UsageError("only a project has extras and groups, not requirements", subject="-x, -g")
    else:
        found, problems = lock.read(data, args.source)
        as_pylock = found.pylock if args.target == _STDOUT else lock.is_pylock(args.target)
        made = None if problems else exact.joined(found, wheels, interpreters, as_pylock)
        if made is not None:
            return made, ""
        if args.target == _STDOUT:
            lock.select(lock.parse(data, args.source), interpreters[0].markers)
            raise LockError("not exact", subject=args.source, hint=lock.command(args.source))
        question = _question(args, data, found, wheels, interpreters[0])
    lines = tuple(wheel.requirement for wheel in wheels)
    question = replace(question, lines=lines, wheels=tuple(args.wheels))
    answers, resolver = _answers(context, args, question, interpreters, wheels)
    by = f"{resolver} for {targets.described(interpreters)}"
    return exact.answered(answers, found, wheels), by


def _answers(
    context: Context,
    args: argparse.Namespace,
    question: Question,
    interpreters: Sequence[Interpreter],
    wheels: Sequence[Built],
) -> tuple[list[tuple[Interpreter, tuple[Entry, ...]]], str]:
    """What the resolver chooses for each; the lock that OUT is so far says what it should keep."""
    before = _before(args)
    anew = {requirements.normalized(name) for name in args.upgrades}
    anew |= {wheel.entry.name for wheel in wheels}
    answers, resolver = [], ""
    for interpreter in interpreters:
        context.progress(f"resolving {args.source} for {targets.described([interpreter])}")
        kept = () if _ALL in args.upgrades else exact.held(before, interpreter)
        preferred = tuple(entry for entry in kept if entry.name not in anew)
        asked = replace(question, interpreter=interpreter, preferred=preferred)
        answer = resolve.resolve(asked)
        answers.append((interpreter, answer.entries))
        resolver = answer.resolver
    return answers, resolver


def _before(args: argparse.Namespace) -> Lock:
    """What OUT is now, as far as it can be read."""
    try:
        data = Path(args.target).read_bytes()
    except OSError:
        data = b""
    return lock.read(data, args.target)[0]


def _refuse_missing(directories: Sequence[Path]) -> None:
    problems = [Problem("no such directory", str(d)) for d in directories if not d.is_dir()]
    if problems:
        raise LockError("there are no wheels to resolve from", problems=problems)


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise LockError(error.strerror or "not readable", subject=str(source)) from None


def _built(paths: Sequence[Path], interpreters: Sequence[Interpreter]) -> list[Built]:
    wheels = [built.read(path) for path in paths]
    problems = [
        replace(problem, where=wheel.path.name)
        for wheel in wheels
        for interpreter in interpreters
        for problem in built.misfits(wheel, interpreter)
    ]
    names = [wheel.entry.name for wheel in wheels]
    problems += [
        Problem("given twice", name) for name in sorted(set(names)) if names.count(name) > 1
    ]
    if problems:
        raise LockError("not to be added to a lock", problems=problems)
    return wheels


def _question(
    args: argparse.Namespace,
    data: bytes,
    found: Lock,
    wheels: Sequence[Built],
    interpreter: Interpreter,
) -> Question:
    """What to ask a resolver, so that IN is answered and the wheels are in the answer."""
    text: str | None = None
    if found.pylock:
        if not found.entries:
            lock.parse(data, args.source)  # not even TOML: there is nothing to resolve
        names = {wheel.entry.name for wheel in wheels}
        text = "\n".join(pylock.requirements(e for e in found.entries if e.name not in names))
    elif b"--hash" in data:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            lock.parse(data, args.source)
    return Question(Path(args.source), interpreter, (), text)


def _report(made: Lock, args: argparse.Namespace, by: str = "") -> Report:
    """Write the lock, or show it, and say so."""
    data = {
        "lock": args.target,
        "resolver": by.partition(" ")[0] or None,
        "entries": [
            {"name": e.name, "version": str(e.version), "sha256": list(e.hashes)}
            for e in sorted(made.entries, key=lambda entry: entry.name)
        ],
    }
    if args.target == _STDOUT:
        return Report(data, tuple(lock.condense(made).splitlines()))
    try:
        write_atomic(Path(os.path.abspath(args.target)), _text(made, args, by).encode())
    except OSError as error:
        raise VenvError(f"cannot be written: {error.strerror}", subject=args.target) from None
    count = len({entry.name for entry in made.entries})
    how = f", resolved by {by}" if by else ""
    return Report(data, talk=(f"{args.target}: {count} distribution{'s' * (count != 1)}{how}",))


def _text(made: Lock, args: argparse.Namespace, by: str) -> str:
    header = [f"Made by: {_command(args)}"]
    header += [f"Resolved by {by}"] if by else []
    if lock.is_pylock(args.target):
        return pylock.render(made, header)
    return requirements.render(made.entries, header)


def _command(args: argparse.Namespace) -> str:
    """The command line that repeats this, without the places that other machines do not have."""
    words = ["rpm-venv", "lock"]
    for option, paths in (("-a", args.add), ("-w", args.wheels)):
        words += [word for path in paths for word in (option, Path(path).name)]
    for option, names in (
        ("-p", [Path(name).name for name in args.pythons if name != DEFAULT_PYTHON]),
        ("-m", args.machines),
        ("-x", args.extras),
        ("-g", args.groups),
    ):
        words += [word for name in names for word in (option, name)]
    words += [Path(args.source).name, Path(args.target).name]
    line = " ".join(map(shlex.quote, words))
    return "".join(letter if letter.isprintable() else "?" for letter in line)
