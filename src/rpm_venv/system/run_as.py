"""A command of an environment, run as a user of the system: never as root, with nothing of ours.

The command gets a session of its own, no terminal, no descriptor but a closed stdin and one pipe
for what it says, the user's groups, and an environment that has nothing of the caller's: rpm hands
on whatever root had.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rpm_venv.confined import lockdown
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.system import reading

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_KEPT = 64 * 1024  # bytes of output, the last ones
_MAX_PIPE = 1 << 20  # bytes that a pipe may hold at its owner's wish (fcntl(2), pipe-max-size)
_PAUSE = 0.2  # seconds; what a daemon left behind holds open is not waited for


@dataclass(frozen=True)
class User:
    """Who a command runs as; ``home`` is "/" where there is no such directory."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True)
class Ended:
    """How a command ended: ``""`` when well, or in words; and the last of what it said."""

    failure: str
    said: tuple[str, ...]


def user(name: str) -> User:
    """The user of this name, who is not root and whom we may become; ``VenvError`` if not."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise VenvError(
            "there is no such user", subject=name, hint="make it in %pre, or with sysusers.d"
        ) from None
    if entry.pw_uid == 0:
        raise VenvError(
            "this is root, and root runs no application's code",
            subject=name,
            hint="name the user that the application runs as",
        )
    if os.geteuid() not in (0, entry.pw_uid):
        raise VenvError("only root can run a command as another user", subject=name)
    is_there = os.path.isdir(entry.pw_dir) and os.access(entry.pw_dir, os.X_OK)  # not on every NFS
    home = entry.pw_dir if is_there else "/"
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, home)


def run(who: User, program: Path, arguments: Sequence[str], first_on_path: str) -> Ended:
    """Run a program to its end. ``VenvError`` where it cannot even be started."""
    as_root = os.geteuid() == 0
    try:
        process = subprocess.Popen(
            [str(program), *arguments],
            env=_environment(who, first_on_path),
            cwd="/",
            stdin=subprocess.PIPE,  # closed at once; a chroot may have no /dev/null
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o022,
            # After the ids are taken on; no thread of ours could hold a lock meanwhile.
            preexec_fn=lambda: _settle(who),  # noqa: PLW1509
            user=who.uid if as_root else None,
            group=who.gid if as_root else None,
            extra_groups=who.groups if as_root else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or error
        raise VenvError(f"it cannot be run as {who.name}: {reason}", subject=str(program)) from None
    try:
        if process.stdin:
            process.stdin.close()
        said = _until_its_end(process)
    except BaseException:  # Ctrl-C does not reach another session
        _kill(process)
        raise
    return Ended(_in_words(process.returncode), said)


def _settle(who: User) -> None:
    """In the child, as the user: no capability is kept, and the directory is the user's home.

    Root's securebits or inheritable capabilities may have outlived the change of ids. Root would
    follow a link that the user has made of their home, to where the user cannot go.
    """
    if not lockdown.drop_capabilities():
        raise OSError("capabilities cannot be given up")
    try:
        os.chdir(who.home)
    except OSError:
        os.chdir("/")


def _environment(who: User, first_on_path: str) -> dict[str, str]:
    return {
        "PATH": f"{first_on_path}:{_SYSTEM_PATH}",
        "HOME": who.home,
        "USER": who.name,
        "LOGNAME": who.name,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
    }


def _until_its_end(process: subprocess.Popen[bytes]) -> tuple[str, ...]:
    """The last of what a process says until it ends, not until nobody has its output open."""
    kept, left = b"", _MAX_PIPE  # no more than that is the process's own after its end
    with process.stdout as output:  # type: ignore[union-attr]
        while left > 0:
            has_ended = process.poll() is not None
            if reading.is_readable(output.fileno(), 0 if has_ended else _PAUSE):
                chunk = os.read(output.fileno(), _KEPT)
                kept = (kept + chunk)[-_KEPT:]
                left -= len(chunk) if has_ended else 0
                if not chunk:
                    break
            elif has_ended:
                break
    process.wait()
    return tuple(kept.decode(errors="replace").splitlines())


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code else ""
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
