"""What a command costs: wall time, CPU of its whole tree, and the most memory of any process."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: What every contender gets: nothing of the caller's configuration, so an index is never asked.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/dev/null",  # nobody can make a directory of it
    "LANG": "C.UTF-8",
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "UV_NO_CONFIG": "1",
}


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, seconds of CPU, and megabytes of the largest process."""

    seconds: float
    cpu: float
    peak: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.seconds + other.seconds, self.cpu + other.cpu, max(self.peak, other.peak))


def cost(
    *commands: Sequence[str], env: Mapping[str, str] | None = None, settle: bool = True
) -> Cost:
    """Run commands one after the other; what all of them took. A failure ends the bench.

    What others have written is brought to the disk first: the one who makes its work durable would
    pay for it.
    """
    if settle:
        os.sync()
    total = Cost(0, 0, 0)
    for argv in commands:
        total += _one(argv, {**ENVIRONMENT, **(env or {})})
    return total


def _one(argv: Sequence[str], env: Mapping[str, str]) -> Cost:
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(
            argv, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # with what it has started; who unmounts waits for them
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(argv)}: exit {process.returncode}\n{text}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
