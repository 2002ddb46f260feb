"""Bytes as a stream's ``read`` has them from a child."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable


def reading(pieces: Iterable[bytes]) -> Callable[[memoryview], int]:
    """A ``read`` that puts one piece after the other where it is told to, then nothing."""
    left = iter(pieces)
    rest = [memoryview(b"")]

    def read(room: memoryview) -> int:
        while not rest[0]:
            piece = next(left, None)
            if piece is None:
                return 0
            rest[0] = memoryview(piece)
        size = min(len(room), len(rest[0]))
        room[:size] = rest[0][:size]
        rest[0] = rest[0][size:]
        return size

    return read
