"""Which wheels satisfy requirements: asked of uv or pip, never decided here. An edge: runs them.

This happens where locks are made, as the author and with the author's configuration: never on the
target. One wheel is chosen per distribution, the one that the asked Python takes on this system.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rpm_venv.errors import FetchError, LockError, Problem, UnreachableError, VenvError
from rpm_venv.fetching import complaint
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks import pylock
from rpm_venv.locks.lock import HOW_TO_BUILD, SOURCES, is_pylock
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.locks.requirements import normalized
from rpm_venv.system.interpreter import Interpreter

_OLDEST_UV = (0, 7)  # writes pylock.toml
_OLDEST_PIP = (22, 3)  # --dry-run --report, --python
_INCLUDE = re.compile(r"^(\s*(?:-[rc]|--requirement|--constraint)[\s=]*)([^\s#]+)")
_HASH = re.compile(r"(?:\\\r?\n)?[ \t]*--hash[= ]\S+")
_NO_WHEEL = re.compile(
    r"Wheels are required for `([^`]+)`|No matching distribution found for ([A-Za-z0-9._-]+)"
)
#: Where an author has told uv itself which indexes to ask, pip's are not added.
_UV_INDEXES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
)
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
#: The machines whose wheels uv knows besides those of the one that it runs on.
_UV_MACHINES = ("x86_64", "aarch64")
_TRUE = ("true", "yes", "on", "1")


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


@dataclass(frozen=True)
class Answer:
    """The distributions that were chosen, each with its one wheel, and by whom."""

    entries: tuple[Entry, ...]
    resolver: str


def resolve(question: Question) -> Answer:
    """The wheels that satisfy the question; ``LockError`` with the resolver's reason if none do.

    ``FetchError`` where an index did not answer: ``UnreachableError`` where it cannot be reached.
    """
    uv = _uv()
    # Beside uv, pip is asked how it is configured: uv does not read that.
    pip = None if uv and question.wheels else next(pips(question.interpreter), None)
    if not uv and not pip:
        raise VenvError(
            "neither uv nor pip is here to resolve requirements",
            subject=str(question.source),
            hint="install one: dnf install python3-pip, or uv 0.7 or newer",
        )
    with tempfile.TemporaryDirectory(prefix="rpm-venv-lock-") as scratch:
        files = _files(question, Path(scratch))
        if uv:
            entries = _ask_uv(uv, pip, question, files, Path(scratch))
        else:
            entries = _ask_pip(pip or [], question, files, Path(scratch))
    sources = [entry for entry in entries if entry.source]
    if sources:
        raise LockError(
            "it names what has no wheel",
            subject=str(question.source),
            problems=[Problem(f"{e.name} is {SOURCES[e.source]}") for e in sources],
            hint=HOW_TO_BUILD,
        )
    return Answer(entries, "uv" if uv else "pip")


def _files(question: Question, scratch: Path) -> list[str]:
    """The requirement files to give to a resolver."""
    files = [str(question.source)]
    if question.text is not None:
        files = [str(scratch / "requirements.txt")]
        text = without_hashes(question.text, question.source.parent)
        Path(files[0]).write_text(text, encoding="utf-8")
    if question.lines:
        files.append(str(scratch / "added.txt"))
        Path(files[-1]).write_text("\n".join(question.lines) + "\n", encoding="utf-8")
    return files


def without_hashes(text: str, directory: Path) -> str:
    """Requirements that mean the same in another directory, without hashes.

    A file in which some lines have hashes is all or nothing to pip; the caller holds the answer
    against the hashes that were there.
    """

    def moved(match: re.Match[str]) -> str:
        prefix, path = match.groups()
        return f"{prefix}{path if '://' in path else directory.absolute() / path}"

    lines = _HASH.sub("", text).splitlines()
    return "\n".join(_INCLUDE.sub(moved, line) for line in lines) + "\n"


def _uv() -> str | None:
    """A uv that writes pylock.toml, on PATH or beside this Python."""
    uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    return uv if uv and _version([uv, "--version"]) >= _OLDEST_UV else None


def pips(interpreter: Interpreter) -> Iterator[list[str]]:
    """Every pip here that can resolve for this interpreter, the interpreter's own first."""
    own = interpreter.path or sys.executable
    for_other = ["--python", own]
    commands = [[own, "-m", "pip"], [sys.executable, "-m", "pip", *for_other]]
    commands += [[pip, *for_other] for pip in map(shutil.which, ("pip", "pip3")) if pip]
    return (command for command in commands if _version([*command, "--version"]) >= _OLDEST_PIP)


def _version(command: Sequence[str]) -> tuple[int, ...]:
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


def _ask_uv(
    uv: str, pip: Sequence[str] | None, question: Question, files: Sequence[str], scratch: Path
) -> tuple[Entry, ...]:
    command = [uv, "pip", "compile", "--quiet", "--only-binary", ":all:", "--no-progress"]
    made = scratch / "pylock.toml"
    command += ["--format", "pylock.toml", "--output-file", str(made)]
    command += _uv_target(question)
    if question.wheels:
        command += ["--offline", *_local(question.wheels)]
    environment = {**_environment(question), "UV_PYTHON_DOWNLOADS": "never"}
    if pip and not question.wheels and not any(name in environment for name in _UV_INDEXES):
        configuration = _pip_configuration(pip)
        environment = {**as_uv(configuration), **environment}
        command += ["--no-index"] if configuration.get("no-index") in _TRUE else []
    command += files
    if not _keeping(command, environment, question, scratch):
        # What is there already is what uv prefers. It does that badly with several indexes, and
        # drops a version of which one of them has a wheel for another Python only.
        preferred = tuple(replace(e, files=(), marker=None) for e in question.preferred)
        made.write_text(pylock.render(Lock(made.name, "", preferred)), encoding="utf-8")
        _run(command, environment, question)
    lock, problems = pylock.read(made.read_text(encoding="utf-8"), "pylock.toml")
    if problems:
        raise LockError("uv gave a lock that is none", problems=problems)
    return lock.entries


def _uv_target(question: Question) -> list[str]:
    """The Python and machine, in uv's words; of a machine that is not here, EL 8's C library."""
    interpreter = question.interpreter
    if interpreter.path:
        return ["--python", interpreter.path]
    machine = interpreter.markers["platform_machine"]
    words = ["--python", sys.executable, "--python-version", interpreter.minor]
    if machine in _UV_MACHINES:
        return [*words, "--python-platform", f"{machine}-manylinux_2_28"]
    if machine == os.uname().machine:
        return words
    known = " and ".join(_UV_MACHINES)
    raise LockError(
        f"uv resolves for {known} and the machine that it runs on, not for {machine}",
        subject=str(question.source),
        hint="make a lock of its own there",
    )


def _ask_pip(
    pip: Sequence[str], question: Question, files: Sequence[str], scratch: Path
) -> tuple[Entry, ...]:
    """What pip chooses; it has no preferences: where not all can be kept, none is."""
    interpreter = question.interpreter
    if not interpreter.path:
        raise LockError(
            f"pip resolves for the Pythons of this machine alone, not for Python "
            f"{interpreter.minor} on {interpreter.markers['platform_machine']}",
            subject=str(question.source),
            hint="install uv 0.7 or newer",
        )
    # Beside a log, pip writes progress to stdout, so the report is not there.
    report = scratch / "report.json"
    command = [*pip, "install", "--quiet", "--no-input", "--dry-run", "--report", str(report)]
    command += ["--ignore-installed", "--only-binary", ":all:"]
    # An index that does not answer is told of there alone: pip goes on as if it had no wheel.
    log = scratch / "pip.log"
    command += ["--log", str(log)]
    if question.wheels:
        command += ["--isolated", *_local(question.wheels)]
    command += [part for file in files for part in ("-r", file)]
    # Nothing gets installed, so the author's rule to install in virtual environments only is moot.
    environment = {**_environment(question), "PIP_REQUIRE_VIRTUALENV": "0"}
    if not _keeping(command, environment, question, scratch, log):
        _run(command, environment, question, log)
    return tuple(map(_from_report, json.loads(report.read_text(encoding="utf-8"))["install"]))


def _keeping(
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
        _run([*command, "-c", str(kept)], environment, question, log)
    except LockError:
        return False
    return True


def _local(wheels: Sequence[Path]) -> list[str]:
    return ["--no-index", *(f"--find-links={wheel.absolute()}" for wheel in wheels)]


def _environment(question: Question) -> dict[str, str]:
    """The author's environment; where wheels are local, without what names other places."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", NO_COLOR="1")
    if question.wheels:
        foreign = ("PIP_", "UV_")
        kept = {k: v for k, v in environment.items() if not k.startswith(foreign)}
        kept.update({k: v for k, v in environment.items() if k == "UV_CACHE_DIR"})
        return {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    return environment


def _run(
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


def _from_report(item: Mapping[str, Any]) -> Entry:
    """One distribution of pip's installation report (PEP 610 has its download_info)."""
    from packaging.version import Version

    name, version = normalized(item["metadata"]["name"]), Version(item["metadata"]["version"])
    info = item["download_info"]
    if "vcs_info" in info or "dir_info" in info:
        return Entry(name, version, (), source="vcs" if "vcs_info" in info else "directory")
    digest = _sha256(info.get("archive_info", {}))
    if not digest:
        raise LockError("the index gives no sha256", subject=info["url"])
    file = pylock.wheel_at(info["url"], digest)
    if file is None:
        return Entry(name, version, (), source="archive")
    return Entry(name, version, (digest,), files=(file,))


def _sha256(archive: Mapping[str, Any]) -> str:
    """The archive's sha256; pip before 23.1 has it in ``hash`` alone."""
    algorithm, _, old = archive.get("hash", "").partition("=")
    digest: str = archive.get("hashes", {}).get("sha256", old if algorithm == "sha256" else "")
    return digest


def _pip_configuration(pip: Sequence[str]) -> dict[str, str]:
    """What ``pip install`` is configured to do: its files and environment, as pip reads them."""
    import ast

    done = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))  # pip prints Python's strings
    return {**found["global"], **found["install"], **found[":env:"]}


def as_uv(configuration: Mapping[str, str]) -> dict[str, str]:
    """pip's configuration as uv's environment variables.

    A site's index must be asked, and not one to which strangers can upload the same names.
    """
    known = {
        _UV_NAMES[option]: " ".join(value.split())
        for option, value in configuration.items()
        if option in _UV_NAMES and value
    }
    if "UV_FIND_LINKS" in known:
        known["UV_FIND_LINKS"] = known["UV_FIND_LINKS"].replace(" ", ",")
    # pip takes the best version of all indexes; uv by itself that of the first which has any.
    return {**known, "UV_INDEX_STRATEGY": "unsafe-best-match"}
