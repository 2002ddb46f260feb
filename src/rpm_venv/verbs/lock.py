"""``rpm-venv lock``: requirements become an exact lock, and wheels the author built join it."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rpm_venv.errors import LockError, Problem, VenvError
from rpm_venv.locks import built, exact, lock, pylock, requirements, resolve
from rpm_venv.locks.built import Built
from rpm_venv.locks.locked import Lock
from rpm_venv.report import Context, Report
from rpm_venv.system.files import write_atomic
from rpm_venv.system.interpreter import Interpreter, inspect
from rpm_venv.verbs.options import DEFAULT_PYTHON

_STDOUT = "-"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-a",
        dest="add",
        metavar="WHEEL",
        type=Path,
        action="append",
        default=[],
        help="add this wheel with its hash, in place of another version of it; repeatable",
    )
    parser.add_argument(
        "-p", dest="python", metavar="PYTHON", default=DEFAULT_PYTHON, help="lock for PYTHON"
    )
    parser.add_argument(
        "-w",
        dest="wheels",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="resolve from the wheels in DIR and ask no index; repeatable",
    )
    parser.add_argument("source", metavar="IN", help="requirements, exact or not, or a pylock.toml")
    parser.add_argument(
        "target",
        metavar="OUT",
        help="the lock to write; pylock.toml or pylock.NAME.toml gives that format; "
        "- prints an exact IN, condensed, on stdout",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Write OUT, or for ``-`` print it; a resolver is asked only where IN is not exact."""
    _refuse_missing(args.wheels)
    data = _read(Path(args.source))
    if args.target == _STDOUT and not args.add:
        return _report(lock.parse(data, args.source), args)
    interpreter = inspect(context.layout, args.python)
    wheels = _built(args.add, interpreter)
    found, problems = lock.read(data, args.source)
    as_pylock = found.pylock if args.target == _STDOUT else lock.is_pylock(args.target)
    made = None if problems else exact.joined(found, wheels, interpreter, as_pylock)
    answer = None
    if made is None and args.target == _STDOUT:
        lock.select(lock.parse(data, args.source), interpreter.markers)
        raise LockError("not exact", subject=args.source, hint=lock.command(args.source))
    if made is None:
        context.progress(f"resolving {args.source}")
        answer = resolve.resolve(_question(args, data, found, wheels, interpreter))
        made = exact.answered(answer.entries, found, wheels, interpreter)
    if not as_pylock:
        exact.refuse_conditions(made)
    return _report(made, args, answer)


def _refuse_missing(directories: Sequence[Path]) -> None:
    problems = [Problem("no such directory", str(d)) for d in directories if not d.is_dir()]
    if problems:
        raise LockError("there are no wheels to resolve from", problems=problems)


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise LockError(error.strerror or "not readable", subject=str(source)) from None


def _built(paths: Sequence[Path], interpreter: Interpreter) -> list[Built]:
    wheels = [built.read(path) for path in paths]
    problems = [
        replace(problem, where=wheel.path.name)
        for wheel in wheels
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
) -> resolve.Question:
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
    lines = tuple(wheel.requirement for wheel in wheels)
    return resolve.Question(Path(args.source), interpreter, lines, text, tuple(args.wheels))


def _report(made: Lock, args: argparse.Namespace, answer: resolve.Answer | None = None) -> Report:
    """Write the lock, or show it, and say so."""
    data = {
        "lock": args.target,
        "resolver": answer.resolver if answer else None,
        "entries": [
            {"name": e.name, "version": str(e.version), "sha256": list(e.hashes)}
            for e in sorted(made.entries, key=lambda entry: entry.name)
        ],
    }
    if args.target == _STDOUT:
        return Report(data, tuple(lock.condense(made).splitlines()))
    try:
        write_atomic(Path(os.path.abspath(args.target)), _text(made, args, answer).encode())
    except OSError as error:
        raise VenvError(f"cannot be written: {error.strerror}", subject=args.target) from None
    count = len({entry.name for entry in made.entries})
    how = f", resolved by {answer.by}" if answer else ""
    return Report(data, talk=(f"{args.target}: {count} distribution{'s' * (count != 1)}{how}",))


def _text(made: Lock, args: argparse.Namespace, answer: resolve.Answer | None) -> str:
    header = [f"Made by: {_command(args)}"]
    header += [f"Resolved by {answer.by}"] if answer else []
    if lock.is_pylock(args.target):
        return pylock.render(made, header)
    return requirements.render(made.entries, header)


def _command(args: argparse.Namespace) -> str:
    """The command line that repeats this, without the places that other machines do not have."""
    words = ["rpm-venv", "lock"]
    for option, paths in (("-a", args.add), ("-w", args.wheels)):
        words += [word for path in paths for word in (option, Path(path).name)]
    if args.python != DEFAULT_PYTHON:
        words += ["-p", Path(args.python).name]
    words += [Path(args.source).name, Path(args.target).name]
    line = " ".join(map(shlex.quote, words))
    return "".join(letter if letter.isprintable() else "?" for letter in line)
