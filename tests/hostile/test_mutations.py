"""Good wheels with something changed: read as they were, or refused, and never anything else."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpm_venv.confined.archive import Archive
from rpm_venv.confined.contents import Contents
from rpm_venv.confined.members import Refused
from tests.hostile.wheels import Archive as Built
from tests.hostile.wheels import Wheel, with_file

GOOD = {
    "plain": with_file("demo/large.txt", b"abc" * 1000).archive(),
    "zip64": replace(Wheel().archive(), zip64=True),
    "with commands": replace(Wheel(), entry_points=b"[console_scripts]\nx = a:b\n").archive(),
}


def read(data: bytes) -> dict[str, str]:
    """The sha256 of each file that RECORD vouches for; ``Refused`` if anything is wrong."""
    descriptor = os.memfd_create("wheel")
    try:
        os.write(descriptor, data)
        contents = Contents(Archive(descriptor))
        if contents.problems:
            raise contents.problems[0]
        found = {}
        for member in contents.archive.members:
            whole = contents.archive.whole(member)
            assert b"".join(contents.archive.chunks(member)) == whole
            digest = hashlib.sha256(whole)
            row = contents.rows.get(member.name)
            if row and row.digest != digest.digest():
                raise Refused("RECORD has another hash for it", member.name)
            found[member.name] = digest.hexdigest()
        return found
    finally:
        os.close(descriptor)


def check(data: bytes, expected: dict[str, str]) -> None:
    try:
        found = read(data)
    except Refused as refused:
        assert refused.message
        return

    # What RECORD does not vouch for, itself, may differ; every other file is as it was.
    def vouched(files: dict[str, str]) -> dict[str, str]:
        return {name: digest for name, digest in files.items() if not name.endswith("/RECORD")}

    assert vouched(found) == vouched(expected)


@pytest.mark.parametrize("name", GOOD)
def test_every_single_byte_matters_or_does_no_harm(name: str) -> None:
    data = GOOD[name].to_bytes()
    expected = read(data)
    for position in range(len(data)):
        for value in (data[position] ^ 0x01, data[position] ^ 0x80, 0x00, 0xFF):
            check(data[:position] + bytes([value]) + data[position + 1 :], expected)


@pytest.mark.parametrize("name", GOOD)
def test_no_beginning_and_no_end_of_a_wheel_is_one(name: str) -> None:
    data = GOOD[name].to_bytes()
    for cut in range(len(data)):
        for part in (data[:cut], data[cut:] if cut else b""):
            with pytest.raises(Refused):
                read(part)


CHANGES = st.tuples(
    st.sampled_from(["insert", "remove", "copy", "overwrite"]),
    st.integers(0, 5000),
    st.integers(0, 5000),
    st.integers(1, 60),
    st.binary(max_size=40),
)


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(GOOD)), st.lists(CHANGES, min_size=1, max_size=3))
def test_pieces_inserted_removed_and_copied(
    name: str, changes: list[tuple[str, int, int, int, bytes]]
) -> None:
    original = GOOD[name].to_bytes()
    data = original
    for kind, first, second, length, piece in changes:
        start, other = first % (len(data) + 1), second % (len(data) + 1)
        if kind == "insert":
            data = data[:start] + piece + data[start:]
        elif kind == "remove":
            data = data[:start] + data[start + length :]
        elif kind == "copy":
            data = data[:start] + data[other : other + length] + data[start:]
        else:
            data = data[:start] + piece + data[start + len(piece) :]
    check(data, read(original))


NUMBERS: dict[str, Callable[[Built], Built]] = {
    f"{field} is {value:#x}": (
        lambda archive, field=field, value=value: replace(  # type: ignore[misc]
            archive, members=[replace(archive.members[0], **{field: value}), *archive.members[1:]]
        )
    )
    for field in ("crc", "size", "local_size", "offset")
    for value in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_at_their_edges(name: str) -> None:
    built = GOOD["plain"]
    check(NUMBERS[name](built).to_bytes(), read(built.to_bytes()))


def test_what_we_accept_zipfile_reads_the_same(tmp_path: Path) -> None:
    for name, built in GOOD.items():
        path = tmp_path / name
        path.write_bytes(built.to_bytes())
        with zipfile.ZipFile(path) as archive:
            theirs = {
                each.filename: hashlib.sha256(archive.read(each)).hexdigest()
                for each in archive.infolist()
            }
        assert read(built.to_bytes()) == theirs
