"""Progress on a terminal: a line for long work that goes again, and silence otherwise."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rpm_venv
from rpm_venv import state
from rpm_venv.paths import Layout
from rpm_venv.report import Context
from tests.unit import environments

PATHS = ("/opt/app1/penv", "/opt/app2/penv")
_PATIENCE = 30  # seconds
_VARIABLES = {**os.environ, "PYTHONPATH": str(Path(rpm_venv.__file__).parents[1])}


class Terminal:
    """A terminal with a command whose stderr it is."""

    def __init__(self, argv: list[str], columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        self.theirs = theirs
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=_VARIABLES
        )
        self.shown = b""

    def look(self, enough: Callable[[bytes], bool]) -> bytes:
        """What was shown by the time that it is enough, or that the command has ended."""
        end = time.monotonic() + _PATIENCE
        while not enough(self.shown) and time.monotonic() < end:
            ended = self.process.poll() is not None
            while select.select([self._ours], [], [], 0 if ended else 0.05)[0]:
                self.shown += os.read(self._ours, 4096)
            if ended:
                break
        return self.shown

    def to_the_end(self) -> bytes:
        self.look(lambda _: False)
        assert self.process.returncode is not None
        return self.shown

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._ours)
        os.close(self.theirs)

    @property
    def left(self) -> str:
        """What a person sees at the end: later writing is over earlier."""
        line = [" "] * 500
        rows, at = [], 0
        for letter in self.shown.decode():
            if letter == "\n":
                rows.append("".join(line).rstrip())
                line, at = [" "] * 500, 0
            elif letter == "\r":
                at = 0
            elif letter == "\b":
                at = max(at - 1, 0)
            else:
                line[at] = letter
                at += 1
        return "\n".join([*rows, "".join(line).rstrip()])


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    with contextlib.ExitStack() as stack:

        def start(*argv: str, columns: int = 80) -> Terminal:
            made = Terminal([sys.executable, *argv], columns)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    for path in PATHS:
        environments.make(layout, path, package=None)
    return layout


def _program(text: str) -> tuple[str, str]:
    return "-c", f"import time\nfrom rpm_venv.terminal import Progress\n{text}"


def test_long_work_is_shown_on_one_line_that_goes_again(
    layout: Layout, terminal: Callable[..., Terminal]
) -> None:
    with state.locked(layout):  # what the verb has to wait for takes long
        shown = terminal("-m", "rpm_venv", "--root", str(layout.root), "repair")
        first = f"rpm-venv: repairing {PATHS[0]} (1 of 2)".encode()
        assert first in shown.look(lambda text: first in text)
    shown.to_the_end()
    assert shown.process.returncode == 1  # their locks are nowhere
    said = shown.left.splitlines()
    assert len(said) == 2
    assert all(
        line.startswith(f"rpm-venv: {path}.lock: the lock") for line, path in zip(said, PATHS)
    )


@pytest.mark.parametrize(
    "words",
    [["list"], ["verify"], ["gc"]],
    ids=" ".join,
)
def test_short_work_is_done_in_silence(
    layout: Layout, terminal: Callable[..., Terminal], words: list[str]
) -> None:
    program = (
        "import sys, rpm_venv.terminal as t; t._FIRST = 30\n"  # however slow this machine is
        "from rpm_venv.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    shown = terminal("-c", program, "--root", str(layout.root), *words)
    assert all(
        line.startswith("rpm-venv: /opt") for line in shown.to_the_end().decode().split("\r\n")[:-1]
    )
    assert b"\b" not in shown.shown.replace(b"\r\n", b"")
    assert b"looking" not in shown.shown
    assert b"verifying" not in shown.shown


def test_rpm_and_pipes_get_no_progress(layout: Layout, terminal: Callable[..., Terminal]) -> None:
    sync = ["-m", "rpm_venv", "--root", str(layout.root), "sync"]
    with state.locked(layout):
        trigger = terminal(*sync, "--trigger", "system")
        pipe = subprocess.Popen([sys.executable, *sync], stderr=subprocess.PIPE, env=_VARIABLES)
        time.sleep(2)
    said = (trigger.to_the_end().replace(b"\r\n", b"\n"), pipe.communicate(timeout=_PATIENCE)[1])
    for text in said:
        assert b"looking" not in text
        assert b"\r" not in text


def test_a_narrow_terminal_has_one_line_of_printable_characters(
    terminal: Callable[..., Terminal],
) -> None:
    hostile = "a\\x1b[2J\\nb\\u202e\\u4e2d" + "x" * 100
    shown = terminal(
        *_program(
            "with Progress(2) as progress:\n"
            f" progress('{hostile}'); time.sleep(1.3)\n"
            " progress(lambda: 'short'); time.sleep(.6)"
        ),
        columns=40,
    )
    text = shown.to_the_end().decode()
    parts = [part for part in text.replace("\b", "").split("\r") if part.strip()]
    assert max(map(len, parts)) == 39
    assert parts[0].startswith("rpm-venv: a\\x1b[2J\\nb\\u202e\\u4e2dx")
    assert parts[-1].strip() == "rpm-venv: short"
    assert all(" " <= letter <= "~" for part in parts for letter in part)
    assert shown.left == ""


@pytest.mark.parametrize("how", ["an error", "Ctrl-C", "stopped"])
def test_the_line_goes_however_the_work_ends(terminal: Callable[..., Terminal], how: str) -> None:
    ends = {"an error": "raise SystemExit(3)", "Ctrl-C": "time.sleep(60)", "stopped": "0"}[how]
    shown = terminal(
        *_program(
            # Who runs the tests in the background ignores Ctrl-C for all that they start.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "try:\n"
            f" with Progress(2) as progress:\n  progress('work'); time.sleep(1.4); {ends}\n"
            "except KeyboardInterrupt: raise SystemExit(3)"
        )
    )
    if how == "stopped":  # Ctrl-S: whoever writes waits for it, and nothing is written
        termios.tcflow(shown.theirs, termios.TCOOFF)
        assert shown.process.wait(_PATIENCE) == 0
        return
    shown.look(lambda text: b"work" in text)
    if how == "Ctrl-C":
        shown.process.send_signal(2)
    assert shown.process.wait(_PATIENCE) == 3
    shown.to_the_end()
    assert shown.left == ""


def test_parts_of_the_work_are_told_with_where_they_are() -> None:
    told: list[str | Callable[[], str]] = []
    for within, item in Context(progress=told.append).each("looking at", ["a", "b"]):
        within.progress(f"unpacking {item}")
        within.progress(lambda: "3 MB")
    assert [each if isinstance(each, str) else each() for each in told] == [
        "looking at a (1 of 2)",
        "looking at a (1 of 2): unpacking a",
        "looking at a (1 of 2): 3 MB",
        "looking at b (2 of 2)",
        "looking at b (2 of 2): unpacking b",
        "looking at b (2 of 2): 3 MB",
    ]
    alone = [where for where, _ in Context(progress=told.append).each("verifying", ["a"])]
    assert (told[-1], len(alone)) == ("verifying a", 1)
