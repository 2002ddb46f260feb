"""What uv.lock and poetry.lock have in common: versions with their files, taken as they are. Pure.

Nothing is resolved: for each Python and machine, what the other program has chosen for it is
carried over, with the sha256 of every wheel that is for it, or where there is none of the sdist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rpm_venv.errors import LockError, Problem
from rpm_venv.frozen import dataclass
from rpm_venv.locks import pylock
from rpm_venv.locks.locked import Entry, LockedFile
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels.wheel import has_too_many_tags

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True)
class File:
    """A file of a version: its name, its hash as ``ALGORITHM:HEX``, and its URL if there is one."""

    filename: str
    hash: str
    url: str = ""


@dataclass(frozen=True)
class Pinned:
    """One version of a distribution; ``source`` as in ``Entry``, where it is from no index."""

    name: str
    version: Version
    files: tuple[File, ...]
    source: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def entries(pinned: Iterable[Pinned], interpreter: Interpreter, filename: str) -> tuple[Entry, ...]:
    """These versions as the entries of a lock for one Python on one machine.

    ``LockError`` with each that has no file for it, or none with a sha256.
    """
    tags = frozenset(interpreter.tags)
    found: list[Entry] = []
    problems: list[Problem] = []
    for one in pinned:
        if one.source:
            found.append(Entry(one.name, one.version, (), source=one.source))
            continue
        wheels = [file for file in one.files if _fits(file.filename, tags)]
        sdists = [file for file in one.files if file.filename.endswith((".tar.gz", ".zip"))]
        entry = _entry(one, wheels, sdists)
        if isinstance(entry, Entry):
            found.append(entry)
        else:
            problems.append(entry)
    if problems:
        machine = interpreter.markers["platform_machine"]
        raise LockError(
            f"it cannot be carried over for Python {interpreter.minor} on {machine}",
            subject=filename,
            problems=problems,
        )
    return tuple(found)


def _fits(filename: str, tags: frozenset[str]) -> bool:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    if not filename.endswith(".whl") or has_too_many_tags(filename[: -len(".whl")]):
        return False
    try:
        return not tags.isdisjoint(map(str, parse_wheel_filename(filename)[3]))
    except (InvalidWheelFilename, ValueError):
        return False


def _entry(one: Pinned, wheels: Sequence[File], sdists: Sequence[File]) -> Entry | Problem:
    if not wheels and not sdists:
        return Problem("it has no file for it", str(one))
    chosen = wheels or sdists[:1]
    unknown = [file.filename for file in chosen if not file.hash.startswith("sha256:")]
    if unknown:
        return Problem(f"no sha256 of {', '.join(unknown)}", str(one))
    files = tuple(sorted(map(_locked, chosen), key=lambda file: file.filename))
    hashes = tuple(sorted({file.sha256 for file in files}))
    if wheels:
        return Entry(one.name, one.version, hashes, files=files)
    return Entry(one.name, one.version, hashes, source="sdist", sdist=files[0])


def _locked(file: File) -> LockedFile:
    digest = file.hash.partition(":")[2].lower()
    return LockedFile(file.filename, digest, pylock.public(file.url))


def marker_holds(text: str, environment: Mapping[str, str], extras: Iterable[str] = ()) -> bool:
    """Whether a marker holds, for any of the extras where it asks for one."""
    from packaging.markers import Marker

    marker = Marker(text)
    return any(marker.evaluate({**environment, "extra": name}) for name in ("", *extras))


def tables(data: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """The tables of an array; what is no table is none of it."""
    items = data.get(key)
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            yield item
