"""Throw dice: ``dice GAME``. Distributions add games, by entry points of the group dice.games."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from importlib.metadata import entry_points

from tabulate import tabulate


def plain() -> list[tuple[str, str]]:
    """One die."""
    return [("die", str(random.randint(1, 6)))]


def games() -> dict[str, Callable[[], list[tuple[str, str]]]]:
    """Every game by its name: a function that throws, and gives what came up in rows."""
    found = entry_points()
    added = (
        found.select(group="dice.games")
        if hasattr(found, "select")
        else found.get("dice.games", ())
    )
    return {"plain": plain, **{point.name: point.load() for point in added}}


def main() -> None:
    known = games()
    name = sys.argv[1] if len(sys.argv) > 1 else "plain"
    if name not in known:
        sys.exit(f"dice: there are the games {', '.join(sorted(known))}")
    print(tabulate(known[name](), headers=["what", "came up"]))
