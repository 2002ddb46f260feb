"""Many calls at once on one system, some of them killed: every look finds a whole environment.

The seed is printed by a failure; ``VENV_SEED`` sets it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import systems, table
from tests.faults.laboratories import Laboratories
from tests.faults.systems import OTHER, PATH, Live, install

TORTURE = bool(os.environ.get("VENV_TORTURE"))
SECONDS = 60 if TORTURE else 6
SEED = int(os.environ.get("VENV_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)

DELAY = "delay_enter=200000"  # microseconds

#: What a call may end with when nobody kills it; repair and rollback may find nothing to work on.
CODES = {"install": {0}, "remove": {0}, "verify": {0, 3}, "repair": {0, 1}, "gc": {0}}


@pytest.fixture
def root(laboratories: Laboratories, request: pytest.FixtureRequest) -> Path:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    root = laboratories.top / name
    systems.copy(laboratories.template("upgrade", "before"), root)
    return root


class Observer:
    """Looks at a public path again and again; what it leads to is whole, or it was just changed."""

    def __init__(self, root: Path, path: str, known: list[Live | None]) -> None:
        self._root = root
        self._path = path
        self._known = known
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.wrong: list[str] = []

    def _look(self) -> None:
        public = self._root / self._path[1:]
        while not self._stop.is_set() and not self.wrong:
            before = _link(public)
            try:
                live = systems.live(self._root, self._path)
            except OSError:  # it went away under our eyes
                live = None
            if before == _link(public):
                self.looks += 1
                if before and live not in self._known:
                    self.wrong.append(f"{self._path} → {before} is not whole")
            time.sleep(0.01)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _link(public: Path) -> str:
    try:
        return os.readlink(public)
    except OSError:
        return ""


@contextmanager
def observed(root: Path, known: dict[str, list[Live | None]]) -> Iterator[None]:
    """Both paths of a system looked at while the block runs."""
    with Observer(root, PATH, known[PATH]) as one, Observer(root, OTHER, known[OTHER]) as other:
        yield
    assert not one.wrong + other.wrong, f"seed {SEED}: {one.wrong + other.wrong}"
    assert one.looks > 10
    table.note(f"{one.looks + other.looks} looks at environments while they changed: all whole")


@pytest.fixture(scope="module")
def known(laboratories: Laboratories) -> dict[str, list[Live | None]]:
    """Every whole environment that there can be, by its path."""
    found: dict[str, list[Live | None]] = {PATH: [], OTHER: []}
    for path, trees in found.items():
        root = laboratories.top / f"known-{path.strip('/').replace('/', '-')}"
        systems.copy(laboratories.template("fresh", "before"), root)
        for version in (1, 2, 3):
            laboratories.call(root, *install(version, path))
            trees.append(systems.live(root, path))
    return found


def calls(chance: random.Random) -> tuple[str, ...]:
    """The words of one call, out of a hat."""
    path = chance.choice((PATH, PATH, OTHER))
    verb = chance.choices(list(CODES), (8, 2, 3, 2, 1))[0]
    if verb == "install":
        return install(chance.randrange(1, 4), path)
    return (verb,) if verb == "gc" else (verb, path)


class Crowd:
    """Workers that call the command until their time is over."""

    def __init__(self, laboratories: Laboratories, root: Path, end: float, killing: float) -> None:
        self._laboratories = laboratories
        self._root = root
        self._end = end
        self._killing = killing
        self.done: Counter[str] = Counter()
        self.killed = 0
        self.wrong: list[str] = []

    def work(self, seed: int) -> None:
        chance = random.Random(seed)
        while self._goes_on() and not self.wrong:
            words = calls(chance)
            command = self._laboratories.command(self._root, *words)
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            if chance.random() < self._killing:
                time.sleep(chance.uniform(0.05, 0.4))
                process.send_signal(signal.SIGKILL)
            said = process.communicate()[0]
            self._judge(words[0], process.returncode, said)

    def _goes_on(self) -> bool:
        """Until the time is over; longer where by then next to nothing has happened."""
        now = time.monotonic()
        few = self.killed < 3 or self.done["install"] < 3
        return now < self._end or (few and now < self._end + 60)

    def _judge(self, verb: str, code: int, said: str) -> None:
        if code == -signal.SIGKILL:
            self.killed += 1
            return
        self.done[verb] += 1
        if code not in CODES[verb] or "Traceback" in said:
            self.wrong.append(f"{verb} ended with {code}: {said}")


@pytest.mark.parametrize("workers", [2, 8])
def test_many_at_once_and_some_are_killed(
    laboratories: Laboratories,
    root: Path,
    known: dict[str, list[Live | None]],
    workers: int,
) -> None:
    crowd = Crowd(laboratories, root, time.monotonic() + SECONDS, killing=0.4)
    with observed(root, known):
        threads = [
            threading.Thread(target=crowd.work, args=(SEED + number,)) for number in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not crowd.wrong, f"seed {SEED}: {crowd.wrong}"
    assert crowd.done["install"] and crowd.killed
    for path in (PATH, OTHER):
        laboratories.call(root, *install(2, path))
    laboratories.call(root, "verify")
    laboratories.call(root, "gc")
    assert not systems.litter(root)
    for path in (PATH, OTHER):
        laboratories.call(root, "remove", path)
    empty = laboratories.template("remove", "after")
    assert not systems.difference(systems.snapshot(empty), systems.snapshot(root))
    total = crowd.done.total() + crowd.killed
    table.survived(f"{workers} at once, {crowd.killed} of {total} killed", total, total)


def test_verify_cries_no_wolf_while_others_install(
    laboratories: Laboratories, root: Path, known: dict[str, list[Live | None]]
) -> None:
    """Between the state and the link, a new generation is wanted and the old one is live.

    Each rename of the installs takes its time, so that others often look in between.
    """
    end = time.monotonic() + SECONDS
    cries: list[str] = []
    verified = 0

    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=rename", "-e", "inject=rename:" + DELAY]

    def install_on() -> None:
        version = 0
        while time.monotonic() < end:
            version += 1
            command = laboratories.command(root, *install(1 + version % 3))
            subprocess.run([*slow, *command], check=True, capture_output=True)

    thread = threading.Thread(target=install_on)
    with observed(root, known):
        thread.start()
        while thread.is_alive():
            words = laboratories.command(root, "verify", PATH)
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            verified += 1
            if done.returncode != 0:
                cries.append(done.stdout + done.stderr)
        thread.join()
    table.survived("verify while others install", verified, verified - len(cries))
    assert not cries, cries[:3]
