"""What a spec file does with virtual environments: makes, fills and removes them. Pure."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from rpm_venv.frozen import dataclass, replace
from rpm_venv.linting import calls
from rpm_venv.linting.calls import Called
from rpm_venv.linting.commands import Command, commands
from rpm_venv.linting.expansion import Macros
from rpm_venv.linting.spec_file import SCRIPTLETS, Line, Section, SpecFile

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))")
_BUILDROOT = re.compile(r"%\{?\??buildroot\}?|\$\{?RPM_BUILD_ROOT\}?")
_PIP = re.compile(r"pip[\d.]*")
_PYTHON = re.compile(r"python[\d.]*|%\{?\??_*python3?\}?|pypy[\d.]*")
_VENV_OPTIONS = ("-p", "--python", "--prompt", "--app-data", "--seeder", "--pip", "--setuptools")
#: Names that people give to environments, and to nothing else.
_NAMES = {"venv", ".venv", "virtualenv", ".virtualenv", "penv", "pyvenv"}
_MAX_TEXT = 4096  # of a word with its variables put in
_MOST = 200  # uses of one kind that are looked at: each is compared with all of another


@dataclass(frozen=True)
class Made:
    """A virtual environment made by hand: at which path ("" where that is not known).

    ``is_shipped``: it is one of the installed system, not one that the build uses.
    """

    path: str
    command: Command
    section: Section
    is_shipped: bool


@dataclass(frozen=True)
class Filled:
    """A call of pip, or of what does the same: its arguments."""

    arguments: tuple[str, ...]
    command: Command
    section: Section
    python: str  # the interpreter or pip that was called


@dataclass(frozen=True)
class Removed:
    """A path that is removed with all that is below it."""

    path: str
    command: Command
    section: Section


@dataclass(frozen=True)
class Installed:
    """A line with %venv_install, as one of the commands of its scriptlet."""

    command: Command
    section: Section


@dataclass(frozen=True)
class Uses:
    """All of it, in the order of the spec file."""

    made: tuple[Made, ...]
    filled: tuple[Filled, ...]
    removed: tuple[Removed, ...]
    installed: tuple[Installed, ...]
    called: tuple[Called, ...]

    @property
    def by_hand(self) -> tuple[Made | Filled, ...]:
        """What makes environments without our macros."""
        return (*self.made, *self.filled)

    @property
    def managed(self) -> frozenset[str]:
        """The environments that our macros manage."""
        by_macro = {call.path for call in self.called if call.macro in ("install", "declare")}
        return frozenset(by_macro - {""})

    @property
    def paths(self) -> frozenset[str]:
        """Every environment of the installed system."""
        made = {without_buildroot(one.path) for one in self.made if one.is_shipped}
        return self.managed | frozenset(path for path in made if path.startswith("/"))


def without_buildroot(path: str) -> str:
    """A path of the build as the installed system has it."""
    return re.sub("^/+", "/", _BUILDROOT.sub("", path))


def read(spec: SpecFile) -> Uses:
    """What this spec file does with environments."""
    made: list[Made] = []
    filled: list[Filled] = []
    removed: list[Removed] = []
    installed: list[Installed] = []
    called: list[Called] = []
    called.extend(calls.of_build_system(spec))
    listed = _listed(spec)
    for section in spec.sections:
        known = calls.of_section(section, spec.macros)
        called.extend(call for call in known if not spec.macros.defines(f"venv_{call.macro}"))
        if section.name not in SCRIPTLETS and section.name not in ("prep", "build", "install"):
            continue
        for command, directory in _commands(section, spec.macros):
            made.extend(
                Made(path, command, section, _is_shipped(path, section, listed))
                for path in _makes(command, directory)
            )
            filled.extend(_fills(command, section))
            removed.extend(Removed(p, command, section) for p in _removes(command, directory))
            if command.words[0] == "%venv_install":
                installed.append(Installed(command, section))
    return Uses(
        tuple(made[:_MOST]),
        tuple(filled[:_MOST]),
        tuple(removed[:_MOST]),
        tuple(installed[:_MOST]),
        tuple(called[:_MOST]),
    )


def _listed(spec: SpecFile) -> list[str]:
    """The words of all %files, sorted."""
    lists = (line for files in spec.named("files") for line in files.lines)
    return sorted({word for line in lists for word in spec.macros.expand(line.text).split()})


def _is_shipped(path: str, section: Section, listed: Sequence[str]) -> bool:
    """Also where an environment is made at its place on the machine that builds, and copied."""
    if section.name in SCRIPTLETS or _BUILDROOT.search(path):
        return True
    places = (bisect.bisect_left(listed, first) for first in (path, path + "/"))
    words = (listed[place] for place in places if place < len(listed))
    return path.startswith("/") and any(is_below(word, (path,)) for word in words)


# ---- commands


def _commands(section: Section, macros: Macros) -> Iterator[tuple[Command, str]]:
    """The commands of a section with their variables put in, and the directory each runs in."""
    if section.name in SCRIPTLETS and not section.is_shell_scriptlet:
        return
    lines = [Line(line.number, macros.expand(line.text)) for line in section.lines]
    variables: dict[str, str] = {}
    directory = "/" if section.name in SCRIPTLETS else ""
    for command in commands(lines):
        words = [_with_variables(word, variables) for word in command.words]
        words = _without_wrappers(_assign(words, variables))
        if words[:1] in (["cd"], ["pushd"]) and len(words) > 1:
            directory = _joined(directory, words[-1])
        if words:
            yield replace(command, words=tuple(words)), directory


def _with_variables(word: str, variables: dict[str, str]) -> str:
    if "$" not in word:
        return word
    text = _VARIABLE.sub(lambda use: variables.get(use[1] or use[2], use[0]), word)
    return text if len(text) <= _MAX_TEXT else word


def _assign(words: list[str], variables: dict[str, str]) -> list[str]:
    """The words after the assignments before them; those that stand alone last."""
    if words[0] in ("export", "readonly", "local"):
        words = words[1:]
    place = 0
    while place < len(words) and _ASSIGNMENT.fullmatch(words[place]):
        place += 1
    if place == len(words):
        for word in words:
            name, _, value = word.partition("=")
            variables[name] = value
    return words[place:]


_WRAPPERS = {"sudo", "env", "exec", "nice", "command", "runuser", "setpriv", "nohup", "ionice"}


def _without_wrappers(words: list[str]) -> list[str]:
    while words and words[0].rpartition("/")[2] in _WRAPPERS:
        if any(re.fullmatch(r"-[a-z]*c|--command", word) for word in words):
            return words  # what it runs is text, and a command of its own
        rest = words[1:]
        while rest and (rest[0].startswith("-") or _ASSIGNMENT.fullmatch(rest[0])):
            rest = rest[2:] if rest[0] in ("-u", "-g", "-n") else rest[1:]
        words = rest
    return words[2:] if words[:1] == ["timeout"] else words


def _joined(directory: str, path: str) -> str:
    if path.startswith(("/", "%", "$")):
        return path.rstrip("/") or "/"
    return str(PurePosixPath(directory) / path) if directory else ""


def _makes(command: Command, directory: str) -> Iterator[str]:
    words = list(command.words)
    name = words[0].rpartition("/")[2]
    if _PYTHON.fullmatch(name) and "-m" in words[:-1]:
        place = words.index("-m")
        name, words = words[place + 1], words[place + 1 :]
    elif name == "uv" and words[1:2] == ["venv"]:
        name, words = "venv", words[1:]
    if name not in ("venv", "virtualenv", "pyvenv") and not re.fullmatch(
        r"(virtualenv|pyvenv)-?[\d.]+", name
    ):
        return
    operands = []
    rest = iter(words[1:])
    for word in rest:
        if word in _VENV_OPTIONS:
            next(rest, "")
        elif not word.startswith("-"):
            operands.append(word)
    for operand in operands:
        yield _joined(directory, operand)


def _fills(command: Command, section: Section) -> Iterator[Filled]:
    words = command.words
    name = words[0].rpartition("/")[2]
    if _PYTHON.fullmatch(name) and "-m" in words[:-1]:
        words = words[words.index("-m") + 1 :]
        name = words[0]
    elif name == "uv":
        words = words[1:]
        name = words[0] if words else ""
    elif _PYTHON.fullmatch(name) and len(words) > 1 and _PIP.fullmatch(_base(words[1])):
        words, name = words[1:], "pip"  # python …/bin/pip
    rest = [word for word in words[1:] if not word.startswith("-")]
    if _PIP.fullmatch(name) and rest[:1] in (["install"], ["sync"]):
        place = words.index(rest[0])
        yield Filled(tuple(words[1:place] + words[place + 1 :]), command, section, command.words[0])
    elif re.fullmatch(r"easy_install(-[\d.]+)?", name):
        yield Filled(tuple(words[1:]), command, section, command.words[0])


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _removes(command: Command, directory: str) -> Iterator[str]:
    words = command.words
    if _base(words[0]) != "rm":
        return
    options = [word for word in words[1:] if word.startswith("-")]
    if not any(re.fullmatch(r"-\w*[rR]\w*|--recursive", option) for option in options):
        return
    for word in words[1:]:
        if not word.startswith("-"):
            yield _joined(directory, re.sub(r"/\*?$", "", word) or "/")


def holds(removed: str, paths: Iterable[str]) -> str:
    """The environment that a removal of this path takes away; "" if none that is known."""
    for path in sorted(paths):
        if removed == path or (removed != "/" and path.startswith(removed.rstrip("/") + "/")):
            return path
    named = _base(removed) in _NAMES and removed.startswith("/") and not _BUILDROOT.search(removed)
    return removed if named else ""


def is_below(path: str, directories: Sequence[str]) -> str:
    """The first of these directories that a path is below; "" if none."""
    for directory in directories:
        if path == directory or path.startswith(directory + "/"):
            return directory
    return ""
