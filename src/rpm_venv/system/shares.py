"""One work on each of many items, by as many processes as there are cores. An edge: forks.

They are forks of the running command, which takes pieces of the work like each of them, and gets
their answers by a pipe. What they hold, such as the lock on the machine, they hold to their end: no
other call begins while one of them works. They end with the command, whatever ends it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence

from rpm_venv.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn, TypeVar

    Item = TypeVar("Item")

#: Processes, at most: more of them wait for the disk and for each other.
MOST = 4
_PIECES = 16  # for each process: who is slow, or gets what is large, takes fewer


@dataclass(frozen=True)
class _Child:
    process: int
    answer: int


@dataclass(frozen=True)
class _Answer:
    """What was said of items, by their positions; the error that ended it, and of which item."""

    said: list[tuple[int, Any]]
    failed: int = -1
    error: OSError | None = None


def each(
    work: Callable[[Item], Any], items: Sequence[Item], costs: Sequence[int], worth: int
) -> list[tuple[int, Any]]:
    """What ``work`` says of those items that it says something of, with their positions, in order.

    It says nothing by what is false, and something by what JSON has. What it changes in its process
    is lost. ``costs`` are of the items; another process is started where it gets ``worth`` of that.
    The ``OSError`` of the first item that has one is raised, as if there was one process. So is one
    where a process ended before its time: then nothing is known of the items, and all may be done.
    """
    processes = _processes(sum(costs) // worth) if len(items) > 1 else 1
    if processes == 1:
        return [(position, said) for position, item in enumerate(items) if (said := work(item))]
    pieces = _pieces(costs, processes * _PIECES)
    with _queue(len(pieces)) as queue:
        # What is left of the queue after an error is of later items, and so of later errors.
        answers = _shared(lambda going: _share(work, items, pieces, queue, going), processes)
    failures = [(answer.failed, answer.error) for answer in answers if answer.error is not None]
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]
    return sorted((one for answer in answers for one in answer.said), key=lambda one: one[0])


def _processes(worth: int) -> int:
    """How many processes there shall be: one where threads run, which may hold a lock in a fork."""
    threading: Any = sys.modules.get("threading")
    if worth < 2 or (threading is not None and threading.active_count() > 1):
        return 1
    return min(len(os.sched_getaffinity(0)), worth, MOST)


def _pieces(costs: Sequence[int], number: int) -> list[range]:
    """The positions of items, in order, in at most so many pieces that cost about the same."""
    most = sum(costs) // number + 1
    pieces, start, cost = [], 0, 0
    for position, one in enumerate(costs):
        cost += one
        if cost >= most:
            pieces.append(range(start, position + 1))
            start, cost = position + 1, 0
    return [*pieces, *([range(start, len(costs))] if start < len(costs) else [])]


@contextlib.contextmanager
def _queue(pieces: int) -> Iterator[int]:
    """A pipe with a byte for each piece: who reads one has that piece, and nobody else has."""
    queue, writing = os.pipe()
    try:
        try:
            os.write(writing, bytes(range(pieces)))
        finally:
            os.close(writing)
        yield queue
    finally:
        os.close(queue)


def _share(
    work: Callable[[Item], Any],
    items: Sequence[Item],
    pieces: Sequence[range],
    queue: int,
    going: Callable[[], None],
) -> _Answer:
    """Do pieces as long as there are any, or to the first error."""
    said: list[tuple[int, Any]] = []
    position = 0
    try:
        while piece := os.read(queue, 1):
            for position in pieces[piece[0]]:
                going()
                if answer := work(items[position]):
                    said.append((position, answer))
    except OSError as error:
        while os.read(queue, 256):
            pass
        return _Answer(said, position, error)
    return _Answer(said)


def _shared(share: Callable[[Callable[[], None]], _Answer], processes: int) -> list[_Answer]:
    """The answers of this process and of its forks, which are gone then, whatever happens."""
    children: list[_Child] = []
    try:
        with _uninterrupted() as before:
            for _ in range(processes - 1):
                # Where there can be no more processes, the others do it all.
                with contextlib.suppress(OSError):
                    children.append(_started(share, before))
        answers = [share(lambda: None)]
        while children:
            answers.append(_received(children))
        return answers
    finally:
        with _uninterrupted():
            while children:
                _ended(children.pop(), signal.SIGKILL)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[Iterable[int]]:
    """Let Ctrl-C wait: no process is started without being known. The mask before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _started(share: Callable[[Callable[[], None]], _Answer], mask: Iterable[int]) -> _Child:
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        process = os.fork()
        if process == 0:
            _tell(share, parent, writing, mask)
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return _Child(process, reading)


def _tell(
    share: Callable[[Callable[[], None]], _Answer], parent: int, writing: int, mask: Iterable[int]
) -> NoReturn:
    """In the child: do a share, say what came of it, and end without what the parent does then."""

    def going() -> None:
        if os.getppid() != parent:
            os._exit(1)  # it was killed

    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        told = _dumps(share(going))
        while told:
            told = told[os.write(writing, told) :]
        os._exit(0)
    finally:
        os._exit(1)


def _received(children: list[_Child]) -> _Answer:
    """The answer of the last of the children, which is none any more."""
    child = children[-1]
    told = b""
    while more := os.read(child.answer, 1 << 16):
        told += more
    with _uninterrupted():
        status = _ended(children.pop())
    if status or not told.endswith(b"}"):  # JSON that is whole, and of one that came to its end
        why = f"signal {status & 0x7F}" if status & 0x7F else f"exit {status >> 8}"
        said = f"a process that did a part of the work ended before its time ({why})"
        raise OSError(errno.ECHILD, said)
    return _loads(told)


def _ended(child: _Child, kill: signal.Signals | None = None) -> int:
    """How a child ended; 0 where that is not known, as a caller had its ends ignored (wait(2))."""
    os.close(child.answer)
    try:
        if kill is not None:
            os.kill(child.process, kill)
        return os.waitpid(child.process, 0)[1]
    except (ChildProcessError, ProcessLookupError):
        return 0


def _dumps(answer: _Answer) -> bytes:
    error = answer.error
    told: dict[str, Any] = {"said": answer.said}
    if error is not None:
        names = [error.filename, error.filename2]
        told["failed"] = answer.failed
        told["number"], told["text"] = error.errno, error.strerror or str(error)
        told["names"] = [
            os.fsdecode(name) if isinstance(name, (bytes, os.PathLike)) else name for name in names
        ]
    return json.dumps(told).encode()


def _loads(told: bytes) -> _Answer:
    answer = json.loads(told)
    said = [(position, one) for position, one in answer["said"]]
    if "failed" not in answer:
        return _Answer(said)
    number, text, (one, other) = answer["number"], answer["text"], answer["names"]
    error = OSError(text) if number is None else OSError(number, text, one, None, other)
    return _Answer(said, answer["failed"], error)
