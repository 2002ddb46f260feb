"""pip asked for the wheels that satisfy requirements. An edge: runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rpm_venv.errors import LockError
from rpm_venv.locks import pylock, question
from rpm_venv.locks.locked import Entry
from rpm_venv.locks.question import Question
from rpm_venv.locks.requirements import normalized
from rpm_venv.system.interpreter import Interpreter

_OLDEST = (22, 3)  # --dry-run --report, --python


def commands(interpreter: Interpreter) -> Iterator[list[str]]:
    """Every pip here that can resolve for this interpreter, the interpreter's own first."""
    own = interpreter.path or sys.executable
    for_other = ["--python", own]
    found = [[own, "-m", "pip"], [sys.executable, "-m", "pip", *for_other]]
    found += [[pip, *for_other] for pip in map(shutil.which, ("pip", "pip3")) if pip]
    return (command for command in found if question.version([*command, "--version"]) >= _OLDEST)


def ask(
    pip: Sequence[str], asked: Question, files: Sequence[str], scratch: Path
) -> tuple[Entry, ...]:
    """What pip chooses; it has no preferences: where not all can be kept, none is.

    ``LockError`` with pip's reason where nothing fits.
    """
    interpreter = asked.interpreter
    if not interpreter.path:
        raise LockError(
            f"pip resolves for the Pythons of this machine alone, not for Python "
            f"{interpreter.minor} on {interpreter.markers['platform_machine']}",
            subject=str(asked.source),
            hint="install uv 0.7 or newer",
        )
    # Beside a log, pip writes progress to stdout, so the report is not there.
    report = scratch / "report.json"
    command = [*pip, "install", "--quiet", "--no-input", "--dry-run", "--report", str(report)]
    command += ["--ignore-installed", "--only-binary", ":all:"]
    # An index that does not answer is told of there alone: pip goes on as if it had no wheel.
    log = scratch / "pip.log"
    command += ["--log", str(log)]
    if asked.wheels:
        command += ["--isolated", *question.local(asked.wheels)]
    command += [part for file in files for part in ("-r", file)]
    # Nothing gets installed, so the author's rule to install in virtual environments only is moot.
    environment = {**question.environment(asked), "PIP_REQUIRE_VIRTUALENV": "0"}
    if not question.answered_keeping(command, environment, asked, scratch, log):
        question.put(command, environment, asked, log)
    return tuple(map(_from_report, json.loads(report.read_text(encoding="utf-8"))["install"]))


def configuration(pip: Sequence[str]) -> dict[str, str]:
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
