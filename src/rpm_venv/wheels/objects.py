"""An object of the store, described: whose wheel it is and every file of it. Pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rpm_venv import shapes
from rpm_venv.frozen import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from rpm_venv.system.interpreter import Interpreter

FORMAT = 1
_HEAD = {
    "format": int,
    **dict.fromkeys(("id", "filename", "name", "version", "dist_info"), str),
    "entry_points": [list],
}
_FILE = (str, str, int, int, str)
_POINT = (str, str, str, str)
#: One encoder for all lines: ``json.dumps`` makes one for each, which takes longer than the line.
_ENCODE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_AT_ONCE = 1000  # files whose lines are made together
#: Each of them is compared with all files, wherever the object is used: real wheels have a few.
MOST_BEARING = 500
_SITE, _CACHE = b'["site","', b"/__pycache__/"  # in a line of a file
_MOST_FILES = 200_000  # a wheel has 60,000 at most, and each may have byte code


@dataclass(frozen=True)
class Source:
    """A wheel at hand: a real path whose bytes must have this sha256 (hex).

    ``fetched_without`` names the layers of confinement that were missing where it was fetched.
    """

    path: Path
    filename: str
    sha256: str
    fetched_without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Packaged:
    """An object that a package ships: its id in the store, and the digest that is its name there.

    The digest is the sha256 (hex) of its description. ``afresh`` tells that its byte code is for
    another Python than the id, and is made afresh.
    """

    id: str
    digest: str
    afresh: bool = False


def object_id(sha256: str, interpreter: Interpreter) -> str:
    """The name of the object that a wheel becomes for an interpreter."""
    return f"{sha256}-{interpreter.tag}"


@dataclass(frozen=True)
class EntryPoint:
    """A command that a wheel declares: ``kind`` is ``console`` or ``gui``."""

    kind: str
    name: str
    module: str
    attribute: str


@dataclass(frozen=True)
class StoredFile:
    """One file of an object: below ``scheme``/``path``, with mode bits, size and sha256 (hex)."""

    scheme: str
    path: str
    mode: int
    size: int
    sha256: str

    @classmethod
    def loads(cls, line: bytes) -> StoredFile:
        """The file of one line of a description; ``ValueError`` when it is not such a line."""
        values = shapes.loads(line)
        shapes.rows([values], _FILE)
        return cls(*values)


@dataclass(frozen=True)
class StoredObject:
    """What ``object.json`` says: whose wheel this is and every file of it, in order.

    ``dist_info`` is the directory's name below ``site``. Its RECORD there already lists byte code
    and INSTALLER; ``assemble`` writes another where scripts, data or headers join it. ``bears`` are
    the directories below ``site`` in whose place a generation can have a link: nothing in them
    reaches out of them (``confined/reach.py``). ``portions`` are deeper ones, below those of
    ``bears`` that other wheels may fill as well: nothing in any of them reaches out of it.
    """

    id: str
    filename: str
    name: str
    version: str
    dist_info: str
    files: tuple[StoredFile, ...]
    entry_points: tuple[EntryPoint, ...]
    bears: tuple[str, ...] = ()
    portions: tuple[str, ...] = ()

    @property
    def cache_tag(self) -> str:
        """That of its Python, which its byte code has in its names."""
        return self.id.partition("-")[2].partition(".")[0]

    def is_of_one_python(self, file: StoredFile) -> bool:
        """Whether a file was made for the Python of this object: byte code, RECORD that lists it.

        All ``.pyc`` of a ``__pycache__`` are: those that a wheel brings are dropped.
        """
        place, _, name = f"/{file.path}".rpartition("/")
        if name == "RECORD":
            return file.scheme == "site" and place == f"/{self.dist_info}"
        return name.endswith(".pyc") and place.endswith("/__pycache__")

    def dumps(self) -> bytes:
        """One line for the object, then one a file; the same object gives the same bytes."""
        text = bytearray()
        for line in self._lines():
            text += line
        return bytes(text)

    def _lines(self) -> Iterator[bytes]:
        yield _line(
            {
                "format": FORMAT,
                "id": self.id,
                "filename": self.filename,
                "name": self.name,
                "version": self.version,
                "dist_info": self.dist_info,
                "entry_points": [
                    [point.kind, point.name, point.module, point.attribute]
                    for point in self.entry_points
                ],
                "bears": self.bears,
                **({"portions": self.portions} if self.portions else {}),
            }
        )
        for start in range(0, len(self.files), _AT_ONCE):
            yield "".join(_rows(self.files[start : start + _AT_ONCE])).encode()

    @classmethod
    def loads(cls, data: bytes, without: Iterable[str] = ()) -> StoredObject:
        """The object that ``dumps`` described; ``ValueError`` when it is not such a description.

        Lines of files below the directories ``without`` of ``site`` are left out unread.
        """
        first, _, _ = data.partition(b"\n")
        return cls.loads_head(first).with_files(data, without)

    @classmethod
    def loads_head(cls, line: bytes) -> StoredObject:
        """The object of the first line of a description, without its files; as ``loads``."""
        head = shapes.checked(shapes.loads(line), _HEAD)
        if head["format"] != FORMAT:
            raise ValueError(f"an object of another format: {head['format']!r}")
        shapes.rows(head["entry_points"], _POINT)
        # An earlier version of this command does not say: each file is linked then.
        bears = shapes.checked(head.get("bears", []), [str])
        portions = shapes.checked(head.get("portions", []), [str])
        if max(len(bears), len(portions)) > MOST_BEARING:
            raise ValueError(f"more than {MOST_BEARING} directories that may be links")
        return cls(
            id=head["id"],
            filename=head["filename"],
            name=head["name"],
            version=head["version"],
            dist_info=head["dist_info"],
            files=(),
            entry_points=tuple(EntryPoint(*point) for point in head["entry_points"]),
            bears=tuple(bears),
            portions=tuple(portions),
        )

    def with_files(self, data: bytes, without: Iterable[str] = ()) -> StoredObject:
        """The object with the files that a whole description has; ``without`` as in ``loads``."""
        return self._with(_rows_but(data, without))

    def parted(
        self, data: bytes, without: Iterable[str], whole: AbstractSet[str]
    ) -> tuple[StoredObject, frozenset[str]]:
        """As ``with_files`` without byte code, and the directories of ``site`` that it is in.

        These are the ``__pycache__`` of packages with nothing in them but byte code; those of
        ``whole`` are none of them, and their files are read.
        """
        rows = _rows_but(data, without)
        packages = [row.partition(_CACHE)[0] for row in rows]  # the row itself, where it has none
        plain: dict[bytes, bool] = {}
        for row, package in zip(rows, packages):
            if len(package) < len(row):
                name = row[len(package) + len(_CACHE) :].partition(b'"')[0]
                is_plain = name.endswith(b".pyc") and b"/" not in name
                plain[package] = is_plain and plain.get(package, True)
        caches = {
            package: f"{package[len(_SITE) :].decode()}/__pycache__"
            for package, is_plain in plain.items()
            if is_plain and package.startswith(_SITE) and package.isascii() and b"\\" not in package
        }
        closed = {package for package, place in caches.items() if place not in whole}
        kept = [row for row, package in zip(rows, packages) if package not in closed]
        return self._with(kept), frozenset(caches[package] for package in closed)

    def _with(self, rows: Sequence[bytes]) -> StoredObject:
        # One document is read several times faster than one a line.
        files = shapes.loads(b"[" + b",".join(rows) + b"]")
        shapes.rows(files, _FILE)
        return replace(self, files=tuple(itertools.starmap(StoredFile, files)))

    def refuse_empty(self, data: bytes) -> None:
        """``ValueError`` where a directory that may be a link has no file in the whole description.

        A link to it would lead nowhere. The lines are in the order of paths: one go finds all.
        """
        found = 0
        for place in sorted((*self.bears, *self.portions), key=lambda each: f"{each}/"):
            found = data.find(b"\n" + _beginning(place), found)
            if found < 0:
                raise ValueError(f"no file is in {place + '/'!a}, which it says may be a link")


def _rows_but(data: bytes, without: Iterable[str]) -> list[bytes]:
    """The lines of files of a whole description, but for those below directories of ``site``."""
    rows = data[data.find(b"\n") + 1 :].splitlines() if b"\n" in data else []
    if len(rows) > _MOST_FILES:
        raise ValueError(f"more than {_MOST_FILES} files")
    below = tuple(map(_beginning, without))
    return [row for row in rows if not row.startswith(below)] if below else rows


def _rows(files: Sequence[StoredFile]) -> list[str]:
    """The lines of some files. Texts that JSON has as they are need no encoder."""
    told = "".join([f"{file.scheme}{file.path}{file.sha256}" for file in files])
    if told.isascii() and told.isprintable() and '"' not in told and "\\" not in told:
        return [
            f'["{file.scheme}","{file.path}",{file.mode},{file.size},"{file.sha256}"]\n'
            for file in files
        ]
    return [
        _ENCODE([file.scheme, file.path, file.mode, file.size, file.sha256]) + "\n"
        for file in files
    ]


def _beginning(place: str) -> bytes:
    """How the line of a file begins that is below a directory of ``site``."""
    return f'["site",{_ENCODE(f"{place}/")[:-1]}'.encode()


def _line(value: object) -> bytes:
    return _ENCODE(value).encode() + b"\n"
