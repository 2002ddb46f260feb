"""Databases of advisories: a zip, a directory, an index; and what strangers put there."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from rpm_venv.advisories import database, ignores, index, osv
from rpm_venv.errors import VenvError
from tests.unit.advisories import CASES, fixed, introduced, record

GOOD = json.dumps(record("T-1", "demo", introduced("0"), fixed("2"))).encode()


def _zip(place: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.json", content)
    return place


def _ids(known: database.Database, project: str = "demo") -> list[str]:
    return [each.id for each in known.of(project)]


def test_zip_directory_and_index_say_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    (folder / "vulns").mkdir(parents=True)
    contents = {f"r{n}": json.dumps(one).encode() for n, (one, _, _) in enumerate(CASES.values())}
    for name, content in contents.items():
        (folder / "vulns" / f"{name}.json").write_bytes(content)
    zipped = database.load(_zip(tmp_path / "db.zip", **contents))
    loose = database.load(folder)
    file = tmp_path / database.INDEX
    made = index.dumps(zipped.summary, {name: zipped.of(name) for name in zipped.projects})
    assert made == index.dumps(loose.summary, {name: loose.of(name) for name in loose.projects})
    file.write_bytes(made)
    indexed = database.load(file)
    assert zipped.summary == loose.summary == indexed.summary
    assert zipped.summary.withdrawn == 1
    assert sorted(_ids(zipped)) == sorted(_ids(loose)) == sorted(_ids(indexed))
    assert _ids(indexed, "de-mo") == ["T-29"]
    assert _ids(indexed, "never-heard-of") == []
    # Versions that the ranges have anyway are not in the index.
    (both,) = (each for each in indexed.of("demo") if each.id == "T-16")
    assert both.affected[0].versions == ("0.5",)


def test_only_wanted_projects_are_kept(tmp_path: Path) -> None:
    other = json.dumps(record("T-2", "other", introduced("0"))).encode()
    known = database.load(_zip(tmp_path / "db.zip", a=GOOD, b=other), {"other"})
    assert known.projects == ("other",)
    assert known.summary.records == 2


def test_unreadable_records_are_skipped_counted_and_named(tmp_path: Path) -> None:
    place = _zip(
        tmp_path / "db.zip", good=GOOD, broken=b"{", deep=b"[" * 100_000, huge=b" " * 5_000_000
    )
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr("README.md", "no record, and none was to be")
        archive.writestr("vulns/x/PYSEC-1.yaml", "id: PYSEC-1")
    known = database.load(place)
    assert (known.summary.records, known.summary.unreadable) == (1, 4)
    assert [line.split(":")[0] for line in known.summary.skipped] == [
        "broken.json", "deep.json", "huge.json", "vulns/x/PYSEC-1.yaml",
    ]  # fmt: skip
    assert _ids(known) == ["T-1"]


def test_damaged_members_are_skipped(tmp_path: Path) -> None:
    place = _zip(tmp_path / "db.zip", good=GOOD, other=GOOD.replace(b"T-1", b"T-2"))
    data = bytearray(place.read_bytes())
    data[40] ^= 0xFF  # in the first member's packed bytes
    place.write_bytes(bytes(data))
    known = database.load(place)
    assert _ids(known) == ["T-2"]
    assert known.summary.unreadable == 1


def test_directories_with_odd_things_in_them(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(GOOD)
    (tmp_path / "secret").write_text("not a record")
    (tmp_path / "link.json").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "directory.json").mkdir()
    known = database.load(tmp_path)
    assert _ids(known) == ["T-1"]
    assert known.summary.unreadable == 2


def _many(place: Path) -> None:
    """A zip whose end says that its list of members has 100 MiB."""
    body = b"\0" * 100
    place.write_bytes(body + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 100 << 20, 0, 0))


def _sparse(place: Path) -> None:
    with place.open("wb") as stream:
        stream.truncate(database.MAX_ARCHIVE + 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: None, "No such file"),
        (lambda place: place.write_bytes(b""), "neither a zip nor an index"),
        (lambda place: place.write_bytes(b"PK\3\4" + b"x" * 999), "neither a zip nor an index"),
        (lambda place: place.mkdir(), "no OSV record"),
        (os.mkfifo, "neither a file nor a directory"),
        (_zip, "no OSV record"),
        (lambda place: _zip(place, a=b"{}"), "no OSV record in it: a.json: an id"),
        (lambda place: place.write_bytes(index.MAGIC + b"1}\n"), "not an index"),
        (lambda place: place.write_bytes(index.MAGIC + b"[" * 99_999), "not an index"),
        (_many, "neither a zip nor an index"),
        (_sparse, "larger than 512 MiB"),
    ],
)
def test_what_is_no_database_is_an_error(tmp_path: Path, make: Any, message: str) -> None:
    make(tmp_path / "db")
    with pytest.raises(VenvError, match=message):
        database.load(tmp_path / "db")


def test_more_than_is_reasonable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _zip(tmp_path / "db.zip", **{f"r{n}": GOOD for n in range(5)})
    monkeypatch.setattr(database, "MAX_RECORDS", 4)
    with pytest.raises(VenvError, match="more than 4 records"):
        database.load(place)
    monkeypatch.setattr(database, "MAX_RECORDS", 5)
    monkeypatch.setattr(database, "MAX_CONTENT", len(GOOD) * 4)
    with pytest.raises(VenvError, match="MiB of records"):
        database.load(place)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update({"rpm-venv advisories": 2}),
        lambda head: head.update(newest="soon"),
        lambda head: head.update(places=[]),
        lambda head: head.update(places={"demo": [-1, 5]}),
        lambda head: head.update(places={"demo": [0, 1 << 40]}),
        lambda head: head.pop("records"),
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, change: Any) -> None:
    made = _index(tmp_path)
    line, _, rest = made.read_bytes().partition(b"\n")
    head = json.loads(line)
    change(head)
    made.write_bytes(json.dumps(head, separators=(",", ":")).encode() + b"\n" + rest)
    with pytest.raises(VenvError, match="no usable database"):
        database.load(made)


@pytest.mark.parametrize("place", [[1, 20], [1 << 30, 20], [0, 7]])
def test_a_project_that_is_elsewhere_is_an_error_not_a_clean_bill(
    tmp_path: Path, place: list[int]
) -> None:
    made = _index(tmp_path)
    line, _, rest = made.read_bytes().partition(b"\n")
    head = {**json.loads(line), "places": {"demo": place}}
    made.write_bytes(json.dumps(head, separators=(",", ":")).encode() + b"\n" + rest)
    with pytest.raises(VenvError, match="no usable database"):
        database.load(made).of("demo")


def _index(tmp_path: Path) -> Path:
    known = database.load(_zip(tmp_path / "db.zip", a=GOOD))
    made = tmp_path / "made"
    made.write_bytes(index.dumps(known.summary, {"demo": known.of("demo")}))
    return made


def test_the_age_is_that_of_the_newest_record_that_can_be(tmp_path: Path) -> None:
    def changed(day: date) -> bytes:
        return json.dumps(record("T", modified=f"{day}T00:00:00Z")).encode()

    today = database.today()
    week, future = today - timedelta(days=7), today + timedelta(days=500)
    known = database.load(_zip(tmp_path / "db.zip", a=changed(week), b=changed(future), c=GOOD))
    assert (known.summary.newest, known.age) == (week, 7)
    only_future = database.load(_zip(tmp_path / "other.zip", b=changed(future)))
    assert only_future.age is None


# ---- ignores


def test_ignores() -> None:
    text = b"""# why, and for how long
CVE-2024-1 until=2030-01-31 reason=we never call it
PYSEC-1 package=De.Mo path=/opt/app1/penv until=2030-02-01  reason=a = b
"""
    first, second = ignores.parse(text)
    assert (first.id, first.until, first.reason) == (
        "CVE-2024-1",
        date(2030, 1, 31),
        "we never call it",
    )
    assert (second.project, second.path, second.reason) == ("de-mo", "/opt/app1/penv", "a = b")
    assert first.matches(["PYSEC-9", "CVE-2024-1"], "demo", "/opt/x/penv")
    assert not first.matches(["PYSEC-9"], "demo", "/opt/x/penv")
    assert second.matches(["PYSEC-1"], "de-mo", "/opt/app1/penv")
    assert not second.matches(["PYSEC-1"], "demo", "/opt/app1/penv")
    assert not second.matches(["PYSEC-1"], "de-mo", "/opt/app2/penv")
    assert not first.expired(date(2030, 1, 31))
    assert first.expired(date(2030, 2, 1))


def test_all_that_is_wrong_with_ignores_is_said_at_once() -> None:
    text = b"""CVE-1 reason=x
CVE-1 until=2030-01-01
CVE-1 until=soon reason=x
until=2030-01-01 reason=x
CVE-1 until=2030-01-01 where=x reason=x
CVE-1 until=2030-01-01 path=opt reason=x
CVE-1 until=2030-01-01 until=2031-01-01 reason=x
CVE-1 until=2030-01-01 reason=fine
\xff
"""
    with pytest.raises(VenvError) as caught:
        ignores.parse(text)
    assert [problem.where for problem in caught.value.problems] == [
        f"line {n}" for n in (1, 2, 3, 4, 5, 6, 7, 9)
    ]


def test_the_largest_record_is_larger_than_any_real_one() -> None:
    assert osv.MAX_RECORD > 100 * 15_793  # the largest of the PyPA's database in 2024
