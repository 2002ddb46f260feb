"""A database in one file from which single projects are read: what a package of it ships. Pure.

The first line is a JSON object: what the database is, and where each project's line begins, counted
from the end of that first line, and how long it is. A project's line is a list of OSV records that
have nothing but what an audit looks at. Versions that lie in a record's ranges are not listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from rpm_venv.advisories import evaluate
from rpm_venv.advisories.osv import ECOSYSTEM, Advisory, Affected, Range, RecordError, read
from rpm_venv.frozen import dataclass

FORMAT = 1
MAGIC = b'{"rpm-venv advisories":'
MAX_HEAD = 8 << 20  # bytes; JSON takes some twenty times its length in memory
MAX_LINE = 8 << 20
_MOST_COVERED = 1 << 20  # products of versions and events of one record that are tried


@dataclass(frozen=True)
class Summary:
    """What there is to say of a database: records that count, are withdrawn or are unreadable.

    ``newest`` is the day of the last change of a record, None where no record has one; ``skipped``
    names some of the unreadable ones, each with the reason.
    """

    records: int
    withdrawn: int
    unreadable: int
    newest: date | None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    """The first line: the summary, and each project's place."""

    summary: Summary
    places: Mapping[str, tuple[int, int]]


def dumps(summary: Summary, advisories: Mapping[str, Iterable[Advisory]]) -> bytes:
    """The file for a database; the same database gives the same bytes.

    ``RecordError`` where there is so much of it that ``head`` or ``project`` would not read it.
    """
    lines: list[bytes] = []
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    for project in sorted(advisories):
        records = sorted(advisories[project], key=lambda each: each.id)
        line = _line([_slim(each, project) for each in records])
        if len(line) > MAX_LINE:
            raise RecordError(f"more than {MAX_LINE >> 20} MiB about one project")
        places[project] = (offset, len(line))
        offset += len(line)
        lines.append(line)
    head = {
        "rpm-venv advisories": FORMAT,
        "records": summary.records,
        "withdrawn": summary.withdrawn,
        "unreadable": summary.unreadable,
        "newest": summary.newest.isoformat() if summary.newest else None,
        "skipped": list(summary.skipped),
        "places": places,
    }
    first = _line(head)
    if len(first) > MAX_HEAD:
        raise RecordError("too many projects")
    return first + b"".join(lines)


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _slim(advisory: Advisory, project: str) -> dict[str, Any]:
    return {
        "id": advisory.id,
        "aliases": list(advisory.aliases),
        "summary": advisory.summary,
        "modified": advisory.modified.isoformat(),
        "affected": [_slim_affected(each) for each in advisory.of(project)],
    }


def _slim_affected(affected: Affected) -> dict[str, Any]:
    ranges = [each for each in affected.ranges if each.type != "GIT"]
    versions = sorted({evaluate.canonical(text) for text in affected.versions})
    events = sum(len(each.events) for each in ranges)
    # Leaving versions out saves room, and no more than that.
    covering = ranges if len(versions) * events <= _MOST_COVERED else []
    return {
        "package": {"ecosystem": ECOSYSTEM, "name": affected.project},
        "ranges": [{"type": r.type, "events": [{kind: t} for kind, t in r.events]} for r in ranges],
        "versions": [text for text in versions if not _is_covered(text, covering)],
    }


def _is_covered(version: str, ranges: Iterable[Range]) -> bool:
    """Whether a range says the same of every spelling of this version, so that it may be left out.

    Not of a local version, whose public part is what ranges are asked for, and not by a range with
    a bound that is compared as a string.
    """
    return evaluate.public(version) == version and any(
        evaluate.includes(each, version)
        for each in ranges
        if all(text == "*" or evaluate.parsed(text) for _, text in each.events)
    )


def head(line: bytes) -> Head:
    """The first line of such a file; ``RecordError`` if it is none."""
    try:
        data = json.loads(line)
        if data["rpm-venv advisories"] != FORMAT:
            raise RecordError(f"of another format than {FORMAT}")
        summary = Summary(
            records=int(data["records"]),
            withdrawn=int(data["withdrawn"]),
            unreadable=int(data["unreadable"]),
            newest=date.fromisoformat(data["newest"]) if data["newest"] else None,
            skipped=tuple(map(str, data["skipped"])),
        )
        places = {str(name): (int(at), int(size)) for name, (at, size) in data["places"].items()}
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise RecordError(f"not an index of advisories: {str(error)[:80]}") from None
    if any(not 0 <= at < 1 << 40 or not 0 < size <= MAX_LINE for at, size in places.values()):
        raise RecordError("a project's place is none")
    return Head(summary, places)


def project(line: bytes) -> tuple[Advisory, ...]:
    """The advisories of one project's line; ``RecordError`` if it is none."""
    try:
        records = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"a damaged line: {str(error)[:80]}") from None
    if not isinstance(records, list):
        raise RecordError("a damaged line")
    return tuple(read(record) for record in records)
