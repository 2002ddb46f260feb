"""``rpm-venv declare``: put a declaration, and what it needs, into a package's buildroot.

The author's side of the file triggers, called by %venv_declare in %install as the building user.
``--root`` is the buildroot; LOCK and DIR are files of the system that builds.
"""

from __future__ import annotations

import argparse
import contextlib
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rpm_venv.building import buildroot, payload, prebuilt
from rpm_venv.declaration import Declaration
from rpm_venv.errors import FetchError, LockError, Problem, UsageError, VenvError, WheelError
from rpm_venv.fetching import download, fetch
from rpm_venv.locks import built, lock
from rpm_venv.locks.lock import Entry
from rpm_venv.paths import Layout, declared_at, environment_path
from rpm_venv.report import Context, Report
from rpm_venv.system import declared, sandbox
from rpm_venv.system.interpreter import Interpreter, inspect
from rpm_venv.verbs import options
from rpm_venv.wheels.store import Source
from rpm_venv.wheels.wheel import WheelName, command_problem

_LEVELS = f"{', '.join(declared.LEVELS[:-1])} or {declared.LEVELS[-1]}"


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for, and what of the lock holds for its Python."""

    declaration: Declaration
    lock: bytes
    interpreter: Interpreter
    entries: tuple[Entry, ...]
    directories: tuple[str, ...]
    build_offline: bool

    @property
    def brings_all(self) -> bool:
        """Whether the package has all that the environment is made of."""
        return self.declaration.level != "lock"


def arguments(parser: argparse.ArgumentParser) -> None:
    options.declaration_arguments(parser)
    parser.add_argument(
        "-b",
        dest="level",
        metavar="LEVEL",
        default="wheels",
        help=f"what the package brings: {_LEVELS} (default: wheels)",
    )
    parser.add_argument(
        "-c",
        dest="commands",
        metavar="COMMAND",
        action="append",
        default=[],
        help="a command of the environment to be linked into the system; repeatable",
    )
    parser.add_argument(
        "--bindir", metavar="DIR", default="/usr/bin", help="where commands go (%%{_bindir})"
    )
    parser.add_argument("--files", metavar="FILE", type=Path, help="the list for %%files -f")


def run(context: Context, args: argparse.Namespace) -> Report:
    """Declare; the same call again does the same. On failure the buildroot is as it was."""
    layout = context.layout
    if layout.root == Path("/"):
        raise UsageError("declare writes into a buildroot", hint="say --root %{buildroot}")
    path = environment_path(args.path)
    try:
        return _run(context, args, path)
    except VenvError as error:
        raise error.within(f"%venv_declare {path}") from error


def _run(context: Context, args: argparse.Namespace, path: str) -> Report:
    layout = context.layout
    if args.level not in declared.LEVELS:
        raise UsageError(f"-b takes {_LEVELS}, not {args.level}")
    asked = _asked(layout, args, path)
    links = [posixpath.join(args.bindir, command) for command in dict.fromkeys(args.commands)]
    _refuse(_path_problems(layout, asked.declaration))
    with _wheels(context, asked) as found:
        _refuse(_architecture_problems(asked, found))
        complete = len(found) == len(asked.entries)
        _refuse(_command_problems(args.commands, _paths(found), complete=complete))
        with _prebuilt(context, asked, found) as made:
            shipment = _shipment(asked, found, made, links)
            lines = buildroot.ship(layout, shipment)
    if args.files:
        buildroot.add_to_list(layout, args.files, lines)
    return Report(
        data={**shipment.declaration.to_json(), "files": list(lines)},
        talk=_less_confined(made.missing_layers),
    )


def _asked(layout: Layout, args: argparse.Namespace, path: str) -> _Asked:
    source = Path(args.lock)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise LockError(f"cannot be read: {error.strerror}", subject=str(source)) from None
    interpreter = inspect(layout, args.python)
    parsed = lock.parse(data, source.name)
    here = declared_at(path)
    # Whatever the author's file is called, its format must be told from the name again.
    shipped = here / ("pylock.toml" if lock.is_pylock(source.name) else "requirements.txt")
    declaration = Declaration(
        path=path,
        lock=str(shipped),
        wheels=(str(here / "wheels"),) if args.level == "wheels" else (),
        python=args.python,
        system_site=args.site,
        offline=args.level != "lock",
        extras=tuple(sorted(set(args.extras))),
        groups=tuple(sorted(set(args.groups))),
        package=args.package,
        level=args.level,
    )
    return _Asked(
        declaration,
        data,
        interpreter,
        lock.select(parsed, interpreter.markers, declaration.extras, declaration.groups),
        tuple(str(Path(directory).absolute()) for directory in args.wheels),
        args.offline,
    )


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise VenvError("the environment cannot be declared", problems=problems)


def _path_problems(layout: Layout, declaration: Declaration) -> list[Problem]:
    """What is in the buildroot at PATH: something else, or another package's declaration of it."""
    problems = list(payload.placeholder_problem(layout, declaration.path))
    before = declared.read(layout, declaration.path)
    if before and before.package and declaration.package:
        other = before.package.name
        if other != declaration.package.name:
            problems.append(Problem(f"it is declared already, for the package {other}"))
    return problems


@contextlib.contextmanager
def _wheels(context: Context, asked: _Asked) -> Iterator[tuple[Source, ...]]:
    """The wheels of the lock, of which a package that ships the lock alone may have none at hand.

    ``FetchError`` with each that is needed and cannot be had. Fetched ones exist inside the block
    alone.
    """
    at_hand = _at_hand(asked, asked.directories)
    if not asked.brings_all or not at_hand.missing:
        yield _sources(at_hand)
        return
    if asked.build_offline:
        raise _missing(at_hand)
    context.progress(f"fetching {len(at_hand.missing)} wheels from the index")
    with tempfile.TemporaryDirectory(prefix="rpm-venv-declare-") as scratch:
        entries = [entry for entry, _ in at_hand.missing]
        download.wheels(entries, asked.interpreter, Path(scratch))
        complete = _at_hand(asked, (*asked.directories, scratch))
        if complete.missing:
            raise _missing(complete)
        yield _sources(complete)


def _at_hand(asked: _Asked, directories: Sequence[str]) -> fetch.AtHand:
    return fetch.at_hand(Layout(), asked.entries, asked.interpreter, directories, stored=False)


def _sources(at_hand: fetch.AtHand) -> tuple[Source, ...]:
    return tuple(found.source for found in at_hand.found if found.source)


def _paths(found: Sequence[Source]) -> tuple[Path, ...]:
    return tuple(source.path for source in found)


def _missing(at_hand: fetch.AtHand) -> FetchError:
    return FetchError(
        f"{len(at_hand.missing)} of the wheels that the lock names are not at hand",
        hint="put them into a directory that -w names, or leave out -o to ask the index",
        problems=[problem for _, problem in at_hand.missing],
    )


@contextlib.contextmanager
def _prebuilt(
    context: Context, asked: _Asked, found: Sequence[Source]
) -> Iterator[prebuilt.Prebuilt]:
    """What the package brings ready-made, for a level at which it does."""
    if asked.declaration.level in ("lock", "wheels"):
        yield prebuilt.Prebuilt()
        return
    with prebuilt.made(context.layout, found, asked.interpreter, context.progress) as made:
        yield made


def _shipment(
    asked: _Asked, found: Sequence[Source], made: prebuilt.Prebuilt, links: Sequence[str]
) -> buildroot.Shipment:
    return buildroot.Shipment(
        declaration=replace(asked.declaration, packaged=tuple(sorted(made.objects))),
        lock=asked.lock,
        commands=tuple(links),
        wheels=_paths(found) if asked.declaration.level == "wheels" else (),
        objects=made.objects,
    )


def _less_confined(layers: Sequence[str]) -> tuple[str, ...]:
    if not layers:
        return ()
    return (f"wheels were read with less confinement: {sandbox.lacking(layers)}",)


def _architecture_problems(asked: _Asked, found: Sequence[Source]) -> list[Problem]:
    """Wheels for one architecture in a package that says it is for all."""
    package = asked.declaration.package
    if package is None or package.arch != "noarch" or not asked.brings_all:
        return []
    wheels = [WheelName.parse(source.filename) for source in found]
    bound = [w for w in wheels if not any(tag.endswith("-any") for tag in w.tags)]
    hint = "leave BuildArch: noarch out, or ship the lock alone: -b lock"
    return [Problem("this wheel is not for a noarch package", w.filename, hint) for w in bound]


def _command_problems(
    commands: Sequence[str], wheels: Sequence[Path], *, complete: bool
) -> list[Problem]:
    """Commands that no wheel brings; where not all wheels are at hand, one may."""
    problems = [
        Problem(f"-c {name}: {reason}") for name in commands if (reason := command_problem(name))
    ]
    if not complete or not commands:
        return problems
    known: set[str] = set()
    for wheel in wheels:
        try:
            known |= built.commands(wheel)
        except WheelError as error:
            problems.append(Problem(error.message, wheel.name))
    hint = f"there are {', '.join(sorted(known)) or 'none'}"
    return problems + [
        Problem(f"-c {name}: no wheel of the lock has this command", hint=hint)
        for name in commands
        if name not in known
    ]
