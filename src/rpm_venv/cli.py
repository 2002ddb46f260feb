"""The command line: parse, call one verb, print its report. The only print and exit."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpm_venv import __version__
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.paths import Layout
from rpm_venv.report import FAILED, Context, Report, on_one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    class Verb(Protocol):
        """What a module in ``rpm_venv.verbs`` offers."""

        def arguments(self, parser: argparse.ArgumentParser) -> None: ...

        def run(self, context: Context, args: argparse.Namespace) -> Report: ...


#: Every verb with its one-line help. A verb is the module of its name in ``rpm_venv.verbs``, which
#: has ``arguments(parser)`` and ``run(context, args) -> Report``; only the one called is imported.
VERBS = {
    "install": "make PATH the environment that a lock describes",
    "remove": "remove the environment at PATH",
    "verify": "compare environments with their manifests",
    "repair": "bring environments back to what their lock says",
    "sync": "bring environments to what packages declare (for file triggers)",
    "rollback": "make a kept generation of an environment the live one again",
    "gc": "remove what no environment needs: generations, objects, leftovers",
    "check": "say whether an install would succeed, changing nothing",
    "list": "list the environments of this system",
    "show": "show one environment in full",
    "owner": "say which environment, distribution and package a file belongs to",
    "history": "tell what happened to environments",
    "audit": "find distributions with known vulnerabilities, offline",
    "sbom": "write the bill of materials of one environment (CycloneDX)",
    "run": "run a command of an environment as a user who is not root",
    "lock": "resolve requirements to an exact lock",
    "vendor": "make a source package with its wheels, which builds without a network",
    "wheel": "build the wheel of a source tree, offline (for rpmbuild)",
    "declare": "put a declaration and its wheels into a buildroot (for rpmbuild)",
    "lint": "say what mistakes a spec file makes with virtual environments",
    "deps": "write the dependencies of a package that declares environments (for rpmbuild)",
    "advisories": "make the database of 'audit' from downloaded records (for rpmbuild)",
}

#: The verbs that change a system: what they say is in its log as well.
WRITING = frozenset({"install", "remove", "repair", "sync", "rollback", "gc"})


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as COLUMNS says: asking the terminal would load ``shutil`` at every start."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=int(columns) - 2 if columns.isdecimal() else 78)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, subject=self.prog, hint=f"see {self.prog} --help")


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that stand before every verb."""
    parser.add_argument("--root", metavar="DIR", default="/", help="work on the system below DIR")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--version", action="version", version=f"rpm-venv {__version__}")


def _parser() -> _Parser:
    verbs = "\n".join(f"  {name:<10} {text}" for name, text in VERBS.items())
    parser = _Parser(
        prog="rpm-venv",
        formatter_class=_Help,
        description="Virtual environments that rpm installs, verifies, upgrades and removes.",
        epilog=f"verbs:\n{verbs}\n\nexit: 0 done, 1 failed and nothing changed, 2 usage, "
        "3 found something",
        allow_abbrev=False,
    )
    common_arguments(parser)
    parser.add_argument("verb", metavar="VERB", choices=list(VERBS))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _verb_parser(name: str, verb: Verb) -> _Parser:
    parser = _Parser(
        prog=f"rpm-venv {name}", description=VERBS[name], formatter_class=_Help, allow_abbrev=False
    )
    verb.arguments(parser)
    return parser


def _say(text: str) -> None:
    print(f"rpm-venv: {on_one_line(text)}", file=sys.stderr, flush=True)


def _is_watched(args: argparse.Namespace) -> bool:
    """Whether somebody called by hand and looks: rpm's scriptlets and triggers are silent."""
    by_rpm = (getattr(args, name, None) for name in ("package", "trigger", "stderr"))
    return sys.stderr.isatty() and not any(by_rpm)


@contextlib.contextmanager
def _context(root: str, args: argparse.Namespace) -> Iterator[Context]:
    """What a verb gets; its progress is shown inside the block alone."""
    layout = Layout(Path(os.path.abspath(root)))
    if not _is_watched(args):
        yield Context(layout)
        return
    from rpm_venv.terminal import Progress  # nobody looks at a scriptlet

    with Progress(sys.stderr.fileno()) as progress:
        yield Context(layout, progress)


def _emit(report: Report, as_json: bool) -> int:
    if as_json:
        print(json.dumps(report.data, indent=2, sort_keys=True))
    else:
        for line in report.text:
            print(on_one_line(line))
    sys.stdout.flush()
    for line in report.talk:
        _say(line)
    return report.exit_code


def call(argv: Sequence[str]) -> Report:
    """The report of one call; raises what the verb raises."""
    args = _parser().parse_args(argv)
    verb: Any = importlib.import_module(f"rpm_venv.verbs.{args.verb}")
    verb_args = _verb_parser(args.verb, verb).parse_args(args.arguments)
    with _context(args.root, verb_args) as context:
        try:
            report: Report = verb.run(context, verb_args)
        except BaseException as error:
            _log(context, args.verb, _lines(error), failed=True)
            raise
        _log(context, args.verb, report.talk, failed=report.exit_code == FAILED)
    return report


def _log(context: Context, verb: str, lines: Sequence[str], *, failed: bool) -> None:
    """Have the log hold what a verb that writes says; it has what was done already."""
    if lines and verb in WRITING:
        from rpm_venv import log  # most calls have nothing to say

        log.say(context.layout, verb, lines, failed=failed)


def _wants_json(argv: Sequence[str]) -> bool:
    return "--json" in argv[: next((i for i, a in enumerate(argv) if a in VERBS), len(argv))]


def _reset_signals() -> None:
    """Undo the blocked signal mask that children of a Lua scriptlet inherit from rpm."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _reset_signals()
    os.umask(0o022)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale may lack what a name has
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _emit(call(arguments), _wants_json(arguments))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (VenvError, OSError, RecursionError, KeyboardInterrupt) as error:
        for line in _lines(error):
            _say(line)
        return error.exit_code if isinstance(error, VenvError) else FAILED


def _lines(error: BaseException) -> list[str]:
    """What there is to say of a verb that did not get to its end."""
    if isinstance(error, VenvError):
        return error.lines()
    if isinstance(error, KeyboardInterrupt):
        return ["interrupted; run the same command again"]
    if isinstance(error, RecursionError):  # directories that somebody made a thousand deep
        return ["something is nested too deeply; the environment is as it was"]
    if isinstance(error, OSError):
        return [f"{error}; the environment is as it was"]
    return [f"unexpected: {type(error).__name__}: {error}"]
