"""One advisory, as an OSV record tells it (https://ossf.github.io/osv-schema/). Pure.

A record comes from a stranger: what is not as the schema says is a ``RecordError``, never another.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from packaging.utils import canonicalize_name

from rpm_venv.frozen import dataclass

ECOSYSTEM = "PyPI"
MAX_RECORD = 4 << 20  # bytes; the largest of the PyPA's database has 16 KiB
_MAX_TEXT = 200  # characters of a name or a version
#: Of one record; those of the PyPA's database stay below a tenth. What is asked of a record takes
#: time with the product of these.
_MAX_AFFECTED = 500
_MAX_EVENTS = 2_000
_MAX_ALIASES = 500
_MAX_SUMMARY = 160
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}")

#: What an event says of the versions from, or up to, the one it names.
EVENTS = ("introduced", "fixed", "last_affected", "limit")
_TYPES = ("ECOSYSTEM", "SEMVER", "GIT")


class RecordError(ValueError):
    """Not an OSV record; the message says why."""


@dataclass(frozen=True)
class Range:
    """A range of versions: its type, and its events as (kind, version) in the record's order."""

    type: str
    events: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Affected:
    """Versions of one project (its normalised name, PEP 503), one by one and as ranges."""

    project: str
    versions: tuple[str, ...]
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Advisory:
    """One record, as far as it is about PyPI. ``modified`` is the day of its last change."""

    id: str
    aliases: tuple[str, ...]
    summary: str
    modified: date
    withdrawn: bool
    affected: tuple[Affected, ...]

    @property
    def weight(self) -> int:
        """How many texts it takes memory for, about."""
        ranges = (each for one in self.affected for each in one.ranges)
        listed = sum(len(one.versions) for one in self.affected)
        return len(self.aliases) + listed + sum(len(each.events) for each in ranges)

    def of(self, project: str) -> tuple[Affected, ...]:
        """What it says of a project."""
        return tuple(each for each in self.affected if each.project == project)


def loads(data: bytes) -> Advisory:
    """The advisory in the bytes of a record; ``RecordError`` when there is none."""
    if len(data) > MAX_RECORD:
        raise RecordError(f"more than {MAX_RECORD} bytes")
    try:
        return read(json.loads(data))
    except RecursionError:
        raise RecordError("nested too deeply") from None
    except RecordError:
        raise
    except ValueError as error:  # UnicodeDecodeError is one
        raise RecordError(f"not JSON: {str(error)[:80]}") from None


def read(record: object) -> Advisory:
    """The advisory in a record that is parsed already; ``RecordError`` when there is none."""
    fields = _mapping(record, "the record")
    affected = tuple(_affected(fields))
    events = sum(len(each.events) for one in affected for each in one.ranges)
    if len(affected) > _MAX_AFFECTED or events > _MAX_EVENTS:
        raise RecordError(f"more than {_MAX_AFFECTED} projects or {_MAX_EVENTS} events")
    return Advisory(
        id=_identifier(fields.get("id")),
        aliases=tuple(itertools.islice(_aliases(fields), _MAX_ALIASES)),
        summary=_summary(fields),
        modified=_day(fields.get("modified")),
        withdrawn=bool(fields.get("withdrawn")),
        affected=affected,
    )


def _affected(fields: Mapping[str, Any]) -> Iterator[Affected]:
    for entry in _list(fields, "affected"):
        entry_fields = _mapping(entry, "affected")
        package = entry_fields.get("package")
        if package is None:  # of a repository, not of a package
            continue
        package = _mapping(package, "package")
        # An ecosystem may have a suffix, which narrows it down.
        if _text(package.get("ecosystem"), "ecosystem").partition(":")[0] != ECOSYSTEM:
            continue
        yield Affected(
            project=canonicalize_name(_text(package.get("name"), "name")),
            versions=tuple(_text(each, "version") for each in _list(entry_fields, "versions")),
            ranges=tuple(_range(each) for each in _list(entry_fields, "ranges")),
        )


def _aliases(fields: Mapping[str, Any]) -> Iterator[str]:
    """The other names; one that is none says nothing, and is no reason to lose the record."""
    for alias in _list(fields, "aliases"):
        name = alias.strip(" ,;") if isinstance(alias, str) else ""
        if _ID.fullmatch(name):
            yield name


def _range(value: object) -> Range:
    fields = _mapping(value, "range")
    kind = fields.get("type")
    if kind not in _TYPES:
        raise RecordError(f"a range of the type {str(kind)[:20]!a}")
    events = tuple(_event(event) for event in _list(fields, "events"))
    if "introduced" not in (name for name, _ in events):
        raise RecordError("a range that begins nowhere")
    return Range(str(kind), events)


def _event(value: object) -> tuple[str, str]:
    fields = _mapping(value, "event")
    found = [name for name in EVENTS if fields.get(name) is not None]
    if len(found) != 1:
        raise RecordError("an event that is not one of introduced, fixed, last_affected, limit")
    return found[0], _text(fields[found[0]], found[0])


def _summary(fields: Mapping[str, Any]) -> str:
    """One line of what it is about; the PyPA's records have no summary, but details."""
    for name in ("summary", "details"):
        text = fields.get(name)
        if isinstance(text, str) and text.strip():
            line = " ".join(text[: 4 * _MAX_SUMMARY].split())
            return line if len(line) <= _MAX_SUMMARY else f"{line[: _MAX_SUMMARY - 1]}…"
    return ""


def _day(value: object) -> date:
    try:
        return date.fromisoformat(_text(value, "modified")[:10])
    except ValueError:
        raise RecordError("modified is no date") from None


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise RecordError(f"an id that is none: {str(value)[:40]!a}")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT:
        raise RecordError(f"{what} is not a text of at most {_MAX_TEXT} characters")
    return value


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{what} is not an object")
    return value


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if value is not None and not isinstance(value, list):
        raise RecordError(f"{name} is not a list")
    return value or []
