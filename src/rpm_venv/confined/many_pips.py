"""Several pips at once for the price of one start. Runs confined, in a directory of its own.

    python many_pips.py FIRST COUNT MEMORY WORD…

Does what ``pip WORD… --log log-N -r wheels-N.txt`` does, for COUNT numbers N from FIRST on, each in
a process with at most MEMORY bytes. Starting pip costs as much as twenty wheels: it is started
once, by way of an empty list, and then forked. What each says goes into ``said-N``; printed are the
numbers of those that failed.
"""

from __future__ import annotations

import gc
import os
import resource
import runpy
import sys
import traceback
from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Run all of them to their end; 0 when none failed."""
    first, count, memory = map(int, words[:3])
    command = words[3:]
    if count > 1:
        _warm(command)
        # An eighth of what a pip does is to look again and again at what it has imported.
        gc.freeze()
    gc.set_threshold(100_000)
    started = [(number, _start(number, memory, command)) for number in range(first, first + count)]
    failed = [number for number, process in started if _failed(number, process)]
    sys.stdout.write("".join(f"{number}\n" for number in failed))
    return 1 if failed else 0


def _warm(command: Sequence[str]) -> None:
    """Have all imported that a pip will need; whatever this says, each will say itself."""
    outputs = os.dup(1), os.dup(2)
    _say_into("said")
    with open("none.txt", "w", encoding="ascii"):
        pass
    _pip([*command, "-r", "none.txt"])
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
        os.close(output)


def _start(number: int, memory: int, command: Sequence[str]) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        _say_into(f"said-{number}")
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        code = _pip([*command, "--log", f"log-{number}", "-r", f"wheels-{number}.txt"])
    finally:
        os._exit(code)


def _pip(words: Sequence[str]) -> int:
    """What ``python -m pip`` does; its exit code."""
    sys.argv = ["pip", *words]
    try:
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except MemoryError:
        os.write(2, b"MemoryError\n")  # a traceback would take more of it
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _failed(number: int, process: int) -> bool:
    status = os.waitpid(process, 0)[1]
    if os.WIFSIGNALED(status):
        with open(f"said-{number}", "a", encoding="ascii") as said:
            said.write(f"\nERROR: killed by signal {os.WTERMSIG(status)}\n")
    return status != 0


def _say_into(name: str) -> None:
    said = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
