"""Making objects out of wheels: shared out to workers, each with its confined children. An edge."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

from rpm_venv.errors import Problem, SandboxError, WheelError
from rpm_venv.system import sandbox
from rpm_venv.system.flushing import Flusher
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.system.sealed import sealed
from rpm_venv.wheels.objects import Source, StoredObject, object_id
from rpm_venv.wheels.stream import Broken, Ended, Event, Stream
from rpm_venv.wheels.unpack import Unpacking
from rpm_venv.wheels.wheel import WheelName

TYPE_CHECKING = False
_MAX_WORKERS = 8
_MAX_IN_FLIGHT = 1 << 30  # bytes of wheels in memory at a time, however many workers there are


if TYPE_CHECKING:
    from typing import Protocol

    class _Work(Protocol):
        def run(self, events: Iterable[Event]) -> StoredObject: ...


class Batch:
    """The wheels of one call, shared out to workers."""

    def __init__(
        self,
        staging: Path,
        sources: Sequence[Source],
        interpreter: Interpreter,
        progress: Callable[[str], None],
    ) -> None:
        self._staging = staging
        self._flusher = Flusher(staging)
        self._interpreter = interpreter
        self._progress = progress
        sized = sorted(((_size(source), source) for source in sources), key=lambda pair: pair[0])
        self._left = sized  # the largest last: it is taken first, and does not end up alone
        self._total = (len(sized), sum(size for size, _ in sized))
        self._taken = (0, 0)  # wheels, and their bytes
        self._in_flight = 0
        self._changed = threading.Condition()
        self._done: list[str] = []
        self.missing_layers: tuple[str, ...] = ()
        self._refused: list[WheelError] = []
        self._failed: list[BaseException] = []

    def build(self, require_sandbox: bool) -> list[str]:
        """Unpack everything into the staging directory; the names of the objects there."""
        empty = self._staging / "empty"
        os.mkdir(empty, 0o755)
        workers = min(len(os.sched_getaffinity(0)), len(self._left), _MAX_WORKERS)
        with self._flusher, sandbox.Zygote(self._interpreter.path, workers, empty) as zygote:
            self.missing_layers = zygote.missing
            if require_sandbox and zygote.missing:
                raise SandboxError(
                    f"wheels cannot be confined well enough: {sandbox.lacking(zygote.missing)}",
                    hint=sandbox.REQUIRED,
                )
            threads = [
                threading.Thread(target=self._work, args=(zygote, worker), daemon=True)
                for worker in range(workers)
            ]
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    thread.join()
            except BaseException as error:  # Ctrl-C: wake those who wait for a child
                self._failed.append(error)
                zygote.kill()
                for thread in threads:
                    thread.join()
            if self._failed:  # where one child is killed, all are: the reason comes first
                raise min(self._failed, key=lambda error: sandbox.GONE in str(error))
        if self._refused:
            raise _one_error(self._refused)
        return self._done

    def _work(self, zygote: sandbox.Zygote, worker: int) -> None:
        while True:
            taken = self._take()
            if taken is None:
                return
            size, source = taken
            try:
                self._progress(self._told(source))
                self._unpack(zygote, worker, source)
            except WheelError as error:
                self._refused.append(error)
            except SandboxError as error:
                self._failed.append(error.within(source.filename))
            except BaseException as error:  # to be raised where build() was called
                self._failed.append(error)
            finally:
                with self._changed:
                    self._in_flight -= size
                    self._changed.notify_all()

    def _told(self, source: Source) -> str:
        (wheels, size), (all_wheels, all_size) = self._taken, self._total
        so_far = f"{size / 1e6:.1f} of {all_size / 1e6:.1f} MB"
        return f"unpacking wheel {wheels} of {all_wheels}, {so_far}: {source.filename}"

    def _take(self) -> tuple[int, Source] | None:
        with self._changed:
            while self._left and not self._failed:
                size = self._left[-1][0]
                if self._in_flight == 0 or self._in_flight + size <= _MAX_IN_FLIGHT:
                    self._in_flight += size
                    self._taken = (self._taken[0] + 1, self._taken[1] + size)
                    return self._left.pop()
                self._changed.wait()
        return None

    def _unpack(self, zygote: sandbox.Zygote, worker: int, source: Source) -> None:
        with self._begun(source) as (wheel, work), zygote.child(worker, wheel) as child:
            try:
                stored = work.run(Stream(child.read).events())
            except Broken as broken:
                status = child.finish()
                if status == 0 or child.overdue or not isinstance(broken, Ended):
                    raise SandboxError(
                        f"the confined child broke the protocol: {broken}",
                        subject=source.filename,
                    ) from None
                raise _crash(source, child.compiling(), status, zygote) from None
        self._flusher.wrote(sum(file.size for file in stored.files))
        self._done.append(stored.id)

    @contextmanager
    def _begun(self, source: Source) -> Iterator[tuple[int, _Work]]:
        """What a child is to read, and what becomes of its stream."""
        name = object_id(source.sha256, self._interpreter)
        with sealed(source.path, source.sha256) as wheel:
            yield (
                wheel,
                Unpacking(
                    self._staging / name,
                    name,
                    WheelName.parse(source.filename),
                    self._interpreter.cache_tag,
                    packed=os.fstat(wheel).st_size,
                ),
            )


def _size(source: Source) -> int:
    try:
        return source.path.stat().st_size
    except OSError as error:
        raise WheelError(f"cannot be read: {error.strerror}", subject=str(source.path)) from None


def _crash(source: Source, compiling: str, status: int, zygote: sandbox.Zygote) -> WheelError:
    """The error for a child that ended before its stream did."""
    place = f" while it compiled {compiling}" if compiling else ""
    reason = sandbox.ending(status)
    if os.WIFEXITED(status):
        reason = zygote.complaint() or reason
    return WheelError(
        f"the confined child that read it died{place}: {reason}", subject=source.filename
    )


def _one_error(errors: Sequence[WheelError]) -> WheelError:
    """One error for all wheels that were refused."""
    if len(errors) == 1:
        return errors[0]
    problems = [
        Problem(
            problem.message, ": ".join(filter(None, (error.subject, problem.where))), problem.hint
        )
        for error in sorted(errors, key=lambda error: error.subject)
        for problem in error.problems or (Problem(error.message),)
    ]
    return WheelError(f"{len(errors)} wheels are refused", problems=problems)
