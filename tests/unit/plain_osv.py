"""A second evaluation of OSV records, which has nothing in common with the first but the rules.

The pseudo-code of the schema's section "Evaluation" in plain loops over the whole record, as it
came: nothing is left out, put in another form or sorted beforehand.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from packaging.version import InvalidVersion, Version

Record = dict[str, Any]


def is_vulnerable(project: str, version: str, record: Record) -> bool:
    """Whether a record says that this version of a project is vulnerable."""
    if record.get("withdrawn"):
        return False
    for affected in record.get("affected", []):
        package = affected.get("package")
        if not package or package["ecosystem"].split(":")[0] != "PyPI":
            continue
        if same_project(package["name"], project) and (
            _included_in_versions(version, affected.get("versions") or [])
            or _included_in_ranges(version, affected.get("ranges") or [])
        ):
            return True
    return False


def same_project(one: str, other: str) -> bool:
    """PEP 503: runs of dots, dashes and underscores are one dash, letters are small."""
    first, second = (re.sub("[-_.]+", "-", name).lower() for name in (one, other))
    return first == second


def _included_in_versions(version: str, versions: list[str]) -> bool:
    for listed in versions:
        for form in (version, _public(version)):
            if _order(form, listed) == 0:
                return True
    return False


def _included_in_ranges(version: str, ranges: list[Record]) -> bool:
    version = _public(version)
    for each in ranges:
        if each["type"] == "GIT" or not _before_limits(version, each["events"]):
            continue
        vulnerable = False
        for event in _sorted(each["events"]):
            start, fix, end = map(event.get, ("introduced", "fixed", "last_affected"))
            if start is not None and (start == "0" or _order(version, start) >= 0):
                vulnerable = True
            elif (fix is not None and _order(version, fix) >= 0) or (
                end is not None and _order(version, end) > 0
            ):
                vulnerable = False
        if vulnerable:
            return True
    return False


def _before_limits(version: str, events: list[Record]) -> bool:
    limits = [event["limit"] for event in events if event.get("limit") is not None]
    return not limits or any("*" in limit or _order(version, limit) < 0 for limit in limits)


def _sorted(events: list[Record]) -> list[Record]:
    """An insertion sort, so that events of one version stay as they are."""
    done: list[Record] = []
    for event in events:
        place = len(done)
        while place and _event_is_before(event, done[place - 1]):
            place -= 1
        done.insert(place, event)
    return done


def _event_is_before(one: Record, other: Record) -> bool:
    if other.get("introduced") == "0":
        return False
    if one.get("introduced") == "0":
        return True
    return _order(next(iter(one.values())), next(iter(other.values()))) < 0


def _order(one: str, other: str) -> int:
    """PEP 440's order; that of strings where one of two is no such version."""
    first, second = _version(one), _version(other)
    if first is None or second is None:
        return -1 if one < other else 1 if one > other else 0
    return -1 if first < second else 1 if first > second else 0


def _public(version: str) -> str:
    known = _version(version) if "+" in version else None
    return known.public if known else version


@functools.lru_cache(maxsize=100_000)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
