"""Whether a version is affected, by the rules of the OSV schema ("Evaluation"). Pure.

A version is affected where it is listed, or lies in a range. Versions are compared as PEP 440 says;
where one of two is no such version, both are compared as strings. A local version (``2.1+cu118``)
counts as its public part, and as itself where a record lists it. GIT ranges name commits, of which
nothing is known here: records that have one list the versions as well.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from packaging.utils import canonicalize_version
from packaging.version import Version

from rpm_venv.advisories.osv import Affected, Range

_KEPT = 1 << 16  # parsed versions; more than one environment's advisories name
_MOST_TRIED = 50  # versions named as fixed, until one is not affected
_SEMVER = re.compile(r"(?P<release>\d+\.\d+\.\d+)-(?P<pre>[0-9A-Za-z.-]+)")
#: The event "introduced": "0" is before every version, also before 0.dev1.
_BEFORE_ALL = "0"


@functools.lru_cache(maxsize=_KEPT)
def parsed(text: str) -> Version | None:
    """A version as PEP 440 reads it; None where it does not."""
    try:
        return Version(text)
    except ValueError:  # InvalidVersion, or a number of too many digits
        return None


def compare(one: str, other: str) -> int:
    """Below, at or above zero, as ``one`` is lower than, the same as or higher than ``other``."""
    left, right = parsed(one), parsed(other)
    if left is None or right is None:
        return (one > other) - (one < other)
    return (left > right) - (left < right)


#: ``compare`` as a key to sort by.
order = functools.cmp_to_key(compare)


@functools.lru_cache(maxsize=_KEPT)
def canonical(text: str) -> str:
    """One spelling for all that PEP 440 takes for the same version; anything else as it is."""
    try:
        return canonicalize_version(text)
    except ValueError:
        return text


def public(version: str) -> str:
    """A version without its local part (PEP 440)."""
    known = parsed(version)
    return known.public if known and known.local else version


def affects(affected: Affected, version: str) -> bool:
    """Whether a version is among the affected ones."""
    return lists(affected, version) or any(
        includes(each, public(version)) for each in affected.ranges
    )


def lists(affected: Affected, version: str) -> bool:
    """Whether a version is named one by one."""
    listed = _canonical_versions(affected.versions)
    return canonical(version) in listed or canonical(public(version)) in listed


@functools.lru_cache(maxsize=1024)
def _canonical_versions(versions: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(canonical, versions))


def includes(range_: Range, version: str) -> bool:
    """Whether a public version lies in a range.

    What counts is the last event, in the order of versions, that the version has come to; that is
    what remains when the events are gone through one by one.
    """
    timeline, limits = _timeline(range_)
    if limits and not any(compare(version, limit) < 0 for limit in limits):
        return False
    for kind, bound in reversed(timeline):
        distance = 1 if kind == "introduced" and bound == _BEFORE_ALL else compare(version, bound)
        if distance > 0 or (distance == 0 and kind != "last_affected"):
            return kind == "introduced"
    return False


@functools.lru_cache(maxsize=4096)
def _timeline(range_: Range) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """A range's events in the order of their versions, and the limits that hold.

    Events of one version stay in the record's order.
    """
    if range_.type == "GIT":
        return (), ()
    events = [(kind, _bound(range_, text)) for kind, text in range_.events]
    limits = [text for kind, text in events if kind == "limit"]
    if any("*" in text for text in limits):
        limits = []
    told = (event for event in events if event[0] != "limit")
    timeline = sorted(told, key=functools.cmp_to_key(_before))
    return tuple(timeline), tuple(limits)


def _before(one: tuple[str, str], other: tuple[str, str]) -> int:
    first = [event == ("introduced", _BEFORE_ALL) for event in (one, other)]
    return first[1] - first[0] if any(first) else compare(one[1], other[1])


def _bound(range_: Range, text: str) -> str:
    """A bound as PEP 440 writes it, where it is of Semantic Versioning.

    Build metadata does not count there, and ``1.0.0-1`` is before 1.0.0, not after it.
    """
    if range_.type != "SEMVER":
        return text
    text = text.partition("+")[0]
    match = _SEMVER.fullmatch(text)
    known = parsed(text)
    if match and (known is None or not known.is_prerelease):
        return f"{match['release']}.dev0"
    return text


def first_fixed(affected: Affected, version: str) -> str:
    """The first version above this one that is named as fixed, and is not affected; "" for none.

    Also where the first ``_MOST_TRIED`` that are named are all affected: no sound record is so.
    """
    here = public(version)
    fixed = sorted({text for text in _fixed(affected) if compare(text, here) > 0}, key=order)
    return next((text for text in fixed[:_MOST_TRIED] if not affects(affected, text)), "")


def _fixed(affected: Affected) -> Iterator[str]:
    for each in affected.ranges:
        yield from (text for kind, text in _timeline(each)[0] if kind == "fixed")
