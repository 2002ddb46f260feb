"""``rpm-venv declare``: put a declaration, and what it needs, into a package's buildroot.

The author's side of the file triggers, called by %venv_declare in %install as the building user.
``--root`` is the buildroot; LOCK and DIR are files of the system that builds.
"""

from __future__ import annotations

import argparse
import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpm_venv.building import buildroot, gather, payload, prebuilt
from rpm_venv.declaration import Declaration
from rpm_venv.errors import Problem, UsageError, VenvError, WheelError
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks import built, lock, own
from rpm_venv.paths import Layout, declared_at, environment_path
from rpm_venv.report import Context, Report
from rpm_venv.system import declared, sandbox
from rpm_venv.system.interpreter import inspect
from rpm_venv.verbs import options
from rpm_venv.wheels.store import Source
from rpm_venv.wheels.wheel import WheelName, command_problem

_LEVELS = f"{', '.join(declared.LEVELS[:-1])} or {declared.LEVELS[-1]}"


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for: the declaration, and what is to be gathered for it."""

    declaration: Declaration
    wish: gather.Wish


def arguments(parser: argparse.ArgumentParser) -> None:
    options.declaration_arguments(
        parser,
        wheels_help="a directory of wheels, or a tar archive of them, looked at before any index; "
        "repeatable",
    )
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
        "-a",
        dest="add",
        metavar="WHEEL",
        type=Path,
        action="append",
        default=[],
        help="a wheel of the application's own, which joins the lock; repeatable",
    )
    parser.add_argument(
        "--built",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="where the build leaves such wheels, if it makes any (the macros pass it)",
    )
    parser.add_argument(
        "--bindir", metavar="DIR", default="/usr/bin", help="where commands go (default: /usr/bin)"
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
    with gather.gathered(context, asked.wish) as found:
        _refuse(_architecture_problems(asked, _brought(asked, found)))
        complete = len(found.wheels) == len(found.entries)
        _refuse(_command_problems(args.commands, _paths(found.wheels), complete=complete))
        with _prebuilt(context, asked, found) as made:
            shipment = _shipment(asked, found, made, links)
            lines = buildroot.ship(layout, shipment)
    if args.files:
        buildroot.add_to_list(layout, args.files, lines)
    return Report(
        data={**shipment.declaration.to_json(), "files": list(lines)},
        talk=(*made.notes, *_less_confined(made.missing_layers)),
    )


def _asked(layout: Layout, args: argparse.Namespace, path: str) -> _Asked:
    source = Path(args.lock)
    interpreter = inspect(layout, args.python)
    wish = gather.Wish(
        data=gather.read(source),
        filename=source.name,
        interpreter=interpreter,
        extras=tuple(sorted(set(args.extras))),
        groups=tuple(sorted(set(args.groups))),
        directories=tuple(str(Path(directory).absolute()) for directory in args.wheels),
        own=own.find(args.add, args.built, interpreter),
        complete=args.level != "lock",
        offline=args.offline,
    )
    here = declared_at(path)
    # Whatever the author's file is called, its format must be told from the name again.
    shipped = here / ("pylock.toml" if lock.is_pylock(source.name) else "requirements.txt")
    # No index has the application's own wheel: at the level lock it is in the package, too.
    wheels = args.level == "wheels" or (args.level == "lock" and wish.own)
    declaration = Declaration(
        path=path,
        lock=str(shipped),
        wheels=(str(here / "wheels"),) if wheels else (),
        python=args.python,
        system_site=args.site,
        offline=wish.complete,
        extras=wish.extras,
        groups=wish.groups,
        package=args.package,
        level=args.level,
    )
    return _Asked(declaration, wish)


def _brought(asked: _Asked, found: gather.Gathered) -> tuple[Source, ...]:
    """The wheels that the package has, as they are or made into something else."""
    if asked.wish.complete:
        return found.wheels
    names = {wheel.path.name for wheel in asked.wish.own}
    return tuple(wheel for wheel in found.wheels if wheel.filename in names)


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


def _paths(found: Sequence[Source]) -> tuple[Path, ...]:
    return tuple(source.path for source in found)


@contextlib.contextmanager
def _prebuilt(
    context: Context, asked: _Asked, found: gather.Gathered
) -> Iterator[prebuilt.Prebuilt]:
    """What the package brings ready-made, for a level at which it does."""
    if asked.declaration.level in ("lock", "wheels"):
        yield prebuilt.Prebuilt()
        return
    with prebuilt.made(
        context.layout, asked.declaration, found, asked.wish.interpreter, context.progress
    ) as made:
        yield made


def _shipment(
    asked: _Asked, found: gather.Gathered, made: prebuilt.Prebuilt, links: Sequence[str]
) -> buildroot.Shipment:
    return buildroot.Shipment(
        declaration=replace(
            asked.declaration,
            packaged=tuple(sorted(made.objects)),
            generation=made.generation.name if made.generation else "",
        ),
        lock=found.lock,
        commands=tuple(links),
        wheels=_paths(_brought(asked, found)) if asked.declaration.wheels else (),
        objects=made.objects,
        generation=made.generation,
    )


def _less_confined(layers: Sequence[str]) -> tuple[str, ...]:
    if not layers:
        return ()
    return (f"wheels were read with less confinement: {sandbox.lacking(layers)}",)


def _architecture_problems(asked: _Asked, found: Sequence[Source]) -> list[Problem]:
    """Wheels for one architecture in a package that says it is for all."""
    package = asked.declaration.package
    if package is None or package.arch != "noarch":
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
