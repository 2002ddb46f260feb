"""A wheel that the author built: what a lock must know of it. An edge: reads the file.

This is the author's own file on the author's machine; what a lock names on the target is read by
confined children only.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rpm_venv.errors import Problem, WheelError, first_line
from rpm_venv.frozen import dataclass
from rpm_venv.locks.locked import Entry, LockedFile
from rpm_venv.locks.plain_version import parsed
from rpm_venv.locks.requirements import normalized

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata
    from packaging.requirements import Requirement

    from rpm_venv.system.interpreter import Interpreter

_MAX_METADATA = 4 << 20  # bytes


@dataclass(frozen=True)
class Built:
    """A wheel at hand: its entry of a lock, its tags, and what its METADATA asks for."""

    path: Path
    entry: Entry
    tags: frozenset[str]
    requires: tuple[Requirement, ...]
    requires_python: str

    @property
    def requirement(self) -> str:
        """The wheel as a line of a requirements.txt, for a resolver."""
        return f"{self.entry.name} @ {self.path.absolute().as_uri()}"


def read(path: Path) -> Built:
    """The wheel at ``path``; ``WheelError`` if it is none."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import parse_wheel_filename

    try:
        data = path.read_bytes()
        name, version, _, tags = parse_wheel_filename(path.name)
        metadata = _metadata(path)
        requires = tuple(Requirement(text) for text in metadata.get("requires_dist", ()))
    except OSError as error:
        raise WheelError(error.strerror or "not readable", subject=str(path)) from None
    except (ValueError, KeyError, InvalidRequirement, zipfile.BadZipFile) as error:
        raise WheelError(f"not a wheel: {first_line(error)}", subject=str(path)) from None
    if normalized(metadata.get("name", "")) != name:
        raise WheelError("its METADATA has another name", subject=str(path))
    digest = hashlib.sha256(data).hexdigest()
    entry = Entry(name, version, (digest,), files=(LockedFile(path.name, digest),), where=path.name)
    python = metadata.get("requires_python", "")
    return Built(path, entry, frozenset(map(str, tags)), requires, python)


def _metadata(path: Path) -> RawMetadata:
    from packaging.metadata import parse_email

    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        names = [name for name in names if name.count("/") == 1]
        if len(names) != 1 or wheel.getinfo(names[0]).file_size > _MAX_METADATA:
            raise ValueError("it has no METADATA")
        return parse_email(wheel.read(names[0]))[0]


def misfits(built: Built, interpreter: Interpreter) -> Iterator[Problem]:
    """Why a wheel is not for an interpreter."""
    from packaging.specifiers import SpecifierSet

    if built.tags.isdisjoint(interpreter.tags):
        tag = sorted(built.tags)[0]
        yield Problem(f"a wheel for {tag}, which Python {interpreter.minor} here does not take")
    python = interpreter.markers["python_full_version"].rstrip("+")
    if not SpecifierSet(built.requires_python).contains(python, prereleases=True):
        yield Problem(f"it is for Python {built.requires_python}")


def missing(
    built: Built, entries: Iterable[Entry], markers: Mapping[str, str]
) -> Iterator[Problem]:
    """What the wheel needs and these entries, all of which hold, do not have."""
    known = {entry.name: entry for entry in entries}
    for requirement in built.requires:
        if requirement.marker and not requirement.marker.evaluate(dict(markers)):
            continue
        entry = known.get(normalized(requirement.name))
        if entry is None:
            yield Problem(f"it needs {requirement}, and the lock does not have it")
        elif not requirement.specifier.contains(parsed(entry.version), prereleases=True):
            found = f"{requirement.name} {entry.version}"
            place = f" ({entry.where})" if entry.where else ""
            yield Problem(f"it needs {requirement}, and the lock has {found}{place}")


def commands(path: Path) -> frozenset[str]:
    """The commands that a wheel brings: its entry points, and the files of its scripts."""
    import configparser

    try:
        with zipfile.ZipFile(path) as wheel:
            names = [name.split("/") for name in wheel.namelist()]
            scripts = {
                parts[2]
                for parts in names
                if len(parts) == 3 and parts[0].endswith(".data") and parts[1] == "scripts"
            }
            parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            for parts in names:
                if parts[0].endswith(".dist-info") and parts[1:] == ["entry_points.txt"]:
                    parser.read_string(wheel.read("/".join(parts)).decode())
    except (OSError, ValueError, configparser.Error, zipfile.BadZipFile) as error:
        raise WheelError(f"not a wheel: {first_line(error)}", subject=str(path)) from None
    groups = [group for group in ("console_scripts", "gui_scripts") if parser.has_section(group)]
    return frozenset(scripts.union(*(parser.options(group) for group in groups)) - {""})
