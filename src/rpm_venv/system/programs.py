"""Programs of the distribution's that a hardened host needs to be called. An edge: runs them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from rpm_venv.frozen import dataclass

#: Where distributions have the administrator's programs; nothing of a caller's PATH.
_PLACES = ("/usr/sbin", "/usr/bin")
_ENVIRONMENT = {"PATH": ":".join(_PLACES), "LC_ALL": "C"}
_MAX_SAID = 300  # characters


@dataclass(frozen=True)
class Ended:
    """How a program ended: ``problem`` is "" where it went well, else why not, in one line."""

    problem: str = ""


def found(name: str) -> str:
    """The path of this system's program of that name; "" where it has none."""
    for place in _PLACES:
        if os.access(f"{place}/{name}", os.X_OK):
            return f"{place}/{name}"
    return ""


def run(argv: Sequence[str], seconds: float) -> Ended:
    """Run a program by its absolute path, for so many seconds at most.

    Nothing of the caller's environment reaches it, and no input. What it leaves running is ended.
    """
    import subprocess  # most hosts need none of these programs

    name = Path(argv[0]).name
    try:
        # No /dev/null for its stdin: a chroot may have none.
        process = subprocess.Popen(
            argv,
            env=_ENVIRONMENT,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(f"{name} does not start: {error.strerror}")
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return Ended(f"{name} did not end in {seconds:g} seconds")
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode == 0:
        return Ended()
    lines = said.decode("utf-8", "replace").strip().splitlines()
    reason = lines[-1][:_MAX_SAID] if lines else f"exit code {process.returncode}"
    return Ended(f"{name}: {reason}")
