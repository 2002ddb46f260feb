"""Run as a script, once per installation: confines itself, then forks a child per wheel or part.

Arguments: a descriptor of an empty directory, then one of a socket per worker. Each message on a
socket is a ``protocol.PART`` with three descriptors (the wheel, a pipe, a page) and is answered,
when the child is gone, with its wait status. The first message on the first socket names the layers
that are missing.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import warnings

if __name__ == "__main__":
    # This script is started by its path, with no site: the package it is part of is above it.
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[0] = os.path.dirname(package)

from rpm_venv.confined import lockdown, protocol, system_calls, wheel_stream

_MEGABYTE = 1 << 20
_LIMITS = (
    # A source that takes more to compile has no byte code. Real ones take 25 times their size.
    (resource.RLIMIT_DATA, 192 * _MEGABYTE),
    (resource.RLIMIT_AS, 1024 * _MEGABYTE),
    (resource.RLIMIT_CPU, protocol.CPU_SECONDS),
    (resource.RLIMIT_NOFILE, 16),
    (resource.RLIMIT_NPROC, 0),
)
#: Encodings that sources are declared in: found now, or not at all once there are no files.
_ENCODINGS = ("ascii", "latin-1", "iso8859-15", "cp1252", "utf-8-sig", "euc-jp", "gbk", "koi8-r")


def main(empty: int, sockets: list[int]) -> None:
    for encoding in _ENCODINGS:
        try:
            b"".decode(encoding)
        except LookupError:
            pass
    warnings.simplefilter("ignore")  # a package's doubtful syntax is not our reader's business
    connections = [socket.socket(fileno=descriptor) for descriptor in sockets]
    missing = lockdown.confine(empty)
    os.close(empty)
    # The newline is for when nothing is missing: an empty message would read as the end.
    connections[0].send(f"{','.join(missing)}\n".encode())
    lockdown.call_filter(system_calls.UNPACK, False)  # for all children
    gc.collect()
    gc.freeze()
    for connection in connections:
        if os.fork() == 0:
            for other in connections:
                if other is not connection:
                    other.close()
            serve(connection)
            os._exit(0)
    for connection in connections:
        connection.close()
    for _ in connections:
        os.wait()


def serve(connection: socket.socket) -> None:
    """Fork a child for each wheel or part that arrives, one by one, until root hangs up."""
    lockdown.die_with_parent()
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 64, 3)
        if not message:
            return
        child = os.fork()
        if child == 0:
            connection.close()
            os._exit(unpack(protocol.PART.unpack(message), *descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(protocol.STATUS.pack(os.waitpid(child, 0)[1]))


def unpack(part: tuple[int, int], wheel: int, pipe: int, page: int) -> int:
    """The whole life of a child: its exit code, 0 when all was said, even of a refused wheel."""
    try:
        _unpack(part, wheel, pipe, page)
    except BrokenPipeError:
        return 1  # root has heard enough
    except BaseException as error:
        # In one write, so that what several children say at once does not mix.
        os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace")[:500])
        return 1
    return 0


def _unpack(part: tuple[int, int], wheel: int, pipe: int, page: int) -> None:
    # The last of this process's rights go before it sees the first byte of the wheel.
    shared = wheel_stream.Page(page)
    os.close(page)
    lockdown.die_with_parent()
    lockdown.limit(_LIMITS)
    lockdown.filter_calls(system_calls.UNPACK, sharing=False)
    gc.disable()
    tag = sys.implementation.cache_tag or ""
    wheel_stream.Sender(wheel_stream.Output(pipe), tag, shared, part).send(wheel)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for root to handle, which hangs up
    main(int(sys.argv[1]), [int(argument) for argument in sys.argv[2:]])
