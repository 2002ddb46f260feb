"""Where a spec file calls our macros, and with which words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rpm_venv.frozen import dataclass
from rpm_venv.linting.expansion import Macros
from rpm_venv.linting.spec_file import Line, Section, SpecFile

#: Every macro of macros.d/macros.venv, without its prefix.
MACROS = (
    "install", "remove", "verify", "check", "run", "declare", "files", "lock", "wheel", "requires",
)  # fmt: skip
_MACRO = re.compile(rf"(?<!%)%(?:\{{)?venv_({'|'.join(MACROS)})(?![\w:])")
_CALL = re.compile(rf"\s*%(?:\{{)?venv_({'|'.join(MACROS)})(?!\w)[ \t]*(.*?)\}}?\s*$")
_TAKES_VALUE = set("rwpxgnbcau")  # the options of our macros that do
_BUILD_OPTION = re.compile(r"\s*BuildOption\(install\)\s*:\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Called:
    """A line with one of our macros: its name, its options, its operands, as they are written."""

    macro: str
    options: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]
    line: Line
    section: Section

    @property
    def path(self) -> str:
        """The environment; "" where there is none."""
        paths = (word for word in self.operands if word.startswith(("/", "%")))
        return next(paths, "").rstrip("/")


def of_build_system(spec: SpecFile) -> Iterator[Called]:
    """The %venv_declare that ``BuildSystem: venv`` stands for."""
    if not any(tag.text == "venv" for tag in spec.tags("buildsystem")):
        return
    for section in spec.named(""):
        for line in section.lines:
            option = _BUILD_OPTION.match(line.text)
            if option:
                options, operands = _arguments(spec.macros.expand(option[1]))
                yield Called("declare", options, operands, line, section)


def of_section(section: Section, macros: Macros) -> Iterator[Called]:
    """The lines of a section that call our macros."""
    for line in section.lines:
        if line.text.lstrip().startswith("#") or line.text.startswith("%dnl"):
            continue
        found = _CALL.match(line.text)
        if found:
            options, operands = _arguments(macros.expand(found[2]))
            yield Called(found[1], options, operands, line, section)
        elif inside := _MACRO.search(line.text):  # %files -f %{venv_files}, a build's VAR=%{…}
            yield Called(inside[1], (), (), line, section)


def _arguments(text: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    options, operands = [], []
    words = iter(text.split())
    for word in words:
        if re.fullmatch(r"-[a-zA-Z]+", word):
            value = next(words, "") if word[-1] in _TAKES_VALUE else ""
            options.append((word[-1], value))
        elif re.match(r"-[a-zA-Z].", word) and word[1] in _TAKES_VALUE:
            options.append((word[1], word[2:]))
        else:
            operands.append(word)
    return tuple(options), tuple(operands)


def macros_in(text: str) -> list[str]:
    """The names of our macros that a line calls."""
    return [] if text.lstrip().startswith("#") else _MACRO.findall(text)
