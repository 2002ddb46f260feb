"""Byte code made afresh: objects of packages, for a Python that they were not made for. An edge.

Such an object has its files already, as they were packaged. A confined child gets the sources among
them, as a wheel of nothing else; of its stream root takes byte code, and nothing else.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rpm_venv.confined import protocol
from rpm_venv.errors import Problem, WheelError
from rpm_venv.frozen import replace
from rpm_venv.system import reading
from rpm_venv.system.sealed import ALL_SEALS, F_ADD_SEALS
from rpm_venv.system.tree import Tree
from rpm_venv.wheels import wheel
from rpm_venv.wheels.batch import Batch
from rpm_venv.wheels.objects import Source, StoredFile, StoredObject, object_id
from rpm_venv.wheels.stream import Broken, Event, File
from rpm_venv.wheels.unpack import most_bytes, source_of, write_said

_FILE = (stat.S_IFREG | 0o644) << 16  # how zip says it


class Compilation(Batch):
    """The packaged objects of one call, shared out to workers.

    Each is a ``Source`` whose path is its description, in the directory of its content digest, and
    has all that ``StoredObject.is_of_one_python`` leaves in the staging directory.
    """

    def _size(self, source: Source) -> int:
        return sum(file.size for file in _described(source).files if _is_source(file))

    def _told(self, source: Source) -> str:
        return (
            f"compiling wheel {self._queue.taken[0]} of {self._queue.total[0]}: {source.filename}"
        )

    @contextmanager
    def _begun(self, source: Source) -> Iterator[tuple[int, Compiling]]:
        was, name = _described(source), object_id(source.sha256, self._interpreter)
        kept = tuple(file for file in was.files if not was.is_of_one_python(file))
        sources = [file for file in kept if _is_source(file)]
        place = self._staging / name
        with _wheel_of(place / "site", was, sources) as packed:
            now = replace(was, id=name, files=kept)
            yield packed, Compiling(place, now, sources, os.fstat(packed).st_size)


def _described(source: Source) -> StoredObject:
    """The description of a packaged object, which was believed before: it must be that one yet."""
    data = reading.content(source.path, follow=False)
    if hashlib.sha256(data).hexdigest() != source.path.parent.name:
        raise WheelError("its description was changed just now", subject=source.filename)
    return StoredObject.loads(data)


def _is_source(file: StoredFile) -> bool:
    is_module = file.scheme == "site" and file.path.endswith(".py")
    return is_module and file.size <= protocol.MAX_SOURCE


@contextmanager
def _wheel_of(site: Path, was: StoredObject, sources: Sequence[StoredFile]) -> Iterator[int]:
    """A descriptor of a wheel of an object's sources alone, which nobody can change.

    Its dist-info has what a reader of wheels asks for, and nothing of the object's. Not compressed:
    the child would take apart at once what root had put together.
    """
    dist_info = was.dist_info
    data_directory = dist_info[: -len(".dist-info")] + ".data"
    packed = os.memfd_create("sources", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(packed, "wb", closefd=False) as file, zipfile.ZipFile(file, "w") as archive:
            rows = []
            for source in sources:
                # What is called so in a wheel is no directory of site-packages.
                is_data = source.path.partition("/")[0].lower().endswith(".data")
                name = f"{data_directory}/purelib/{source.path}" if is_data else source.path
                _add(archive, name, _content(site, source, was))
                rows.append((name, source.sha256, source.size))
            for name, data in (
                ("METADATA", b"Metadata-Version: 2.1\nName: sources\nVersion: 0\n"),
                ("WHEEL", b"Wheel-Version: 1.0\n"),
            ):
                _add(archive, f"{dist_info}/{name}", data)
                rows.append((f"{dist_info}/{name}", hashlib.sha256(data).hexdigest(), len(data)))
            own = f"{dist_info}/RECORD"
            _add(archive, own, wheel.record(rows, own))
        fcntl.fcntl(packed, F_ADD_SEALS, ALL_SEALS)
        yield packed
    finally:
        os.close(packed)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name)
    member.external_attr = _FILE
    archive.writestr(member, data)


def _content(site: Path, source: StoredFile, was: StoredObject) -> bytes:
    """The bytes of a source that the staging directory has: what was compared is what is packed."""
    data = reading.content(site / source.path, most=protocol.MAX_SOURCE, follow=False)
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise WheelError(f"{source.path} was changed just now", subject=was.filename)
    return data


class Compiling:
    """Adds byte code to an object that has all other files, and describes it."""

    def __init__(
        self, place: Path, stored: StoredObject, sources: Iterable[StoredFile], packed: int
    ) -> None:
        there = {f"{file.scheme}/{file.path}".rpartition("/")[0] for file in stored.files}
        self._tree = Tree(place, there)
        self._stored = stored
        self._sources = {source.path for source in sources}
        self._tag = stored.cache_tag
        self._left = most_bytes(packed)
        self._counting = threading.Lock()
        self._made: list[StoredFile] = []
        self._problems: list[Problem] = []

    def take(self, events: Iterable[Event]) -> None:
        """Write the byte code of what a child says, as ``Unpacking.take``."""
        for event in events:
            if isinstance(event, File):
                self._file(event)
            elif isinstance(event, Problem):
                self._problems.append(event)

    def finish(self) -> StoredObject:
        """The object, whole but not yet durable; ``WheelError`` where the child refuses it."""
        if self._problems:
            subject, problems = self._stored.filename, self._problems
            raise WheelError("no byte code can be made of it", subject=subject, problems=problems)
        return self._finish()

    def release(self) -> None:
        """Let go of the object's directory, finished or not."""
        self._tree.release()

    def _file(self, file: File) -> None:
        with self._counting:
            self._left -= file.size
        if self._left < 0:
            raise Broken("more bytes than agreed")
        if not file.byte_code:  # root has it
            for _ in file.chunks:
                pass
            return
        is_known = source_of(file.path, self._tag) in self._sources
        if file.scheme != "site" or not is_known or wheel.destination_problem("site", file.path):
            raise Broken("byte code without its source")
        self._made.append(self._written(file))

    def _written(self, file: File) -> StoredFile:
        sha256 = hashlib.sha256()
        if write_said(self._tree, file, 0o644, [sha256]) != file.size:
            raise Broken("byte code that ends too soon")
        return StoredFile("site", file.path, 0o644, file.size, sha256.hexdigest())

    def _finish(self) -> StoredObject:
        files = [*self._stored.files, *self._made]
        own = f"{self._stored.dist_info}/RECORD"
        rows = ((file.path, file.sha256, file.size) for file in files if file.scheme == "site")
        record = wheel.record(rows, own)
        self._tree.write(f"site/{own}", 0o644, record)
        digest = hashlib.sha256(record).hexdigest()
        files.append(StoredFile("site", own, 0o644, len(record), digest))
        files.sort(key=lambda file: (file.scheme, file.path))
        stored = replace(self._stored, files=tuple(files))
        description = stored.dumps()
        try:
            stored.refuse_empty(description)
        except ValueError as error:  # there was byte code alone
            raise WheelError(str(error), subject=stored.filename) from None
        self._tree.write("object.json", 0o644, description)
        self._tree.finish()
        return stored
