"""A confined program, run as a user that nobody is: pip, or what reads METADATA. An edge."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rpm_venv.confined import lockdown
from rpm_venv.errors import SandboxError
from rpm_venv.frozen import dataclass
from rpm_venv.system.sandbox import REQUIRED, end_group, ending, lacking

_KEPT = 1 << 20  # bytes, of each of its outputs


@dataclass(frozen=True)
class CompletedChild:
    """How a confined program ended: its exit code, negative for a signal, and its output.

    ``missing`` names the layers that were not to be had.
    """

    returncode: int
    stdout: str
    stderr: str
    missing: tuple[str, ...] = ()

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return ending(-self.returncode if self.returncode < 0 else self.returncode << 8)


def give(directory: Path) -> int:
    """Give a directory of root's, and what is right in it, to a user that nobody is; the id."""
    if os.geteuid() == 0:
        for user in lockdown.strangers():
            try:
                for path in (*directory.iterdir(), directory):
                    os.chown(path, user, user, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.EINVAL:  # what a user namespace without that id says
                    raise
            else:
                return user
    return os.geteuid()


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    network: bool,
    timeout: float,
    user: int | None = None,
    require_all: bool = False,
) -> CompletedChild:
    """Run a program as a stranger, who can write to ``cwd`` alone, with the network or without it.

    ``cwd`` is given to that user, if it was not to ``user`` before; what is in it afterwards is as
    hostile as the program may be. ``SandboxError`` when it does not start, is not done after
    ``timeout`` seconds, or would lack a layer where it is to have all. Of its output the last
    megabyte is kept. Must not be called while other threads run.
    """
    uid = give(cwd) if user is None else user
    reading, writing = os.pipe2(os.O_CLOEXEC)

    def confine() -> None:
        missing = lockdown.confine_program(os.fspath(cwd), uid, network=network)
        os.write(writing, ",".join(missing).encode())
        if missing and require_all:
            os._exit(1)

    try:
        with subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,  # closed at once; a chroot may have no /dev/null
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=confine,  # noqa: PLW1509  # no threads here: see the docstring
        ) as process:
            deadline = time.monotonic() + timeout
            try:
                stdout, stderr = _outputs(process, deadline)
                process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                raise _late(process) from None
            finally:
                end_group(process.pid)
    except OSError as error:
        raise SandboxError(f"the program does not start: {error}", subject=argv[0]) from None
    finally:
        os.close(writing)
        missing = os.read(reading, 1000).decode()
        os.close(reading)
    layers = tuple(filter(None, missing.split(",")))
    if layers and require_all:
        raise SandboxError(
            f"{argv[0]} cannot be confined well enough: {lacking(layers)}", hint=REQUIRED
        )
    return CompletedChild(process.returncode, stdout, stderr, layers)


def _outputs(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, str]:
    """What a program writes until it closes stdout and stderr."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise SandboxError("no pipes to the program")
    process.stdin.close()
    stdout, stderr = process.stdout.fileno(), process.stderr.fileno()
    kept = {stdout: b"", stderr: b""}
    opened = {stdout, stderr}
    poll = select.poll()  # select(2) does not take descriptors above 1023
    for pipe in opened:
        poll.register(pipe, select.POLLIN)
    while opened:
        readable = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not readable:
            raise _late(process)
        for pipe, _ in readable:
            data = os.read(pipe, _KEPT)
            kept[pipe] = (kept[pipe] + data)[-_KEPT:]
            if not data:
                opened.remove(pipe)
                poll.unregister(pipe)
    return kept[stdout].decode("utf-8", "replace"), kept[stderr].decode("utf-8", "replace")


def _late(process: subprocess.Popen[bytes]) -> SandboxError:
    program = process.args[0] if isinstance(process.args, list) else process.args
    return SandboxError("the program took too long", subject=str(program))  # a script may follow
