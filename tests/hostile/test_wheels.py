"""Each way to make a wheel do harm: refused with the reason, or made safe. Nothing gets written."""

from __future__ import annotations

import stat
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Union

import pytest

from rpm_venv.errors import WheelError
from rpm_venv.paths import Layout
from tests.hostile.building import build, leftovers
from tests.hostile.conftest import Tally
from tests.hostile.wheels import (
    STORED,
    Archive,
    Member,
    Wheel,
    sha256_row,
    with_file,
    with_first,
    with_member,
)

Input = Union[Wheel, Archive]

ESCAPES: dict[str, tuple[Input, str]] = {
    "parent": (with_file("../evil.py"), "has '..' in it"),
    "parent inside": (with_file("demo/../../evil.py"), "has '..' in it"),
    "absolute": (with_file("/etc/evil"), "is absolute"),
    "double slash": (with_file("demo//evil"), "empty or '.' part"),
    "dot": (with_file("./evil"), "empty or '.' part"),
    "backslash": (with_file("demo\\..\\evil"), "backslash"),
    "drive": (with_file("C:\\evil"), "backslash"),
    "NUL": (with_member(Member(b"demo/a\0.py")), "control character"),
    "newline": (with_file("demo/a\nb"), "control character"),
    "escape sequence": (with_file("demo/\x1b[2J"), "control character"),
    "bidi": (with_file("demo/\u202ecod.py"), "invisible or direction-changing"),
    "zero width": (with_file("demo/a\u200b.py"), "invisible or direction-changing"),
    "line separator": (with_file("demo/a\u2028b"), "line separator"),
    "not UTF-8": (with_member(Member(b"demo/\xff\xfe", flags=1 << 11)), "not UTF-8"),
    "not marked UTF-8": (with_member(Member("demo/\u00e9".encode())), "not marked as UTF-8"),
    "long part": (with_file("demo/" + "a" * 256), "longer than 255 bytes"),
    "long part in bytes": (with_file("demo/" + "\u00e9" * 128), "longer than 255 bytes"),
    "long name": (with_file("/".join(["a" * 99] * 12)), "1000 bytes in all"),
    "deep": (with_file("a/" * 60 + "a"), "directories deep"),
    "case collision": (with_file("Demo/Data.TXT"), "the same file as"),
    "NFC collision": (
        replace(Wheel(), files={"demo/\u00e9": b"1", "demo/e\u0301": b"2"}),
        "the same file as",
    ),
    "same name twice": (with_member(Member(b"demo/data.txt", b"other")), "the same file as"),
    "file against directory": (with_file("demo/data.txt/inner"), "a file and a directory"),
    "case of file against directory": (with_file("demo/DATA.txt/inner"), "a file and a directory"),
    "two schemes, one file": (
        with_file("demo-1.0.data/purelib/demo/data.txt"),
        "the same file as",
    ),
    "second name in an extra field": (
        with_first(extra=struct.pack("<HHBL", 0x7075, 9, 1, 0) + b"evil"),
        "second name",
    ),
}

TYPES: dict[str, tuple[Input, str]] = {
    "link": (with_member(Member(b"demo/link", b"/etc/passwd", mode=0o120777)), "a link"),
    "device": (with_member(Member(b"demo/null", mode=stat.S_IFCHR | 0o666)), "a device"),
    "block device": (with_member(Member(b"demo/sda", mode=stat.S_IFBLK | 0o666)), "a device"),
    "pipe": (with_member(Member(b"demo/pipe", mode=stat.S_IFIFO | 0o666)), "a pipe"),
    "socket": (with_member(Member(b"demo/socket", mode=stat.S_IFSOCK | 0o666)), "a socket"),
    "directory as a file": (
        with_member(Member(b"demo/sub", mode=stat.S_IFDIR | 0o755)),
        "a directory by type",
    ),
    "DOS directory as a file": (
        with_member(Member(b"demo/sub", mode=0, attributes=0x10)),
        "a directory by type",
    ),
    "directory with content": (
        with_member(Member(b"demo/sub/", b"content", mode=stat.S_IFDIR | 0o755)),
        "content of a file",
    ),
}

SCHEMES: dict[str, tuple[Input, str]] = {
    "interpreter by scripts": (with_file("demo-1.0.data/scripts/python"), "environment itself"),
    "interpreter by data": (with_file("demo-1.0.data/data/bin/python3.11"), "environment itself"),
    "interpreter in capitals": (with_file("demo-1.0.data/data/BIN/Python"), "environment itself"),
    "pyvenv.cfg": (with_file("demo-1.0.data/data/pyvenv.cfg"), "environment itself"),
    "activate": (with_file("demo-1.0.data/scripts/activate"), "environment itself"),
    "activate.fish": (with_file("demo-1.0.data/data/bin/activate.fish"), "environment itself"),
    "another package": (
        with_file("demo-1.0.data/data/lib/python3.11/site-packages/requests/api.py"),
        "environment itself",
    ),
    "another package by lib64": (
        with_file("demo-1.0.data/data/lib64/python3.11/site-packages/x.py"),
        "environment itself",
    ),
    "bin as a file": (with_file("demo-1.0.data/data/bin"), "environment itself"),
    "odd name of a script": (with_file("demo-1.0.data/scripts/a b;c"), "not a name for a command"),
    "script in a directory": (with_file("demo-1.0.data/scripts/sub/tool"), "in a directory"),
    "unknown scheme": (with_file("demo-1.0.data/stdlib/os.py"), "unknown install scheme"),
    "scheme without a path": (with_file("demo-1.0.data/purelib"), "unknown install scheme"),
    "another wheel's data": (
        with_file("other-1.0.data/scripts/tool"),
        "a data directory that is not demo-1.0.data",
    ),
    "dist-info by purelib": (
        with_file("demo-1.0.data/purelib/demo-1.0.dist-info/evil"),
        "second dist-info",
    ),
    "another's dist-info by purelib": (
        with_file("demo-1.0.data/purelib/requests-2.0.dist-info/METADATA"),
        "second dist-info",
    ),
}

_OTHER = b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n\n"

CLAIMS: dict[str, tuple[Input, str]] = {
    "no dist-info": (
        Archive([Member(b"demo/__init__.py")]),
        "0 dist-info directories",
    ),
    "two dist-infos": (with_file("other-1.0.dist-info/METADATA", _OTHER), "2 dist-info"),
    "two dist-infos by case": (
        with_file("Demo-1.0.Dist-Info/METADATA", _OTHER),
        "2 dist-info",
    ),
    "dist-info of another": (
        replace(Wheel(), dist_info="other-1.0.dist-info"),
        "not named after the wheel",
    ),
    "dist-info of another version": (
        replace(Wheel(), dist_info="demo-2.0.dist-info"),
        "not named after the wheel",
    ),
    "metadata of another": (replace(Wheel(), metadata=_OTHER), "Name 'other' is not"),
    "metadata of another version": (
        replace(Wheel(), metadata=b"Name: demo\nVersion: 6.6.6\n\n"),
        "Version '6.6.6' is not",
    ),
    "two names": (
        replace(Wheel(), metadata=b"Name: demo\nName: other\nVersion: 1.0\n\n"),
        "2 fields Name",
    ),
    "no metadata": (replace(Wheel(), metadata=None), "METADATA: is missing"),
    "binary metadata": (replace(Wheel(), metadata=bytes(range(256)) * 9), "fields Name"),
    "no WHEEL": (replace(Wheel(), wheel=None), "WHEEL: is missing"),
    "WHEEL of the future": (
        replace(Wheel(), wheel=b"Wheel-Version: 2.0\nTag: py3-none-any\n\n"),
        "only 1.x is known",
    ),
    "tags of another": (
        replace(Wheel(), wheel=b"Wheel-Version: 1.0\nTag: cp27-cp27mu-any\n\n"),
        "not the file name's",
    ),
    "no tags": (replace(Wheel(), wheel=b"Wheel-Version: 1.0\n\n"), "not the file name's"),
    "malformed tag": (
        replace(Wheel(), wheel=b"Wheel-Version: 1.0\nTag: py3\n\n"),
        "is not a tag",
    ),
}


def _rows(*extra: tuple[str, ...], without: str = "") -> list[tuple[str, ...]]:
    wheel = Wheel()
    rows: list[tuple[str, ...]] = [
        sha256_row(name, data) for name, data in wheel.contents().items() if name != without
    ]
    return [*rows, *extra, (f"{wheel.dist_info}/RECORD", "", "")]


_FILE = "demo/data.txt"
_ROW = sha256_row(_FILE, b"data\n")

RECORDS: dict[str, tuple[Input, str]] = {
    "no RECORD": (replace(Wheel(), without_record=True), "RECORD: is missing"),
    "file not listed": (replace(Wheel(), unlisted=[_FILE]), "RECORD does not list it"),
    "listed, not there": (
        replace(Wheel(), rows=_rows(sha256_row("demo/gone.py", b""))),
        "not there",
    ),
    "listed outside": (
        replace(Wheel(), rows=_rows(sha256_row("../../etc/passwd", b""))),
        "not there",
    ),
    "wrong hash": (
        replace(Wheel(), rows=_rows(sha256_row(_FILE, b"DATA\n"), without=_FILE)),
        "has another hash",
    ),
    "wrong size": (
        replace(Wheel(), rows=_rows((_FILE, _ROW[1], "6"), without=_FILE)),
        "has another size",
    ),
    "odd size": (replace(Wheel(), rows=_rows((_FILE, _ROW[1], "-1"), without=_FILE)), "no number"),
    "no hash": (replace(Wheel(), rows=_rows((_FILE, "", ""), without=_FILE)), "no hash for it"),
    "md5": (
        replace(Wheel(), rows=_rows((_FILE, "md5=XUFAKrxLKna5cZ2REBfFkg", "5"), without=_FILE)),
        "no strong hash",
    ),
    "sha1": (
        replace(
            Wheel(), rows=_rows((_FILE, "sha1=qvTGHdzF6KLavt4PO0gs2a6pQ00", ""), without=_FILE)
        ),
        "no strong hash",
    ),
    "short hash": (
        replace(Wheel(), rows=_rows((_FILE, "sha256=AAAA", ""), without=_FILE)),
        "wrong length",
    ),
    "malformed hash": (
        replace(Wheel(), rows=_rows((_FILE, "sha256=*", ""), without=_FILE)),
        "malformed",
    ),
    "listed twice": (replace(Wheel(), rows=_rows(_ROW)), "more than once"),
    "row of two": (replace(Wheel(), rows=_rows(("demo/x", ""))), "a row of 2 fields"),
    "not UTF-8": (replace(Wheel(), record=b"\xff\xfe,,\n"), "cannot be read"),
    "open quote": (replace(Wheel(), record=b'"demo/__init__.py,,\n'), "cannot be read"),
}


def _points(line: str, group: str = "console_scripts") -> Wheel:
    return replace(Wheel(), entry_points=f"[{group}]\n{line}\n".encode())


POINTS: dict[str, tuple[Input, str]] = {
    "path as a name": (_points("../../../bin/sh = demo:main"), "not a name for a command"),
    "absolute path as a name": (_points("/bin/sh = demo:main"), "not a name for a command"),
    "shell as a name": (_points("a;rm -rf = demo:main"), "not a name for a command"),
    "option as a name": (_points("-rf = demo:main"), "not a name for a command"),
    "hidden name": (_points(".profile = demo:main"), "not a name for a command"),
    "empty name": (_points(" = demo:main"), "not a name for a command"),
    "interpreter as a name": (_points("python3 = demo:main"), "environment itself"),
    "activate as a name": (_points("activate = demo:main"), "environment itself"),
    "code in the module": (_points("x = os;import os:main"), "not module:attribute"),
    "code in the attribute": (_points("x = demo:main()"), "not module:attribute"),
    "lines in the attribute": (_points("x = demo:a\x0bimport os"), "line without '='"),
    "no attribute": (_points("x = demo"), "not module:attribute"),
    "number in the module": (_points("x = demo.1:main"), "not module:attribute"),
    "gui": (_points("python = demo:main", "gui_scripts"), "environment itself"),
    "twice": (_points("x = demo:main\nx = demo:other"), "declared twice"),
    "not UTF-8": (replace(Wheel(), entry_points=b"[console_scripts]\n\xff=a:b\n"), "not UTF-8"),
    "no equals": (_points("nothing"), "without '='"),
}


def _structure(**changes: object) -> Archive:
    return replace(Wheel().archive(), **changes)  # type: ignore[arg-type]


def _overlapping() -> Archive:
    archive = Wheel().archive()
    archive.members[1] = replace(archive.members[1], offset=0)
    return archive


def _deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


_INIT = b"answer = 42\n"

STRUCTURES: dict[str, tuple[Input, str]] = {
    "data before": (_structure(before=b"#!/bin/sh\n"), "does not begin with its first member"),
    "data after": (_structure(after=b"trailing"), "something follows its end"),
    "comment": (_structure(comment=b"a comment"), "something follows its end"),
    "archive after archive": (
        _structure(before=Wheel().archive().to_bytes()),
        "does not begin with its first member",
    ),
    "archive inside the comment": (
        _structure(comment=Wheel().archive().to_bytes()),
        "does not end where",
    ),
    "gap before the directory": (_structure(gap=b"hidden"), "belong to no member"),
    "gap between members": (with_first(after=b"hidden"), "belong to no member"),
    "member not in the directory": (
        _structure(members=[Member(b"hidden.py", in_directory=False), *Wheel().archive().members]),
        "does not begin with its first member",
    ),
    "two end records that disagree": (
        _structure(zip64=True, short_count=1),
        "end records disagree",
    ),
    "member in the middle not in the directory": (
        _structure(
            members=[
                *Wheel().archive().members[:1],
                Member(b"hidden.py", in_directory=False),
                *Wheel().archive().members[1:],
            ]
        ),
        "belong to no member",
    ),
    "two members at one place": (_overlapping(), "share their bytes"),
    "member beyond the end": (with_first(offset=1 << 20), "does not begin with its first member"),
    "more counted than there": (_structure(count=99), "malformed"),
    "fewer counted than there": (_structure(count=1), "more in it than it counts"),
    "directory elsewhere": (_structure(directory_offset=0), "does not end where"),
    "several disks": (_structure(disks=(1, 1)), "several parts"),
    "member on another disk": (with_first(disk=3), "another part"),
    "empty": (Archive(), "0 dist-info directories"),
    "local name differs": (with_first(local_name=b"demo/__evil__.py"), "disagree"),
    "local method differs": (with_first(local_method=STORED), "disagree"),
    "local size differs": (with_first(local_size=1), "disagree"),
    "local flags differ": (with_first(local_flags=1 << 11), "disagree"),
    "local zip64 size differs": (
        with_first(local_size=0xFFFFFFFF, local_extra=struct.pack("<HHQ", 1, 8, 3)),
        "disagree",
    ),
    "wrong CRC": (with_first(crc=1), "size or CRC"),
    "larger than it says": (with_first(size=3), "does not end where"),
    "smaller than it says": (with_first(size=99), "size or CRC"),
    "compressed data cut off": (with_first(raw=_deflate(_INIT)[:-3]), "does not end where"),
    "data after the compressed data": (with_first(raw=_deflate(_INIT) + b"x"), "does not end"),
    "not compressed at all": (with_first(raw=b"\xff" * 30), "damaged"),
    "stored with two sizes": (with_first(method=STORED, size=3), "sizes differ"),
    "encrypted": (with_first(flags=1), "encrypted"),
    "strongly encrypted": (with_first(flags=1 << 6), "encrypted"),
    "masked headers": (with_first(flags=1 << 13), "unknown zip flags"),
    "bzip2": (with_first(method=12, raw=b"BZh9"), "compression method 12"),
    "lzma": (with_first(method=14, raw=b""), "compression method 14"),
    "zstandard": (with_first(method=93, raw=b""), "compression method 93"),
    "no descriptor": (with_first(flags=8), "data descriptor that it announces is not there"),
    "wrong descriptor": (with_first(flags=8, descriptor=b"PK\7\x08" + b"\1" * 12), "belong to no"),
    "malformed extra field": (with_first(extra=b"\1\0\xff\0"), "extra field"),
    "doubled extra field": (with_first(extra=struct.pack("<HH", 0xCAFE, 0) * 2), "extra field"),
}


def _bomb(size: int) -> Archive:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return with_member(Member(b"demo/bomb", raw=packed + compressor.flush(), crc=0, size=size))


BOMBS: dict[str, tuple[Input, str]] = {
    "ratio": (_bomb(400 << 20), "times its size"),
    "claims to be small": (
        with_first(raw=_deflate(bytes(8 << 20)), size=12),
        "does not end where",
    ),
    "large file claims to be small": (
        with_member(Member(b"demo/x", raw=_deflate(bytes(64 << 20)), size=1 << 20)),
        "larger than it says",
    ),
    "one large file": (with_first(size=0xF0000000, raw=b""), "times its size"),
    "large RECORD": (
        replace(Wheel(), record=b"x" * (33 << 20)),
        "larger than 33554432 bytes",
    ),
    "many members": (_structure(count=250_000, zip64=True), "more than 60000 files"),
    "many commands": (
        _points("\n".join(f"c{number} = demo:main" for number in range(2001))),
        "more than 2000 commands",
    ),
}

TABLE = {
    "path escapes": ESCAPES,
    "links, devices and types": TYPES,
    "install schemes": SCHEMES,
    "dist-info, metadata and tags": CLAIMS,
    "RECORD": RECORDS,
    "entry points": POINTS,
    "zip structures": STRUCTURES,
    "bombs": BOMBS,
}
CASES = [
    pytest.param(group, wheel, reason, id=f"{group}: {name}")
    for group, cases in TABLE.items()
    for name, (wheel, reason) in cases.items()
]


def write(directory: Path, value: Input) -> Path:
    return value.write(directory) if isinstance(value, Wheel) else Wheel().write(directory, value)


@pytest.mark.parametrize(("group", "value", "reason"), CASES)
def test_is_refused(tmp_path: Path, tally: Tally, group: str, value: Input, reason: str) -> None:
    wheel = write(tmp_path, value)
    root = tmp_path / "root"
    with pytest.raises(WheelError) as caught:
        build(root, wheel)
    assert reason in str(caught.value)
    assert wheel.name in str(caught.value)
    assert str(caught.value).isprintable() or all(
        line.isprintable() for line in caught.value.lines()
    )
    assert leftovers(Layout(root)) == []
    tally(group, "refused")
