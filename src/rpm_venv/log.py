"""What was done and said, for the machine's own log: the journal, or a file where there is none.

The history is part of an environment's state: events alone, for programs, kept across upgrades.
The log is for people who look for a reason: events, and each line that a verb which writes has said
of a failure, a warning, or a layer of confinement that is missing. It is never a reason to fail or
to wait. A text is one line in it, whatever strangers put into a name. An edge: writes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from rpm_venv.errors import VenvError
from rpm_venv.events import Event
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.report import on_one_line
from rpm_venv.system import files, reading, trust

MAX_SIZE = 1 << 20  # bytes of the file, and of its predecessor
_MAX_TEXT = 2000  # characters of a line
_MAX_LINES = 200  # of one call
_APPEND = os.O_WRONLY | os.O_APPEND
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# syslog(3)
ERROR = 3
WARNING = 4
NOTICE = 5
INFO = 6


@dataclass(frozen=True)
class Entry:
    """One line of the log; ``fields`` are what the journal can be asked for."""

    text: str
    priority: int
    fields: Mapping[str, str]


def tell(layout: Layout, event: Event) -> None:
    """Log something that happened to an environment. What failed is left to ``say``."""
    if event.outcome != "done":
        return
    parts = [f"{event.action} done: {event.path}", f"for {event.package or 'nobody, by hand'}"]
    if event.generation or event.before:
        parts.append(f"generation {event.before or 'none'} -> {event.generation or 'none'}")
    parts += [event.reason] if event.reason else []
    fields = {
        "VERB": event.action,
        "PATH": event.path,
        "PACKAGE": event.package,
        "GENERATION": event.generation,
        "LOCK": event.lock,
    }
    _write(layout, [Entry("; ".join(parts), INFO, fields)])


def dropped(layout: Layout, what: str) -> None:
    """Log that something went which no environment needs."""
    _write(layout, [Entry(f"dropped {what}", INFO, {"VERB": "gc"})])


def say(layout: Layout, verb: str, lines: Iterable[str], *, failed: bool) -> None:
    """Log what a verb says to whoever called it."""
    said = list(lines)
    more = len(said) - _MAX_LINES
    shown = [*said[:_MAX_LINES], *([f"and {more} more"] if more > 0 else [])]
    fields = {"VERB": verb}
    _write(layout, [Entry(f"{verb}: {line}", _priority(line, failed), fields) for line in shown])


def _priority(line: str, failed: bool) -> int:
    if line.startswith("warning:") or ": warning:" in line:
        return WARNING
    return ERROR if failed else NOTICE


def _write(layout: Layout, entries: list[Entry]) -> None:
    with contextlib.suppress(OSError, VenvError):
        left = entries
        if layout.root == Path("/"):  # the journal is this machine's, not another root's
            left = _send(layout, entries)
        if left:
            _append(layout, left)


def _send(layout: Layout, entries: list[Entry]) -> list[Entry]:
    """Give entries to the journal; those that it did not take.

    https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: a datagram of lines ``FIELD=value``.
    """
    if not layout.journal.exists():
        return entries
    import socket  # most calls have nothing to say

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.setblocking(False)
        for number, entry in enumerate(entries):
            try:
                journal.sendto(_datagram(entry), os.fspath(layout.journal))
            except OSError:  # nobody listens, or is too busy to
                return entries[number:]
    return []


def _datagram(entry: Entry) -> bytes:
    fields = {
        "MESSAGE": entry.text,
        "PRIORITY": str(entry.priority),
        "SYSLOG_IDENTIFIER": "rpm-venv",
        **{f"RPM_VENV_{name}": value for name, value in entry.fields.items() if value},
    }
    return "".join(f"{name}={_line(value)}\n" for name, value in fields.items()).encode()


def _line(text: str) -> str:
    """A text as one line of printable characters, and not too long a one."""
    return on_one_line(text[:_MAX_TEXT])[: 2 * _MAX_TEXT]


def _append(layout: Layout, entries: list[Entry]) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    begin = f"{now} rpm-venv[{os.getpid()}]: "
    data = "".join(f"{begin}{_line(entry.text)}\n" for entry in entries).encode()
    trust.refuse_outside(layout.log, layout.root)
    descriptor = _opened(layout.log)
    try:
        if os.fstat(descriptor).st_size + len(data) > MAX_SIZE:
            os.close(descriptor)
            descriptor = -1
            _set_aside(layout.log)
            descriptor = _opened(layout.log)
        files.write_all(descriptor, data)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _opened(path: Path) -> int:
    """The file to add to; ``OSError`` where it is a link or no regular file. It is root's alone."""
    with contextlib.suppress(FileNotFoundError):
        return reading.regular(path, _APPEND, follow=False)
    return os.open(path, _APPEND | _NEW, 0o600)


def _set_aside(path: Path) -> None:
    """Make a full log the predecessor, once; ``OSError`` where that cannot be: nothing is added."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here, there = os.fstat(descriptor), os.stat(path, follow_symlinks=False)
        if here.st_size > MAX_SIZE // 2 and os.path.samestat(here, there):
            os.rename(path, f"{path}.1")
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:  # another call is at it
            raise
    finally:
        os.close(descriptor)
