"""Confined children: what handles bytes from outside runs here, and root only listens. An edge."""

from __future__ import annotations

import hashlib
import mmap
import os
import select
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rpm_venv.confined import protocol, zygote
from rpm_venv.errors import SandboxError, WheelError
from rpm_venv.stream import printable

_READ = 1 << 20
_SILENCE = 900_000  # milliseconds without a byte; a child may use 600 seconds of CPU
_F_SETPIPE_SZ, _F_ADD_SEALS = 1031, 1033  # fcntl(2); the names are missing in Python 3.9
_ALL_SEALS = 0xF
_MAX_COMPLAINT = 4000

#: What each layer protects, for the message that says it is missing.
LAYERS = {
    "user": "its own user id",
    "capabilities": "no capabilities",
    "no-new-privileges": "no set-user-id programs",
    "network": "no network",
    "filesystem": "an empty root directory",
    "namespaces": "mounts and IPC of its own",
    "processes": "no view of other processes",
    "limits": "resource limits",
    "seccomp": "few system calls",
}


@contextmanager
def sealed(path: Path, sha256: str) -> Iterator[int]:
    """A descriptor of a copy of a wheel that nobody can change, its sha256 (hex) checked.

    ``WheelError`` where it is another, or where the path is not a regular file of bearable size.
    """
    with open(path, "rb", buffering=0, opener=_open_regular) as source:
        copy = os.memfd_create("wheel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            found = _copy(source.fileno(), copy, path)
            if found != sha256:
                raise WheelError(
                    f"its sha256 is {found}, not {sha256}",
                    subject=os.fspath(path),
                    hint="it is not the wheel that the lock names",
                )
            import fcntl

            fcntl.fcntl(copy, _F_ADD_SEALS, _ALL_SEALS)
            yield copy
        finally:
            os.close(copy)


def _open_regular(path: str, flags: int) -> int:
    # O_NONBLOCK: opening a pipe must not wait for its other end.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > protocol.MAX_WHEEL:
        os.close(descriptor)
        reason = "larger than a wheel may be" if stat.S_ISREG(status.st_mode) else "not a file"
        raise WheelError(reason, subject=path)
    return descriptor


def _copy(source: int, target: int, path: Path) -> str:
    digest = hashlib.sha256()
    copied = 0
    while True:
        data = os.read(source, _READ)
        if not data:
            return digest.hexdigest()
        copied += len(data)
        if copied > protocol.MAX_WHEEL:
            raise WheelError("larger than a wheel may be", subject=os.fspath(path))
        digest.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]


class Zygote:
    """The process that makes a confined child for each wheel, one at a time for each worker.

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
                [python, "-S", "-s", "-B", zygote.__file__, *map(str, descriptors)],
                env={"PYTHONHASHSEED": "0"},
                cwd="/",
                stdin=theirs[0].fileno(),  # never read; a chroot may have no /dev/null
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
        self._complaints = complaints
        self._connections = ours
        try:
            #: The layers that are missing here, by the names in ``LAYERS``.
            self.missing = self._first_message()
        except BaseException:
            self.close()
            raise

    def _first_message(self) -> tuple[str, ...]:
        message = self._connections[0].recv(1000, socket.MSG_TRUNC)
        if not message:
            raise SandboxError("the confined child did not start", hint=self.complaint())
        return tuple(filter(None, message.decode().rstrip().split(",")))

    @contextmanager
    def child(self, worker: int, wheel: int) -> Iterator[Child]:
        """A child of this worker that reads the wheel behind a descriptor."""
        import fcntl

        reading, writing = os.pipe2(os.O_CLOEXEC)
        page = os.memfd_create("page", os.MFD_CLOEXEC)
        connection = self._connections[worker]
        try:
            os.ftruncate(page, mmap.PAGESIZE)
            try:
                fcntl.fcntl(reading, _F_SETPIPE_SZ, _READ)
            except OSError:
                pass  # an ordinary user's pipes are limited: smaller, slower, right
            socket.send_fds(connection, [b"wheel"], [wheel, writing, page])
        except BaseException:
            os.close(reading)
            os.close(page)
            raise
        finally:
            os.close(writing)
        child = Child(connection, reading, page)
        try:
            yield child
        finally:
            child.finish()
            os.close(page)

    def complaint(self) -> str:
        """The last line of what the interpreter wrote to its stderr."""
        readable, _, _ = select.select([self._complaints], [], [], 1)
        data = os.read(self._complaints, 1 << 16) if readable else b""
        lines = data.decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1][:_MAX_COMPLAINT]) if lines else ""

    def kill(self) -> None:
        """End every process of the zygote at once; those who wait for one of them are woken."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """End the zygote and wait for it."""
        for connection in self._connections:
            connection.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        finally:
            os.close(self._complaints)

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
    """A confined child that reads one wheel: its stream, and how it ended."""

    def __init__(self, connection: socket.socket, pipe: int, page: int) -> None:
        self._connection = connection
        self._pipe = pipe
        self._page = page
        self._status: int | None = None
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def read(self) -> bytes:
        """Some bytes of the stream, none at its end; ``SandboxError`` after too long a silence."""
        if not self._poll.poll(_SILENCE):
            raise SandboxError("the confined child has been silent for too long")
        return os.read(self._pipe, _READ)

    def finish(self) -> int:
        """Hang up, and wait for the child's end; its wait status."""
        if self._status is not None:
            return self._status
        os.close(self._pipe)
        self._status = -1
        message = self._connection.recv(zygote.STATUS.size)
        if len(message) != zygote.STATUS.size:
            raise SandboxError("the process that makes confined children is gone")
        (self._status,) = zygote.STATUS.unpack(message)
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
