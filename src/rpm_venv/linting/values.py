"""For which values of a scriptlet's ``$1`` a command runs, as far as its tests tell. Pure.

rpm passes how many versions of the package are left afterwards: 0 on erase, 1 on a first install
(and to the old version's scriptlets on an upgrade), 2 on an upgrade. A test that is not understood
may go either way.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

from rpm_venv.frozen import dataclass

Values = frozenset[int]
ALL: Values = frozenset((0, 1, 2))
NONE: Values = frozenset()


@dataclass(frozen=True)
class Outcome:
    """The values for which something may succeed, and those for which it may fail."""

    success: Values = ALL
    failure: Values = ALL

    def __invert__(self) -> Outcome:
        return Outcome(self.failure, self.success)

    def __and__(self, other: Outcome) -> Outcome:
        return Outcome(self.success & other.success, self.failure | other.failure)

    def __or__(self, other: Outcome) -> Outcome:
        return Outcome(self.success | other.success, self.failure & other.failure)


UNKNOWN = Outcome()
SURE = Outcome(ALL, NONE)
_MOST_WORDS = 100  # of a test that is followed: each "!" and "-o" is a call inside a call
_ARGUMENT = re.compile(r"\$1|\$\{1(:?[-=?].*)?\}")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "-eq": operator.eq,
    "!=": operator.ne,
    "-ne": operator.ne,
    "<": operator.lt,
    "-lt": operator.lt,
    ">": operator.gt,
    "-gt": operator.gt,
    "<=": operator.le,
    "-le": operator.le,
    ">=": operator.ge,
    "-ge": operator.ge,
}
_ARITHMETIC = re.compile(r"\s*(\$1|\$\{1\}|1)\s*(==|!=|<=|>=|<|>)\s*(\d+)\s*")


def of_command(words: Sequence[str]) -> Outcome:
    """What a command says of ``$1`` by its success: ``[ "$1" = 0 ]`` and its like."""
    if len(words) > _MOST_WORDS:
        return UNKNOWN
    if words and words[0] == "!":
        return ~of_command(words[1:])
    if words in (["true"], [":"]):
        return SURE
    if words == ["false"]:
        return Outcome(NONE, ALL)
    if words and words[0] in ("[", "[[") and words[-1] in ("]", "]]"):
        return _of_test(list(words[1:-1]))
    if words and words[0] == "test":
        return _of_test(list(words[1:]))
    return UNKNOWN


def of_arithmetic(text: str) -> Outcome:
    """The same for the inside of ``(( … ))``."""
    found = _ARITHMETIC.fullmatch(text)
    return _compared(found[2], int(found[3])) if found else UNKNOWN


def of_pattern(subject: str, pattern: str) -> Outcome:
    """The same for a pattern of ``case``; what is left for ``*`` has to be known by the caller."""
    if not _ARGUMENT.fullmatch(subject):
        return UNKNOWN
    if pattern == "*":
        return UNKNOWN
    wanted = frozenset(int(part) for part in pattern.split("|") if part.strip().isdigit())
    return Outcome(ALL & wanted, ALL - wanted)


def _of_test(words: list[str]) -> Outcome:
    for joint, join in (("-o", Outcome.__or__), ("-a", Outcome.__and__)):
        if joint in words[1:-1]:
            place = words.index(joint, 1)
            return join(_of_test(words[:place]), _of_test(words[place + 1 :]))
    if words and words[0] == "!":
        return ~_of_test(words[1:])
    return _of_comparison(words)


def _of_comparison(words: Sequence[str]) -> Outcome:
    if len(words) != 3 or words[1] not in _COMPARISONS:
        return UNKNOWN
    left, comparison, right = words
    if _ARGUMENT.fullmatch(right):  # 0 = "$1"
        left, right = right, left
        comparison = {"-lt": "-gt", "-gt": "-lt", "-le": "-ge", "-ge": "-le"}.get(
            comparison, comparison
        )
    padding = re.sub(r"\$1|\$\{1[^}]*\}", "", left, count=1)  # "x$1" = "x0"
    if padding == left:
        return UNKNOWN
    number = right.replace(padding, "", 1) if padding else right
    return _compared(comparison, int(number)) if number.isdigit() else UNKNOWN


def _compared(comparison: str, number: int) -> Outcome:
    compare = _COMPARISONS[comparison]
    matching = frozenset(value for value in ALL if compare(value, number))
    return Outcome(matching, ALL - matching)
