"""A process that tries cases: started as the command is, with its modules loaded once.

It reads a case per line (JSON) and answers each with an outcome. Each run is a fork of it, which
calls the command's ``main``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.faults import scenarios, supervised, systems
from tests.faults.cases import Case, Laboratory, Outcome, keep_to_one_cpu


def main(number: str, top: str) -> None:
    """Serve as the worker of this number for a directory that ``laboratories`` made."""
    keep_to_one_cpu(int(number))
    supervised.become_reaper()
    scratch = Path(top, f"worker-{number}")
    scratch.mkdir()
    load(Path(top), scratch)
    templates = Path(top, "templates")
    laboratory = Laboratory(templates, scratch, forked)
    for line in sys.stdin.buffer:  # the text of stdin is for the forks: a command sets it up first
        question = json.loads(line)
        if "record" in question:
            answer: object = laboratory.record(question["record"], in_layers=question["in_layers"])
        elif "trace" in question:
            command = _started(Path(top)) if question["started"] else forked
            run = Laboratory(templates, scratch, command).trace(question["trace"])
            answer = [[call.name, call.own, call.changes] for call in run.calls]
        else:
            answer = dataclasses.asdict(_tried(laboratory, Case(**question)))
        print(json.dumps(answer), flush=True)


def _tried(laboratory: Laboratory, case: Case) -> Outcome:
    """The outcome of a case; what goes wrong with the laboratory itself is one of its problems."""
    try:
        return laboratory.try_(case)
    except Exception:
        return Outcome(case, "?", (traceback.format_exc(),))


def _started(top: Path) -> Callable[[Path, tuple[str, ...]], Callable[[], int]]:
    command = systems.Command(top / "src")

    def call(root: Path, words: tuple[str, ...]) -> Callable[[], int]:
        argv = command(root, *words)
        return lambda: os.execv(argv[0], argv)

    return call


def forked(root: Path, words: tuple[str, ...]) -> Callable[[], int]:
    from rpm_venv import cli

    return lambda: cli.main(["--root", str(root), *words])


def load(top: Path, scratch: Path) -> None:
    """Import what the command needs, by calling it here: forks find it in memory."""
    root = scratch / "root"
    for scenario in ("fresh", "remove", "repair"):
        systems.copy(top / "templates" / scenario / "before", root)
        with contextlib.redirect_stdout(io.StringIO()):
            code = forked(root, scenarios.named(scenario).words)()
        if code != 0:
            raise SystemExit(f"{scenario} fails undisturbed")
        shutil.rmtree(root)
