"""A macro's line in a real shell: silent, and a failure is told at the scriptlet's end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.macros.conftest import Macros

SHELLS = ("/bin/sh", "bash", "dash")


def scriptlet(macros: Macros, tmp_path: Path, code: int, script: str) -> str:
    """A scriptlet whose macro calls a command that ends with this exit code."""
    command = tmp_path / "rpm-venv"
    command.write_text(f"#!/bin/sh\nexit {code}\n")
    command.chmod(0o755)
    return macros.expand(script, {"__rpm_venv": str(command)}).text


def run(shell: str, text: str, *options: str) -> tuple[int, str, str]:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    command = [shell, *options, "/dev/stdin", "1"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


REMOVE = "%venv_remove /opt/app1/penv"


@pytest.mark.parametrize("options", [(), ("-e",)])
@pytest.mark.parametrize("shell", SHELLS)
def test_success_is_silent(
    macros: Macros, tmp_path: Path, shell: str, options: tuple[str, ...]
) -> None:
    assert run(shell, scriptlet(macros, tmp_path, 0, REMOVE), *options) == (0, "", "")


@pytest.mark.parametrize("options", [(), ("-e",)])
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("end", ["", "\nexit 0", "\nfalse || :"])
def test_a_failure_lets_the_rest_run_and_fails_the_scriptlet(
    macros: Macros, tmp_path: Path, shell: str, options: tuple[str, ...], end: str
) -> None:
    text = scriptlet(macros, tmp_path, 1, f"{REMOVE}\necho after{end}")
    assert run(shell, text, *options) == (1, "after\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_count_is_the_scriptlets_argument(macros: Macros, tmp_path: Path, shell: str) -> None:
    command = tmp_path / "rpm-venv"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    text = macros.expand(REMOVE, {"__rpm_venv": str(command)}).text
    assert "--count 1 /opt/app1/penv\n" in run(shell, text)[1]
