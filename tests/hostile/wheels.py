"""Wheels of every shape, built byte by byte: a good one, and each way to make it a bad one."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

STORED, DEFLATED = 0, 8
REGULAR = 0o100644


@dataclass(frozen=True)
class Member:
    """One zip member. What is None follows from the content; what is given is written as it is."""

    name: bytes
    content: bytes = b""
    mode: int = REGULAR
    method: int = DEFLATED
    flags: int = 0
    raw: bytes | None = None
    crc: int | None = None
    size: int | None = None
    extra: bytes = b""
    local_name: bytes | None = None
    local_method: int | None = None
    local_size: int | None = None
    local_flags: int | None = None
    local_extra: bytes = b""
    descriptor: bytes = b""
    after: bytes = b""
    offset: int | None = None
    in_directory: bool = True
    attributes: int = 0
    disk: int = 0

    @property
    def packed(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.method != DEFLATED:
            return self.content
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        return compressor.compress(self.content) + compressor.flush()


@dataclass
class Archive:
    """A zip archive: members, and what stands before, between and after its structures."""

    members: list[Member] = field(default_factory=list)
    before: bytes = b""
    gap: bytes = b""
    comment: bytes = b""
    after: bytes = b""
    count: int | None = None
    directory_offset: int | None = None
    disks: tuple[int, int] = (0, 0)
    zip64: bool = False
    short_count: int | None = None

    def to_bytes(self) -> bytes:
        body = bytearray(self.before)
        directory = bytearray()
        for member in self.members:
            offset = len(body)
            body += _local(member)
            if member.in_directory:
                directory += _central(member, offset if member.offset is None else member.offset)
        body += self.gap
        offset = len(body) if self.directory_offset is None else self.directory_offset
        listed = sum(member.in_directory for member in self.members)
        count = listed if self.count is None else self.count
        body += directory
        if self.zip64:
            here = len(body)
            body += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count,
                                len(directory), offset)  # fmt: skip
            body += struct.pack("<4sLQL", b"PK\6\7", 0, here, 1)
            count = 0xFFFF if self.short_count is None else self.short_count
            offset = 0xFFFFFFFF
        body += struct.pack(
            "<4s4H2LH", b"PK\5\6", *self.disks, count, count, len(directory), offset,
            len(self.comment),
        )  # fmt: skip
        return bytes(body + self.comment + self.after)


def _numbers(member: Member) -> tuple[int, int, int]:
    crc = zlib.crc32(member.content) if member.crc is None else member.crc
    size = len(member.content) if member.size is None else member.size
    return crc, len(member.packed), size


def _local(member: Member) -> bytes:
    crc, packed, size = _numbers(member)
    if member.flags & 8 and member.local_flags is None:
        crc = packed = size = 0
    if member.local_size is not None:
        size = member.local_size
    name = member.name if member.local_name is None else member.local_name
    method = member.method if member.local_method is None else member.local_method
    flags = member.flags if member.local_flags is None else member.local_flags
    header = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, crc, packed, size, len(name),
        len(member.local_extra),
    )  # fmt: skip
    return header + name + member.local_extra + member.packed + member.descriptor + member.after


def _central(member: Member, offset: int) -> bytes:
    crc, packed, size = _numbers(member)
    attributes = (member.mode << 16 | member.attributes) & 0xFFFFFFFF
    header = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 0x0314, 20, member.flags, member.method, 0, 33, crc, packed,
        size, len(member.name), len(member.extra), 0, member.disk, 0, attributes, offset,
    )  # fmt: skip
    return header + member.name + member.extra


def sha256_row(path: str, content: bytes) -> tuple[str, str, str]:
    """RECORD's row for a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return path, f"sha256={digest}", str(len(content))


@dataclass
class Wheel:
    """A wheel: its files by name, and the parts of dist-info that need not be what they should."""

    name: str = "demo"
    version: str = "1.0"
    tag: str = "py3-none-any"
    files: dict[str, bytes] = field(
        default_factory=lambda: {"demo/__init__.py": b"answer = 42\n", "demo/data.txt": b"data\n"}
    )
    dist_info: str = "demo-1.0.dist-info"
    metadata: bytes | None = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\nHello.\n"
    wheel: bytes | None = (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    entry_points: bytes | None = None
    rows: Sequence[tuple[str, ...]] | None = None
    record: bytes | None = None
    without_record: bool = False
    extra_members: Sequence[Member] = ()
    unlisted: Iterable[str] = ()

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-{self.tag}.whl"

    def contents(self) -> dict[str, bytes]:
        """All files but RECORD."""
        documents = {
            "METADATA": self.metadata,
            "WHEEL": self.wheel,
            "entry_points.txt": self.entry_points,
        }
        found = {f"{self.dist_info}/{name}": data for name, data in documents.items() if data}
        return {**self.files, **found}

    def record_bytes(self) -> bytes:
        if self.record is not None:
            return self.record
        rows: list[Sequence[str]] = [
            sha256_row(name, data)
            for name, data in self.contents().items()
            if name not in self.unlisted
        ]
        rows.append((f"{self.dist_info}/RECORD", "", ""))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows if self.rows is None else self.rows)
        return text.getvalue().encode("utf-8", "surrogateescape")

    def archive(self) -> Archive:
        contents = self.contents()
        if not self.without_record:
            contents[f"{self.dist_info}/RECORD"] = self.record_bytes()
        members = [_member(name, data) for name, data in contents.items()]
        return Archive([*members, *self.extra_members])

    def write(self, directory: Path, archive: Archive | None = None) -> Path:
        path = directory / self.filename
        path.write_bytes((archive or self.archive()).to_bytes())
        return path


def _member(name: str, content: bytes) -> Member:
    flags = 0 if name.isascii() else 1 << 11
    return Member(name.encode("utf-8", "surrogateescape"), content, flags=flags)


def with_file(name: str, content: bytes = b"x\n") -> Wheel:
    """A good wheel and one file more, listed in RECORD as it should be."""
    wheel = Wheel()
    return replace(wheel, files={**wheel.files, name: content})


def with_member(member: Member) -> Archive:
    """A good wheel, RECORD included, and one member more that RECORD lists as well."""
    wheel = Wheel()
    name = member.name.decode("utf-8", "surrogateescape")
    archive = replace(wheel, rows=_rows_without_sizes({**wheel.contents(), name: member.content}))
    return replace(archive.archive(), members=[*archive.archive().members, member])


def with_first(**changes: object) -> Archive:
    """A good wheel whose first member, demo/__init__.py, is written another way."""
    rows = _rows_without_sizes(Wheel().contents())
    first, *others = replace(Wheel(), rows=rows).archive().members
    return Archive([replace(first, **changes), *others])  # type: ignore[arg-type]


def _rows_without_sizes(contents: dict[str, bytes]) -> list[tuple[str, ...]]:
    """RECORD's rows with the size left out, as they may be: the archive's own claims are tested."""
    rows = [(*sha256_row(path, data)[:2], "") for path, data in contents.items()]
    return [*rows, (f"{Wheel.dist_info}/RECORD", "", "")]
