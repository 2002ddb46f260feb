"""A confined child's work: a wheel's bytes become a stream of its files and their byte code.

A wheel of many sources is compiled by several children, each its part of them: the first says all
else, the others only their byte code.
"""

from __future__ import annotations

import json
import marshal
import mmap
import os
import struct
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, source_hash

from rpm_venv.confined import names, protocol
from rpm_venv.confined.archive import Archive
from rpm_venv.confined.contents import Contents, Place
from rpm_venv.confined.members import Member, Refused
from rpm_venv.confined.reach import Reach

_UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552: valid for ever, never compared to the source
_FLUSH = 1 << 18
_MOST_PARTS = 1000  # of one writev(2), which takes 1024
#: The beginnings of a frame and of a file, at once.
_FILE = struct.Struct(protocol.FRAME.format + protocol.HEADER.format[1:]).pack


class Output:
    """Frames, gathered into writes that are worth a system call."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []
        self._length = 0

    def frame(self, kind: bytes, *payload: bytes) -> None:
        length = sum(map(len, payload))
        self._say(length, protocol.FRAME.pack(kind, length), *payload)

    def _say(self, length: int, *parts: bytes) -> None:
        self._parts += parts
        self._length += length
        if self._length >= _FLUSH or len(self._parts) >= _MOST_PARTS:
            self.flush()

    def file(self, place: Place, flags: int, size: int, digest: bytes, data: bytes) -> None:
        """The frames of one file whose content, or its beginning, is ``data``."""
        name = place.path.encode()
        first = data if len(data) <= protocol.CHUNK else data[: protocol.CHUNK]
        length = protocol.HEADER.size + len(name) + len(digest) + len(first)
        said = (place.scheme, flags, size, len(name), len(digest))
        self._say(length, _FILE(protocol.FILE, length, *said) + name + digest, first)
        if first is not data:
            self.more(data[protocol.CHUNK :])

    def more(self, data: bytes) -> None:
        for start in range(0, len(data), protocol.CHUNK):
            self.frame(protocol.MORE, data[start : start + protocol.CHUNK])

    def problem(self, refused: Refused) -> None:
        self.frame(
            protocol.PROBLEM, json.dumps([refused.message[:500], refused.where[:500]]).encode()
        )

    def flush(self) -> None:
        parts = self._parts
        left = sum(map(len, parts))
        if left:  # writev(2): to put them together first takes longer than to hand them over
            left -= os.writev(self._descriptor, parts)
        rest = memoryview(b"".join(parts) if left else b"")
        while left:
            left -= os.write(self._descriptor, rest[-left:])
        parts.clear()
        self._length = 0


class Page:
    """Memory shared with root that says which file is being compiled, should this child crash."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, mmap.PAGESIZE)

    def name(self, path: str) -> None:
        data = path.encode()[:1000] + b"\0"
        self._memory[: len(data)] = data


class Sender:
    """Sends one wheel, or its ``part``, with byte code for the interpreter that ``tag`` names."""

    def __init__(
        self, output: Output, tag: str, page: Page, part: tuple[int, int] = protocol.ALONE
    ) -> None:
        self._output = output
        self._tag = tag
        self._page = page
        self._number, self._count = part
        self._compiled = 0  # sources that had their turn, in whatever part
        self._reach = Reach(())

    def send(self, wheel: int) -> None:
        """All there is to say about the wheel behind a descriptor, the end frame last."""
        problems = []
        try:
            contents = Contents(Archive(wheel))
            problems = contents.problems
            if self._number > 0:  # what is wrong is for the first to say
                problems = []
                if not contents.problems:
                    self._byte_code_alone(contents)
            elif not problems:
                self._output.frame(protocol.META, contents.meta)
                self._share(contents)
                places = contents.places.values()
                self._reach = Reach([at.path for at in places if at.scheme == protocol.SITE])
                problems = list(self._files(contents))
                self._bears()
        except Refused as refused:
            problems = [refused]
        for problem in problems[: protocol.MAX_PROBLEMS]:
            self._output.problem(problem)
        self._output.frame(protocol.END)
        self._output.flush()

    def _share(self, contents: Contents) -> None:
        """Say in how many parts the byte code is made, of as many as there may be."""
        sources = (m.size for m, place in contents.places.items() if _is_source(m, place))
        self._count = min(self._count, 1 + sum(sources) // protocol.PART_BYTES)
        self._output.frame(protocol.PARTS, bytes([self._count]))

    def _byte_code_alone(self, contents: Contents) -> None:
        for member in contents.archive.members:
            place = contents.places.get(member)
            if place is not None and _is_source(member, place) and self._is_mine():
                try:
                    self._byte_code(contents.archive.whole(member), place.path)
                except Refused:
                    pass  # the first one says so

    def _is_mine(self) -> bool:
        """Whether the next source is this part's: they take turns, in the order of the archive."""
        turn = self._compiled % self._count
        self._compiled += 1
        return turn == self._number

    def _bears(self) -> None:
        encoded = json.dumps(self._reach.bearing()).encode()
        if len(encoded) <= protocol.MAX_PAYLOAD:  # else they are not links, which works as well
            self._output.frame(protocol.BEARS, encoded)

    def _files(self, contents: Contents) -> Iterator[Refused]:
        for member in contents.archive.members:
            place = contents.places.get(member)
            try:
                if place is None:
                    for _ in contents.archive.chunks(member):
                        pass  # a directory, or dropped; its structure is checked all the same
                else:
                    self._file(contents, member, place)
            except Refused as refused:
                yield refused

    def _file(self, contents: Contents, member: Member, place: Place) -> None:
        row = contents.rows.get(member.name)
        digest = row.digest if row else b""
        flags = protocol.EXECUTABLE if member.executable else 0
        is_source = _is_source(member, place)
        is_mine = is_source and self._is_mine()
        if member.size <= protocol.CHUNK or is_source:
            data = contents.archive.whole(member)
            self._output.file(place, flags, member.size, digest, data)
            if is_source:
                self._page.name(place.path)  # both parse it
                self._reach.source(place.path, data)
                if is_mine:
                    self._byte_code(data, place.path)
            else:
                self._look(place, data)
        else:
            self._output.file(place, flags, member.size, digest, b"")
            begun = False
            for data in contents.archive.chunks(member):
                self._look(place, data, begun=begun)
                begun = True
                self._output.more(data)

    def _look(self, place: Place, data: bytes, *, begun: bool = False) -> None:
        if place.scheme != protocol.SITE:
            return
        if not begun:
            self._reach.begin(place.path, data)
        self._reach.chunk(place.path, data)

    def _byte_code(self, source: bytes, path: str) -> None:
        parent, slash, name = path.rpartition("/")
        target = f"{parent}{slash}__pycache__/{name[:-3]}.{self._tag}.pyc"
        if names.problem(target):
            return  # its byte code's name would be too long; Python does without it, too
        self._page.name(path)
        code = byte_code(source, path)
        if code:
            place = Place(protocol.SITE, target)
            self._output.file(place, protocol.BYTE_CODE, len(code), b"", code)


def _is_source(member: Member, place: Place) -> bool:
    is_module = place.scheme == protocol.SITE and place.path.endswith(".py")
    return is_module and member.size <= protocol.MAX_SOURCE


def byte_code(source: bytes, path: str) -> bytes:
    """The content of the .pyc for a source, or nothing where it does not compile.

    ``path`` relative to site-packages goes into the code; importlib puts the real one in its place.
    """
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        return b"".join((MAGIC_NUMBER, _UNCHECKED_HASH, source_hash(source), marshal.dumps(code)))
    except Exception:  # hostile or for another Python: many kinds, one answer
        return b""
