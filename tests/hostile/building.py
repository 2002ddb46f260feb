"""Run a wheel through the store, as an installation does, and see what became of it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType

from rpm_venv.paths import Layout
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels import store


def running_interpreter() -> Interpreter:
    """The interpreter that runs this test, as far as the store needs to know it."""
    return Interpreter(
        path=os.path.realpath(sys.executable),
        version=sys.version_info[:3],
        tag=str(sys.implementation.cache_tag),
        markers={},
        tags=("py3-none-any",),
        magic=importlib.util.MAGIC_NUMBER.hex(),
    )


def source(path: Path) -> store.Source:
    """A wheel on disk, as the lock would name it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return store.Source(path, path.name, digest.hexdigest())


def build(root: Path, *wheels: Path, interpreter: Interpreter | None = None) -> Layout:
    """The layout below ``root`` with these wheels in its store."""
    layout = Layout(root)
    found = [source(path) for path in wheels]
    store.build(layout, found, interpreter or running_interpreter(), lambda _: None)
    return layout


def only_object(layout: Layout) -> store.StoredObject:
    """The one object of a store."""
    (name,) = store.ids(layout)
    return store.read(layout, name)


def only_packaged(layout: Layout) -> Path:
    """The one object that packages have brought."""
    (place,) = layout.packaged.iterdir()
    return place


def leftovers(layout: Layout) -> list[str]:
    """What a refused wheel left behind in the store and in staging."""
    return [
        str(path.relative_to(layout.home))
        for place in (layout.store, layout.staging)
        if place.is_dir()
        for path in place.rglob("*")
    ]


def open_to_others(directory: Path) -> None:
    """Let every user reach a temporary directory of pytest's, whose parents are root's alone."""
    for each in (directory, *directory.parents):
        if each == Path(tempfile.gettempdir()):
            break
        each.chmod(0o755)


class TookTooLong(BaseException):
    """More time went by than the work can need."""


def limited(seconds: float) -> AbstractContextManager[None]:
    """End the block with ``TookTooLong`` after so much time on the clock: it may wait for ever."""
    return _ended(seconds, signal.ITIMER_REAL, signal.SIGALRM)


def cpu_limited(seconds: float) -> AbstractContextManager[None]:
    """End the block with ``TookTooLong`` after so much processor time of this process.

    Not of the clock on the wall: how much of that goes by is the affair of what else the machine
    does.
    """
    return _ended(seconds, signal.ITIMER_VIRTUAL, signal.SIGVTALRM)


@contextmanager
def _ended(seconds: float, timer: int, by: signal.Signals) -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise TookTooLong

    before = signal.signal(by, end)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(by, before)
