"""How many steps up a path has left before it is above its top directory. Pure.

A path is of one or more of three kinds: ``own`` came from a source's place by names alone, ``some``
from nobody knows where, and ``real`` is one that the kernel has resolved. Names are cut off the
first two without harm, as a link is not seen by that. A ``real`` one that has no step left, and
takes one, leads out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

NONE = 1 << 10  # steps of what is no path
_UNKNOWN = 1  # steps of a path from elsewhere: its directory is in the top directory
MAX_DOTS = 16


class LeadsOut(Exception):
    """A real path is gone up from further than its top directory, or it cannot be told."""


class Steps(NamedTuple):
    """Steps left of each kind, and the ``..`` in a text that is no path yet."""

    own: int = NONE
    some: int = NONE
    real: int = NONE
    dots: int = 0

    @property
    def is_path(self) -> bool:
        return self[:3] != NOTHING[:3]

    @property
    def is_own_real(self) -> bool:
        """Whether it is real, and from the source's own place."""
        return self.own < NONE and self.real < NONE


NOTHING = Steps()
ELSEWHERE = Steps(some=_UNKNOWN)


def either(one: Steps, other: Steps) -> Steps:
    """What may be the one or the other has the fewest steps of both."""
    if other is NOTHING or one is other:
        return one
    if one is NOTHING:
        return other
    return Steps(
        min(one.own, other.own),
        min(one.some, other.some),
        min(one.real, other.real),
        max(one.dots, other.dots),
    )


def together(parts: Iterable[Steps]) -> Steps:
    """A path that is joined of these, whose ``..`` are left to the kernel; ``LeadsOut``."""
    whole = NOTHING
    for part in parts:
        if part is not NOTHING:
            dots = whole.dots + part.dots
            whole = either(whole, part)
            whole = whole._replace(dots=dots) if dots else whole
    if whole.dots == 0 or not whole.is_path:
        return whole._replace(dots=MAX_DOTS) if whole.dots > MAX_DOTS else whole
    real = min(whole.own, whole.real)
    real = _less(real, whole.dots) if real < NONE else real
    return up(whole._replace(real=NONE, dots=0), whole.dots)._replace(real=real)


def by_names(parts: Iterable[Steps]) -> Steps:
    """The same, where each ``..`` is taken out together with the name before it."""
    whole, dots = NOTHING, 0
    for part in parts:
        whole, dots = either(whole, part), dots + part.dots
    return up(whole._replace(dots=0), dots)


def resolved(path: Steps) -> Steps:
    """What becomes real. Where a known place is in it, the rest is what was joined to that."""
    own = min(path.own, path.real)
    return path._replace(real=own if own < NONE else path.some, dots=0)


def up(path: Steps, number: int) -> Steps:
    """A path that many names shorter; ``LeadsOut``."""
    own, some, real, dots = path
    return Steps(
        own if own == NONE else max(own - number, 0),
        some if some == NONE else max(some - number, 0),
        real if real == NONE else _less(real, number),
        dots,
    )


def anywhere_up(path: Steps) -> Steps:
    """A path that is shorter by nobody knows how many names; ``LeadsOut``."""
    return up(path, NONE) if path.real < NONE else up(path, NONE - 1)


def _less(steps: int, number: int) -> int:
    if steps < number:
        raise LeadsOut
    return steps - number
