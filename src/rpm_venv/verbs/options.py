"""The options that several verbs share: the letters of the macros, and what they come to."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence

from rpm_venv.declaration import Declaration, Package
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.frozen import replace
from rpm_venv.paths import Layout, environment_path
from rpm_venv.system import declared

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rpm_venv.report import Context
    from rpm_venv.system.interpreter import Interpreter

DEFAULT_PYTHON = "/usr/bin/python3"


def declaration_arguments(
    parser: argparse.ArgumentParser,
    *,
    lock: bool = True,
    lock_help: str = "the lock",
    wheels_help: str = "a directory of wheels, looked at before any index; repeatable",
) -> None:
    """Give a verb the options of a declaration; with ``lock`` false, -r may be left out."""
    parser.add_argument("-r", dest="lock", metavar="LOCK", required=lock, help=lock_help)
    parser.add_argument(
        "-w",
        dest="wheels",
        metavar="DIR",
        action="append",
        default=[],
        help=wheels_help,
    )
    parser.add_argument(
        "-p",
        dest="python",
        metavar="PYTHON",
        default=DEFAULT_PYTHON,
        help=f"the interpreter, by path or name (default: {DEFAULT_PYTHON})",
    )
    parser.add_argument("-s", dest="site", action="store_true", help="see system site-packages")
    parser.add_argument("-o", dest="offline", action="store_true", help="never ask an index")
    _repeatable(parser, "-x", "extras", "EXTRA", "an extra of a pylock.toml")
    _repeatable(parser, "-g", "groups", "GROUP", "a dependency group of a pylock.toml")
    package_argument(parser)
    path_argument(parser)


def _repeatable(
    parser: argparse.ArgumentParser, option: str, dest: str, metavar: str, text: str
) -> None:
    parser.add_argument(
        option, dest=dest, metavar=metavar, action="append", default=[], help=f"{text}; repeatable"
    )


def package_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--package",
        metavar="NEVRA",
        type=Package.parse,
        help="the rpm package that asks (the macros pass it)",
    )


def path_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the environment, e.g. /opt/app1/penv")


def declaration(layout: Layout, args: argparse.Namespace) -> Declaration:
    """The declaration that the options make; ``UsageError`` names what is wrong with them."""
    return Declaration(
        path=environment_path(args.path),
        lock=args.lock if args.lock == "-" else _file(layout, args.lock),
        wheels=tuple(_file(layout, directory) for directory in args.wheels),
        python=args.python,
        system_site=args.site,
        offline=args.offline,
        extras=tuple(sorted(set(args.extras))),
        groups=tuple(sorted(set(args.groups))),
        package=args.package,
    )


def shipped(layout: Layout, args: argparse.Namespace) -> Declaration:
    """What the package declares for PATH, where the command line names no lock."""
    path = environment_path(args.path)
    found = declared.read(layout, path)
    if found is None:
        raise UsageError(
            "-r LOCK is missing, and no package declares this environment", subject=path
        )
    options = (args.wheels, args.site, args.offline, args.extras, args.groups)
    if any(options) or args.python != DEFAULT_PYTHON:
        raise UsageError("the package declares its options; give none without -r", subject=path)
    return replace(found, package=args.package or found.package)


def interpreters(
    context: Context, pythons: Sequence[str], machines: Sequence[str]
) -> list[Interpreter]:
    """Every Python on every machine that a lock is to be for, Pythons in ascending order.

    A Python is an interpreter of this system, or a version of one that need not be here.
    """
    from rpm_venv.locks import targets  # install has no use for it

    known = sorted(map(targets.check_machine, dict.fromkeys(machines))) or [os.uname().machine]
    here = [_python(context.layout, name) for name in dict.fromkeys(pythons or [DEFAULT_PYTHON])]
    found = {one.version[:2]: one for one in here}
    in_order = [found[version] for version in sorted(found)]
    return [targets.on_machine(python, machine) for python in in_order for machine in known]


def _python(layout: Layout, name: str) -> Interpreter:
    from rpm_venv.locks import targets
    from rpm_venv.system.interpreter import inspect

    if not targets.is_version(name):
        return inspect(layout, name)
    try:
        return inspect(layout, f"python{name}")
    except VenvError:
        return targets.elsewhere(name, os.uname().machine)


def _file(layout: Layout, name: str) -> str:
    """A file named on the command line as a target path; relative names only work without root."""
    if name.startswith("/"):
        return posixpath.normpath(name)
    if layout.target(layout.root) != "/" or str(layout.root) != "/":
        raise UsageError("with --root, files are named by absolute paths below it", subject=name)
    return os.path.abspath(name)
