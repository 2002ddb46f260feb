"""The parts of a source that paths come through: functions and methods, found by their text. Pure.

A syntax tree takes longer to make and to walk than byte code does, and most of a source has nothing
to do with paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: Where a function or a class begins that no other statement is around.
_TOP = re.compile(rb"^(?:@|(?:async[ \t]+)?def[ \t]|class[ \t])", re.MULTILINE)
_METHOD = re.compile(rb"^[ \t]+(?=@|(?:async[ \t]+)?def[ \t])", re.MULTILINE)
_WORD = re.compile(rb"[\w\x80-\xff]+")
_DEFINED = re.compile(rb"\b(?:def|class)[ \t]+([\w\x80-\xff]+)")
_MAKING = {b"__init__", b"__new__", b"__call__"}  # what a call of a class calls


class Passages:
    """Those parts of a source that have been asked for. What comes before all is always there."""

    def __init__(self, source: bytes) -> None:
        self._left: dict[int, bytes] = {}
        self._classes: dict[int, int] = {}  # where a method's class begins
        self._indented: dict[int, bytes] = {}  # what stands for the methods of a class
        for start, text in _parts(source, 0, _TOP):
            found = _METHOD.search(text) if _is_class(text) else None
            if found is None:
                self._left[start] = text
                continue
            self._indented[start] = found.group() + b"pass\n"
            pattern = rb"^" + found.group() + rb"(?:@|(?:async[ \t]+)?def[ \t])"
            for inner, method in _parts(text, start, re.compile(pattern, re.MULTILINE)):
                self._left[inner] = method
                self._classes[inner] = start
        self._all = dict(self._left)
        self._words: dict[int, set[bytes]] = {}
        self._defined: dict[int, set[bytes]] = {}
        self._taken: dict[int, bytes] = {}
        self._add([0])

    @property
    def length(self) -> int:
        """Bytes that were asked for."""
        return sum(map(len, self._taken.values()))

    def take(self, words: Iterable[bytes]) -> None:
        """Add all parts in which one of these stands, as a word or within one."""
        self._add(
            [start for start, text in self._left.items() if any(word in text for word in words)]
        )

    def take_names(self, names: set[bytes], functions: set[bytes]) -> bool:
        """Add all parts with one of these names, or that define one of these functions."""
        if not self._words:
            self._words = {start: {*_WORD.findall(text)} for start, text in self._all.items()}
            self._defined = {start: {*_DEFINED.findall(text)} for start, text in self._all.items()}
        classes = {start for start in self._indented if functions & self._defined[start]}
        found = [
            start
            for start in self._left
            if not names.isdisjoint(self._words[start])
            or not functions.isdisjoint(self._defined[start])
            or (self._classes.get(start) in classes and self._defined[start] & _MAKING)
        ]
        self._add(found)
        return bool(found)

    def take_all(self) -> None:
        self._add(list(self._left))
        self._indented.clear()

    def text(self) -> bytes:
        """What was asked for, in the source's order."""
        return b"".join(
            self._taken[start] + self._indented.get(start, b"") for start in sorted(self._taken)
        )

    def _add(self, starts: Iterable[int]) -> None:
        for start in starts:
            for each in (start, self._classes.get(start, start)):
                if each in self._left:
                    self._taken[each] = self._left.pop(each)


def _is_class(text: bytes) -> bool:
    return text.startswith(b"class") or re.search(rb"^class[ \t]", text, re.MULTILINE) is not None


def _parts(text: bytes, offset: int, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, bytes]]:
    starts = [0]
    is_decorated = False
    for found in pattern.finditer(text):
        if not is_decorated and found.start() > 0:
            starts.append(found.start())
        is_decorated = found.group().endswith(b"@")
    for start, end in zip(starts, [*starts[1:], len(text)]):
        yield offset + start, text[start:end]
