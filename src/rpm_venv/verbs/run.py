"""``rpm-venv run``: a step of the application in its environment, as the application's user.

What a package does once its environment is live and before its service starts: a migration of its
database. Root never runs the code of a package, so there is a user to name.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
from pathlib import Path

from rpm_venv import state, survey
from rpm_venv.environment import SOUND
from rpm_venv.errors import Problem, UsageError, VenvError
from rpm_venv.paths import Layout, environment_path
from rpm_venv.report import Context, Report
from rpm_venv.system import run_as
from rpm_venv.trees import generations
from rpm_venv.verbs import options

_LAST_LINES = 3  # of the output, in the one line of a failure
_MAX_SAID = 400


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-u", dest="user", metavar="USER", required=True, help="who runs it")
    parser.add_argument("-q", dest="quiet", action="store_true", help="say nothing on success")
    options.path_argument(parser)
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs=argparse.REMAINDER,
        help="a command of the environment, and its arguments",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Run it to its end; its output is the report, and on a failure the error."""
    path = environment_path(args.path)
    name, arguments = _command(path, args.command)
    if context.layout.root != Path("/"):
        raise UsageError(
            "the users and programs of another root are not this system's",
            subject=f"--root {context.layout.root}",
            hint=f"call it there: chroot {context.layout.root} rpm-venv run …",
        )
    who = run_as.user(args.user)
    program = _program(context.layout, path, name)
    ended = run_as.run(who, program, arguments, f"{path}/bin")
    said = tuple(line for line in ended.said if line.strip())
    if ended.failure:
        raise _failed(path, args, ended.failure, said)
    data = {"path": path, "command": [name, *arguments], "user": who.name, "output": list(said)}
    return Report(data=data, text=() if args.quiet else ended.said)


def _command(path: str, words: list[str]) -> tuple[str, list[str]]:
    if not words:
        raise UsageError("COMMAND is missing", subject=path)
    if "/" in words[0] or words[0] in ("", ".", "..") or words[0].startswith("-"):
        raise UsageError(
            f"COMMAND is the name of a command in {path}/bin, not {words[0]!r}", subject=path
        )
    return words[0], words[1:]


def _program(layout: Layout, path: str, name: str) -> Path:
    """The command, by the live generation's name: an upgrade meanwhile mixes nothing."""
    live = generations.live(layout, path)
    environment = state.read(layout, path)
    # Whether its package is installed does not matter here: a scriptlet of it may be what calls.
    around = survey.Surroundings(survey.amendments(layout), frozenset())
    word, reason = survey.standing(layout, path, environment, live, around)
    if word not in SOUND:
        known = environment is not None
        raise VenvError(
            f"{name} is not run: the environment is {word}: {reason}",
            subject=path,
            hint=f"mend it with: rpm-venv repair {path}" if known else "see: rpm-venv list",
        )
    commands = generations.directory(layout, path, live.generation) / "bin"
    program = commands / name
    if not os.access(program, os.X_OK) or not program.is_file():
        raise VenvError(
            f"there is no command {name} in the environment",
            subject=path,
            hint=_alike(commands, name),
        )
    return program


def _alike(commands: Path, name: str) -> str:
    there = sorted(file for file in os.listdir(commands) if not file.startswith("."))
    alike = difflib.get_close_matches(name, there, n=3) or there[:10]
    return f"there are: {', '.join(alike)}"


def _failed(path: str, args: argparse.Namespace, failure: str, said: tuple[str, ...]) -> VenvError:
    """One line with the last of the output in a scriptlet; by hand, more of it below that line."""
    command = shlex.join(args.command)
    last = " | ".join(said[-_LAST_LINES:])[-_MAX_SAID:] if args.quiet else ""
    return VenvError(
        f"{command!r}, run as {args.user}, ended with {failure}" + (f": {last}" if last else ""),
        subject=path,
        hint=f"mend it, then: rpm-venv run -u {args.user} {path} {command}",
        problems=() if args.quiet else map(Problem, said),
    )
