"""Work that forks of the command share: the same answers and errors as of one, and no leftovers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
#: A process of its own: threads of whoever runs the tests would keep it from forking.
START = f"""
import json, os, signal, sys, time
sys.path[:0] = [{str(SOURCE)!r}]
from rpm_venv.system import shares
os.sched_getaffinity = lambda process: {{0, 1, 2}}
parent = os.getpid()

def done(work, number, worth=1):
    return shares.each(work, range(number), [1] * number, worth)

def in_a_child():
    # Everybody gets pieces, whoever comes first.
    time.sleep(0.002)
    return os.getpid() != parent

def left():
    try:
        return os.waitpid(-1, os.WNOHANG) or True
    except ChildProcessError:
        return len(os.listdir("/proc/self/fd")) != descriptors

descriptors = len(os.listdir("/proc/self/fd"))
"""


def _run(text: str) -> object:
    """What a script prints last, as JSON; it prints nothing else but what it says itself."""
    argv = [sys.executable, "-IS", "-c", START + text]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_answers_are_those_of_one_process_in_its_order() -> None:
    told = _run(
        """
def work(item):
    in_a_child()
    return [item, os.getpid()] if item % 3 else None
print('["printed once",', end="")  # and not again by those who end
told = done(work, 100)
print(json.dumps([[at for at, _ in told], [item for _, (item, _) in told],
                  len({process for _, (_, process) in told}), left()]), "]")
"""
    )
    told_of = [item for item in range(100) if item % 3]
    assert told == ["printed once", [told_of, told_of, 3, False]]


@pytest.mark.parametrize(
    "text",
    [
        "told = done(work, 40, worth=21)",  # not worth a second process
        "told = done(work, 1)",
        "import threading; stop = threading.Event()\n"
        "thread = threading.Thread(target=stop.wait); thread.start()\n"
        "told = done(work, 40); stop.set()",
        "os.sched_getaffinity = lambda process: {0}; told = done(work, 40)",
        "def no(): raise BlockingIOError(11, 'none left')\nos.fork = no; told = done(work, 40)",
        "told = done(work, 0)",
    ],
    ids=["little", "one", "threads", "one core", "no more processes", "nothing"],
)
def test_one_process_does_what_cannot_be_shared_or_is_not_worth_it(text: str) -> None:
    told = _run(f"""
work = lambda item: in_a_child() or "here"
{text}
print(json.dumps([sorted({{one for _, one in told}} | {{"here"}}), left()]))
""")
    assert told == [["here"], False]


def test_the_error_of_the_first_item_that_has_one() -> None:
    told = _run(
        """
def work(item):
    in_a_child()
    if item in (31, 32, 57, 90):
        raise FileNotFoundError(2, "is not there", f"file-{item}\\udcff")
found = []
for _ in range(5):
    try:
        done(work, 100)
    except FileNotFoundError as error:
        found.append([error.errno, str(error), error.filename])
def plain(item):
    in_a_child()
    raise OSError("plain")
try:
    done(plain, 100)
except OSError as error:
    found.append(str(error))
print(json.dumps([found, left()]))
"""
    )
    error = [2, "[Errno 2] is not there: 'file-31\\udcff'", "file-31\udcff"]
    assert told == [[*[error] * 5, "plain"], False]


@pytest.mark.parametrize(
    ("dying", "why"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("raise MemoryError", "exit 1"),
        ("os._exit(0)", "exit 0"),
    ],
)
def test_a_process_that_ends_early_is_an_error(dying: str, why: str) -> None:
    told = _run(f"""
def work(item):
    if in_a_child():
        {dying}
try:
    told = done(work, 100)
except OSError as error:
    told = error.strerror
print(json.dumps([told, left()]))
""")
    assert told == [f"a process that did a part of the work ended before its time ({why})", False]


def test_a_caller_who_ignores_the_end_of_children_gets_the_answers() -> None:
    told = _run(
        """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
told = done(lambda item: in_a_child() and None or item, 30)
print(json.dumps([[item for _, item in told], left()]))
"""
    )
    assert told == [list(range(1, 30)), False]


LONG = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
def work(item):
    print(os.getpid(), flush=True)
    time.sleep(0.2)
try:
    done(work, 3000)
except KeyboardInterrupt:
    print("interrupted", left(), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("to_all", [False, True], ids=["the command", "its group"])
def test_all_end_with_the_command(number: signal.Signals, to_all: bool) -> None:
    argv = [sys.executable, "-IS", "-c", START + LONG]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        lines: list[str] = []
        while len(set(lines)) < 3:
            lines.append(running.stdout.readline())
        (os.killpg if to_all else os.kill)(running.pid, number)
        said, errors = running.communicate(timeout=20)  # which nobody holds any more
    lines = [line for line in said.splitlines() if not re.fullmatch("[0-9]+", line)]
    assert (lines, errors) == (["interrupted False"] if number == signal.SIGINT else [], "")
