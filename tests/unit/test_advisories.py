"""Advisories: what OSV records say of versions, by two evaluations that share nothing."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from rpm_venv.advisories import database, evaluate, findings, index, osv
from tests.unit.advisories import CASES, fixed, introduced, last, limit, record
from tests.unit.plain_osv import is_vulnerable

Record = dict[str, Any]
#: Of the PyPA's advisory database (October 2024, CC BY 4.0), records of every kind: what they say
#: of versions, without their texts.
SOME_REAL = Path(__file__).with_name("real_advisories.json")
#: A whole database as a zip (``make advisories DB=all.zip``): every version of every record of it.
REAL = os.environ.get("VENV_TEST_ADVISORIES", "")
#: Versions that no record needs to name, to see the ends of ranges.
PROBES = ("0", "0.0.0.dev1", "1.0+local", "junk", "9999", "1!0")
#: The versions of the rules below.
RULED = tuple(" ".join(f"{affected} {others}" for _, affected, others in CASES.values()).split())


def _says(known: database.Database, project: str, version: str) -> set[str]:
    """The ids of a database's advisories that hold for a version."""
    return {
        each.id
        for each in known.of(canonicalize_name(project))
        if any(evaluate.affects(one, version) for one in each.of(canonicalize_name(project)))
    }


def _named(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Every version that any record names, with every project that it names it for; and probes."""
    for one in records:
        for affected in one.get("affected", []):
            project = affected.get("package", {}).get("name", "")
            for version in itertools.chain(affected.get("versions") or (), PROBES, RULED):
                yield project, version
            for each in affected.get("ranges") or ():
                for event in each["events"] if each["type"] != "GIT" else ():
                    yield from ((project, version) for version in event.values())


def _disagreements(archive: Path, tmp_path: Path) -> tuple[int, list[str]]:
    """How many pairs of project and version were compared, and where the evaluations differ.

    The first evaluation reads the zip, and once more an index that was made of it.
    """
    with zipfile.ZipFile(archive) as members:
        records = [json.loads(members.read(name)) for name in members.namelist()]
    by_project: dict[str, list[Record]] = {}
    for one in records:
        for name in {a.get("package", {}).get("name", "") for a in one.get("affected", [])}:
            by_project.setdefault(canonicalize_name(name), []).append(one)
    whole = database.load(archive)
    file = tmp_path / database.INDEX
    file.write_bytes(index.dumps(whole.summary, {name: whole.of(name) for name in whole.projects}))
    indexed = database.load(tmp_path)
    wrong = []
    pairs = sorted({(canonicalize_name(name), version) for name, version in _named(records)})
    for project, version in pairs:
        plain = {
            one["id"] for one in by_project.get(project, ()) if is_vulnerable(project, version, one)
        }
        for known in (whole, indexed):
            said = _says(known, project, version)
            if said != plain:
                wrong.append(f"{project} {version}: {sorted(said ^ plain)}")
    return len(pairs), wrong


def _zip(place: Path, records: Mapping[str, bytes | Record]) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return place


@pytest.mark.parametrize("rule", CASES)
def test_a_rule(rule: str) -> None:
    one, affected, others = CASES[rule]
    advisory = osv.loads(json.dumps(one).encode())
    for version, expected in [(v, True) for v in affected.split()] + [
        (v, False) for v in others.split()
    ]:
        said = not advisory.withdrawn and any(
            evaluate.affects(each, version) for each in advisory.of("demo")
        )
        assert said is expected, (rule, version)


def test_both_evaluations_agree_on_every_version_of_every_record(tmp_path: Path) -> None:
    records = {f"{number}.json": one for number, (one, _, _) in enumerate(CASES.values())}
    # SEMVER has bounds that PEP 440 orders in another way; those have their expectations above.
    plain = {
        name: one
        for name, one in records.items()
        if all(r["type"] != "SEMVER" for a in one["affected"] for r in a.get("ranges", ()))
    }
    real = {f"{each['id']}.json": each for each in json.loads(SOME_REAL.read_text())}
    assert len(real) > 20
    archives = [_zip(tmp_path / "written.zip", plain), _zip(tmp_path / "real.zip", real)]
    archives += [Path(REAL)] if REAL else []
    for archive in archives:
        pairs, wrong = _disagreements(archive, tmp_path)
        print(f"{archive}: {pairs} pairs of project and version")
        assert pairs > 200
        assert not wrong


def test_both_evaluations_agree_on_all_short_histories() -> None:
    """Every sequence of up to three events over three versions, sensible or not."""
    events = [make(v) for make in (introduced, fixed, last, limit) for v in ("1", "2", "3")]
    events += [introduced("0"), limit("*")]
    versions = ("0.dev1", "0", "1", "1.5", "2", "2.5", "3", "4")
    compared = 0
    for length in (1, 2, 3):
        for history in itertools.product(events, repeat=length):
            if not any("introduced" in event for event in history):
                continue
            one = record("T", "demo", *history)
            advisory = osv.read(one)
            for version in versions:
                said = any(evaluate.affects(each, version) for each in advisory.affected)
                assert said is is_vulnerable("demo", version, one), (history, version)
                compared += 1
    assert compared > 5000


# ---- what is read


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"[" * 200_000, b'{"id": 1}', b'{"id": "a b"}',
     b'{"id": "\\u001b[2J", "modified": "2024-01-01"}', b'{"id": "X-1"}', b"9" * 10_000,
     b'{"id": "X-1", "modified": "soon"}',
     b'{"id": "X-1", "modified": "2024-01-01", "aliases": "a"}',
     b'{"id": "X-1", "modified": "2024-01-01", "affected": {}}',
     b'{"id": "X-1", "modified": "2024-01-01", "affected": [{"package": []}]}',
     json.dumps(record("X-1", "demo", {"fixed": "1"})).encode(),
     json.dumps(record("X-1", "demo", {"introduced": "1", "fixed": "2"})).encode(),
     json.dumps(record("X-1", "demo", introduced("1"), kind="OTHER")).encode(),
     json.dumps(record("X-1", "demo", introduced("1" * 300))).encode(),
     json.dumps(record("X-1", "demo", versions=[""])).encode(),
     b" " * (osv.MAX_RECORD + 1)],
    ids=lambda data: data[:24].decode("latin-1").strip() or str(len(data)),
)  # fmt: skip
def test_what_is_no_record_is_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(osv.RecordError):
        osv.loads(data)


def test_a_number_of_many_digits_is_compared_as_a_string() -> None:
    advisory = osv.read(record("T", "demo", introduced("0"), fixed("9" * 200)))
    assert evaluate.affects(advisory.affected[0], "1")


def test_a_summary_is_one_short_line() -> None:
    assert osv.read(record("T", details="a\n\x1b[2Jb " * 1000)).summary.startswith("a \x1b[2Jb a")
    assert len(osv.read(record("T", details="long " * 1000)).summary) == 160
    assert osv.read(record("T", summary="short", details="long")).summary == "short"


# ---- which version to go to


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.0", "2"), ("3.2", "3.5"), ("4", ""), ("0.5", "2"), ("1.0+local", "2")],
)
def test_the_first_fixed_version_above(version: str, expected: str) -> None:
    one = record(
        "T", "demo", introduced("1"), fixed("2"), introduced("3"), fixed("3.5"), introduced("4"),
        versions=["0.5"],
    )  # fmt: skip
    assert evaluate.first_fixed(osv.read(one).affected[0], version) == expected


def test_a_fix_that_another_range_takes_back_is_none() -> None:
    one = record("T", "demo", introduced("0"), fixed("2"))
    one["affected"][0]["ranges"].append(
        {"type": "ECOSYSTEM", "events": [introduced("1.5"), fixed("2.5")]}
    )
    assert evaluate.first_fixed(osv.read(one).affected[0], "1") == "2.5"


# ---- findings


def _found(*records: Record, version: str = "1") -> list[tuple[str, tuple[str, ...]]]:
    found = findings.vulnerabilities("demo", version, [osv.read(one) for one in records])
    return [(each.id, each.aliases) for each in found]


def test_aliases_are_shown_once() -> None:
    first = record("GHSA-1", "demo", introduced("0"), aliases=["CVE-1"])
    second = record("PYSEC-1", "demo", introduced("0"), aliases=["CVE-1"])
    third = record("PYSEC-2", "demo", introduced("0"))
    assert _found(first, second, third) == [("PYSEC-1", ("GHSA-1", "CVE-1")), ("PYSEC-2", ())]


def test_an_alias_that_is_none_does_not_cost_the_record() -> None:
    one = record("PYSEC-1", "demo", introduced("0"), aliases=["CVE-1,", 5, "\x1b[2J", ""])
    assert _found(one) == [("PYSEC-1", ("CVE-1",))]


def test_a_third_record_joins_two() -> None:
    apart = [record(f"PYSEC-{n}", "demo", introduced("0"), aliases=[f"CVE-{n}"]) for n in (1, 2)]
    joining = record("GHSA-1", "demo", introduced("0"), aliases=["CVE-1", "CVE-2"])
    assert [found[0] for found in _found(*apart, joining)] == ["PYSEC-1"]
    elsewhere = record("GHSA-1", "demo", introduced("5"), aliases=["CVE-1", "CVE-2"])
    assert [found[0] for found in _found(*apart, elsewhere)] == ["PYSEC-1", "PYSEC-2"]


def test_one_record_twice_is_one_vulnerability() -> None:
    one = record("PYSEC-1", "demo", introduced("0"))
    assert _found(one, one) == [("PYSEC-1", ())]
