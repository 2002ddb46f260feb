"""Shell text as words and operators, each with its line: as much of sh(1) as scriptlets use. Pure.

Nothing is expanded: ``$1`` stays, and so does what stands in ``$(…)``, in backquotes and in the
braces of a macro. Comments and here-documents are left out.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence

from rpm_venv.frozen import dataclass
from rpm_venv.linting.spec_file import Line

_OPERATORS = (";;", "&&", "||", "\n", ";", "&", "|", "(", ")")
_REDIRECTION = re.compile(r"(\d*|&)(>>|>\||>&|<<-|<<<|<<|<>|<&|>|<)")
_PLAIN = re.compile(r"[^\s;&|()<>'\"\\$`%#]+")
_CLOSING = {"{": "}", "(": ")", "[": "]"}


@dataclass(frozen=True)
class Token:
    """A word, an operator, or a redirection with its target (``2>/dev/null``)."""

    kind: str  # "word", "operator", "redirection"
    text: str
    line: int


def tokens(lines: Sequence[Line]) -> list[Token]:
    """The tokens of these lines. An open quote or brace is taken for an ordinary character."""
    return list(_Reader(lines)) if lines else []


class _Reader:
    def __init__(self, lines: Sequence[Line]) -> None:
        self._texts = [text for line in lines for text in line.text.split("\n")]
        self._numbers = [line.number for line in lines for _ in line.text.split("\n")]
        self._text = "\n".join(self._texts) + "\n"
        self._position = 0
        self._row = 0
        self._ends: list[str] = []  # of the here-documents that begin after this line
        self._unclosed: set[str] = set()
        self._rows: dict[str, list[int]] = {}
        for row, text in enumerate(self._texts):
            self._rows.setdefault(text.strip(), []).append(row)

    def __iter__(self) -> Iterator[Token]:
        while self._position < len(self._text):
            rest = self._text[self._position : self._position + 3]
            if rest[0] in " \t\r":
                self._position += 1
            elif rest.startswith("\\\n"):
                self._advance(2)
            elif rest[0] == "#":
                self._position = self._text.index("\n", self._position)
            elif found := _REDIRECTION.match(self._text, self._position):
                yield self._redirection(found)
            elif rest.startswith(_OPERATORS):
                yield self._operator(next(o for o in _OPERATORS if rest.startswith(o)))
            else:
                yield Token("word", *self._word())

    def _advance(self, count: int) -> str:
        passed = self._text[self._position : self._position + count]
        self._position += count
        self._row += passed.count("\n")
        return passed

    def _here(self) -> int:
        return self._numbers[min(self._row, len(self._numbers) - 1)]

    def _operator(self, operator: str) -> Token:
        token = Token("operator", operator, self._here())
        self._advance(len(operator))
        if operator == "\n":
            for end in self._ends:
                self._skip_document(end)
            self._ends = []
        return token

    def _skip_document(self, end: str) -> None:
        rows = self._rows.get(end, [])
        number = bisect.bisect_left(rows, self._row)
        if number < len(rows):
            skipped = rows[number] + 1 - self._row
            self._row += skipped
            for _ in range(skipped):
                self._position = self._text.index("\n", self._position) + 1

    def _redirection(self, found: re.Match[str]) -> Token:
        line = self._here()
        self._advance(len(found[0]))
        while self._text[self._position] in " \t":
            self._position += 1
        target = self._word()[0] if self._text[self._position] not in "\n;|()" else ""
        if found[2] in ("<<", "<<-"):
            self._ends.append(target.strip())
        return Token("redirection", found[0] + target, line)

    def _word(self) -> tuple[str, int]:
        """The word that begins here, without its quotes, and its line."""
        line, parts, first = self._here(), [], True
        while True:
            plain = _PLAIN.match(self._text, self._position)
            if plain:
                parts.append(self._advance(len(plain[0])))
            elif first or self._text[self._position] not in " \t\r\n;&|()<>":
                parts.append(self._piece())
            else:
                return "".join(parts), line
            first = False

    def _piece(self) -> str:
        character = self._text[self._position]
        following = self._text[self._position + 1 : self._position + 2]
        if character == "\\" and following:
            return self._advance(2)[1].replace("\n", "")
        if character in "'\"`":
            return self._quoted(character)
        if character in "$%" and following in _CLOSING and following:
            return self._balanced(following)
        return self._advance(1)

    def _quoted(self, quote: str) -> str:
        end = -1 if quote in self._unclosed else self._end_of_quote(quote)
        if end < 0:
            self._unclosed.add(quote)
            return self._advance(1)
        text = self._advance(end + 1 - self._position)
        return text if quote == "`" else text[1:-1]

    def _end_of_quote(self, quote: str) -> int:
        position = self._position + 1
        while position < len(self._text):
            if self._text[position] == "\\" and quote != "'":
                position += 1
            elif self._text[position] == quote:
                return position
            position += 1
        return -1

    def _balanced(self, opening: str) -> str:
        closing, depth = _CLOSING[opening], 0
        if opening not in self._unclosed:
            for position in range(self._position + 1, len(self._text)):
                character = self._text[position]
                depth += (character == opening) - (character == closing)
                if depth == 0:
                    return self._advance(position + 1 - self._position)
        self._unclosed.add(opening)
        return self._advance(2)
