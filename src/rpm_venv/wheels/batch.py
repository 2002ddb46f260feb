"""Making objects out of wheels: shared out to workers, each with its confined children. An edge."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Callable

from rpm_venv.errors import Problem, SandboxError, VenvError, WheelError
from rpm_venv.paths import Layout
from rpm_venv.system import files, sandbox
from rpm_venv.system.flushing import Flusher
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.system.sealed import sealed
from rpm_venv.wheels.objects import Source, object_id
from rpm_venv.wheels.queue import Part, Queue, Wheel
from rpm_venv.wheels.stream import Broken, Ended, Event, File, Parts, Stream
from rpm_venv.wheels.unpack import Unpacking
from rpm_venv.wheels.wheel import WheelName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.wheels.queue import Work

_MAX_WORKERS = 8


def _most_workers() -> int:
    return min(len(os.sched_getaffinity(0)), _MAX_WORKERS)


@contextlib.contextmanager
def started(layout: Layout, interpreter: Interpreter) -> Iterator[sandbox.Zygote | None]:
    """What makes the children of a batch, started before it is known what they are to read.

    Inside the block alone, and for one batch. None where it does not start: the batch tells why.
    """
    with contextlib.ExitStack() as stack:
        zygote = None
        with contextlib.suppress(OSError, VenvError):
            files.make_staging(layout)
            empty = stack.enter_context(files.passing_directory(layout.staging, "empty", 0o755))
            zygote = stack.enter_context(sandbox.Zygote(interpreter.path, _most_workers(), empty))
            stack.callback(zygote.kill)  # nobody waits for what it was to do
        yield zygote


class Batch:
    """The wheels of one call, shared out to workers."""

    def __init__(
        self,
        staging: Path,
        sources: Sequence[Source],
        interpreter: Interpreter,
        progress: Callable[[str], None],
        children: sandbox.Zygote | None = None,
    ) -> None:
        """``children`` as in ``store.build``."""
        self._staging = staging
        self._flusher = Flusher(staging)
        self._interpreter = interpreter
        self._progress = progress
        self._started = children
        self._queue = Queue(sources, self._size)
        self._at_work: dict[Wheel, tuple[int, Work]] = {}
        self._done: list[str] = []
        self._starting = threading.Lock()
        self.missing_layers: tuple[str, ...] = ()
        self._refused: list[WheelError] = []
        self._failed: list[BaseException] = []

    def build(
        self, require_sandbox: bool, meanwhile: Callable[[], None] = lambda: None
    ) -> list[str]:
        """Unpack everything into the staging directory; the names of the objects there.

        ``meanwhile`` is called while others work: threads, and the processes that they listen to.
        """
        workers = self._queue.workers(_most_workers())
        with self._flusher, self._zygote(workers) as zygote:
            threads = [
                threading.Thread(
                    target=self._work, args=(zygote, worker, require_sandbox), daemon=True
                )
                for worker in range(workers)
            ]
            for thread in threads:
                thread.start()
            try:
                meanwhile()
                for thread in threads:
                    thread.join()
            except BaseException as error:  # Ctrl-C: wake those who wait for a child
                self._fail(error)
                zygote.kill()
                for thread in threads:
                    thread.join()
            if self._failed:  # where one child is killed, all are: the reason comes first
                raise min(self._failed, key=lambda error: sandbox.GONE in str(error))
        if self._refused:
            raise _one_error(self._refused)
        return self._done

    @contextlib.contextmanager
    def _zygote(self, workers: int) -> Iterator[sandbox.Zygote]:
        if self._started is None:
            empty = self._staging / "empty"
            os.mkdir(empty, 0o755)
            with sandbox.Zygote(self._interpreter.path, workers, empty) as zygote:
                yield zygote
            return
        try:
            yield self._started
        except BaseException:
            self._started.kill()
            raise
        finally:
            self._started.hang_up()

    def _is_ready(self, zygote: sandbox.Zygote, require_sandbox: bool) -> bool:
        """Wait for the zygote; whether wheels are confined well enough is seen before the first."""
        with self._starting:
            if self._failed:
                return False
            try:
                self.missing_layers = zygote.missing
                if require_sandbox and zygote.missing:
                    raise SandboxError(
                        f"wheels cannot be confined well enough: {sandbox.lacking(zygote.missing)}",
                        hint=sandbox.REQUIRED,
                    )
            except BaseException as error:  # to be raised where build() was called
                self._fail(error)
                return False
        return True

    def _fail(self, error: BaseException) -> None:
        self._failed.append(error)
        self._queue.stop()

    def _work(self, zygote: sandbox.Zygote, worker: int, require_sandbox: bool) -> None:
        if not self._is_ready(zygote, require_sandbox):
            return
        while True:
            part = self._queue.take()
            if part is None:
                return
            if part.number:
                self._help(zygote, worker, part)
            else:
                self._make(zygote, worker, part.wheel)

    def _make(self, zygote: sandbox.Zygote, worker: int, wheel: Wheel) -> None:
        try:
            self._progress(self._told(wheel.source))
            self._unpack(zygote, worker, wheel)
        except WheelError as error:
            self._refused.append(error)
        except SandboxError as error:
            # A part that is killed takes all children with it: what it has to say is the reason.
            for each in (error, *wheel.failed):
                if isinstance(each, SandboxError):
                    self._fail(each.within(wheel.source.filename))
        except BaseException as error:  # to be raised where build() was called
            self._fail(error)
        finally:
            self._queue.alone(wheel)
            self._queue.done(wheel)

    def _size(self, source: Source) -> int:
        try:
            return source.path.stat().st_size
        except OSError as error:
            subject = str(source.path)
            raise WheelError(f"cannot be read: {error.strerror}", subject=subject) from None

    def _told(self, source: Source) -> str:
        (wheels, size), (all_wheels, all_size) = self._queue.taken, self._queue.total
        so_far = f"{size / 1e6:.1f} of {all_size / 1e6:.1f} MB"
        return f"unpacking wheel {wheels} of {all_wheels}, {so_far}: {source.filename}"

    def _unpack(self, zygote: sandbox.Zygote, worker: int, wheel: Wheel) -> None:
        with self._begun(wheel.source) as (descriptor, work):
            self._at_work[wheel] = descriptor, work
            try:
                self._take(zygote, worker, wheel)
                stored = work.finish()
            except Broken as broken:
                raise _broken(wheel.source, broken) from None
            finally:
                work.release()
                del self._at_work[wheel]
        self._flusher.wrote(sum(file.size for file in stored.files))
        self._done.append(stored.id)

    def _take(self, zygote: sandbox.Zygote, worker: int, wheel: Wheel) -> None:
        """All of a wheel, of which other workers may have taken parts."""
        try:
            part: Part | None = Part(wheel, 0)
            while part is not None:
                self._hear(zygote, worker, part)
                part = self._queue.rest(wheel)
        finally:
            self._queue.alone(wheel)
        if wheel.failed:
            raise wheel.failed[0]

    def _help(self, zygote: sandbox.Zygote, worker: int, part: Part) -> None:
        """Do a part of a wheel that is another worker's, who gets what went wrong."""
        try:
            self._hear(zygote, worker, part)
        except BaseException as error:
            self._queue.helped(part.wheel, error)
        else:
            self._queue.helped(part.wheel)

    def _hear(self, zygote: sandbox.Zygote, worker: int, part: Part) -> None:
        """Take all that a child says of its part."""
        wheel, number = part
        descriptor, work = self._at_work[wheel]
        with zygote.child(worker, descriptor, (number, wheel.count)) as child:
            events = Stream(child.read).events()
            try:
                work.take(_compiled(events) if number else self._counted(wheel, events))
            except Broken as broken:
                status = child.finish()
                if status == 0 or child.overdue or not isinstance(broken, Ended):
                    raise _broken(wheel.source, broken) from None
                raise _crash(wheel.source, child.compiling(), status, zygote) from None

    def _counted(self, wheel: Wheel, events: Iterable[Event]) -> Iterator[Event]:
        """A first child's events without its word on parts, after which others can begin."""
        for event in events:
            if not isinstance(event, Parts):
                yield event
            elif not self._queue.counted(wheel, event.count):
                raise Broken("other parts than agreed")

    @contextlib.contextmanager
    def _begun(self, source: Source) -> Iterator[tuple[int, Work]]:
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


def _compiled(events: Iterable[Event]) -> Iterator[Event]:
    """The events of a child that has a part: byte code alone."""
    for event in events:
        if not (isinstance(event, File) and event.byte_code):
            raise Broken("more than its part")
        yield event


def _broken(source: Source, broken: Broken) -> SandboxError:
    message = f"the confined child broke the protocol: {broken}"
    return SandboxError(message, subject=source.filename)


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
