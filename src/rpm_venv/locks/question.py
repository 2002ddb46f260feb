"""A question to a resolver: how it is put to uv or pip, and what a complaint means. An edge.

This happens where locks are made, as the author and with the author's configuration: never on the
target.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rpm_venv.errors import FetchError, LockError, Problem, UnreachableError
from rpm_venv.fetching import complaint
from rpm_venv.frozen import dataclass
from rpm_venv.locks.lock import HOW_TO_BUILD, is_pylock
from rpm_venv.locks.locked import Entry
from rpm_venv.system.interpreter import Interpreter

_NO_WHEEL = re.compile(
    r"Wheels are required for `([^`]+)`|No matching distribution found for ([A-Za-z0-9._-]+)"
)


@dataclass(frozen=True)
class Question:
    """What is to be resolved: the author's file, and lines beside it that are as good as in it.

    ``text`` stands for the file's content where a resolver should see another one. ``wheels`` are
    directories which then are the only place to look: no index is asked. ``preferred`` are versions
    to keep where they are as good as others.
    """

    source: Path
    interpreter: Interpreter
    lines: tuple[str, ...] = ()
    text: str | None = None
    wheels: tuple[Path, ...] = ()
    preferred: tuple[Entry, ...] = ()


def version(command: Sequence[str]) -> tuple[int, ...]:
    """The version that a program says it has; () where there is none."""
    return _asked_version(tuple(command))


@functools.cache
def _asked_version(command: tuple[str, ...]) -> tuple[int, ...]:
    """What a program says it is, asked once: a pip takes long to say it."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ()
    match = re.match(r"\w+ (\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match and done.returncode == 0 else ()


def answered_keeping(
    command: Sequence[str],
    environment: Mapping[str, str],
    question: Question,
    scratch: Path,
    log: Path | None = None,
) -> bool:
    """Whether the resolver has answered with all preferred versions kept."""
    if not question.preferred:
        return False
    kept = scratch / "kept.txt"
    pins = (f"{entry.name}=={entry.version}\n" for entry in question.preferred)
    kept.write_text("".join(pins), encoding="utf-8")
    try:
        put([*command, "-c", str(kept)], environment, question, log)
    except LockError:
        return False
    return True


def local(wheels: Sequence[Path]) -> list[str]:
    """The options with which directories are the only place to look."""
    return ["--no-index", *(f"--find-links={wheel.absolute()}" for wheel in wheels)]


def environment(question: Question) -> dict[str, str]:
    """The author's environment; where wheels are local, without what names other places."""
    whole = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", NO_COLOR="1")
    if question.wheels:
        foreign = ("PIP_", "UV_")
        kept = {k: v for k, v in whole.items() if not k.startswith(foreign)}
        kept.update({k: v for k, v in whole.items() if k == "UV_CACHE_DIR"})
        return {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    return whole


def put(
    command: Sequence[str],
    environment: Mapping[str, str],
    question: Question,
    log: Path | None = None,
) -> None:
    """Have the resolver answer; its complaint as a ``LockError``.

    That no index answered is a ``FetchError``: a resolver may take it for one that has no wheel.
    """
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    logged = log.read_text(encoding="utf-8", errors="replace") if log and log.exists() else ""
    silent = complaint.unasked(logged + done.stderr)
    if silent:
        raise _unanswered(silent, question, "pip" if log else "uv and pip")
    raise LockError(
        "the requirements could not be resolved to wheels",
        subject=str(question.source),
        hint=_advice(done.stderr, question),
        problems=[Problem(line) for line in _complaint(done.stderr)],
    )


def _unanswered(silent: complaint.Complaint, question: Question, asked: str) -> FetchError:
    kind = UnreachableError if silent.unreachable else FetchError
    return kind(
        silent.message,
        subject=str(question.source),
        hint=f"look at the network and at the configuration of {asked}, or name a directory "
        f"that has the wheels: rpm-venv lock -w DIR {shlex.quote(str(question.source))} OUT",
    )


def _advice(stderr: str, question: Question) -> str:
    """What to do, where the complaint is that a distribution has no wheel."""
    names = ", ".join(sorted({uvs or pips for uvs, pips in _NO_WHEEL.findall(stderr)}))
    if not names or question.wheels:
        return ""
    if is_pylock(question.source.name):
        return f"if {names} has no wheel, {HOW_TO_BUILD}"
    source = shlex.quote(str(question.source))
    build = f"pip wheel -w wheels -r {source}"
    return f"if {names} has no wheel, build it: {build} && rpm-venv lock -w wheels {source} OUT"


def _complaint(stderr: str) -> list[str]:
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]  # pip's
    warnings = ("WARNING:", "warning:", "[notice]", "hint:")
    said = errors or [line for line in lines if not line.lstrip().startswith(warnings)]
    return said[-20:]
