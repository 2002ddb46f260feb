"""The command line: parse, call one verb, print its report. The only print and exit."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpm_venv import words
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.report import FAILED, Context, Report, on_one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


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

#: How many new values make the garbage collector look for circles. What a call makes lives nearly
#: as long as the call, and has next to none: after each 700, that is a tenth of an install.
_COLLECTED_AFTER = 100_000

#: The verbs that change a system: what they say is in its log as well.
WRITING = frozenset({"install", "remove", "repair", "sync", "rollback", "gc"})

#: The verbs of those who build: what they call, such as pip, has their environment.
BUILDING = frozenset({"lock", "vendor", "wheel", "declare", "lint", "deps", "advisories"})


def _say(text: str) -> None:
    print(f"rpm-venv: {on_one_line(text)}", file=sys.stderr, flush=True)


def _is_watched(args: Any) -> bool:
    """Whether somebody called by hand and looks: rpm's scriptlets and triggers are silent."""
    by_rpm = (getattr(args, name, None) for name in ("package", "trigger", "stderr"))
    return sys.stderr.isatty() and not any(by_rpm)


@contextlib.contextmanager
def _context(root: str, args: Any) -> Iterator[Context]:
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
    args, left = _common(argv)
    if args.verb not in BUILDING:
        _forget_openssl()
    verb: Any = importlib.import_module(f"rpm_venv.verbs.{args.verb}")
    verb_args = _of_verb(args.verb, verb, left)
    with _context(args.root, verb_args) as context:
        try:
            report: Report = verb.run(context, verb_args)
        except BaseException as error:
            _log(context, args.verb, _lines(error), failed=True)
            raise
        _log(context, args.verb, report.talk, failed=report.exit_code == FAILED)
    return report


def _forget_openssl() -> None:
    """Have OpenSSL configured as the system has it: a caller's variables name code that it loads.

    It asks for them when something is hashed with it first (openssl-env(7)).
    """
    for name in [name for name in os.environ if name.startswith("OPENSSL_")]:
        del os.environ[name]


def _common(argv: Sequence[str]) -> tuple[Any, Sequence[str]]:
    """What stands before the verb, with the verb, and the words after it."""
    try:
        return words.common(argv, list(VERBS))
    except words.Unusual:
        from rpm_venv import command_line

        args = command_line.parser(VERBS).parse_args(argv)
        return args, args.arguments


def _of_verb(name: str, verb: Any, left: Sequence[str]) -> Any:
    """What the words after a verb say."""
    plain = words.Words()
    try:
        verb.arguments(plain)
        return plain.read(left)
    except words.Unusual:
        from rpm_venv import command_line

        return command_line.verb_parser(name, VERBS[name], verb).parse_args(left)


def _log(context: Context, verb: str, lines: Sequence[str], *, failed: bool) -> None:
    """Have the log hold what a verb that writes says; it has what was done already."""
    if lines and verb in WRITING:
        from rpm_venv import log  # most calls have nothing to say

        log.say(context.layout, verb, lines, failed=failed)


def _wants_json(argv: Sequence[str]) -> bool:
    return "--json" in argv[: next((i for i, a in enumerate(argv) if a in VERBS), len(argv))]


def _reset_signals() -> None:
    """Undo the blocked signal mask that children of a Lua scriptlet inherit from rpm.

    Who calls with SIGCHLD ignored would have us not told how a child ended: each would seem to have
    ended well (wait(2)).
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if signal.getsignal(signal.SIGCHLD) is not signal.SIG_DFL:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _open_standard() -> None:
    """Have what the caller has closed of stdin, stdout and stderr be there, and lead nowhere.

    Else a file of ours is the next that gets the number, for a library to write into. A chroot may
    have no /dev/null.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.memfd_create("closed")  # the lowest number that is free: this one
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _reset_signals()
    _open_standard()
    gc.set_threshold(_COLLECTED_AFTER)
    os.umask(0o022)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale may lack what a name has
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):  # names of a package's files have any bytes
        sys.stdin.reconfigure(errors="surrogateescape")
    try:
        return _emit(call(arguments), _wants_json(arguments))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (VenvError, OSError, RecursionError, KeyboardInterrupt) as error:
        for line in _lines(error):
            _say(line)
        return error.exit_code if isinstance(error, VenvError) else FAILED


def leave(code: int) -> NoReturn:
    """End the process with an exit code, without taking the interpreter apart before.

    To free each object and unload each module takes a tenth of a short call, for memory that the
    kernel takes back as a whole. What else the end of a process is for is done, or left to Python:
    text that was not written, threads, functions for the exit, and rpm's library, which closes its
    databases then.
    """
    threading: Any = sys.modules.get("threading")
    has_threads = threading is not None and threading.active_count() > 1
    if has_threads or atexit._ncallbacks() or "rpm" in sys.modules:
        sys.exit(code)
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError):
        sys.exit(code)  # Python tries once more, says what is wrong, and has a code for it
    os._exit(code)


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
