"""The table at the end of a test run: what was tried, and how often what must hold, held."""

from __future__ import annotations

from collections import Counter

#: What was tried → how often; and how often what must hold, held.
_TRIED: Counter[str] = Counter()
_SURVIVED: Counter[str] = Counter()
#: Lines about what was measured on the way.
_NOTES: list[str] = []


def survived(what: str, tried: int, survived: int) -> None:
    """Put a row into the table."""
    _TRIED[what] += tried
    _SURVIVED[what] += survived


def note(line: str) -> None:
    _NOTES.append(line)


def lines() -> list[str]:
    """The table, and the notes below it."""
    if not _TRIED:
        return _NOTES
    width = max(map(len, [*_TRIED, "fault"]))
    found = [f"{'fault':{width}}  tried  survived"]
    found += [f"{what:{width}}  {n:5}  {_SURVIVED[what]:8}" for what, n in _TRIED.items()]
    total, well = sum(_TRIED.values()), sum(_SURVIVED.values())
    return [*found, f"{'together':{width}}  {total:5}  {well:8}", *_NOTES]
