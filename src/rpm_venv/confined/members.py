"""One member of a zip archive: what its two headers say of it, and whether they agree."""

from __future__ import annotations

import stat
import struct
from typing import NamedTuple

from rpm_venv.confined import protocol

CENTRAL = struct.Struct("<4sBBHHH4x3L5H2L")
LOCAL = struct.Struct("<4sHHH4x3L2H")
MAX_LOCAL = LOCAL.size + 2 * 0xFFFF

STORED, DEFLATED = 0, 8
FULL = 0xFFFFFFFF
_HAS_DESCRIPTOR, _UTF8 = 1 << 3, 1 << 11
_HARMLESS_FLAGS = 0b110 | _HAS_DESCRIPTOR | _UTF8  # 0b110: how hard the compressor tried
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_DOS_DIRECTORY = 0x10
_TYPE = stat.S_IFMT(0xFFFF)


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


def from_directory(values: tuple[int, ...], raw_name: bytes, extra: bytes) -> Member:
    """The member that an entry of the central directory describes."""
    _, _, _, _, flags, method, crc, packed, size, _, _, _, disk, _, attributes, offset = values
    if raw_name.isascii() and b"\0" not in raw_name:
        name = where = raw_name.decode("ascii")
    else:
        where = raw_name.decode("utf-8", "backslashreplace")
        name = _decode(raw_name, flags, where)
    if flags & ~_HARMLESS_FLAGS:
        encrypted = flags & 0b1000001
        raise Refused("encrypted" if encrypted else f"unknown zip flags {flags:#x}", where)
    if method not in (STORED, DEFLATED):
        raise Refused(f"compression method {method}; only stored and deflated are accepted", where)
    if extra:
        blocks = _extra_blocks(extra, where)
        if _UNICODE_PATH in blocks:
            raise Refused("the member has a second name in an extra field", where)
        size, packed, offset = _zip64(blocks, (size, packed, offset), where)
    if disk not in (0, 0xFFFF):
        raise Refused("the member is in another part of the archive", where)
    if method == STORED and size != packed:
        raise Refused("stored, and yet packed and unpacked sizes differ", where)
    if size > protocol.MAX_FILE:
        raise Refused(f"{size} bytes; the limit of one file is {protocol.MAX_FILE}", where)
    mode = attributes >> 16
    is_regular = mode & _TYPE == stat.S_IFREG
    if not is_regular or name.endswith("/"):
        _check_type(name, mode, attributes, size, where)
    executable = is_regular and mode & 0o111 != 0
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
    if _ZIP64 not in blocks:
        return list(values)
    field = blocks[_ZIP64]
    found = []
    for value in values:
        if value == FULL:
            if len(field) < 8:
                raise Refused("the zip64 field is too short", where)
            value = int.from_bytes(field[:8], "little")  # noqa: PLW2901
            field = field[8:]
        found.append(value)
    return found


def local_data(member: Member, head: bytes) -> tuple[int, int]:
    """Where the packed data begins and ends after the member's offset; checks the local header."""
    if len(head) < LOCAL.size or not head.startswith(b"PK\3\4"):
        raise Refused("there is no local header where the central directory says", member.name)
    _, _, flags, method, crc, packed, size, name_length, extra_length = LOCAL.unpack_from(head)
    names_end = LOCAL.size + name_length
    start = names_end + extra_length
    claims = (flags, method, crc, packed, size)
    if not extra_length and claims == member[3:8] and head[LOCAL.size : names_end] == member[1]:
        return start, start + packed  # nearly all
    differ = head[LOCAL.size : names_end] != member.raw_name or len(head) < start
    differ = differ or method != member.method or flags & _HARMLESS_FLAGS != member.flags
    blocks: dict[int, bytes] = {}
    if extra_length:
        blocks = _extra_blocks(head[names_end:start], member.name)
        size, packed = _zip64(blocks, (size, packed), member.name)
    sizes = (crc, packed, size)
    if sizes != (member.crc, member.packed, member.size) and not (
        flags & _HAS_DESCRIPTOR and sizes in ((0, 0, 0), (0, FULL, FULL))
    ):
        differ = True
    if differ or flags & ~_HARMLESS_FLAGS or _UNICODE_PATH in blocks:
        raise Refused("the local header and the central directory disagree", member.name)
    return start, start + member.packed


def check_tail(member: Member, tail: bytes) -> None:
    """Between a member and the next there is its data descriptor, if it has one, and nothing."""
    has_descriptor = member.flags & _HAS_DESCRIPTOR
    if not tail and not has_descriptor:
        return
    if not tail:  # who reads from the beginning takes the next member for it
        raise Refused("the data descriptor that it announces is not there", member.name)
    expected = set()
    if has_descriptor:
        short = struct.pack("<LLL", member.crc, member.packed & FULL, member.size & FULL)
        long = struct.pack("<LQQ", member.crc, member.packed, member.size)
        expected = {short, b"PK\7\x08" + short, long, b"PK\7\x08" + long}
    if tail not in expected:
        raise Refused("bytes that belong to no member follow", member.name)
