"""The table at the end of a test run: what was tried, and how often what must hold, held.

A test notes rows while it runs; they travel with its report, whichever process ran it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Union

#: What was tried, how often, and how often what must hold, held.
Row = tuple[str, int, int]
#: What a test noted: rows, and lines about what was measured on the way.
Noted = Union[Row, str]

_NOTED: list[Noted] = []


def survived(what: str, tried: int, survived: int) -> None:
    """Put a row into the table."""
    _NOTED.append((what, tried, survived))


def note(line: str) -> None:
    """Put a line below the table."""
    _NOTED.append(line)


def drain() -> list[Noted]:
    """What was noted since the last call."""
    noted = _NOTED[:]
    _NOTED.clear()
    return noted


def lines(noted: Iterable[Noted]) -> list[str]:
    """The table of everything noted, and the notes below it."""
    tried: Counter[str] = Counter()
    survivors: Counter[str] = Counter()
    notes = []
    for entry in noted:
        if isinstance(entry, str):
            notes.append(entry)
        else:
            what, times, held = entry
            tried[what] += times
            survivors[what] += held
    if not tried:
        return notes
    width = max(map(len, [*tried, "fault"]))
    found = [f"{'fault':{width}}  tried  survived"]
    found += [f"{what:{width}}  {n:5}  {survivors[what]:8}" for what, n in tried.items()]
    total, well = sum(tried.values()), sum(survivors.values())
    return [*found, f"{'together':{width}}  {total:5}  {well:8}", *notes]
