"""The commands of a scriptlet: for which ``$1`` each runs, behind which tests, and who hears of its
failure. Pure.

Follows sh's lists, if, case, loops and groups. What it does not follow (functions, eval) it takes
for lines that run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Callable

from rpm_venv.frozen import dataclass, replace
from rpm_venv.linting import values
from rpm_venv.linting.flow import AndOrList, Context, Frame, Test
from rpm_venv.linting.shell import Token, tokens
from rpm_venv.linting.spec_file import Line
from rpm_venv.linting.values import ALL, NONE, Outcome, Values

_NO_OPERATION = {":", "true", "/bin/true", "/usr/bin/true", "echo", "printf", "logger"}
_TO_NULL = re.compile(r"(&|2)>>?/dev/null")
_MAX_NESTED = 3
_MOST_TESTS = 8  # that are remembered of one list
_MOST_TAKEN = 100  # words that a keyword may take for itself: case WORD in PATTERN


@dataclass(frozen=True)
class Command:
    """A simple command: its words, its line, the values of ``$1`` it may run for.

    ``tests`` is what it stands behind; ``excuse`` is what keeps its failure from being seen
    ("|| :", "2>/dev/null"), or "".
    """

    words: tuple[str, ...]
    line: int
    values: Values = ALL
    tests: tuple[Test, ...] = ()
    excuse: str = ""


def commands(lines: Sequence[Line], nested: int = 0) -> list[Command]:
    """The simple commands of a scriptlet, in their order."""
    reader = _Reader(tokens(lines))
    reader.read()
    found = reader.commands
    if nested < _MAX_NESTED:
        return [inner for command in found for inner in _with_nested(command, nested)]
    return found


def _with_nested(command: Command, nested: int) -> Iterator[Command]:
    """A command, and those in the text that it hands to another shell: ``su -c '…'``."""
    yield command
    words = command.words
    if words and words[0].rpartition("/")[2] in ("sh", "bash", "su", "runuser", "sudo"):
        for option, text in zip(words, words[1:]):
            if re.fullmatch(r"-[a-z]*c|--command", option) and text != words[0]:
                for inner in commands([Line(command.line, text)], nested + 1):
                    yield replace(
                        inner,
                        line=command.line,
                        values=command.values & inner.values,
                        tests=command.tests + inner.tests,
                        excuse=inner.excuse or command.excuse,
                    )


class _Reader:
    def __init__(self, found: Sequence[Token]) -> None:
        self._tokens = [*found, Token("operator", "\n", 0)]
        self._place = 0
        self.commands: list[Command] = []
        self._context = Context()
        self._gone: Values = NONE  # values of $1 for which the scriptlet has surely ended
        self._frames: list[Frame] = []
        self._list = AndOrList()
        self._in_function = False  # the next group is a function's body

    def read(self) -> None:
        while self._place < len(self._tokens):
            token = self._tokens[self._place]
            if token.kind == "operator":
                self._place += 1
                self._operator(token)
            else:
                self._element()

    # ---- operators

    def _operator(self, token: Token) -> None:
        text = token.text
        if text in ("&&", "||", "|"):
            self._joined(text)
            while self._place < len(self._tokens) and self._tokens[self._place].text == "\n":
                self._place += 1
        elif text == "(" and self._tokens[self._place].text == ")":
            self._place += 1
            self._in_function = True
        elif text == "(" and self._tokens[self._place].text == "(":
            self._arithmetic()
        elif text == "(":
            self._open("(")
        elif text == ")":
            self._close("(")
        elif text == ";;":
            self._end_list()
            self._next_pattern()
        else:
            self._end_list()

    def _arithmetic(self) -> None:
        """Read ``(( … ))`` from its second bracket on, to the end of its list at most."""
        place = end = self._place + 1
        while self._tokens[end].kind != "operator":
            end += 1
        text = " ".join(token.text for token in self._tokens[place:end])
        self._place = end
        if [token.text for token in self._tokens[end : end + 2]] == [")", ")"]:
            self._place += 2
        self._after(values.of_arithmetic(text))

    def _joined(self, joint: str) -> None:
        if joint == "|":
            self._excuse(self._list.part, "| …")
        elif joint == "||" and self._next_is_no_operation():
            self._excuse(self._list.part, "|| " + self._tokens[self._following()].text)
        self._list.joint = joint

    def _following(self) -> int:
        place = self._place
        while place < len(self._tokens) - 1 and self._tokens[place].text == "\n":
            place += 1
        return place

    def _next_is_no_operation(self) -> bool:
        place = self._following()
        first, second = self._tokens[place], self._tokens[min(place + 1, len(self._tokens) - 1)]
        if first.kind == "word" and first.text in ("exit", "return"):
            return second.text == "0"
        return first.kind == "word" and first.text in _NO_OPERATION

    def _excuse(self, first: int, text: str) -> None:
        for number in range(first, len(self.commands)):
            if not self.commands[number].excuse:
                self.commands[number] = replace(self.commands[number], excuse=text)

    def _end_list(self) -> None:
        if self._list.outcome is not None and self._frames:
            frame = self._frames[-1]
            if frame.kind == "condition":  # the last list before "then" decides
                frame.outcome, frame.tests = self._list.outcome, tuple(self._list.tests)
        self._list = AndOrList(part=len(self.commands))

    # ---- elements of a list

    def _here(self) -> Context:
        """The context of the next element, by the elements before it."""
        so_far, joint = self._list.outcome, self._list.joint
        if so_far is None or joint == "|":
            return self._context
        if joint == "||":
            tests = tuple(replace(test, succeeded=False) for test in self._list.tests[-1:])
            return self._context.behind(~so_far, tests)
        return self._context.behind(so_far, tuple(self._list.tests[-_MOST_TESTS:]))

    def _element(self) -> None:
        words, redirections, line = self._simple()
        first = 0  # a line of keywords alone may be long
        while first < len(words) and words[first] in _KEYWORDS:
            has_all = _KEYWORDS[words[first]](self, words[first : first + _MOST_TAKEN])
            first = len(words) if has_all else first + 1
        words = words[first:]
        if words:
            self._command(words, redirections, line)
        elif redirections and any(map(_TO_NULL.match, redirections)):
            self._excuse(self._list.part, "2>/dev/null")

    def _simple(self) -> tuple[list[str], list[str], int]:
        words: list[str] = []
        redirections: list[str] = []
        line = self._tokens[self._place].line
        while self._tokens[self._place].kind != "operator":
            token = self._tokens[self._place]
            (words if token.kind == "word" else redirections).append(token.text)
            self._place += 1
        return words, redirections, line

    def _command(self, words: list[str], redirections: Sequence[str], line: int) -> None:
        here = self._here()
        hidden = _hides_errors(redirections)
        self._list.part = len(self.commands)
        may = here.may - self._gone
        self.commands.append(Command(tuple(words), line, may, here.tests, hidden))
        if words[0] in ("exit", "return"):
            self._gone |= here.must
        self._after(values.of_command(words), tuple(words))

    def _after(self, outcome: Outcome, words: tuple[str, ...] = ()) -> None:
        before, joint = self._list.outcome, self._list.joint
        if words[:1] == ("!",):
            self._list.tests.append(Test(words[1:], False))
        elif words:
            self._list.tests.append(Test(words, True))
        if before is None or joint == "|":
            self._list.outcome = outcome
        else:
            self._list.outcome = before | outcome if joint == "||" else before & outcome
        if joint == "||":
            self._list.tests = []  # which of them succeeded is not known

    # ---- compound commands

    def _open(self, kind: str) -> None:
        here = self._here()
        self._frames.append(Frame(kind, self._context, len(self.commands)))
        here = replace(here, tests=here.tests[-_MOST_TESTS:])
        self._context, self._list = here, AndOrList(part=len(self.commands))
        if self._in_function:  # whether it is called is not known
            self._context, self._in_function = replace(here, must=NONE), False

    def _close(self, *kinds: str) -> None:
        self._end_list()
        if self._frames and self._frames[-1].kind in kinds:
            frame = self._frames.pop()
            self._context = frame.outside
            self._list = AndOrList(outcome=values.UNKNOWN, part=frame.first)

    def _nothing(self, _: list[str]) -> None:
        """``do`` and ``time``: what follows is a command."""

    def _group(self, _: list[str]) -> None:
        self._open("{")

    def _if(self, _: list[str]) -> None:
        self._open("condition")

    def _then(self, _: list[str]) -> None:
        self._end_list()
        if self._frames and self._frames[-1].kind == "condition":
            frame = self._frames[-1]
            frame.kind = "branch"
            self._context = frame.outside.behind(frame.taken(frame.outcome), frame.tests)

    def _else(self, words: list[str]) -> None:
        self._end_list()
        if self._frames and self._frames[-1].kind == "branch":
            frame = self._frames[-1]
            frame.left = frame.not_taken(frame.outcome)
            tests = frame.tests if len(frame.tests) == 1 else ()
            opposite = tuple(replace(test, succeeded=not test.succeeded) for test in tests)
            self._context = frame.outside.behind(frame.left, opposite)
            if words[0] == "elif":
                frame.kind, frame.outcome, frame.tests = "condition", values.UNKNOWN, ()

    def _fi(self, _: list[str]) -> None:
        self._close("branch", "condition")

    def _loop(self, words: list[str]) -> bool:
        self._open("loop")
        return words[0] in ("for", "select")  # a name and words follow, no command

    def _done(self, _: list[str]) -> None:
        self._close("loop")

    def _end_group(self, _: list[str]) -> None:
        self._close("{")

    def _case(self, words: list[str]) -> bool:
        self._open("case")
        self._frames[-1].subject = words[1] if len(words) > 1 else ""
        self._pattern(words[3:])
        return True

    def _next_pattern(self) -> None:
        if self._frames and self._frames[-1].kind == "case":
            self._context = self._frames[-1].outside
            self._pattern([])

    def _pattern(self, words: list[str]) -> None:
        """Read a pattern of case up to its bracket; words are those of it that are read already."""
        while self._tokens[self._place].text == "\n" and self._place < len(self._tokens) - 1:
            self._place += 1
        if not words and self._tokens[self._place].text == "esac":
            return
        place = self._place
        while place < len(self._tokens) and self._tokens[place].text not in (")", "\n", ";;"):
            words.append(self._tokens[place].text)
            place += 1
        if place == len(self._tokens) or self._tokens[place].text != ")":
            return
        self._place = place + 1
        frame = self._frames[-1]
        outcome = values.of_pattern(frame.subject, "".join(words).lstrip("("))
        self._context = frame.outside.behind(frame.taken(outcome))
        frame.left = frame.not_taken(outcome)
        self._list = AndOrList(part=len(self.commands))

    def _esac(self, _: list[str]) -> None:
        self._close("case")


def _hides_errors(redirections: Sequence[str]) -> str:
    """The redirection that keeps error messages from being seen."""
    to_null = [text for text in redirections if text.endswith("/dev/null")]
    for text in redirections:
        if _TO_NULL.match(text):
            return text
    if to_null and "2>&1" in redirections[redirections.index(to_null[0]) :]:
        return f"{to_null[0]} 2>&1"
    return ""


#: What a keyword does with the words from itself on; true where it has taken them all.
_KEYWORDS: dict[str, Callable[[_Reader, list[str]], bool | None]] = {
    "if": _Reader._if,
    "then": _Reader._then,
    "elif": _Reader._else,
    "else": _Reader._else,
    "fi": _Reader._fi,
    "while": _Reader._loop,
    "until": _Reader._loop,
    "for": _Reader._loop,
    "select": _Reader._loop,
    "done": _Reader._done,
    "case": _Reader._case,
    "esac": _Reader._esac,
    "{": _Reader._group,
    "}": _Reader._end_group,
    "do": _Reader._nothing,
    "time": _Reader._nothing,
}
