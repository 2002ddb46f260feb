"""What happened to environments on this machine, a line each, in one file that rpm-venv owns.

The newest lines are kept: a file that reaches ``MAX_SIZE`` loses the older half of them. A line is
written after what it tells of was made durable, so it never tells what did not happen. A call that
is killed in between leaves its line out; the same call again writes it, if what is live changed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

from rpm_venv import frozen
from rpm_venv.errors import UsageError
from rpm_venv.events import Event
from rpm_venv.frozen import dataclass, replace
from rpm_venv.paths import Layout, environment_path
from rpm_venv.system import files, reading

MAX_SIZE = 1 << 20  # bytes: some 3,000 events
_MAX_REASON = 500  # characters
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class Line:
    """One event, and when it was over: UTC, to the second."""

    time: str
    event: Event


def read(layout: Layout) -> tuple[Line, ...]:
    """All that is known, oldest first; lines that cannot be read are left out.

    ``OSError`` where something else than a file stands in its place.
    """
    return tuple(_lines(_content(layout)))


def last(layout: Layout, path: str) -> Event | None:
    """The newest event of an environment; None where nothing can be read.

    A file that is as it was is not read again.
    """
    try:
        content = _content(layout)
    except OSError:
        return None
    mark = b'"path":' + json.dumps(path).encode()
    end = len(content)
    while (at := content.rfind(mark, 0, end)) >= 0:
        start = content.rfind(b"\n", 0, at) + 1
        stop = content.find(b"\n", at)
        for line in _lines(content[start : stop if stop >= 0 else len(content)]):
            if line.event.path == path:
                return line.event
        end = start
    return None


def tell(layout: Layout, event: Event, *, once: bool = False) -> bool:
    """Add an event, durably; ``OSError``. The caller is the only one that writes.

    With ``once``, not where the newest event of the environment says the same: False then.
    """
    event = replace(event, reason=event.reason[:_MAX_REASON])
    if once and event.says_what(last(layout, event.path)):
        return False
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = json.dumps({"time": now, **vars(event)}, separators=(",", ":")).encode() + b"\n"
    is_new = not layout.history.exists()
    descriptor = os.open(layout.history, _APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # what a full disk or a kill left of the last one
        files.write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        files.fsync_dir(layout.home)
    if size + len(line) > MAX_SIZE:
        _shorten(layout)
    return True


def _shorten(layout: Layout) -> None:
    lines = _content(layout).splitlines(keepends=True)
    kept = b"".join(lines[len(lines) // 2 :])
    files.write_atomic(layout.history, kept, 0o644, by=files.make_staging(layout))


@dataclass
class _Seen:
    """What was read of a file last: a call about many environments looks at it for each of them."""

    identity: tuple[object, ...] = ()
    content: bytes = b""


_SEEN = _Seen()


def _content(layout: Layout) -> bytes:
    """The file, or as much of its end as it may have."""
    try:
        with os.fdopen(reading.regular(layout.history, follow=False), "rb") as file:
            status = os.fstat(file.fileno())
            size, times = status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
            identity = (status.st_dev, status.st_ino, size, times)
            if _SEEN.identity != identity:
                file.seek(max(size - 2 * MAX_SIZE, 0))
                _SEEN.content = file.read(2 * MAX_SIZE)
                # One that others are adding to may have more by now than it had.
                _SEEN.identity = identity if len(_SEEN.content) == size else ()
            return _SEEN.content
    except FileNotFoundError:
        return b""


def _lines(content: bytes) -> Iterator[Line]:
    names = frozen.names(Event)
    for text in content.splitlines():
        try:
            data = json.loads(text)
            values = {name: data[name] for name in ("time", *names)}
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if all(isinstance(value, str) for value in values.values()) and _is_path(data["path"]):
            yield Line(values.pop("time"), Event(**values))


def _is_path(text: str) -> bool:
    try:
        return environment_path(text) == text
    except UsageError:
        return False
