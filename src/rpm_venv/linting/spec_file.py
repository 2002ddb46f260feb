"""A spec file as text: its sections, its tags, its macros, each line with its number. Pure.

Read as rpm's own parser does (build/parseSpec.c): a section begins where its name begins a line,
and a line goes on below where it ends with a backslash in a definition or has a macro's brace open.
Conditions are not decided: the lines of all branches count.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpm_venv.errors import UsageError
from rpm_venv.frozen import dataclass, field
from rpm_venv.linting.expansion import Macros

_TRIGGERS = {
    f"{prefix}trigger{suffix}"
    for prefix in ("", "file", "transfile")
    for suffix in ("", "prein", "in", "un", "postun")
}
SCRIPTLETS = _TRIGGERS | {
    *("pre", "post", "preun", "postun"),
    *("pretrans", "posttrans", "preuntrans", "postuntrans", "verifyscript"),
}
_SECTIONS = SCRIPTLETS | {
    *("package", "description", "prep", "generate_buildrequires", "conf", "build", "install"),
    *("check", "clean", "files", "changelog", "sepolicy", "sourcelist", "patchlist", "preamble"),
}
_HEADER = re.compile(r"%(\w+)(?=\s|$)")
_DEFINITION = re.compile(r"\s*%(?:global|define)\s+(\w+)(\([^)]*\))?[ \t]*(.*)", re.DOTALL)
_CONDITION = re.compile(
    r"\s*%(?:if|ifarch|ifnarch|ifos|ifnos|elif|elifarch|elifos|else|endif|undefine|undef|dnl|include"
    r"|bcond|bcond_with|bcond_without|load)\b"
)
_TAG = re.compile(r"\s*(\w+)(?:\([^)]*\))?\s*:\s*(.*?)\s*$")
_MAX_SIZE = 32 << 20  # characters; the largest of Fedora's has half of it
_ONCE = ("name", "version", "release")


@dataclass(frozen=True)
class Line:
    """A line of the spec file: its number, counted from 1, and its text."""

    number: int
    text: str


@dataclass(frozen=True)
class Section:
    """A section: its name without the per cent sign, what its first line says, and its lines."""

    name: str
    number: int
    header: str
    package: str
    program: str
    lines: tuple[Line, ...]

    @property
    def is_shell_scriptlet(self) -> bool:
        return self.name in SCRIPTLETS and self.program.rpartition("/")[2].endswith("sh")


@dataclass(frozen=True)
class SpecFile:
    """What a spec file says. The preamble is the section with the empty name."""

    sections: tuple[Section, ...]
    macros: Macros = field(compare=False)

    def named(self, *names: str) -> Iterator[Section]:
        return (section for section in self.sections if section.name in names)

    def tags(self, name: str) -> Iterator[Line]:
        """The values of a tag, in the preambles of all packages."""
        for section in self.named("", "package"):
            for line in section.lines:
                match = _TAG.match(line.text)
                if match and match[1].lower() == name:
                    yield Line(line.number, self.macros.expand(match[2]))


def read(name: str) -> str:
    """The text of a spec file; ``UsageError`` where there is none. Never waits for a pipe."""
    path = Path(name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError("this is no file", subject=name)
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(_MAX_SIZE + 1)
        if len(text) > _MAX_SIZE:
            raise UsageError(f"larger than {_MAX_SIZE >> 20} MiB", subject=name)
        return text
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read it: {reason}", subject=name) from None


def parse(text: str) -> SpecFile:
    """The spec file that has this text; there is no text that is none."""
    macros = Macros()
    sections: list[Section] = []
    header, lines = Line(1, ""), list[Line]()
    for line in _logical_lines(text.split("\n")):
        definition = _DEFINITION.match(line.text)
        if definition:
            if not definition[2]:
                macros.define(definition[1], _body(definition[3]))
            else:
                macros.define(definition[1], f"%{{{definition[1]}}}")  # known, and left as it is
        elif _begins_section(line.text):
            sections.append(_section(header, lines, macros))
            header, lines = line, []
        elif not _CONDITION.match(line.text):
            if not sections:
                _learn(macros, line)
            lines.append(line)
    sections.append(_section(header, lines, macros))
    return SpecFile(tuple(sections), macros)


def _body(text: str) -> str:
    return text.replace("\\\n", "\n").strip()


def _learn(macros: Macros, line: Line) -> None:
    """The macros that the preamble's tags make: %{name} and its like."""
    tag = _TAG.match(line.text)
    if tag and tag[1].lower() in _ONCE:
        macros.define(tag[1].lower(), tag[2])


def _begins_section(text: str) -> bool:
    header = _HEADER.match(text)
    return header is not None and header[1].lower() in _SECTIONS


def _section(header: Line, lines: Sequence[Line], macros: Macros) -> Section:
    words = macros.expand(header.text).split() or [""]
    main = macros.expand("%{name}")
    package, program = main, "/bin/sh"
    rest = iter(words[1:])
    for word in rest:
        if word == "--":
            break  # what a trigger is for
        if word == "-n":
            package = next(rest, main)
        elif word == "-p":
            program = next(rest, program)
        elif word in ("-f", "-l", "-P"):
            next(rest, "")
        elif not word.startswith("-"):
            package = f"{main}-{word}"
    name = words[0].lstrip("%").lower()
    return Section(name, header.number, header.text, package, program, tuple(lines))


def _logical_lines(texts: Sequence[str]) -> Iterator[Line]:
    """Lines as rpm takes them, each with the number of its first one.

    Outside of definitions a backslash is the shell's, and each line stays its own.
    """
    unclosed = False  # once a brace is open to the end of the file, no other one is looked for
    index = 0
    while index < len(texts):
        text = texts[index]
        definition = _DEFINITION.match(text) is not None
        end = index + 1
        if not unclosed and not text.lstrip().startswith("#"):
            end = _end(texts, index, definition)
            if end > len(texts):
                unclosed, end = True, index + 1
        if definition or end == index + 1 or _is_lua(text):
            yield Line(index + 1, "\n".join(texts[index:end]))
        else:  # a conditional expansion, %{?with_x: …}: its lines are the section's
            yield from (Line(n + 1, texts[n]) for n in range(index, end))
        index = end


def _is_lua(text: str) -> bool:
    return re.match(r"\s*%\{(lua|expand)\b", text) is not None


def _end(texts: Sequence[str], start: int, definition: bool) -> int:
    """The index after the last line of a logical line; more than there are where none ends it."""
    open_ones, index = (0, 0), start
    while index < len(texts):
        text = texts[index]
        open_ones = _open_after(text, open_ones)
        index += 1
        if open_ones == (0, 0) and not (definition and text.endswith("\\")):
            return index
    return index + 1 if open_ones != (0, 0) else index


def _open_after(text: str, before: tuple[int, int]) -> tuple[int, int]:
    """How many braces and brackets of macros are open after this line, by those before it."""
    braces, brackets = before
    position = 0
    while position < len(text):
        character, two = text[position], text[position : position + 2]
        if two in ("%%", "%{", "%(") or character == "\\":
            braces += two == "%{"
            brackets += two == "%("
            position += 2
            continue
        if braces:
            braces += (character == "{") - (character == "}")
        if brackets:
            brackets += (character == "(") - (character == ")")
        position += 1
    return braces, brackets
