"""Confined children: what handles bytes from outside runs here, and root only listens. An edge."""

from __future__ import annotations

import fcntl
import functools
import mmap
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Callable

from rpm_venv.confined import lockdown, protocol
from rpm_venv.errors import SandboxError
from rpm_venv.system.reading import is_readable
from rpm_venv.wheels.stream import printable

#: The script that a zygote runs. What it imports is much, and nothing of it is for root.
ZYGOTE = f"{os.path.dirname(lockdown.__file__)}/zygote.py"
_READ = 1 << 20
GONE = "the process that makes confined children is gone"
# Seconds. A child may use 600 of CPU; one that was taken over may sleep between two bytes, or for
# ever after the last.
_SILENCE = 900  # without a byte
_PATIENCE = 3600  # in which root does nothing but wait for one child, all in all
_FAREWELL = 10  # for the zygote to end, which has nothing to do any more
_PARTING = 60  # between the end of its stream and its own
_F_SETPIPE_SZ = 1031  # fcntl(2); the name is missing in Python 3.9
_MAX_COMPLAINT = 4000

#: The layers of confinement, as a message says that they are missing.
LAYERS = {
    "user": "user id of its own",
    "capabilities": "dropping of capabilities",
    "no-new-privileges": "bar to set-user-id programs",
    "network": "network namespace",
    "filesystem": "empty root directory",
    "namespaces": "mount and IPC namespaces",
    "processes": "process namespace",
    "limits": "resource limits",
    "seccomp": "filter of system calls (seccomp)",
    "landlock": "bar to writing elsewhere (landlock)",
}


#: Why the lack of one is an error.
REQUIRED = "it is require-sandbox in /etc/rpm-venv.conf that asks for all of it"


def lacking(layers: Iterable[str]) -> str:
    """The missing layers in words, for a report's one line."""
    return "no " + ", no ".join(LAYERS.get(layer, layer) for layer in layers)


class Zygote:
    """The process that makes a confined child for each wheel, or part, one at a time for a worker.

    It runs the environment's own interpreter, without ``site``, so that byte code fits; it gives
    up all its rights before it reads anything that is not ours.
    """

    def __init__(self, python: str, workers: int, empty: Path) -> None:
        ours: list[socket.socket] = []
        theirs: list[socket.socket] = []
        complaints, complaining = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(complaining, False)  # nobody reads it until something has gone wrong
        root = os.open(empty, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(workers):
                here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                ours.append(here)
                theirs.append(there)
            descriptors = [root, *(there.fileno() for there in theirs)]
            self._process = subprocess.Popen(
                [python, "-S", "-s", "-B", ZYGOTE, *map(str, descriptors)],
                env={"PYTHONHASHSEED": "0"},
                cwd="/",
                stdin=subprocess.PIPE,  # closed at once; a chroot may have no /dev/null
                stdout=complaining,
                stderr=complaining,
                pass_fds=descriptors,
                start_new_session=True,
            )
        except OSError as error:
            os.close(complaints)
            raise SandboxError(f"the interpreter does not start: {error}", subject=python) from None
        finally:
            os.close(root)
            os.close(complaining)
            for there in theirs:
                there.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._complaints = complaints
        self._connections = ours

    @functools.cached_property
    def missing(self) -> tuple[str, ...]:
        """The layers that are missing here, by the names in ``LAYERS``: once it is ready.

        ``SandboxError`` where it does not get there. It takes some time, for other work.
        """
        message = self._connections[0].recv(1000, socket.MSG_TRUNC)
        if not message:
            raise SandboxError("the confined child did not start", hint=self.complaint())
        return tuple(filter(None, message.decode().rstrip().split(",")))

    @contextmanager
    def child(
        self, worker: int, wheel: int, part: tuple[int, int] = protocol.ALONE
    ) -> Iterator[Child]:
        """A child of this worker that reads the wheel behind a descriptor (``protocol.PART``)."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        page = os.memfd_create("page", os.MFD_CLOEXEC)
        connection = self._connections[worker]
        try:
            os.ftruncate(page, mmap.PAGESIZE)
            try:
                fcntl.fcntl(reading, _F_SETPIPE_SZ, _READ)
            except OSError:
                pass  # an ordinary user's pipes are limited: smaller, slower, right
            try:
                message = protocol.PART.pack(*part)
                socket.send_fds(connection, [message], [wheel, writing, page])
            except OSError:
                raise SandboxError(GONE) from None
        except BaseException:
            os.close(reading)
            os.close(page)
            raise
        finally:
            os.close(writing)
        child = Child(connection, reading, page, self.kill)
        try:
            try:
                yield child
            finally:
                child.finish()
            if child.overdue:
                raise SandboxError("the confined child did not end")
        finally:
            os.close(page)

    def complaint(self) -> str:
        """The last line of what the interpreter wrote to its stderr."""
        is_there = is_readable(self._complaints, 1)
        data = os.read(self._complaints, 1 << 16) if is_there else b""
        lines = data.decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1][:_MAX_COMPLAINT]) if lines else ""

    def kill(self) -> None:
        """End every process of the zygote at once; those who wait for one of them are woken."""
        end_group(self._process.pid)

    def hang_up(self) -> None:
        """Have the zygote end, when its children have. ``close`` waits for that."""
        for connection in self._connections:
            with suppress(OSError):  # it may be gone
                connection.shutdown(socket.SHUT_RDWR)  # also for a fork of ours that is about
            connection.close()
        self._connections = []

    def close(self) -> None:
        """End the zygote and wait for it."""
        self.hang_up()
        try:
            if not self._all_gone(_FAREWELL):
                self.kill()
            self._process.wait()
        finally:
            os.close(self._complaints)

    def _all_gone(self, seconds: float) -> bool:
        """Whether every process that has the zygote's stderr ends within this time."""
        end = time.monotonic() + seconds
        while is_readable(self._complaints, end - time.monotonic()):
            if not os.read(self._complaints, _READ):
                return True
        return False

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.kill()
        self.close()


class Child:
    """A confined child that reads one wheel: its stream, and how it ended.

    ``overdue`` tells that it did not end by itself: it was killed then, and with it all the others,
    because root has no name for it alone.
    """

    def __init__(
        self, connection: socket.socket, pipe: int, page: int, kill: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._pipe = pipe
        self._page = page
        self._kill = kill
        self._status: int | None = None
        self._waited = 0.0
        self.overdue = False

    def read(self, room: memoryview) -> int:
        """Read some bytes of the stream into ``room``, none at its end; how many they are.

        ``SandboxError`` after too long a silence.
        """
        since = time.monotonic()
        if not is_readable(self._pipe, min(_SILENCE, _PATIENCE - self._waited)):
            raise SandboxError("the confined child has been silent for too long")
        self._waited += time.monotonic() - since
        return os.readv(self._pipe, [room])

    def finish(self) -> int:
        """Hang up, and wait for the child's end; its wait status."""
        if self._status is not None:
            return self._status
        os.close(self._pipe)
        self._status = signal.SIGKILL
        if not is_readable(self._connection.fileno(), _PARTING):
            self.overdue = True
            self._kill()
            return self._status
        message = self._connection.recv(protocol.STATUS.size)
        if len(message) != protocol.STATUS.size:
            raise SandboxError(GONE)
        (self._status,) = protocol.STATUS.unpack(message)
        return self._status

    def compiling(self) -> str:
        """The file whose compilation began last, by the child's own word."""
        data = os.pread(self._page, mmap.PAGESIZE, 0).partition(b"\0")[0]
        return printable(data.decode("utf-8", "replace"))


def ending(status: int) -> str:
    """How a child ended, in words, from its wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {os.WEXITSTATUS(status)}"


def end_group(process: int) -> None:
    """Kill every process of a group, if there is one left."""
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
