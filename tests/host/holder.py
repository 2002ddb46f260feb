"""The process that holds a throw-away host's namespaces open; they end when it ends.

Run as ``python -I -S holder.py``, as root. It reads one JSON object from the first line of stdin,
makes the namespaces it asks for, prints the process id to enter them by, and lives until stdin
closes: a test run that is killed closes it too. The standard library only, any Python from 3.9.

``{"ground": DIR}``
    a mount namespace with an empty tmpfs at DIR: the disk that all hosts of a session share.
``{"layers": DIR, "private": BOOL, "overlays": [[TARGET, [LOWER, …]], …], "visible": [DIR, …]}``
    a host: own mounts, processes, network (only a loopback), IPC and name. Every TARGET becomes an
    overlay over its LOWER directories, with its changes below ``layers`` (which is a tmpfs of this
    host's own when ``private``, and stays in the ground otherwise). ``visible`` directories stay
    as they are although an overlay covers a directory above.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SIOCSIFFLAGS, IFF_UP = 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = [os.fsencode(text) for text in (source, target, kind)]
    _checked(
        _libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data)), f"mount on {target}"
    )


def _make_ground(ground: str) -> None:
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("hosts", ground, "tmpfs", data="mode=755")


def _mount_overlay(layers: str, target: str, lowers: list[str]) -> None:
    """Mount an overlay on ``target`` whose root looks like its topmost lower directory."""
    place = os.path.join(layers, target.strip("/").replace("/", "-"))
    upper, work = os.path.join(place, "upper"), os.path.join(place, "work")
    os.makedirs(upper)
    os.makedirs(work)
    like = os.stat(target)
    os.chown(upper, like.st_uid, like.st_gid)
    os.chmod(upper, like.st_mode & 0o7777)
    options = f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}"
    mount("host", target, "overlay", data=options)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _fill_host(wanted: dict[str, object]) -> None:
    layers, overlays, visible = wanted["layers"], wanted["overlays"], wanted["visible"]
    assert isinstance(layers, str) and isinstance(overlays, list) and isinstance(visible, list)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    os.makedirs(layers, exist_ok=True)
    if wanted["private"]:
        mount("host", layers, "tmpfs", data="mode=755")
    for number, path in enumerate(visible):
        kept = os.path.join(layers, f"visible-{number}")
        os.mkdir(kept)
        mount(path, kept, flags=MS_BIND | MS_REC)
    for target, lowers in overlays:
        _mount_overlay(layers, target, lowers)
    for number, path in enumerate(visible):
        os.makedirs(path, exist_ok=True)
        mount(os.path.join(layers, f"visible-{number}"), path, flags=MS_BIND | MS_REC)
    mount("proc", "/proc", "proc")
    socket.sethostname("throwaway")
    _loopback_up()


def _wait_until_stdin_closes() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps what is left to process 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the test run, not for us
    while os.read(0, 4096):
        pass


def _hold_host(wanted: dict[str, object]) -> None:
    """Make the host in a child, process 1 of its own process namespace, and wait for its end."""
    unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)
    readable, writable = os.pipe()
    child = os.fork()
    if child:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(writable)
        if os.read(readable, 1):
            print(child, flush=True)
        os.waitpid(child, 0)
        return
    _fill_host(wanted)
    os.write(writable, b"1")
    os.close(writable)
    _wait_until_stdin_closes()


def main() -> None:
    line = b""
    while not line.endswith(b"\n"):  # unbuffered: the rest of stdin is not ours to swallow
        line += os.read(0, 1 << 16)
    wanted = json.loads(line)
    os.umask(0o022)
    if "ground" in wanted:
        _make_ground(wanted["ground"])
        print(os.getpid(), flush=True)
        _wait_until_stdin_closes()
    else:
        _hold_host(wanted)


if __name__ == "__main__":
    main()
