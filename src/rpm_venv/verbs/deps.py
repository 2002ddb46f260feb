"""``rpm-venv deps``: rpmbuild's view of a package that declares environments.

``--provides``, ``--requires`` and ``--conflicts`` are the dependency generator: locks' names come
on stdin, dependencies go to stdout. ``--set-aside`` and ``--check`` run around rpm's passes over
the buildroot; the latter fails the build where a declaration and the buildroot disagree. The macros
pass every declaration of the spec file. Each build of a package calls this verb five times, so what
few of the calls need is imported there.
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import sys
from collections.abc import Collection, Iterator, Sequence

from rpm_venv.building import dependencies, passes
from rpm_venv.declaration import Declaration
from rpm_venv.errors import Problem, UsageError, VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout, declared_at, extended_by
from rpm_venv.report import FAILED, Context, Report
from rpm_venv.system import declared
from rpm_venv.verbs import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.building.payload import Payload

#: rpm does not look at a generator's exit code; a line that is no dependency fails the build.
_MISPLACED = "*** SCRIPTLET_AND_LOCK_IN_DIFFERENT_PACKAGES ***"
_FAILED = "*** RPM_VENV_DEPS_FAILED_AS_SAID_ABOVE ***"

_WHAT = {
    "set-aside": "move what is rpm-venv's out of the buildroot, before rpm's passes over it",
    "check": "move it back, and say what is wrong with the buildroot",
    "provides": "print provides, for the locks that come on stdin",
    "requires": "print requires, likewise",
    "conflicts": "print conflicts, likewise",
}


@dataclass(frozen=True)
class Declared:
    """A declaration, and the name of the package that makes it by the macro NAME."""

    package: str
    declaration: Declaration
    name: str = "venv_install"

    @property
    def macro(self) -> str:
        return f"%{self.name} {self.declaration.path}"


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    for name, text in _WHAT.items():
        what.add_argument(f"--{name}", dest="what", action="store_const", const=name, help=text)
    parser.add_argument("--buildroot", metavar="DIR", required=True, help="rpm's %%{buildroot}")
    parser.add_argument("--owner", metavar="NAME", help="the package that ships the lock")
    parser.add_argument(
        "--elfdeps", metavar="COMMAND", help="rpm's tool that tells what binaries need"
    )
    parser.add_argument(
        "-d",
        dest="declared",
        metavar="'-n NAME OPTIONS PATH'",
        action="append",
        default=[],
        type=functools.partial(_declared, type(parser)),
        help="a declaration, in the options of install; repeatable",
    )
    parser.add_argument(
        "--spec-file", metavar="FILE", help="say what lint finds in this spec file as well"
    )
    parser.add_argument(
        "--placeholder",
        dest="placeholders",
        metavar="PATH",
        action="append",
        default=[],
        help="put a link for %%ghost PATH into the buildroot; repeatable",
    )


def _declared(parser_class: type[argparse.ArgumentParser], text: str) -> Declared:
    parser = parser_class(prog="rpm-venv deps -d", allow_abbrev=False)
    parser.add_argument("-n", dest="name", required=True)
    options.declaration_arguments(parser)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"not the options of a declaration: {error}", subject="-d") from None
    args = parser.parse_args(words)
    return Declared(args.name, options.declaration(Layout(), args))


def run(context: Context, args: argparse.Namespace) -> Report:
    """Dependencies on stdout, or what is wrong with the buildroot."""
    layout = Layout(context.layout.real(os.path.abspath(args.buildroot)))
    if args.what == "set-aside":
        passes.set_aside(layout)
        return Report()
    if args.what == "check":
        passes.put_back(layout)
        return _check(layout, args)
    shipped = set(_names_on_stdin(layout))
    found = [one for one in args.declared if one.declaration.lock in shipped]
    found += _shipped_declarations(layout, shipped)
    misplaced = [_misplaced(one, args.owner) for one in found if args.owner]
    talk = tuple(line for line in misplaced if line)
    if talk:
        return Report(text=(_MISPLACED,), talk=talk, exit_code=FAILED)
    try:
        lines = {line for one in found for line in _lines(args, layout, one.declaration)}
        for file in filter(extended_by, shipped):
            lines.update(_extending(args.what, layout, file))
    except VenvError as error:
        return Report(text=(_FAILED,), talk=tuple(error.lines()), exit_code=FAILED)
    return Report(data={args.what: sorted(lines)}, text=tuple(sorted(lines)))


def _names_on_stdin(layout: Layout) -> Iterator[str]:
    """The files that rpm asks about, as target paths."""
    root = str(layout.root)
    for line in sys.stdin.read().splitlines():
        yield "/" + line[len(root) :].lstrip("/") if line.startswith(root + "/") else line


def _shipped_declarations(layout: Layout, shipped: Collection[str]) -> Iterator[Declared]:
    """What %venv_declare put into the buildroot, as far as rpm asks about it."""
    for path in declared.paths(layout):
        if str(declared_at(path) / declared.NAME) in shipped:
            declaration = declared.read(layout, path)
            if declaration is not None and declaration.package is not None:
                yield Declared(declaration.package.name, declaration, "venv_declare")


def _misplaced(one: Declared, owner: str) -> str:
    if owner == one.package:
        return ""
    if one.name == "venv_declare":
        return (
            f"{one.macro}: it is declared for the package {one.package}, and its file list is in "
            f"the %files of {owner}; say -n {owner}, or give the list to the other %files"
        )
    return (
        f"{one.macro}: the scriptlet is of the package {one.package} and the lock "
        f"{one.declaration.lock} is in {owner}; both belong in one package "
        f"(-n says which package the scriptlet is of)"
    )


def _lines(args: argparse.Namespace, layout: Layout, declaration: Declaration) -> list[str]:
    if args.what == "conflicts":
        return dependencies.conflicts(declaration.path)
    from rpm_venv.building import payload

    shipped = payload.read(layout, declaration)
    if args.what == "provides":
        return dependencies.provides(declaration.path, shipped.entries)
    lines = dependencies.requires(declaration, shipped.lock.requires_python, shipped.minors())
    if declaration.is_whole:  # its links lead to the very file
        lines.append(shipped.interpreter.path)
    if args.elfdeps:
        from rpm_venv.building import libraries

        wheels, trees = payload.chosen_wheels(layout, shipped), payload.trees(layout, declaration)
        linkage = libraries.of_wheels(args.elfdeps, wheels)
        lines += (linkage | libraries.of_trees(args.elfdeps, trees)).missing()
    return lines


def _extending(what: str, layout: Layout, file: str) -> list[str]:
    """What a package needs and has in it that brings this lock of extras."""
    from rpm_venv.building import payload

    lock, path = payload.lock(layout, file), extended_by(file)
    if what == "requires":
        return dependencies.extends(path)
    return dependencies.bundled(lock.entries) if what == "provides" else []


def _check(layout: Layout, args: argparse.Namespace) -> Report:
    from rpm_venv.building import buildroot, payload

    found: Sequence[Declared] = args.declared
    payloads: list[tuple[Declared, Payload]] = []
    problems, warnings = _lint(args.spec_file)
    for one in found:
        problems += _at(one, payload.placeholder_problem(layout, one.declaration.path))
        try:
            payloads.append((one, payload.read(layout, one.declaration)))
        except VenvError as error:
            problems += _at(one, _all_problems(error))
    allowed = payload.hashes(shipped for _, shipped in payloads)
    for one, shipped in payloads:
        problems += _at(one, payload.problems(layout, shipped, allowed))
    if problems:
        raise VenvError("the buildroot is not what the macros declare", problems=problems)
    for path in args.placeholders:
        buildroot.place(layout, path)
    return Report(data={"declared": [one.declaration.to_json() for one in found]}, talk=warnings)


def _lint(file: str | None) -> tuple[list[Problem], tuple[str, ...]]:
    """What lint finds: the mistakes that no package may be built with, and lines for the others.

    4.14 does not tell which file it builds from; one that is not there is not read.
    """
    from rpm_venv.linting import mistakes, spec_file

    try:
        text = spec_file.read(file) if file else ""
    except UsageError:
        return [], ()
    name = os.path.basename(file or "")
    found = mistakes.find(text)
    fatal = [Problem(f.reason, f"{name}:{f.line}", f.mend) for f in found if f.is_fatal]
    return fatal, tuple(f"warning: {f.at(name)}" for f in found if not f.is_fatal)


def _at(one: Declared, problems: Sequence[Problem]) -> list[Problem]:
    """Problems with the macro in front that they come from."""
    return [
        Problem(p.message, f"{one.macro}: {p.where}" if p.where else one.macro, p.hint)
        for p in problems
    ]


def _all_problems(error: VenvError) -> list[Problem]:
    place = ":".join(part for part in (error.subject, error.where) if part)
    return [Problem(error.message, place, error.hint), *error.problems]
