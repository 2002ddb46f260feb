"""Running a command while every call with which it changes files is looked at, and answered.

What happens to a call is decided by a function of the call: it is let through, answered with an
error without being made, taken for done without being made, or its process is killed before it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import calls

_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # seccomp.h: SECCOMP_IOCTL_NOTIF_RECV, _SEND
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_CONTINUE = 1
_AT_CWD = -100
_PATH_MAX = 4096
_DEADLINE = 60.0  # seconds; a run takes half of one


@dataclass(frozen=True)
class Call:
    """One call: its name, the files it is about, its flags where it has some.

    ``text`` is what a link is made to lead to. ``own`` tells whether it is made by the supervised
    process itself, not by one that it started. ``lines`` is where in the source it is made, where
    that was asked (``durable``).
    """

    name: str
    paths: tuple[str, ...]
    flags: int = 0
    own: bool = True
    text: str = ""
    lines: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it changes what is on disk (or may wait for a lock): reading an open file not."""
        return self.name not in calls.OPENING or bool(self.flags & calls.WRITING)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.paths)})"


#: What a decision may be, beside an errno: let it through, take it for done, kill the process, or
#: let it through with Ctrl-C to the whole process group.
LET, SKIP, KILL, INTERRUPT = 0, -1, -2, -3
Decide = Callable[[Call], int]


@dataclass
class Run:
    """How a supervised command ended, all its calls that were looked at, and what it said."""

    status: int = 0
    calls: list[Call] = field(default_factory=list)
    said: str = ""
    left_over: int = 0

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def code(self) -> int:
        """The exit code; -9 when it was killed."""
        if os.WIFSIGNALED(self.status):
            return -os.WTERMSIG(self.status)
        return os.WEXITSTATUS(self.status)


def become_reaper() -> None:
    """Inherit what a killed command leaves running, so that the end of it can be waited for."""
    libc = ctypes.CDLL(None, use_errno=True)
    set_child_subreaper = 36
    if libc.prctl(set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def run(
    command: Callable[[], int],
    root: Path,
    decide: Decide | None,
    *,
    say: Path,
    reading: bool = False,
) -> Run:
    """Run a command in a child; ``decide`` answers each of its calls on files below ``root``.

    Without it the command runs unsupervised. ``reading`` is whether also calls are looked at that
    open a file only to read it. ``command`` returns the exit code, or replaces the process. Only in
    a process that is a reaper and has no other children. ``say`` is where the output goes.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    child = os.fork()
    if child == 0:
        _become(command, theirs if decide else None, say, reading)
    if decide is None:
        ours.close()
        theirs.close()
        return Run(os.waitpid(child, 0)[1], said=say.read_text(errors="replace"))
    theirs.close()
    _, (listener, *_), _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    try:
        supervision = _Supervision(child, listener, os.fspath(root), decide)
        supervision.serve()
    finally:
        os.close(listener)
    supervision.run.said = say.read_text(errors="replace")
    return supervision.run


def _become(
    command: Callable[[], int], report: socket.socket | None, say: Path, reading: bool
) -> None:
    code = 126
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        output = os.open(say, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if report is not None:
            listener = calls.listen(reading=reading)
            socket.send_fds(report, [b"."], [listener])
            os.close(listener)
            report.close()
        code = command()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


class _Supervision:
    def __init__(self, child: int, listener: int, root: str, decide: Decide) -> None:
        self.run = Run()
        self._child = child
        self._listener = listener
        self._root = root
        self._decide = decide
        self._names = calls.names()

    def serve(self) -> None:
        """Answer until the command and all it started have ended."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        end = time.monotonic() + _DEADLINE
        ended = False
        while True:
            ready = poll.poll(20 if ended else 200)
            if ready and ready[0][1] & select.POLLIN:
                with contextlib.suppress(FileNotFoundError):  # it was killed meanwhile
                    self._answer()
                continue
            ended, more = self._reap(ended)
            if ended and not more:
                return
            if time.monotonic() > end:
                self._give_up()
                return

    def _reap(self, ended: bool) -> tuple[bool, bool]:
        """Whether the command has ended by now, and whether anything it started is left."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return ended, True
                if pid == self._child:
                    self.run.status, ended = status, True
        return True, False

    def _give_up(self) -> None:
        """End what is still there: the command hangs, or what it started outlives it."""
        while True:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            if not children:
                return
            for pid in map(int, children):
                self.run.left_over += 1
                os.kill(pid, signal.SIGKILL)
                status = os.waitpid(pid, 0)[1]
                if pid == self._child:
                    self.run.status = status

    def _answer(self) -> None:
        buffer = bytearray(_NOTIFICATION.size)
        fcntl.ioctl(self._listener, _RECEIVE, buffer)
        identity, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        decision = LET
        call = self._call(thread, self._names[number], arguments)
        if call is not None:
            self.run.calls.append(call)
            decision = self._decide(call)
        if decision == KILL:
            os.kill(self._process(thread), signal.SIGKILL)
            return
        if decision == INTERRUPT:
            os.killpg(self._child, signal.SIGINT)
        flags = _CONTINUE if decision in (LET, INTERRUPT) else 0
        answer = _ANSWER.pack(identity, 0, -decision if decision > 0 else 0, flags)
        fcntl.ioctl(self._listener, _SEND, answer)

    def _process(self, thread: int) -> int:
        if os.path.exists(f"/proc/{self._child}/task/{thread}"):
            return self._child
        return thread  # the processes that it starts have one thread each

    def _call(self, thread: int, name: str, arguments: Sequence[int]) -> Call | None:
        """The call, if it is about files below the root, makes a resource, or is not our own."""
        own = os.path.exists(f"/proc/{self._child}/task/{thread}")
        if name in calls.RESOURCES:
            return Call(name, (), own=own)
        try:
            paths = tuple(self._paths(thread, name, arguments))
        except OSError:
            return None
        places = (self._root + "/", "/memfd:")
        if own and not all(f"{path}/".startswith(places) for path in paths):
            return None
        flags = arguments[calls.FLAGS[name]] if name in calls.FLAGS else 0
        leads_to = _string(thread, arguments[0]) if name.startswith("symlink") else ""
        return Call(name, paths, flags & 0xFFFFFFFF, own, leads_to)

    def _paths(self, thread: int, name: str, arguments: Sequence[int]) -> Iterator[str]:
        def descriptor(number: int) -> str:
            return os.readlink(f"/proc/{thread}/fd/{number & 0xFFFFFFFF}")

        def text(position: int) -> str:
            return _string(thread, arguments[position])

        def at(position: int) -> str:
            number = ctypes.c_int(arguments[position] & 0xFFFFFFFF).value
            if not arguments[position + 1]:  # utimensat and others, of the descriptor itself
                return descriptor(number)
            path = text(position + 1)
            here = os.readlink(f"/proc/{thread}/cwd") if number == _AT_CWD else ""
            if not os.path.isabs(path):
                path = os.path.join(here or descriptor(number), path)
            return os.path.normpath(path)

        if name in calls.BY_DESCRIPTOR:
            yield descriptor(arguments[0])
        elif name in ("sendfile", "copy_file_range"):
            yield descriptor(arguments[0 if name == "sendfile" else 2])
        elif name in ("symlink", "symlinkat"):
            position = 1 if name == "symlink" else 2
            yield os.path.normpath(text(position)) if name == "symlink" else at(1)
        elif name in ("rename", "link"):
            yield os.path.normpath(text(0))
            yield os.path.normpath(text(1))
        elif name in ("renameat", "renameat2", "linkat"):
            yield at(0)
            yield at(2)
        elif name.endswith(("at", "at2")):
            yield at(0)
        else:
            yield os.path.normpath(text(0))


def _string(thread: int, address: int) -> str:
    """A path in the memory of a process that waits."""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        data = b""
        while b"\0" not in data and len(data) < _PATH_MAX:
            memory.seek(address + len(data))
            # Not beyond the page: the next one may not be there.
            step = 4096 - (address + len(data)) % 4096
            data += memory.read(min(step, 256))
    if b"\0" not in data:
        raise OSError(errno.ENAMETOOLONG, "no path")
    return os.fsdecode(data.partition(b"\0")[0])
