"""Poker dice: five dice with the faces of cards."""

from __future__ import annotations

import random

_FACES = ("9", "10", "jack", "queen", "king", "ace")


def throw() -> list[tuple[str, str]]:
    """Five dice."""
    return [(f"die {number}", random.choice(_FACES)) for number in range(1, 6)]
