"""Root's half of unpacking against a child that has been taken over: whatever it says, no harm."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpm_venv.confined import portions, protocol
from rpm_venv.errors import Problem, WheelError
from rpm_venv.wheels.objects import StoredObject
from rpm_venv.wheels.stream import Broken, File, Meta, Stream
from rpm_venv.wheels.unpack import Unpacking
from rpm_venv.wheels.wheel import WheelName
from tests.unit.said import reading

CLAIMS = {
    "dist_info": "demo-1.0.dist-info",
    "name": "demo",
    "version": "1.0",
    "wheel_version": "1.0",
    "tags": ["py3-none-any"],
    "commands": [["console", "demo", "demo:main"]],
}


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return protocol.FRAME.pack(kind, len(payload)) + payload


def meta(**changes: object) -> bytes:
    return frame(protocol.META, json.dumps({**CLAIMS, **changes}).encode())


def file(
    path: str,
    data: bytes = b"data",
    *,
    scheme: int = 0,
    flags: int = 0,
    size: int | None = None,
    digest: bytes | None = None,
) -> bytes:
    name = path.encode()
    claimed = hashlib.sha256(data).digest() if digest is None else digest
    length = len(data) if size is None else size
    header = protocol.HEADER.pack(scheme, flags, length, len(name), len(claimed))
    return frame(protocol.FILE, header + name + claimed + data)


END = frame(protocol.END)


def reader(data: bytes, step: int = 1 << 20) -> Stream:
    return Stream(reading(data[at : at + step] for at in range(0, len(data), step)))


def unpack(tmp_path: Path, *frames: bytes, step: int = 1 << 20) -> StoredObject:
    name = WheelName.parse("demo-1.0-py3-none-any.whl")
    unpacking = Unpacking(tmp_path / "object", "id", name, "cpython-399")
    try:
        unpacking.take(reader(b"".join(frames), step).events())
        return unpacking.finish()
    finally:
        unpacking.release()


def test_a_lie_about_links_is_believed_of_directories_in_site_packages_alone(
    tmp_path: Path,
) -> None:
    said = ["demo", "share", "other", "..", "demo/sub", "demo-1.0.dist-info", "__pycache__", "a.py"]
    said += ["demo/sub/a.txt", "demo/../demo/sub", "demo//sub", "demo/", "/demo/sub", "demo/other"]
    said += ["silent/sub", "share/x", "demo/__pycache__", "demo-1.0.dist-info/sub", "demo/sub/.."]
    frames = (file("demo/sub/a.txt"), file("share/x", scheme=1), file("a.py"))
    more = (file("demo/__pycache__/x.txt"), file("silent/sub/a.txt"))
    bears = frame(protocol.BEARS, json.dumps(said).encode())
    stored = unpack(tmp_path, meta(), *frames, *more, bears, END)
    assert (stored.bears, stored.portions) == (("demo",), ("demo/sub",))
    assert StoredObject.loads(stored.dumps()) == stored


def test_no_more_portions_than_agreed_are_believed(tmp_path: Path) -> None:
    files = [file(f"demo/{number}/a.txt") for number in range(portions.MOST + 1)]
    said = ["demo", *(f"demo/{number}" for number in range(portions.MOST + 1))]
    for count, believed in ((portions.MOST, portions.MOST), (portions.MOST + 1, 0)):
        place = tmp_path / str(count)
        place.mkdir()
        bears = frame(protocol.BEARS, json.dumps(said[: count + 1]).encode())
        stored = unpack(place, meta(), *files, bears, END)
        assert (stored.bears, len(stored.portions)) == (("demo",), believed)


def test_a_wheel_of_very_many_top_directories_has_no_links(tmp_path: Path) -> None:
    """Root's work with an object is in proportion to its files, whatever these are called."""
    tops = [f"d{number}" for number in range(501)]
    files = [file(f"{top}/a.txt", b"") for top in tops]
    for count in (500, 501):
        place = tmp_path / str(count)
        place.mkdir()
        bears = frame(protocol.BEARS, json.dumps([*tops[:count], "d0/a.txt"]).encode())
        stored = unpack(place, meta(), *files[:count], bears, END)
        assert len(stored.bears) == (500 if count == 500 else 0)
        assert stored.portions == ()


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_what_is_said_is_written(tmp_path: Path, step: int) -> None:
    stored = unpack(tmp_path, meta(), file("demo/a.txt"), END, step=step)
    assert (tmp_path / "object/site/demo/a.txt").read_bytes() == b"data"
    assert [found.path for found in stored.files] == [
        "demo-1.0.dist-info/INSTALLER",
        "demo-1.0.dist-info/RECORD",
        "demo/a.txt",
    ]
    assert stored.entry_points[0].module == "demo"


def test_what_bears_a_link_is_a_directory_that_is_there(tmp_path: Path) -> None:
    said = ["demo", "..", "/etc", "demo/sub", "other", "demo-1.0.dist-info", "__pycache__", ""]
    bears = frame(protocol.BEARS, json.dumps(said).encode())
    files = file("demo/sub/a.txt") + file("single.txt") + file("third/a.txt")
    assert unpack(tmp_path, meta(), files, bears, END).bears == ("demo",)
    (tmp_path / "silent").mkdir()
    assert unpack(tmp_path / "silent", meta(), files, END).bears == ()


def test_record_lists_what_is_there(tmp_path: Path) -> None:
    unpack(tmp_path, meta(), file("demo/a, b.txt"), file("share/x", scheme=1), END)
    place = tmp_path / "object/site"
    rows = list(csv.reader((place / "demo-1.0.dist-info/RECORD").open()))
    assert [row[0] for row in rows] == [
        "demo-1.0.dist-info/INSTALLER",
        "demo/a, b.txt",
        "demo-1.0.dist-info/RECORD",
    ]
    for path, claim, size in rows[:-1]:
        content = (place / path).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        assert claim == f"sha256={digest.decode()}"
        assert size == str(len(content))
    assert rows[-1][1:] == ["", ""]


LIES = {
    "parent": file("../evil"),
    "absolute": file("/etc/evil"),
    "inner parent": file("demo/../../evil"),
    "control character": file("demo/a\nb"),
    "empty name": file(""),
    "interpreter": file("bin/python3", scheme=1),
    "interpreter as a script": file("python", scheme=3),
    "pyvenv.cfg": file("pyvenv.cfg", scheme=1),
    "another's dist-info": file("other-1.0.dist-info/METADATA"),
    "no digest": file("demo/x", digest=b""),
    "wrong digest": file("demo/x", digest=bytes(32)),
    "wrong long digest": file("demo/x", digest=bytes(64)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WheelError) as caught:
        unpack(tmp_path, meta(), LIES[name], END)
    assert len(caught.value.problems) == 1
    assert sorted(os.listdir(tmp_path)) == ["object"]
    assert not list((tmp_path / "object").rglob("*evil*"))


BROKEN = {
    "nothing": b"",
    "half a frame": b"M\0",
    "no end": meta(),
    "no claims": END,
    "file before claims": file("demo/x") + meta() + END,
    "claims twice": meta() + meta() + END,
    "claims of another type": frame(protocol.META, b"[]") + END,
    "claims that are missing": frame(protocol.META, b"{}") + END,
    "claims without end": frame(protocol.META, b"[" * 100_000) + END,
    "long claim": meta(name="x" * 2000) + END,
    "odd command": meta(commands=[["root", "x", "y:z"]]) + END,
    "bears what is no list": meta() + frame(protocol.BEARS, b"{}") + END,
    "bears what is no name": meta() + frame(protocol.BEARS, b"[[]]") + END,
    "unknown frame": meta() + frame(b"Z") + END,
    "huge frame": meta() + protocol.FRAME.pack(b"F", 1 << 31),
    "file without header": meta() + frame(protocol.FILE, b"x") + END,
    "header without name": meta()
    + frame(protocol.FILE, protocol.HEADER.pack(0, 0, 0, 99, 0))
    + END,
    "unknown scheme": meta() + file("demo/x", scheme=9) + END,
    "more data than size": meta() + file("demo/x", size=1) + END,
    "more frames than size": meta() + file("demo/x") + frame(protocol.MORE, b"more") + END,
    "frame past the size": meta() + file("demo/x", size=5) + frame(protocol.MORE, b"12") + END,
    "more of no file": meta() + frame(protocol.MORE, b"x") + END,
    "name that is not UTF-8": meta()
    + frame(protocol.FILE, protocol.HEADER.pack(0, 0, 0, 1, 0) + b"\xff")
    + END,
    "two files of one name": meta() + file("demo/x") + file("demo/x") + END,
    "file as a directory": meta() + file("demo/x") + file("demo/x/y") + END,
    "directory as a file": meta() + file("demo/x/y") + file("demo/x") + END,
    "byte code of nothing": meta()
    + file("demo/__pycache__/x.cpython-399.pyc", flags=protocol.BYTE_CODE)
    + END,
    "byte code in another place": meta()
    + file("demo/x.py")
    + file("os.pyc", flags=protocol.BYTE_CODE)
    + END,
    "byte code for another Python": meta()
    + file("demo/x.py")
    + file("demo/__pycache__/x.cpython-27.pyc", flags=protocol.BYTE_CODE)
    + END,
    "our own file": meta() + file("demo-1.0.dist-info/RECORD") + END,
    "more bytes than agreed": meta() + file("demo/x", size=1 << 40) + END,
    "problem of another type": frame(protocol.PROBLEM, b"3") + END,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_is_not_believed(tmp_path: Path, name: str) -> None:
    with pytest.raises(Broken):
        unpack(tmp_path, BROKEN[name])


@pytest.mark.parametrize(
    ("scheme", "first", "second"),
    [
        ("site", "demo/x", "demo/.."),
        ("site", "demo/x", "demo/a\\b"),
        ("site", "demo/x", "demo/\u202ex"),
        ("site", "demo/x", "demo/" + "x" * 256),
        ("site", "demo/x", "demo/__pycache__/x.cpython-399.pyc"),
        ("site", "demo/__pycache__/x", "demo/__pycache__/x.pyc"),
        ("site", "demo-1.0.dist-info/x", "demo-1.0.dist-info/INSTALLER"),
        ("data", "lib/x", "lib/python3.9"),
        ("data", "include/x", "include/site"),
        ("scripts", "x", "python"),
    ],
)
def test_a_sound_file_does_not_speak_for_its_directory(
    tmp_path: Path, scheme: str, first: str, second: str
) -> None:
    number = protocol.SCHEMES.index(scheme)
    unpack(tmp_path, meta(), file(first, scheme=number), END)
    (tmp_path / "again").mkdir()
    with pytest.raises((WheelError, Broken)):
        unpack(
            tmp_path / "again",
            meta(),
            file(first, scheme=number),
            file(second, scheme=number),
            END,
        )


def test_a_second_file_of_a_directory_needs_a_hash_too(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match="refused") as caught:
        unpack(tmp_path, meta(), file("demo/x"), file("demo/y", digest=b""), END)
    assert [each.message for each in caught.value.problems] == ["RECORD has no hash for it"]


def test_a_file_that_ends_too_soon_is_a_problem(tmp_path: Path) -> None:
    problem = frame(protocol.PROBLEM, b'["the content", "demo/x"]')
    with pytest.raises(WheelError) as caught:
        unpack(tmp_path, meta(), file("demo/x", size=9), file("demo/y"), problem, END)
    assert [each.message for each in caught.value.problems] == [
        "the file ends too soon",
        "the content",
    ]


def test_problems_are_fit_to_print(tmp_path: Path) -> None:
    hostile = json.dumps(["\x1b[2Jevil\n\u202e", "x" * 5000]).encode()
    with pytest.raises(WheelError) as caught:
        unpack(tmp_path, frame(protocol.PROBLEM, hostile), END)
    (problem,) = caught.value.problems
    assert problem.message.isprintable()
    assert len(problem.where) <= 500


def test_problems_without_end_are_not_listened_to(tmp_path: Path) -> None:
    problem = frame(protocol.PROBLEM, json.dumps(["wrong", "here"]).encode())
    with pytest.raises(WheelError) as caught:
        unpack(tmp_path, *[problem] * protocol.MAX_PROBLEMS, END)
    assert len(caught.value.problems) == protocol.MAX_PROBLEMS
    with pytest.raises(Broken, match="more problems than agreed"):
        (tmp_path / "again").mkdir()
        unpack(tmp_path / "again", *[problem] * (protocol.MAX_PROBLEMS + 1), END)


@pytest.mark.parametrize("step", [1 << 12, (1 << 17) + 1, 1 << 21])
def test_what_is_read_goes_over_what_was_used(step: int) -> None:
    # Frames that fit the room for them just so, hardly, and not at all; and what is read in pieces.
    sizes = (0, 9, 200_000, 1, 1 << 18, 0, 524_200, 524_288, 40, 1_048_000, 70_000, 300_000, 3)
    told = {f"demo/{n}": bytes([n]) * size for n, size in enumerate(sizes)}
    said = b"".join(file(name, data) for name, data in told.items())
    more = b"".join(frame(protocol.MORE, b"m" * size) for size in (400_000, 5, 600_000))
    last = file("demo/last", b"x" * 1000, size=1_001_005)
    heard = {
        event.path: b"".join(map(bytes, event.chunks))
        for event in reader(meta() + said + last + more + END, step).events()
        if isinstance(event, File)
    }
    assert heard == {**told, "demo/last": b"x" * 1000 + b"m" * 1_000_005}


@given(st.binary(max_size=400))
def test_any_bytes_give_events_or_a_broken_stream(data: bytes) -> None:
    try:
        for event in reader(meta() + data).events():
            assert isinstance(event, (Meta, File, Problem))
            if isinstance(event, File):
                for chunk in event.chunks:
                    assert chunk
    except Broken:
        pass


@given(st.data())
def test_a_cut_stream_is_broken(data: st.DataObject) -> None:
    whole = meta() + file("demo/x", b"x" * 100) + file("demo/y") + END
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Broken):
        for event in reader(whole[:cut]).events():
            if isinstance(event, File):
                assert b"".join(event.chunks) is not None
