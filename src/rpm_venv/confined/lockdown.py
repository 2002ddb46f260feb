"""Taking away from this process what a package's bytes could make it misuse, layer by layer.

Each layer is tried by itself. ``confine`` returns the names of those that this kernel, container or
user does not allow, for root to name or to refuse. Nothing here needs /proc, /dev or a compiler.
"""

from __future__ import annotations

import functools
import os
import resource
import signal
import struct
from collections.abc import Iterable

from rpm_venv.confined import landlock, protocol, system_calls

try:
    import ctypes
except ImportError:  # some distributions package it apart
    ctypes = None  # type: ignore[assignment]

#: The kernel's own id for nobody. Services run under it, too, and would get at our child.
NOBODY = 65534
#: Ids that no user, service or container has (systemd's UIDS-GIDS): a child's own is one of them.
_STRANGERS = range(0x70000000, 0x7FFFFFFF)

_NEW_MOUNTS, _NEW_UTS, _NEW_IPC = 0x00020000, 0x04000000, 0x08000000
_NEW_USER, _NEW_PID, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_CAPABILITY_VERSION_3 = 0x20080522
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9


def confine(empty: int) -> list[str]:
    """Leave this process its open descriptors and little else; the layers that are missing.

    ``empty`` is a descriptor of an empty directory, the new root. All modules that will ever be
    needed must have been imported.
    """
    missing = isolate(network=False)
    if not _unshare(_NEW_PID):  # it is the children forked from here on that are in it
        missing.append("processes")
    if not _changed_root(empty):
        missing.append("filesystem")
    missing += become_nobody()
    missing += _tied_down()
    if not filter_calls(system_calls.ZYGOTE):
        missing.append("seccomp")
    return missing


def confine_program(directory: str, user: int, *, network: bool) -> list[str]:
    """Confine a program that is about to be executed: a stranger's rights, one writable directory.

    Returns the layers that are missing.
    """
    missing = isolate(network=network) if os.geteuid() == 0 or not network else ["namespaces"]
    if not _first_of_its_processes():
        missing.append("processes")
    missing += become_nobody([user])
    limits = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, protocol.MAX_WHEEL),
        (resource.RLIMIT_DATA, protocol.PROGRAM_MEMORY),
    )
    if not limit(limits):
        missing.append("limits")
    if not die_with_parent() or not no_new_privileges():
        missing.append("no-new-privileges")
    if not landlock.writes_only_below(directory):
        missing.append("landlock")
    return missing


def _first_of_its_processes() -> bool:
    """Go on as the first process of a namespace of its own: what it leaves behind ends with it.

    A process that stays waits for it, to end as it ends.
    """
    if not _unshare(_NEW_PID):
        return False
    child = os.fork()
    if child == 0:
        return True
    die_with_parent()
    # Whoever listens to the program must not wait for this process, which has all of root's files.
    os.closerange(0, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if os.WTERMSIG(status) != signal.SIGKILL:
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def isolate(*, network: bool) -> list[str]:
    """Leave the namespaces of the host, the network's unless it is to be kept; what is missing."""
    if os.geteuid() != 0:
        _unshare(_NEW_USER)  # an ordinary user may leave the others only from within its own
    missing = []
    if not network and not _unshare(_NEW_NETWORK):
        missing.append("network")
    if not all([_unshare(_NEW_MOUNTS), _unshare(_NEW_IPC | _NEW_UTS)]):
        missing.append("namespaces")
    return missing


def strangers() -> tuple[int, int]:
    """User ids for a child of root, best first: one that is nobody else's, and nobody."""
    chosen = int.from_bytes(os.urandom(4), "little") % len(_STRANGERS)
    return _STRANGERS[chosen], NOBODY


def become_nobody(users: Iterable[int] = ()) -> list[str]:
    """Give up the user, groups and capabilities of root; what is missing.

    The first of these user ids is taken that there is in this user namespace.
    """
    missing = [] if any(map(_become, users or strangers())) else ["user"]
    if not drop_capabilities():
        missing.append("capabilities")
    return missing


def _become(user: int) -> bool:
    if user == 0:
        return False  # a user namespace with root alone
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:  # not root, or a user namespace without that id
        return False
    return True


def no_new_privileges() -> bool:
    """Make set-user-id programs, and everything like them, powerless for this process."""
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> bool:
    """Have the kernel kill this process when the one that started it dies."""
    return _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def limit(limits: Iterable[tuple[int, int]]) -> bool:
    """Set resource limits, hard and soft; whether all could be."""
    done = True
    for which, value in limits:
        try:
            hard = resource.getrlimit(which)[1]
            if hard != resource.RLIM_INFINITY:
                value = min(value, hard)  # noqa: PLW2901
            resource.setrlimit(which, (value, value))
        except (OSError, ValueError):
            done = False
    return done


def filter_calls(allowed: Iterable[str], *, sharing: bool = True) -> bool:
    """Let the kernel refuse every system call but these, for good; whether it does.

    Without ``sharing``, no memory that is shared is to be had any more.
    """
    made = call_filter(tuple(allowed), sharing)
    return made is not None and _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, made[0])


@functools.cache
def call_filter(allowed: tuple[str, ...], sharing: bool) -> tuple[bytes, object] | None:
    """What ``filter_calls`` hands to the kernel, made once: who forks, makes it for its children.

    It is ``struct sock_fprog``, and what that points to.
    """
    program = system_calls.program(allowed, sharing=sharing)
    if ctypes is None or not program:
        return None
    code = ctypes.create_string_buffer(program, len(program))
    return struct.pack("@HP", len(program) // 8, ctypes.addressof(code)), code


def _tied_down() -> list[str]:
    missing = []
    # No file may grow, not even by a byte: all output goes into pipes.
    if not limit([(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)]):
        missing.append("limits")
    _prctl(_PR_SET_DUMPABLE, 0)
    if not die_with_parent() or not no_new_privileges():
        missing.append("no-new-privileges")
    return missing


def _changed_root(empty: int) -> bool:
    try:
        os.fchdir(empty)
        os.chroot(".")
        os.chdir("/")
    except OSError:
        return False
    return True


def _unshare(flags: int) -> bool:
    if ctypes is None:
        return False
    return bool(_libc().unshare(flags) == 0)


def _prctl(option: int, value: int, pointer: bytes | None = None) -> bool:
    if ctypes is None:
        return False
    # prctl is variadic and reads unsigned longs: a Python int alone would be passed as an int.
    third = ctypes.c_ulong(0) if pointer is None else ctypes.c_char_p(pointer)
    zero = ctypes.c_ulong(0)
    return bool(_libc().prctl(option, ctypes.c_ulong(value), third, zero, zero) == 0)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)  # a class of its own each time: half of what a child's start takes


def drop_capabilities() -> bool:
    """Give up all capabilities, also those that a program would inherit; whether that was done."""
    if ctypes is None:
        return os.geteuid() != 0  # the kernel dropped them with the last user id of root
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    return bool(_libc().capset(header, bytes(24)) == 0)
