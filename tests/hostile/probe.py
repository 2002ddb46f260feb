"""Run as a script: confine this process as a wheel's reader is, then try what it must not do.

Arguments: a descriptor of an empty directory, and whether to leave out the filter of system calls,
which would hide what the other layers hold back. Prints what became of each attempt, as JSON.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import sys
from collections.abc import Iterable
from typing import Callable

from rpm_venv.confined import lockdown, system_calls


def _connect() -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", 22))


def _trace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, os.getppid(), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _become_root() -> None:
    os.setuid(0)


def _new_user_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def _run() -> None:
    os.execv("/bin/true", ["true"])


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "read a file above": lambda: os.open("../../../../etc/passwd", os.O_RDONLY),
    "list the root": lambda: os.listdir("/").index("etc"),
    "make a file": lambda: os.write(os.open("/made", os.O_WRONLY | os.O_CREAT), b"x"),
    "make a directory": lambda: os.mkdir("/made"),
    "connect": _connect,
    "kill the parent": lambda: os.kill(int(sys.argv[3]), 0),
    "trace the parent": _trace,
    "become root": _become_root,
    "be root elsewhere": _new_user_namespace,
    "run a program": _run,
    "executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_EXEC | mmap.PROT_READ),
    "shared memory": lambda: mmap.mmap(-1, 4096),
    "fork": _fork,
}


def _no_filter(allowed: Iterable[str], *, sharing: bool = True) -> bool:
    del allowed, sharing
    return True


def main() -> None:
    import gc

    missing = lockdown.confine(int(sys.argv[1]))
    if sys.argv[2] == "filtered":
        lockdown.filter_calls(system_calls.UNPACK, sharing=False)
    found = {}
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
            found[name] = "done"
        except (OSError, ValueError) as error:
            found[name] = type(error).__name__
    gc.collect()
    os.write(1, json.dumps({"missing": missing, "found": found}).encode())
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[2] == "unfiltered":
        lockdown.filter_calls = _no_filter
    if hasattr(os, "fork") and (child := os.fork()):
        os.waitpid(child, 0)  # so that there is a parent to attack
    else:
        main()
