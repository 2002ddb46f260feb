"""A strict reader of zip archives: one structure, no gaps, nothing that two readers take two ways.

``zipfile`` looks for what it can use; this looks for what does not belong. Every byte of the file
is part of exactly one member, of the central directory, or of the record at the end.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator

from rpm_venv.confined import members, protocol
from rpm_venv.confined.members import CENTRAL, DEFLATED, FULL, MAX_LOCAL, Member, Refused

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")


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
                short = ((count, 0xFFFF), (size, FULL), (offset, FULL))
                count, size, offset, end = self._end64_record(locator, locator_start)
                for (value, saturated), long in zip(short, (count, size, offset)):
                    if value not in (saturated, long):
                        raise Refused("the two end records disagree")
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
        found = []
        position = 0
        for _ in range(count):
            names_start = position + CENTRAL.size
            if names_start > len(directory):
                raise Refused("the central directory is malformed")
            values = CENTRAL.unpack_from(directory, position)
            names_end = names_start + values[9]
            extra_end = names_end + values[10]
            position = extra_end + values[11]
            if values[0] != b"PK\1\2":
                raise Refused("the central directory is malformed")
            if position > len(directory):
                raise Refused("the central directory is cut off")
            raw_name = directory[names_start:names_end]
            try:
                found.append(
                    members.from_directory(values, raw_name, directory[names_end:extra_end])
                )
                self._starts.append(found[-1].offset)
            except Refused as refused:
                self.problems.append(refused)
                self._starts.append(values[-1])
        if position != len(directory):
            raise Refused("the central directory has more in it than it counts")
        return found

    def _member_ends(self) -> dict[int, int]:
        """Where each member's bytes end, by where they begin: where the next member's begin."""
        starts = sorted(self._starts)
        if len(set(starts)) != len(starts):
            raise Refused("two members share their bytes")
        if (starts[0] if starts else self._members_end) != 0:
            raise Refused("the archive does not begin with its first member")
        if starts and starts[-1] >= self._members_end:
            raise Refused("a member begins where there are no more")
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
        start, end = members.local_data(member, span)
        if end < length or member.flags:
            members.check_tail(member, span[end:])
        if member.method == DEFLATED:
            inflater = zlib.decompressobj(-15)
            data = _inflate(inflater, memoryview(span)[start:end], member.size + 1, member)
            if not inflater.eof or inflater.unused_data:
                raise Refused("the compressed data does not end where it should", member.name)
        else:
            data = span[start:end]
        if len(data) != member.size or zlib.crc32(data) != member.crc:
            raise Refused("the content disagrees with its size or CRC", member.name)
        return data

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a member in pieces; ``Refused`` at the latest after the last piece."""
        head = os.pread(self._descriptor, MAX_LOCAL, member.offset)
        start, end = members.local_data(member, head)
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
        members.check_tail(member, os.pread(self._descriptor, tail, member.offset + end))

    def _unpacked(self, member: Member, position: int) -> Iterator[bytes]:
        left = member.packed
        inflater = zlib.decompressobj(-15) if member.method == DEFLATED else None
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


def _inflate(
    inflater: zlib._Decompress, data: bytes | memoryview, limit: int, member: Member
) -> bytes:
    try:
        return inflater.decompress(data, limit)
    except zlib.error:
        raise Refused("the compressed data is damaged", member.name) from None
