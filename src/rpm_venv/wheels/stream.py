"""A confined child's stream, taken apart by root: typed, bounded, and not yet believed. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, NamedTuple, Union

from rpm_venv.confined import protocol
from rpm_venv.errors import Problem
from rpm_venv.frozen import dataclass

#: Files with their byte code, claims and problems: a stream that says more is one without an end.
_MAX_EVENTS = 2 * protocol.MAX_FILES + protocol.MAX_PROBLEMS + 1
_FRAME, _FRAME_SIZE = protocol.FRAME.unpack_from, protocol.FRAME.size
_HEADER, _HEADER_SIZE = protocol.HEADER.unpack_from, protocol.HEADER.size
_ROOM = 1 << 19  # bytes for what is read; a larger frame gets more
_LEAST = 1 << 17  # bytes that are worth reading for
_MIN_FRAME = 1 << 10  # bytes of a file in one frame, on average: each costs root some work


class Broken(Exception):
    """The stream is not what the protocol allows, or ended too soon: its child is not trusted."""


class Ended(Broken):
    """The stream ended too soon: the child died, or chose to."""


@dataclass(frozen=True)
class Meta:
    """The wheel's claims about itself, first of all."""

    claims: Mapping[str, Any]


@dataclass(frozen=True)
class Parts:
    """In how many parts the wheel's byte code is made, each by a child of its own."""

    count: int


@dataclass(frozen=True)
class Bears:
    """The directories below site-packages that a link can stand for, top ones and portions."""

    directories: tuple[str, ...]


class File(NamedTuple):
    """One file. ``digest`` is RECORD's claim, empty for byte code and files that have none.

    ``chunks`` must be consumed before the next event is asked for, each before the next one: other
    bytes are in its place then. It ends early, without ``size`` bytes, only where a problem
    follows. It is a tuple where they are all here.
    """

    scheme: str
    path: str
    size: int
    executable: bool
    byte_code: bool
    digest: bytes
    chunks: Iterable[memoryview]


Event = Union[Meta, Parts, File, Bears, Problem]


class Stream:
    """The events of one stream. ``read(room)`` puts some of its bytes there, 0 at its end.

    What is read goes to one place, over what was there before: to get memory for each read takes
    longer than to read.
    """

    def __init__(self, read: Callable[[memoryview], int]) -> None:
        self._read = read
        self._view = memoryview(bytearray(_ROOM))
        self._filled = 0
        self._next = b""
        self._start = self._end = 0  # of the next frame's payload
        self._said = self._problems = 0
        self._once: set[bytes] = set()

    def events(self) -> Iterator[Event]:
        """Everything the child says, up to its end frame; ``Broken`` if it never gets there."""
        self._advance()
        while (kind := self._next) != protocol.END:
            self._said += 1
            if self._said > _MAX_EVENTS:
                raise Broken("more to say than agreed")
            if kind == protocol.FILE:
                file = self._file()
                yield file
                if isinstance(file.chunks, tuple):
                    self._advance()
                if self._next == protocol.MORE:
                    raise Broken("more of a file than it has")
                continue  # its chunks have read ahead to the next frame
            yield self._other(kind, self._payload())
            self._advance()

    def _other(self, kind: bytes, payload: memoryview) -> Event:
        """What is said by a frame that is no file's."""
        if kind == protocol.PROBLEM:
            self._problems += 1
            if self._problems > protocol.MAX_PROBLEMS:
                raise Broken("more problems than agreed")
            return _problem(payload)
        if kind in self._once:  # each is a megabyte of JSON at most
            raise Broken("something said twice")
        self._once.add(kind)
        if kind == protocol.META:
            return Meta(_mapping(payload))
        if kind == protocol.PARTS:
            return _parts(payload)
        if kind == protocol.BEARS:
            return Bears(_names(payload))
        raise Broken("a frame out of place")

    def _payload(self) -> memoryview:
        return self._view[self._start : self._end]

    def _advance(self) -> None:
        start = self._end + _FRAME_SIZE
        if self._filled < start:
            self._fill(_FRAME_SIZE)
            start = self._end + _FRAME_SIZE
        self._next, length = _FRAME(self._view, start - _FRAME_SIZE)
        if length > protocol.MAX_PAYLOAD:
            raise Broken("a frame larger than agreed")
        if self._filled < start + length:
            self._fill(_FRAME_SIZE + length)
            start = self._end + _FRAME_SIZE
        self._start, self._end = start, start + length

    def _fill(self, length: int) -> None:
        """Have so many bytes from the end of the last frame on, which may be elsewhere then."""
        have = self._filled - self._end
        if not have or self._end + max(length, have + _LEAST) > len(self._view):
            rest = self._view[self._end : self._filled]
            if length > len(self._view):
                self._view = memoryview(bytearray(length))
            self._view[:have] = rest
            self._end, self._filled = 0, have
        while self._filled < self._end + length:
            read = self._read(self._view[self._filled :])
            if not read:
                raise Ended("it ended too soon")
            self._filled += read

    def _file(self) -> File:
        name_start = self._start + _HEADER_SIZE
        if self._end < name_start:
            raise Broken("a file without a header")
        scheme, flags, size, name_length, digest_length = _HEADER(self._view, self._start)
        name_end = name_start + name_length
        data_start = name_end + digest_length
        if self._end < data_start or scheme >= len(protocol.SCHEMES):
            raise Broken("a malformed header")
        try:
            path = str(self._view[name_start:name_end], "utf-8")
        except UnicodeDecodeError:
            raise Broken("a name that is not UTF-8") from None
        here = self._end - data_start
        if here > size:
            raise Broken("more of a file than it has")
        first = self._view[data_start : self._end]
        return File(
            protocol.SCHEMES[scheme],
            path,
            size,
            flags & protocol.EXECUTABLE != 0,
            flags & protocol.BYTE_CODE != 0,
            bytes(self._view[name_end:data_start]),
            (first,) if here == size else self._chunks(size, first),
        )

    def _chunks(self, size: int, first: memoryview) -> Iterator[memoryview]:
        left = size - len(first)
        if first:
            yield first
        self._advance()
        frames = 0
        while left and self._next == protocol.MORE:
            payload = self._payload()
            left -= len(payload)
            frames += 1
            if left < 0:
                raise Broken("more of a file than it has")
            if frames * _MIN_FRAME > size + protocol.MAX_PAYLOAD:
                raise Broken("a file in crumbs")
            yield payload
            self._advance()


def _mapping(payload: memoryview) -> Mapping[str, Any]:
    value = _json(payload)
    if not isinstance(value, dict):
        raise Broken("claims that are no object")
    return value


def _parts(payload: memoryview) -> Parts:
    if len(payload) != 1 or not payload[0]:
        raise Broken("a malformed number of parts")
    return Parts(payload[0])


def _names(payload: memoryview) -> tuple[str, ...]:
    value = _json(payload)
    if not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise Broken("a malformed list of directories")
    return tuple(value)


def _problem(payload: memoryview) -> Problem:
    value = _json(payload)
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)):
        raise Broken("a malformed problem")
    message, where = (printable(part) for part in value)
    return Problem(message, where)


def _json(payload: memoryview) -> object:
    try:
        return json.loads(bytes(payload))
    except (ValueError, RecursionError):
        raise Broken("malformed JSON") from None


def printable(text: str, most: int = 500) -> str:
    """A hostile text, fit for a terminal and a log: one line, printable, ``most`` letters of it."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:most]
    )
