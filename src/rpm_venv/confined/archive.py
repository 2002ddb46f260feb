"""A strict reader of zip archives: one structure, no gaps, nothing that two readers take two ways.

``zipfile`` looks for what it can use; this looks for what does not belong. Every byte of the file
is part of exactly one member, of the central directory, or of the record at the end.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from rpm_venv.confined import protocol

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4sBBHHH4x3L5H2L")
_LOCAL = struct.Struct("<4sHHH4x3L2H")

_STORED, _DEFLATED = 0, 8
_HAS_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
_HARMLESS_FLAGS = 0b110 | _HAS_DESCRIPTOR | _UTF8  # 0b110: how hard the compressor tried
_FULL = 0xFFFFFFFF
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_DOS_DIRECTORY = 0x10


class Refused(Exception):
    """The archive, or one member, is not what a wheel may be."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where


class Member(NamedTuple):
    """One file or directory of the archive, as its central directory has it."""

    name: str
    raw_name: bytes
    executable: bool
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")


class Archive:
    """The members of one archive, and their bytes. ``Refused`` when it is not well-formed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.length = os.fstat(descriptor).st_size
        count, size, self._members_end = self._end_record()
        directory = os.pread(descriptor, size, self._members_end)
        #: What is wrong with single members; those are not in ``members``.
        self.problems: list[Refused] = []
        self._starts: list[int] = []
        self.members = self._central_directory(directory, count)
        self._ends = self._member_ends()
        self._check_sizes()

    def _end_record(self) -> tuple[int, int, int]:
        """Number of members, size and offset of the central directory."""
        start = self.length - _END.size
        if start < 0:
            raise Refused("not a zip archive: too short")
        fields = _END.unpack(os.pread(self._descriptor, _END.size, start))
        signature, disk, first_disk, here, count, size, offset, comment = fields
        if signature != b"PK\5\6" or comment:
            raise Refused("not a zip archive, or something follows its end (a comment counts)")
        if (disk, first_disk) != (0, 0) or here != count:
            raise Refused("the archive has several parts")
        end = start
        locator_start = start - _END64_LOCATOR.size
        if locator_start >= 0:
            locator = os.pread(self._descriptor, _END64_LOCATOR.size, locator_start)
            if locator.startswith(b"PK\6\7"):
                count, size, offset, end = self._end64_record(locator, locator_start)
        if offset + size != end:
            raise Refused("the central directory does not end where the end record begins")
        if count > protocol.MAX_FILES or size > count * 3000:
            raise Refused(f"more than {protocol.MAX_FILES} files, or a directory out of proportion")
        return count, size, offset

    def _end64_record(self, locator: bytes, locator_start: int) -> tuple[int, int, int, int]:
        _, disk, start, disks = _END64_LOCATOR.unpack(locator)
        if disk != 0 or disks > 1 or start + _END64.size != locator_start:
            raise Refused("the zip64 end record is not where its locator says")
        fields = _END64.unpack(os.pread(self._descriptor, _END64.size, start))
        signature, length, _, _, disk, first_disk, here, count, size, offset = fields
        if signature != b"PK\6\6" or length != _END64.size - 12:
            raise Refused("the zip64 end record is malformed")
        if (disk, first_disk) != (0, 0) or here != count:
            raise Refused("the archive has several parts")
        return count, size, offset, start

    def _central_directory(self, directory: bytes, count: int) -> list[Member]:
        members = []
        position = 0
        for _ in range(count):
            fields = directory[position : position + _CENTRAL.size]
            if len(fields) < _CENTRAL.size or not fields.startswith(b"PK\1\2"):
                raise Refused("the central directory is malformed")
            values = _CENTRAL.unpack(fields)
            lengths = values[9:12]
            names_start = position + _CENTRAL.size
            position = names_start + sum(lengths)
            if position > len(directory):
                raise Refused("the central directory is cut off")
            raw_name = directory[names_start : names_start + lengths[0]]
            extra = directory[names_start + lengths[0] : position - lengths[2]]
            try:
                members.append(_member(values, raw_name, extra))
                self._starts.append(members[-1].offset)
            except Refused as refused:
                self.problems.append(refused)
                self._starts.append(values[-1])
        if position != len(directory):
            raise Refused("the central directory has more in it than it counts")
        return members

    def _member_ends(self) -> dict[int, int]:
        """Where each member's bytes end, by where they begin: where the next member's begin."""
        starts = sorted(self._starts)
        if len(set(starts)) != len(starts):
            raise Refused("two members share their bytes")
        if (starts[0] if starts else self._members_end) != 0:
            raise Refused("the archive does not begin with its first member")
        return dict(zip(starts, [*starts[1:], self._members_end]))

    def _check_sizes(self) -> None:
        total = sum(member.size for member in self.members)
        if total > protocol.MAX_UNPACKED:
            raise Refused(f"unpacks to {total} bytes; the limit is {protocol.MAX_UNPACKED}")
        if total > protocol.MAX_FREE + protocol.MAX_RATIO * self.length:
            raise Refused(f"unpacks to {total // max(self.length, 1)} times its size")

    def whole(self, member: Member) -> bytes:
        """All bytes of a member, checked against every claim about them."""
        if member.size > protocol.MAX_DOCUMENT:
            raise Refused(f"larger than {protocol.MAX_DOCUMENT} bytes", member.name)
        if member.packed > protocol.CHUNK:
            return b"".join(self.chunks(member))
        length = self._ends[member.offset] - member.offset
        if length > protocol.CHUNK + protocol.MAX_PAYLOAD:
            raise Refused("the local header and the central directory disagree", member.name)
        span = os.pread(self._descriptor, length, member.offset)
        start, end = _local_data(member, span[: _LOCAL.size + 2 * 0xFFFF])
        _check_tail(member, span[end:])
        data = span[start:end]
        if member.method == _DEFLATED:
            inflater = zlib.decompressobj(-15)
            data = _inflate(inflater, data, member.size + 1, member)
            if not inflater.eof or inflater.unused_data:
                raise Refused("the compressed data does not end where it should", member.name)
        if len(data) != member.size or zlib.crc32(data) != member.crc:
            raise Refused("the content disagrees with its size or CRC", member.name)
        return data

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a member in pieces; ``Refused`` at the latest after the last piece."""
        head = os.pread(self._descriptor, _LOCAL.size + 2 * 0xFFFF, member.offset)
        start, end = _local_data(member, head)
        crc = size = 0
        for data in self._unpacked(member, member.offset + start):
            size += len(data)
            if size > member.size:
                raise Refused("the content is larger than it says", member.name)
            crc = zlib.crc32(data, crc)
            yield data
        if size != member.size or crc != member.crc:
            raise Refused("the content disagrees with its size or CRC", member.name)
        tail = self._ends[member.offset] - member.offset - end
        if not 0 <= tail <= 24:
            raise Refused("bytes that belong to no member follow", member.name)
        _check_tail(member, os.pread(self._descriptor, tail, member.offset + end))

    def _unpacked(self, member: Member, position: int) -> Iterator[bytes]:
        left = member.packed
        inflater = zlib.decompressobj(-15) if member.method == _DEFLATED else None
        while left:
            data = os.pread(self._descriptor, min(protocol.CHUNK, left), position)
            if not data:
                raise Refused("the archive is cut off", member.name)
            left -= len(data)
            position += len(data)
            if inflater is None:
                yield data
                continue
            while data:
                yield _inflate(inflater, data, protocol.CHUNK, member)
                data = inflater.unconsumed_tail
            if inflater.unused_data or (inflater.eof and left):
                raise Refused("the compressed data does not end where it should", member.name)
        if inflater is not None:
            while not inflater.eof:
                data = _inflate(inflater, b"", protocol.CHUNK, member)
                if not data:
                    raise Refused("the compressed data is cut off", member.name)
                yield data


def _member(values: tuple[int, ...], raw_name: bytes, extra: bytes) -> Member:
    _, _, _, _, flags, method, crc, packed, size, _, _, _, disk, _, attributes, offset = values
    where = raw_name.decode("utf-8", "backslashreplace")
    name = _decode(raw_name, flags, where)
    if flags & ~_HARMLESS_FLAGS:
        encrypted = flags & 0b1000001
        raise Refused("encrypted" if encrypted else f"unknown zip flags {flags:#x}", where)
    if method not in (_STORED, _DEFLATED):
        raise Refused(f"compression method {method}; only stored and deflated are accepted", where)
    blocks = _extra_blocks(extra, where)
    if _UNICODE_PATH in blocks:
        raise Refused("the member has a second name in an extra field", where)
    size, packed, offset = _zip64(blocks, (size, packed, offset), where)
    if disk not in (0, 0xFFFF):
        raise Refused("the member is in another part of the archive", where)
    if method == _STORED and size != packed:
        raise Refused("stored, and yet packed and unpacked sizes differ", where)
    if size > protocol.MAX_FILE:
        raise Refused(f"{size} bytes; the limit of one file is {protocol.MAX_FILE}", where)
    mode = attributes >> 16
    _check_type(name, mode, attributes, size, where)
    executable = stat.S_ISREG(mode) and bool(mode & 0o111)
    return Member(name, raw_name, executable, flags, method, crc, packed, size, offset)


def _decode(raw_name: bytes, flags: int, where: str) -> str:
    if b"\0" in raw_name:
        raise Refused("the name has a control character in it", where)
    if not flags & _UTF8 and not raw_name.isascii():
        raise Refused("the name is not ASCII and not marked as UTF-8", where)
    try:
        return raw_name.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("the name has bytes that are not UTF-8 in it", where) from None


def _check_type(name: str, mode: int, attributes: int, size: int, where: str) -> None:
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        words = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise Refused(f"{words.get(kind, 'a device')}, not a file", where)
    says_directory = kind == stat.S_IFDIR or (kind == 0 and attributes & _DOS_DIRECTORY)
    if name.endswith("/"):
        if kind == stat.S_IFREG or size:
            raise Refused("named as a directory, but has the type or the content of a file", where)
    elif says_directory:
        raise Refused("a directory by type, a file by name", where)


def _extra_blocks(extra: bytes, where: str) -> dict[int, bytes]:
    blocks: dict[int, bytes] = {}
    while extra:
        if len(extra) < 4:
            raise Refused("an extra field is malformed", where)
        kind, length = struct.unpack_from("<HH", extra)
        if len(extra) < 4 + length or kind in blocks:
            raise Refused("an extra field is malformed", where)
        blocks[kind] = extra[4 : 4 + length]
        extra = extra[4 + length :]
    return blocks


def _zip64(blocks: dict[int, bytes], values: tuple[int, ...], where: str) -> list[int]:
    """The 32-bit values, with those that say so replaced by the zip64 field's, in its order."""
    field = blocks.get(_ZIP64, b"")
    found = []
    for value in values:
        if value == _FULL and _ZIP64 in blocks:
            if len(field) < 8:
                raise Refused("the zip64 field is too short", where)
            value = int.from_bytes(field[:8], "little")  # noqa: PLW2901
            field = field[8:]
        found.append(value)
    return found


def _local_data(member: Member, head: bytes) -> tuple[int, int]:
    """Where the packed data begins and ends after the member's offset; checks the local header."""
    if len(head) < _LOCAL.size or not head.startswith(b"PK\3\4"):
        raise Refused("there is no local header where the central directory says", member.name)
    _, _, flags, method, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(head)
    names_end = _LOCAL.size + name_length
    start = names_end + extra_length
    differ = head[_LOCAL.size : names_end] != member.raw_name or len(head) < start
    differ = differ or method != member.method or flags & _HARMLESS_FLAGS != member.flags
    blocks = _extra_blocks(head[names_end:start], member.name)
    size, packed = _zip64(blocks, (size, packed), member.name)
    claims = (crc, packed, size)
    if claims != (member.crc, member.packed, member.size) and not (
        flags & _HAS_DESCRIPTOR
        and (claims == (0, 0, 0) or (crc, packed, size) == (0, _FULL, _FULL))
    ):
        differ = True
    if differ or flags & ~_HARMLESS_FLAGS or _UNICODE_PATH in blocks:
        raise Refused("the local header and the central directory disagree", member.name)
    return start, start + member.packed


def _check_tail(member: Member, tail: bytes) -> None:
    """Between a member and the next there is its data descriptor, if it has one, and nothing."""
    expected = {b""}
    if member.flags & _HAS_DESCRIPTOR:
        short = struct.pack("<LLL", member.crc, member.packed & _FULL, member.size & _FULL)
        long = struct.pack("<LQQ", member.crc, member.packed, member.size)
        expected = {short, b"PK\7\x08" + short, long, b"PK\7\x08" + long}
    if tail not in expected:
        raise Refused("bytes that belong to no member follow", member.name)


def _inflate(inflater: zlib._Decompress, data: bytes, limit: int, member: Member) -> bytes:
    try:
        return inflater.decompress(data, limit)
    except zlib.error:
        raise Refused("the compressed data is damaged", member.name) from None
