"""Which file of which object stands where in a generation, and what may not stand there. Pure.

Every path has one owner. The same file from two wheels is one file; different files at one path are
refused where they are part of the environment or of a distribution's identity, and otherwise the
distribution whose name sorts last has it, which is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rpm_venv.errors import Problem
from rpm_venv.frozen import dataclass, field
from rpm_venv.paths import parents
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import activate, startup
from rpm_venv.wheels.store import EntryPoint, StoredFile, StoredObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Item = Union[StoredFile, "Launcher"]
    Claim = tuple[StoredObject, Item]

_COMMAND = re.compile(r"(?!\.)[^/\x00-\x1f\x7f]+")
_DOTTED = re.compile(r"\w+(\.\w+)*")
_SHOWN = 3  # paths in a note about many


@dataclass(frozen=True)
class Launcher:
    """A command that is written for an entry point; ``sha256`` makes equal ones the same file."""

    entry_point: EntryPoint

    @property
    def sha256(self) -> str:
        return f"{self.entry_point.module}:{self.entry_point.attribute}"


@dataclass
class Merged:
    """The outcome: who has each path, what was left out, and every problem.

    ``claims`` are by path, relative to the generation. ``lost`` are the paths below site-packages
    that a distribution, by object id, does not have in this generation though its wheel does.
    """

    claims: dict[str, Claim] = field(default_factory=dict)
    lost: dict[str, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def site_packages(interpreter: Interpreter) -> str:
    return f"lib/{interpreter.directory}/site-packages"


def headers(interpreter: Interpreter) -> str:
    """Where pip puts the headers of an environment: they are part of no standard scheme."""
    return f"include/site/python{interpreter.minor}"


def merge(objects: Sequence[StoredObject], interpreter: Interpreter) -> Merged:
    """The claims of all objects of a generation; with ``problems`` it may not be built."""
    merged = Merged()
    overruled: dict[tuple[str, str], list[str]] = {}
    for item in sorted(objects, key=lambda each: (each.name, each.id)):
        for path, claim in claims(item, interpreter):
            other = merged.claims.setdefault(path, (item, claim))
            if other[1] is not claim and _settle(merged, path, other, (item, claim)):
                pair = (_name(other[0]), _name(item))
                overruled.setdefault(pair, []).append(path)
                _give_up_byte_code(merged, path, other[0], interpreter)
    merged.notes.extend(_note(*pair, paths) for pair, paths in sorted(overruled.items()))
    _refuse_reserved(merged, interpreter)
    _refuse_malformed_launchers(merged)
    _refuse_foreign_metadata(merged, objects, interpreter)
    _refuse_files_as_directories(merged, interpreter)
    return merged


def claims(item: StoredObject, interpreter: Interpreter) -> Iterator[tuple[str, Item]]:
    """Everything that an object puts into an environment, by its path there."""
    prefixes = {
        "site": f"{site_packages(interpreter)}/",
        "headers": f"{headers(interpreter)}/{item.name}/",
        "scripts": "bin/",
        "data": "",
    }
    for file in item.files:
        path = prefixes[file.scheme] + file.path
        # lib64 is a link to lib; a file cannot be told to go through it.
        yield (path[:3] + path[5:] if path.startswith("lib64/") else path), file
    for entry_point in item.entry_points:
        yield f"bin/{entry_point.name}", Launcher(entry_point)


def _settle(merged: Merged, path: str, first: Claim, second: Claim) -> bool:
    """Decide between two claims; True when one distribution's file gives way to another's."""
    (loser, old), (winner, new) = first, second
    if old.sha256 == new.sha256 and getattr(old, "mode", 0) == getattr(new, "mode", 0):
        return False
    if loser is winner:
        merged.claims[path] = second  # a launcher over the wheel's own script, as pip does it
        return False
    if path.startswith("bin/") or ".dist-info/" in path:
        problem = f"is in {_name(loser)} and, different, in {_name(winner)}"
        merged.problems.append(Problem(problem, path))
        return False
    _give_up(merged, path)
    merged.claims[path] = second
    return True


def _give_up_byte_code(
    merged: Merged, path: str, loser: StoredObject, interpreter: Interpreter
) -> None:
    """Leave out the byte code of a source that is not there: it is not checked, so never stale."""
    directory, _, file = path.rpartition("/")
    byte_code = f"{directory}/__pycache__/{file[:-3]}.{interpreter.cache_tag}.pyc"
    if file.endswith(".py") and merged.claims.get(byte_code, (None,))[0] is loser:
        _give_up(merged, byte_code)


def _give_up(merged: Merged, path: str) -> None:
    owner, item = merged.claims.pop(path)
    if isinstance(item, StoredFile) and item.scheme == "site":
        merged.lost.setdefault(owner.id, set()).add(item.path)


def _name(item: StoredObject) -> str:
    return f"{item.name} {item.version}"


def _note(loser: str, winner: str, paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN]) + (", …" if len(paths) > _SHOWN else "")
    return f"{winner} and {loser} differ in {shown}: the one of {winner} is there"


def reserved(interpreter: Interpreter) -> frozenset[str]:
    """The paths that no wheel may have."""
    site = site_packages(interpreter)
    commands = (f"bin/{name}" for name in activate.NAMES)
    hooks = (f"{site}/{name}" for name in (startup.FIRST, startup.LAST))
    return frozenset(("pyvenv.cfg", "lib64", *commands, *hooks))


def _refuse_reserved(merged: Merged, interpreter: Interpreter) -> None:
    # Not where only differences are looked at.
    from rpm_venv.wheels.wheel import is_reserved_command

    names = reserved(interpreter)
    below = tuple(f"{name}/" for name in names)
    for path, (owner, _) in merged.claims.items():
        top, _, command = path.partition("/")
        if (
            path in names
            or path.startswith(below)
            or top == ".rpm-venv"
            or (top == "bin" and is_reserved_command(command.partition("/")[0]))
        ):
            problem = f"belongs to the environment itself, and {_name(owner)} would replace it"
            merged.problems.append(Problem(problem, path))


def _refuse_malformed_launchers(merged: Merged) -> None:
    for owner, item in merged.claims.values():
        if isinstance(item, Launcher):
            point = item.entry_point
            dotted = (point.module, point.attribute)
            if not (_COMMAND.fullmatch(point.name) and all(map(_DOTTED.fullmatch, dotted))):
                text = f"{point.name} = {point.module}:{point.attribute}"
                problem = f"{_name(owner)} has an entry point that is none: {text!r}"
                merged.problems.append(Problem(problem))


def _refuse_foreign_metadata(
    merged: Merged, objects: Iterable[StoredObject], interpreter: Interpreter
) -> None:
    """No wheel adds to what another distribution says of itself."""
    start = f"{site_packages(interpreter)}/"
    owners = {item.dist_info: item for item in objects}
    for path, (owner, _) in merged.claims.items():
        if ".dist-info/" in path and path.startswith(start):
            directory = path[len(start) :].partition("/")[0]
            if owners.get(directory, owner) is not owner:
                problem = f"is {_name(owners[directory])}'s own, and {_name(owner)} adds to it"
                merged.problems.append(Problem(problem, path))


def _refuse_files_as_directories(merged: Merged, interpreter: Interpreter) -> None:
    own = [*reserved(interpreter), f"{headers(interpreter)}/."]
    for path in sorted(parents([*merged.claims, *own]) & merged.claims.keys()):
        owner = _name(merged.claims[path][0])
        within = next((p for p in merged.claims if p.startswith(f"{path}/")), None)
        other = _name(merged.claims[within][0]) if within else "the environment"
        merged.problems.append(Problem(f"is a file of {owner} and a directory of {other}", path))


def extended(merged: Merged) -> Mapping[str, tuple[StoredObject, list[tuple[str, Item]]]]:
    """By object id: the objects whose RECORD changes, with their paths outside site-packages."""
    changed: dict[str, tuple[StoredObject, list[tuple[str, Item]]]] = {}
    for path, (owner, item) in merged.claims.items():
        if isinstance(item, Launcher) or item.scheme != "site":
            changed.setdefault(owner.id, (owner, []))[1].append((path, item))
        elif owner.id in merged.lost:
            changed.setdefault(owner.id, (owner, []))
    return changed
