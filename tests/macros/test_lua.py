"""The Lua face: one call of the command, its arguments as they are, failure as a Lua error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.macros.conftest import Macros


@pytest.fixture
def speaking(macros: Macros, tmp_path: Path) -> Macros:
    """The macros with a command that writes its arguments down, one a line."""
    command = tmp_path / "rpm-venv"
    command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\n')
    command.chmod(0o755)
    return Macros(macros.file, macros.lua, command)


CALLS = {
    'venv.install{path="/opt/a/b", lock="/l.txt"}': "install -r /l.txt /opt/a/b",
    'venv.install{path="/opt/a/b", lock="/l.txt", wheels="/w", offline=true, site=false}': (
        "install -r /l.txt -w /w -o /opt/a/b"
    ),
    'venv.install{path="/opt/a/b", lock="/l.txt", wheels={"/w", "/v"}, extras={"x", "y"}}': (
        "install -r /l.txt -w /w -w /v -x x -x y /opt/a/b"
    ),
    'venv.install{path="/opt/a/b", lock="/l.txt", python="python3.12", site=true, groups="g", '
    'package="a-1-1.noarch"}': (
        "install -r /l.txt -p python3.12 -s -g g --package a-1-1.noarch /opt/a/b"
    ),
    'venv.remove{path="/opt/a/b", count=0, package="a-1-1.noarch"}': (
        "remove --package a-1-1.noarch --count 0 /opt/a/b"
    ),
    'venv.remove{path="/opt/a/b"}': "remove /opt/a/b",
    'venv.verify{path="/opt/a/b"}': "verify --stderr /opt/a/b",
    'venv.run{path="/opt/a/b", user="app1", command={"migrate", "--to", 3}}': (
        "run -q -u app1 /opt/a/b migrate --to 3"
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_one_command(speaking: Macros, tmp_path: Path, call: str) -> None:
    result = speaking.run_lua(call)
    assert (result.code, result.errors, result.text) == (0, "", "")
    assert (tmp_path / "said").read_text().split("\n")[:-1] == CALLS[call].split(" ")


AS_IN_4_14 = "rpm.execute, rpm.spawn = nil, nil\n"


@pytest.mark.parametrize("functions", ["", AS_IN_4_14], ids=["of this rpm", "of 4.14"])
def test_no_shell_parses_the_arguments(speaking: Macros, tmp_path: Path, functions: str) -> None:
    speaking.run_lua(f"{functions}venv.verify{{path=[[/opt/a b/'$(id)'; \\`\"*]]}}")
    said = (tmp_path / "said").read_text()
    assert said == "verify\n--stderr\n/opt/a b/'$(id)'; \\`\"*\n"


@pytest.mark.parametrize("code", [1, 3, 127])
def test_a_failing_command_raises(macros: Macros, tmp_path: Path, code: int) -> None:
    command = tmp_path / "rpm-venv"
    command.write_text(f"#!/bin/sh\nexit {code}\n")
    command.chmod(0o755)
    failing = Macros(macros.file, macros.lua, command)
    result = failing.run_lua('venv.verify{path="/opt/a/b"}')
    assert result.code != 0
    assert "venv.verify: /opt/a/b: failed" in result.errors


def test_a_missing_command_raises(macros: Macros, tmp_path: Path) -> None:
    missing = Macros(macros.file, macros.lua, tmp_path / "none")
    assert missing.run_lua('venv.verify{path="/opt/a/b"}').code != 0


MISTAKES = {
    "venv.install{}": "venv.install: path is missing",
    'venv.install{path="/opt/a/b"}': "venv.install: lock is missing",
    'venv.run{path="/opt/a/b", command="x"}': "venv.run: user is missing",
    'venv.run{path="/opt/a/b", user="u", command={}}': "venv.run: command is missing",
    'venv.install{path="/opt/a/b", lock="/l", count=1}': "there is no argument count",
    'venv.remove{path="/opt/a/b", lock="/l"}': "venv.remove: there is no argument lock",
    'venv.remove("/opt/a/b")': "venv.remove: takes a table",
    'venv.remove{path="/opt/a/b", count="1"}': "venv.remove: package is missing",
}


@pytest.mark.parametrize("call", MISTAKES)
def test_a_wrong_call_raises_before_anything_runs(
    speaking: Macros, tmp_path: Path, call: str
) -> None:
    result = speaking.run_lua(call)
    assert result.code != 0
    assert MISTAKES[call] in result.errors
    assert not (tmp_path / "said").exists()


def test_without_the_functions_of_newer_rpms_a_failure_still_raises(
    speaking: Macros, tmp_path: Path
) -> None:
    left = "print(tostring(posix.getenv and posix.getenv('RPM_VENV_1') or os.getenv('RPM_VENV_1')))"
    done = speaking.run_lua(f"{AS_IN_4_14}venv.verify{{path=[[/opt/it's a/b]]}} {left}")
    assert (done.code, done.text) == (0, "nil")
    assert (tmp_path / "said").read_text() == "verify\n--stderr\n/opt/it's a/b\n"
    missing = Macros(speaking.file, speaking.lua, tmp_path / "none")
    assert missing.run_lua(f'{AS_IN_4_14}venv.verify{{path="/opt/a/b"}}').code != 0
