"""A database of advisories on disk: an index, a zip of OSV records, or a directory. An edge: reads.

It comes from strangers. Sizes and counts are bounded, and a record that is none is skipped, counted
and named; a file that is no database at all is a ``VenvError``.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

from rpm_venv.advisories import index, osv
from rpm_venv.advisories.index import Summary
from rpm_venv.advisories.osv import Advisory, RecordError
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout

#: Where the package of a database puts it; outside of what the triggers for declarations look at.
PLACE = PurePosixPath("/usr/share/rpm-venv-advisories")
#: The name of an index in a directory.
INDEX = "advisories.index"

MAX_ARCHIVE = 512 << 20  # bytes of a zip
MAX_DIRECTORY = 64 << 20  # bytes of its list of members, which zipfile reads at once
MAX_RECORDS = 300_000
MAX_CONTENT = 2 << 30  # bytes of all records together
MAX_KEPT = 8_000_000  # versions and events of the records that are asked for: half a GiB
_NAMED = 20  # unreadable records that are named
_HINT = "rpm-venv(8) says, at audit, where databases come from"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def today() -> date:
    """The day it is, in UTC as in the records."""
    return datetime.now(timezone.utc).date()


@dataclass
class Database:
    """What is known of projects. ``place`` is where it was read from, for people."""

    place: str
    summary: Summary
    _projects: dict[str, tuple[Advisory, ...]]
    _index: _Index | None = None

    @property
    def age(self) -> int | None:
        """The days since a record of it was last changed; None where that cannot be told."""
        newest = self.summary.newest
        return None if newest is None else max((today() - newest).days, 0)

    def of(self, project: str) -> tuple[Advisory, ...]:
        """The advisories about a project, by its normalised name; withdrawn ones are not there."""
        if project not in self._projects and self._index is not None:
            self._projects[project] = self._index.of(project)
        return self._projects.get(project, ())

    @property
    def projects(self) -> tuple[str, ...]:
        """The names of all projects it knows something of."""
        return tuple(self._index.head.places if self._index else self._projects)


@dataclass(frozen=True)
class _Index:
    file: Path
    head: index.Head
    start: int

    def of(self, project: str) -> tuple[Advisory, ...]:
        place = self.head.places.get(project)
        if place is None:
            return ()
        try:
            with self.file.open("rb") as stream:
                stream.seek(self.start + place[0])
                return index.project(stream.read(place[1]))
        except RecordError as error:
            raise _unusable(str(self.file), f"{project}: {error}") from None


def default(layout: Layout) -> Path:
    """The real path of the database that a package brings."""
    return layout.real(PLACE)


def load(place: Path, wanted: Collection[str] | None = None) -> Database:
    """The database at a real path; ``VenvError`` where there is none, or no record in it counts.

    ``wanted`` are the projects that will be asked for; None for all. Others may be left out.
    """
    try:
        kind = place.stat().st_mode
        if stat.S_ISDIR(kind):
            inside = place / INDEX
            return (
                load(inside, wanted) if inside.is_file() else _gather(place, _files(place), wanted)
            )
        if not stat.S_ISREG(kind):
            raise _unusable(str(place), "neither a file nor a directory")
        with place.open("rb") as stream:
            if stream.read(len(index.MAGIC)) == index.MAGIC:
                stream.seek(0)
                return _indexed(place, stream)
            if place.stat().st_size > MAX_ARCHIVE:
                raise _unusable(str(place), f"larger than {MAX_ARCHIVE >> 20} MiB")
            return _gather(place, _members(stream), wanted)
    except OSError as error:
        raise _unusable(str(place), f"cannot be read: {error.strerror or error}") from None
    except zipfile.BadZipFile as error:
        raise _unusable(str(place), f"neither a zip nor an index: {error}") from None


def _unusable(place: str, reason: str) -> VenvError:
    return VenvError(f"no usable database of advisories: {reason}", subject=place, hint=_HINT)


def _indexed(place: Path, stream: io.BufferedReader) -> Database:
    line = stream.readline(index.MAX_HEAD)
    try:
        found = index.head(line)
    except RecordError as error:
        raise _unusable(str(place), str(error)) from None
    return Database(str(place), found.summary, {}, _Index(place, found, len(line)))


def _gather(
    place: Path, records: Iterator[tuple[str, bytes | str]], wanted: Collection[str] | None
) -> Database:
    """Read every record; what comes instead of its bytes is why there are none."""
    projects: dict[str, list[Advisory]] = {}
    counted = withdrawn = kept = 0
    unreadable: list[str] = []
    newest: date | None = None
    latest = today() + timedelta(days=1)  # a record of the future makes no database younger
    for number, (name, data) in enumerate(records):
        if number >= MAX_RECORDS:
            raise _unusable(str(place), f"more than {MAX_RECORDS} records")
        try:
            if isinstance(data, str):
                raise RecordError(data)
            advisory = osv.loads(data)
        except RecordError as error:
            unreadable.append(f"{name[:200]}: {error}")
            continue
        if advisory.modified <= latest:
            newest = max(newest or advisory.modified, advisory.modified)
        withdrawn += advisory.withdrawn
        counted += not advisory.withdrawn
        if not advisory.withdrawn:
            names = {each.project for each in advisory.affected}
            asked = names if wanted is None else names.intersection(wanted)
            for project in asked:
                projects.setdefault(project, []).append(advisory)
            kept += advisory.weight if asked else 0
        if kept > MAX_KEPT:
            raise _unusable(str(place), f"more than {MAX_KEPT} versions")
    if not counted + withdrawn:
        first = f": {unreadable[0]}" if unreadable else ""
        raise _unusable(str(place), f"there is no OSV record in it{first}")
    summary = Summary(counted, withdrawn, len(unreadable), newest, tuple(unreadable[:_NAMED]))
    return Database(str(place), summary, {name: tuple(all_) for name, all_ in projects.items()})


def _files(top: Path) -> Iterator[tuple[str, bytes | str]]:
    """Every file of a directory that may be a record, by its name; no link is followed."""
    total = 0
    for directory, below, names in os.walk(top):
        below.sort()
        for name in sorted(names):
            file = Path(directory, name)
            if name.startswith(".") or name == INDEX or not _may_be_record(name):
                continue
            data = _content(file)
            total += len(data)
            if total > MAX_CONTENT:
                raise _unusable(str(top), f"more than {MAX_CONTENT >> 20} MiB of records")
            yield str(file.relative_to(top)), data


def _may_be_record(name: str) -> bool:
    """Whether a file is a record, or would be in another form; what else is there is none."""
    return name.endswith((".json", ".yaml", ".yml"))


def _content(file: Path) -> bytes | str:
    if not file.name.endswith(".json"):
        return "YAML is not read; osv.dev has the same records as JSON"
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return "not a regular file"
            return stream.read(osv.MAX_RECORD + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


class _Bounded:
    """A file from which nobody reads more at once than ``MAX_DIRECTORY``."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell
        self.seekable, self.close, self.flush = stream.seekable, stream.close, stream.flush

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            raise zipfile.BadZipFile("its list of members is too long")
        return self._stream.read(MAX_DIRECTORY if size < 0 else size)


def _members(stream: io.BufferedReader) -> Iterator[tuple[str, bytes | str]]:
    """Every member of a zip that may be a record."""
    try:
        archive = zipfile.ZipFile(_Bounded(stream))
    except (ValueError, NotImplementedError, OverflowError, EOFError, OSError) as error:
        # Python 3.9 goes to places before the file's beginning where the zip says so.
        raise zipfile.BadZipFile(str(error)) from None
    total = 0
    for member in archive.infolist():
        if member.is_dir() or not _may_be_record(member.filename):
            continue
        data = _member(archive, member)
        total += len(data)
        if total > MAX_CONTENT:
            raise zipfile.BadZipFile(f"more than {MAX_CONTENT >> 20} MiB of records")
        yield member.filename, data


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | str:
    if not member.filename.endswith(".json"):
        return "YAML is not read; osv.dev has the same records as JSON"
    if member.compress_type not in _METHODS or member.flag_bits & 1:
        return "encrypted, or packed in a way that is not read"
    try:
        with archive.open(member) as stream:
            data = stream.read(osv.MAX_RECORD + 1)
        # A member is as long as it says, or its checksum is never compared.
        is_whole = len(data) == member.file_size or len(data) > osv.MAX_RECORD
        return data if is_whole else "another size than the zip says"
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        return f"damaged: {str(error)[:80]}"
