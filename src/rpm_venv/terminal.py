"""Progress of long work on a terminal: one line, written over, and taken away at the end.

Nothing is shown of what is done within a second. An alarm looks at the newest text from time to
time, so that a step which says nothing for minutes is shown as well: not a thread, as children are
forked meanwhile. Only a process in the terminal's foreground writes, and none that would have to
wait for it.
"""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType

from rpm_venv.report import on_one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rpm_venv.report import Told

_FIRST = 1.0  # seconds until the first text is shown
_NEXT = 0.2
_NARROWEST = 20  # columns; a terminal that has fewer does not know its width
_USUAL = 80


class Progress:
    """Shows what it is called with, for the length of a block, on the terminal of a descriptor."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._told: Told = ""
        self._shown = 0  # columns that are taken now
        self._before: Any = None

    def __call__(self, told: Told) -> None:
        """Have this text shown, or what gives it each time; from any thread."""
        self._told = told

    def __enter__(self) -> Progress:
        self._before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, _FIRST, _NEXT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        if self._shown:
            self._write("")

    def _look(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        told = self._told
        text = told if isinstance(told, str) else told()
        if text:
            self._write(f"rpm-venv: {text}")

    def _write(self, text: str) -> None:
        """Write over what is shown. Not through ``sys.stderr``, which an alarm may interrupt."""
        try:
            if not _is_ours(self._terminal) or not _is_ready(self._terminal):
                return
            # ASCII alone: how many columns another letter takes is not known.
            plain = on_one_line(text).encode("ascii", "backslashreplace")
            shown = plain[: _columns(self._terminal) - 1]
            blank = b" " * (self._shown - len(shown))
            back = b"\r" if not shown else b"\b" * len(blank)
            os.write(self._terminal, b"\r" + shown + blank + back)
            self._shown = len(shown)
        except OSError:
            pass  # the terminal is gone


def _columns(terminal: int) -> int:
    columns = os.get_terminal_size(terminal).columns
    return columns if columns >= _NARROWEST else _USUAL


def _is_ready(terminal: int) -> bool:
    """Whether a terminal takes what is written: one that was stopped (Ctrl-S) does not."""
    poll = select.poll()
    poll.register(terminal, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(0))


def _is_ours(terminal: int) -> bool:
    """Whether this process may write to its terminal: a background one can be stopped for it."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True  # a terminal, but not the one of this session
