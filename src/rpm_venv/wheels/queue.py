"""What there is to do for the workers of a batch: wheels, and parts of those with many sources.

The largest wheel first, so that it does not end up alone. A wheel is one worker's; parts of its
byte code are for whoever has nothing else to do, when its first child has said that it has some.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from rpm_venv.wheels.objects import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Callable, Protocol

    from rpm_venv.wheels.objects import StoredObject
    from rpm_venv.wheels.stream import Event

    class Work(Protocol):
        """What becomes of the streams of one wheel: ``Unpacking``, ``Compiling``."""

        def take(self, events: Iterable[Event]) -> None: ...
        def finish(self) -> StoredObject: ...
        def release(self) -> None: ...


_FEW = 2  # workers, between whom the largest wheel seldom is more than half of all work
_PACKED_PART = 1 << 18  # bytes of wheels that may have sources for a part of their own
_MAX_IN_FLIGHT = 1 << 30  # bytes of wheels in memory at a time, however many workers there are


class Wheel:
    """A wheel that is being taken apart, and the parts of it that are at others."""

    def __init__(self, source: Source, size: int, most: int) -> None:
        self.source = source
        self.size = size
        self.count = most  # of parts: at most, until its first child has said how many
        self.is_counted = False
        self.running = 0  # parts that other workers are at
        self.failed: list[BaseException] = []


class Part(NamedTuple):
    """The byte code of some sources of a wheel; what else it has is in the first, number 0."""

    wheel: Wheel
    number: int


class Queue:
    """Wheels to take apart, and their parts. Any thread may call."""

    def __init__(self, sources: Sequence[Source], size: Callable[[Source], int]) -> None:
        """``size`` says how many bytes of memory a source takes while it is at work."""
        self._left = sorted(((size(source), source) for source in sources), key=_by_size)
        self.total = (len(self._left), sum(size for size, _ in self._left))
        self.taken = (0, 0)  # wheels, and their bytes
        self._workers = 1
        self._in_flight = 0
        self._parts: list[Part] = []  # that nobody has taken
        self._uncounted = 0  # wheels that may have parts for others yet
        self._is_over = False
        self._changed = threading.Condition()

    def workers(self, most: int) -> int:
        """How many workers have something to do, of so many that there may be."""
        useful = self.total[0] + self.total[1] // _PACKED_PART
        self._workers = max(1, min(most, useful))
        return self._workers

    def take(self) -> Part | None:
        """What to do next; ``None`` where there is nothing, and nothing will be."""
        with self._changed:
            while not self._is_over:
                if self._parts:
                    part = self._parts.pop()
                    part.wheel.running += 1
                    return part
                if self._left and self._fits(self._left[-1][0]):
                    return Part(self._begun(*self._left.pop()), 0)
                if not self._left and not self._uncounted:
                    break
                self._changed.wait()
        return None

    def _fits(self, size: int) -> bool:
        return self._in_flight == 0 or self._in_flight + size <= _MAX_IN_FLIGHT

    def _begun(self, size: int, source: Source) -> Wheel:
        self._in_flight += size
        self._uncounted += 1
        self.taken = (self.taken[0] + 1, self.taken[1] + size)
        return Wheel(source, size, self._most_parts())

    def _most_parts(self) -> int:
        """How many children a wheel may have: one where two workers have wheels of their own.

        A part costs another reading of the archive, which is for nothing while all are busy. Where
        there are many workers, one large wheel would be the last for a long time.
        """
        have_wheels = self._workers <= _FEW and len(self._left) >= self._workers - 1
        return 1 if have_wheels else self._workers

    def counted(self, wheel: Wheel, count: int) -> bool:
        """Hear of a wheel's parts, once, which others can take from now on; whether it may be."""
        with self._changed:
            if wheel.is_counted or count > wheel.count:
                return False
            wheel.count, wheel.is_counted = count, True
            self._uncounted -= 1
            self._parts += [Part(wheel, number) for number in range(1, count)]
            self._changed.notify_all()
        return True

    def rest(self, wheel: Wheel) -> Part | None:
        """A part that nobody has taken, for the worker whose wheel it is; none after ``stop``."""
        with self._changed:
            if self._is_over:
                return None  # what the wheel becomes is not wanted any more
            part = next((part for part in self._parts if part.wheel is wheel), None)
            if part is not None:
                self._parts.remove(part)
        return part

    def helped(self, wheel: Wheel, error: BaseException | None = None) -> None:
        """A part that was taken for another worker's wheel is done, or has failed."""
        with self._changed:
            wheel.running -= 1
            if error is not None:
                wheel.failed.append(error)
            self._changed.notify_all()

    def alone(self, wheel: Wheel) -> None:
        """Wait until nobody is at a part of this wheel; nobody begins another one."""
        with self._changed:
            if not wheel.is_counted:
                wheel.is_counted = True
                self._uncounted -= 1
                self._changed.notify_all()
            self._parts = [part for part in self._parts if part.wheel is not wheel]
            while wheel.running:
                self._changed.wait()

    def done(self, wheel: Wheel) -> None:
        """A wheel is out of memory."""
        with self._changed:
            self._in_flight -= wheel.size
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing more is to be begun."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


def _by_size(sized: tuple[int, Source]) -> int:
    return sized[0]
