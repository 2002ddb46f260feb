"""What a wheel may have in it that does no harm once it is unpacked our way, and real life."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.paths import Layout
from tests.hostile.building import build, only_object, running_interpreter
from tests.hostile.conftest import Tally
from tests.hostile.wheels import (
    STORED,
    Archive,
    Member,
    Wheel,
    sha256_row,
    with_file,
    with_first,
)

TAG = running_interpreter().tag


def unpacked(tmp_path: Path, value: Wheel | Archive) -> dict[str, Path]:
    """The files of the object that a wheel becomes, by scheme/path; all are checked."""
    wheel = value.write(tmp_path) if isinstance(value, Wheel) else Wheel().write(tmp_path, value)
    layout = build(tmp_path / "root", wheel)
    stored = only_object(layout)
    place = layout.object(stored.id)
    found = {f"{file.scheme}/{file.path}": place / file.scheme / file.path for file in stored.files}
    for file in stored.files:
        path = found[f"{file.scheme}/{file.path}"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
        assert path.stat().st_size == file.size
        assert stat.S_IMODE(path.lstat().st_mode) == file.mode
        assert stat.S_ISREG(path.lstat().st_mode)
    on_disk = {str(path.relative_to(place)) for path in place.rglob("*") if not path.is_dir()}
    assert on_disk == {*found, "object.json"}
    return found


def test_set_user_id_and_world_writable_modes_are_ordinary_ones(
    tmp_path: Path, tally: Tally
) -> None:
    found = unpacked(tmp_path, with_first(mode=0o104777))
    assert stat.S_IMODE(found["site/demo/__init__.py"].stat().st_mode) == 0o755
    tally("modes", "made safe")


def test_an_unreadable_mode_is_an_ordinary_one(tmp_path: Path, tally: Tally) -> None:
    found = unpacked(tmp_path, with_first(mode=0o100000))
    assert stat.S_IMODE(found["site/demo/__init__.py"].stat().st_mode) == 0o644
    tally("modes", "made safe")


def test_shipped_byte_code_is_replaced_by_our_own(tmp_path: Path, tally: Tally) -> None:
    found = unpacked(tmp_path, with_file(f"demo/__pycache__/__init__.{TAG}.pyc", b"hostile"))
    assert b"hostile" not in found[f"site/demo/__pycache__/__init__.{TAG}.pyc"].read_bytes()
    tally("byte code", "made safe")


@pytest.mark.parametrize("name", ["__pycache__/other.pyc", "demo/__pycache__/x.cpython-27.pyc"])
def test_shipped_byte_code_without_a_source_is_dropped(
    tmp_path: Path, tally: Tally, name: str
) -> None:
    assert f"site/{name}" not in unpacked(tmp_path, with_file(name, b"hostile"))
    tally("byte code", "made safe")


def test_a_module_that_is_byte_code_alone_is_kept(tmp_path: Path, tally: Tally) -> None:
    assert "site/demo/only.pyc" in unpacked(tmp_path, with_file("demo/only.pyc", b"byte code"))
    tally("byte code", "accepted")


@pytest.mark.parametrize("name", ["INSTALLER", "REQUESTED", "direct_url.json"])
def test_an_installers_notes_are_ours(tmp_path: Path, tally: Tally, name: str) -> None:
    found = unpacked(tmp_path, with_file(f"demo-1.0.dist-info/{name}", b"spoofed"))
    assert found["site/demo-1.0.dist-info/INSTALLER"].read_bytes() == b"rpm-venv\n"
    assert "site/demo-1.0.dist-info/REQUESTED" not in found
    assert "site/demo-1.0.dist-info/direct_url.json" not in found
    tally("installer's notes", "made safe")


HOSTILE_SOURCES = {
    "syntax error": b"def (:\n",
    "NUL": b"a = 1\0\n",
    "not UTF-8": b"a = '\xff'\n",
    "unknown encoding": b"# -*- coding: klingon -*-\n",
    "encoding that runs code": b"# -*- coding: idna -*-\nprint(1)\n",
    "deep brackets": b"(" * 5000 + b")" * 5000,
    "deep operators": b"-" * 20000 + b"1",
    "deep attributes": b"a" + b".b" * 20000,
    "deep blocks": b"".join(b" " * n + b"if 1:\n" for n in range(150)),
    "huge number": b"a = 1" + b"0" * 100_000,
    "huge power": b"a = 9**9**9\n",
    "huge repetition": b"a = 'x' * 10**12\n",
    "another Python's": b"print 'hello'\n",
    "nested f-strings": b"f'" + b"{f'" * 200 + b"'}" * 200 + b"'",
}


@pytest.mark.parametrize("name", HOSTILE_SOURCES)
def test_a_hostile_source_at_most_has_no_byte_code(tmp_path: Path, tally: Tally, name: str) -> None:
    source = HOSTILE_SOURCES[name]
    found = unpacked(tmp_path, with_file("demo/bad.py", source))
    assert found["site/demo/bad.py"].read_bytes() == source
    assert f"site/demo/__pycache__/__init__.{TAG}.pyc" in found
    tally("sources", "made safe")


def test_a_source_past_the_limit_has_no_byte_code(tmp_path: Path, tally: Tally) -> None:
    found = unpacked(tmp_path, with_file("demo/large.py", b"a = 1\n" * 1_100_000))
    assert f"site/demo/__pycache__/large.{TAG}.pyc" not in found
    assert found["site/demo/large.py"].stat().st_size == 6_600_000
    tally("sources", "made safe")


def test_a_source_whose_byte_codes_name_would_be_too_long_has_none(
    tmp_path: Path, tally: Tally
) -> None:
    found = unpacked(tmp_path, with_file(f"demo/{'a' * 250}.py"))
    assert len([name for name in found if name.endswith(".pyc")]) == 1
    tally("sources", "made safe")


START_UP = ["evil.pth", "sitecustomize.py", "usercustomize.py", "_manylinux.py", "pip/__init__.py"]


@pytest.mark.parametrize("name", START_UP)
def test_what_runs_when_python_starts_is_the_packages_business_but_not_ours(
    tmp_path: Path, tally: Tally, name: str
) -> None:
    mark = tmp_path / "ran"
    code = f"import os; open({str(mark)!r}, 'w').close()\n".encode()
    found = unpacked(tmp_path, with_file(name, code))
    assert f"site/{name}" in found
    assert not mark.exists()
    tally("code that runs at start-up", "made safe")


def test_nothing_of_the_wheel_is_imported_while_it_is_compiled(
    tmp_path: Path, tally: Tally
) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').close()\n".encode()
    names = ("encodings.py", "marshal.py", "json.py", "demo/__init__.py", "zlib.py", "csv.py")
    unpacked(tmp_path, replace(Wheel(), files=dict.fromkeys(names, code)))
    assert not mark.exists()
    tally("code that runs at start-up", "made safe")


def _descriptors(signature: bytes, width: str) -> Archive:
    archive = Wheel().archive()
    members = []
    for member in archive.members:
        plain = replace(member, flags=8)
        numbers = (zlib.crc32(member.content), len(member.packed), len(member.content))
        members.append(replace(plain, descriptor=signature + struct.pack(width, *numbers)))
    return Archive(members)


def _signed() -> Wheel:
    wheel = with_file("demo-1.0.dist-info/RECORD.jws", b"{}")
    return replace(wheel, unlisted=["demo-1.0.dist-info/RECORD.jws"])


def _with_rows(*rows: tuple[str, ...]) -> Wheel:
    wheel = Wheel()
    first = [sha256_row(name, data) for name, data in wheel.contents().items()]
    return replace(wheel, rows=[*first[len(rows) :], *rows])


_SHA512 = hashlib.sha512(b"answer = 42\n").digest()
_HEX = hashlib.sha256(b"answer = 42\n").hexdigest()


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode()


QUIRKS: dict[str, Wheel | Archive] = {
    "data descriptors": _descriptors(b"PK\7\x08", "<LLL"),
    "data descriptors without a signature": _descriptors(b"", "<LLL"),
    "data descriptors of 64 bits": _descriptors(b"PK\7\x08", "<LQQ"),
    "stored members": Archive([replace(m, method=STORED) for m in Wheel().archive().members]),
    "zip64": replace(Wheel().archive(), zip64=True),
    "zip64 sizes in the local header": with_first(
        local_size=0xFFFFFFFF,
        local_extra=struct.pack("<HHQQ", 1, 16, len(b"answer = 42\n"), 0),
    ),
    "directory members": Archive(
        [Member(b"demo/", mode=0o040755, method=STORED), *Wheel().archive().members]
    ),
    "members made on DOS": Archive([replace(m, mode=0) for m in Wheel().archive().members]),
    "extra fields": with_first(extra=struct.pack("<HHL", 0x5455, 4, 7)),
    "unlisted signature": _signed(),
    "dist-info not normalised": replace(
        Wheel(),
        dist_info="Demo-1.0.dist-info",
        metadata=b"Metadata-Version: 1.0\r\nName: DEMO\r\nVersion: 1.0.0\r\n\r\n",
    ),
    "platform by another name": replace(
        Wheel(),
        tag="cp311-cp311-manylinux2014_x86_64",
        wheel=b"Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n\n",
    ),
    "several tags in one": replace(
        Wheel(), tag="py2.py3-none-any", wheel=b"Wheel-Version: 1.0\nTag: py2.py3-none-any\n\n"
    ),
    "sha512 in RECORD": _with_rows(("demo/__init__.py", f"sha512={_base64(_SHA512)}", "12")),
    "hexadecimal in RECORD": _with_rows(("demo/__init__.py", f"sha256={_HEX}", "12")),
    "padded hash in RECORD": _with_rows(
        ("demo/__init__.py", f"sha256={_base64(bytes.fromhex(_HEX))}", "12")
    ),
    "no sizes in RECORD": _with_rows(("demo/__init__.py", f"sha256={_HEX}", "")),
    "RECORD does not list itself": _with_rows(),
    "commas, quotes and spaces in names": with_file('demo/a, "b" c.txt'),
    "names in other scripts": with_file("demo/\u65e5\u672c.txt"),
    "command with extras": replace(
        Wheel(), entry_points=b"[console_scripts]\nx = demo:main [extra]\n# note\n[other]\ny = z\n"
    ),
    "an empty file": with_file("demo/empty", b""),
    "a large file": with_file("demo/large.bin", os.urandom(1 << 20) * 3),
    "a latin-1 source": with_file("demo/l.py", b"# coding: latin-1\na = '\xe9'\n"),
    "command of argcomplete": with_file("demo-1.0.data/scripts/activate-global-completion"),
    "data for jupyter": with_file("demo-1.0.data/data/share/jupyter/kernels/x/kernel.json"),
    "headers": with_file("demo-1.0.data/headers/demo.h"),
}


@pytest.mark.parametrize("name", QUIRKS)
def test_real_life_is_accepted(tmp_path: Path, tally: Tally, name: str) -> None:
    found = unpacked(tmp_path, QUIRKS[name])
    assert found["site/demo/__init__.py"].read_bytes() == b"answer = 42\n"
    tally("quirks of real wheels", "accepted")


def test_the_store_is_left_alone_by_a_refusal_among_good_wheels(tmp_path: Path) -> None:
    good = Wheel().write(tmp_path)
    layout = build(tmp_path / "root", good)
    before = sorted(map(str, layout.store.rglob("*")))
    other = tmp_path / "other"
    other.mkdir()
    bad = with_file("../evil").write(other)
    with pytest.raises(Exception, match=r"has '\.\.' in it"):
        build(tmp_path / "root", good, bad)
    assert sorted(map(str, Layout(tmp_path / "root").store.rglob("*"))) == before
