"""Root's half of unpacking: from a confined child's stream to a tree on disk, believing nothing."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from rpm_venv.confined import names, portions, protocol
from rpm_venv.errors import Problem, WheelError
from rpm_venv.paths import parents
from rpm_venv.system.files import write_all
from rpm_venv.system.tree import Tree
from rpm_venv.wheels import wheel
from rpm_venv.wheels.objects import MOST_BEARING, StoredFile, StoredObject
from rpm_venv.wheels.stream import Bears, Broken, Event, File, Meta
from rpm_venv.wheels.wheel import Claims, WheelName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash as Hash

#: In dist-info, what may come without a hash: signatures of RECORD, which cannot be listed in it.
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
#: What a wheel brings of this kind never gets here: it is dropped where the wheel is read.
_BYTE_CODE = re.compile(r"(?:^|/)__pycache__/[^/]*\.pyc\Z")
_MAX_NAMES = 16 << 20  # bytes, with those of byte code: 60,000 files of 100 to 200 letters
_SHOWN = 300  # characters of a name that is no good


class Unpacking:
    """Writes one object below a fresh directory, and finds what is wrong with it on the way."""

    def __init__(
        self,
        target: Path,
        object_id: str,
        name: WheelName,
        tag: str,
        *,
        packed: int = protocol.MAX_WHEEL,
    ) -> None:
        self._tree = Tree(target)
        self._id = object_id
        self._name = name
        self._tag = tag
        self._claims: Claims | None = None
        self._files: list[StoredFile] = []
        self._sources: set[str] = set()
        self._unreserved: set[tuple[str, str]] = set()  # see _is_unreserved
        self._compiled: list[str] = []  # sources whose byte code came
        self._bears: tuple[str, ...] = ()
        self._bytes = self._names = 0
        self._max_bytes = most_bytes(packed)
        self._counting = threading.Lock()
        self.problems: list[Problem] = []

    def take(self, events: Iterable[Event]) -> None:
        """Write what a child says. Other threads may do so for other parts of the same wheel."""
        for event in events:
            if isinstance(event, File):
                self._file(event)
            elif isinstance(event, Meta):
                self._meta(event)
            elif isinstance(event, Bears):
                self._bears = event.directories
            elif isinstance(event, Problem) and len(self.problems) <= protocol.MAX_PROBLEMS:
                self.problems.append(event)

    def finish(self) -> StoredObject:
        """The object, written but not yet durable; ``WheelError`` with everything found wrong."""
        if self.problems:
            raise WheelError(
                "the wheel is refused", subject=self._name.filename, problems=self.problems
            )
        if not self._sources.issuperset(self._compiled):
            raise Broken("byte code without its source")
        return self._finish()

    def release(self) -> None:
        """Let go of the object's directory, finished or not."""
        self._tree.release()

    def _meta(self, meta: Meta) -> None:
        if self._claims is not None:
            raise Broken("claims made twice")
        try:
            self._claims, problems = wheel.check_claims(self._name, meta.claims)
        except (KeyError, TypeError, ValueError):
            raise Broken("malformed claims") from None
        self.problems += problems

    def _claimed(self) -> Claims:
        if self._claims is None:
            raise Broken("no claims, or files before them")
        return self._claims

    def _file(self, file: File) -> None:
        claims = self._claims or self._claimed()
        with self._counting:
            self._bytes += file.size
            self._names += len(file.path) if file.path.isascii() else len(file.path.encode())
        if self._bytes > self._max_bytes or self._names > _MAX_NAMES:
            raise Broken("more bytes than agreed")
        reason = self._objection(file, claims)
        if reason:
            self._problem(reason, file)
        if file.path.endswith(".py") and file.size <= protocol.MAX_SOURCE:
            self._sources.add(file.path)
        if self.problems:  # refused already: only read on for what else there is
            for _ in file.chunks:
                pass
            return
        mode = _mode(file)
        digest = self._write(file, mode)
        self._files.append(StoredFile(file.scheme, file.path, mode, file.size, digest))

    def _problem(self, reason: str, file: File) -> None:
        if len(self.problems) <= protocol.MAX_PROBLEMS:
            self.problems.append(Problem(reason, ascii(file.path[:_SHOWN])))

    def _objection(self, file: File, claims: Claims) -> str:
        """Why root does not write this file, or the empty string."""
        if file.byte_code:
            source = source_of(file.path, self._tag)
            if not source or file.scheme != "site":
                raise Broken("byte code without its source")
            self._compiled.append(source)  # which may be said later, where it has several parts
            return names.problem(file.path)
        dist_info, _, name = file.path.rpartition("/")
        where = (file.scheme, dist_info)
        if where in self._unreserved and names.is_ordinary(file.path, name) and file.digest:
            return ""
        reason = wheel.destination_problem(file.scheme, file.path)
        if reason:
            return reason
        top = file.path.partition("/")[0]
        if file.scheme == "site" and wheel.is_dist_info(top) and top != claims.dist_info:
            return "a second dist-info directory"
        if _BYTE_CODE.search(file.path):
            raise Broken("byte code that claims to be the wheel's")
        if dist_info == claims.dist_info and name in ("RECORD", "INSTALLER"):
            raise Broken("a file that is ours to write")
        if dist_info != claims.dist_info and _is_unreserved(*where):
            self._unreserved.add(where)
        if file.digest or (dist_info == claims.dist_info and name in _SIGNATURES):
            return ""
        return "RECORD has no hash for it"

    def _write(self, file: File, mode: int) -> str:
        """Write a file's chunks; its sha256. A wrong hash or size is one of ``problems``."""
        sha256 = claimed = hashlib.sha256()
        hashes = [sha256]
        algorithm = protocol.DIGESTS.get(len(file.digest), "sha256")
        if algorithm != "sha256":
            claimed = hashlib.new(algorithm)
            hashes.append(claimed)
        written = write_said(self._tree, file, mode, hashes)
        if written != file.size:
            self._problem("the file ends too soon", file)
            return ""
        digest = sha256.digest()
        if file.digest and file.digest != (digest if claimed is sha256 else claimed.digest()):
            self._problem("RECORD has another hash for it", file)
        return digest.hex()

    def _finish(self) -> StoredObject:
        claims = self._claimed()
        self._own(f"{claims.dist_info}/INSTALLER", wheel.INSTALLER)
        own = f"{claims.dist_info}/RECORD"
        rows = [
            (file.path, file.sha256, file.size) for file in self._files if file.scheme == "site"
        ]
        self._own(own, wheel.record(rows, own))
        files = sorted(self._files, key=lambda file: (file.scheme, file.path))
        bears = self._bearing(claims)
        stored = StoredObject(
            id=self._id,
            filename=self._name.filename,
            name=claims.name,
            version=claims.version,
            dist_info=claims.dist_info,
            files=tuple(files),
            entry_points=claims.entry_points,
            bears=bears,
            portions=self._portions(bears),
        )
        self._tree.write("object.json", 0o644, stored.dumps())
        self._tree.finish()
        return stored

    def _bearing(self, claims: Claims) -> tuple[str, ...]:
        """What the child said of directories that are there: where it lies, it harms its wheel."""
        site = (file.path for file in self._files if file.scheme == "site")
        inside = {path.partition("/")[0] for path in site if "/" in path}
        inside -= {claims.dist_info, "__pycache__"}
        found = inside.intersection(self._bears)
        return tuple(sorted(found)) if len(found) <= MOST_BEARING else ()

    def _portions(self, bears: Collection[str]) -> tuple[str, ...]:
        """The same of directories below those."""
        below = tuple(f"{top}/" for top in bears)
        said = {each for each in self._bears if each.startswith(below)}
        if not said or len(said) > portions.MOST:
            return ()
        there = parents(file.path for file in self._files if file.scheme == "site")
        return tuple(sorted(each for each in said & there if "__pycache__" not in each.split("/")))

    def _own(self, path: str, data: bytes) -> None:
        """Write a file that is ours, not the wheel's."""
        self._tree.write(f"site/{path}", 0o644, data)
        digest = hashlib.sha256(data).hexdigest()
        self._files.append(StoredFile("site", path, 0o644, len(data), digest))


def write_said(tree: Tree, file: File, mode: int, hashes: Collection[Hash]) -> int:
    """Write the chunks of what a child says is a file, each into all ``hashes``; their bytes.

    ``Broken`` where something has its name.
    """
    written = 0
    chunks = file.chunks
    try:
        if isinstance(chunks, tuple) and len(chunks) == 1:  # nearly all
            for each in hashes:
                each.update(chunks[0])
            tree.write(f"{file.scheme}/{file.path}", mode, chunks[0])
            return len(chunks[0])
        descriptor = tree.create(f"{file.scheme}/{file.path}", mode)
    except (FileExistsError, NotADirectoryError):
        raise Broken(f"two files of one name: {file.path[:_SHOWN]!a}") from None
    try:
        for chunk in chunks:
            for each in hashes:
                each.update(chunk)
            write_all(descriptor, chunk)
            written += len(chunk)
    finally:
        tree.close(descriptor)
    return written


def most_bytes(packed: int) -> int:
    """How many bytes a wheel of so many may become, with byte code."""
    return 2 * min(protocol.MAX_UNPACKED, protocol.MAX_FREE + protocol.MAX_RATIO * packed)


def source_of(path: str, tag: str) -> str:
    """The source that a file is byte code of, by its name; "" where it is none of this Python."""
    place, _, name = f"/{path}".rpartition("/")
    parent, cache, nothing = place[1:].rpartition("__pycache__")
    suffix = f".{tag}.pyc"
    # One source has one file: not one in "name__pycache__", nor below a __pycache__.
    is_cache = cache and not nothing and parent[-1:] in ("", "/")
    return f"{parent}{name[: -len(suffix)]}.py" if is_cache and name.endswith(suffix) else ""


def _is_unreserved(scheme: str, directory: str) -> bool:
    """Whether no name that is ordinary has a meaning in a directory where one had none.

    What is said of a file there depends on its directory alone: not so for commands, at the top of
    ``data``, and for byte code.
    """
    is_below = bool(directory) if scheme == "site" else "/" in directory
    return (
        scheme != "scripts"
        and is_below
        and directory.isascii()
        and directory.rpartition("/")[2] != "__pycache__"
    )


def _mode(file: File) -> int:
    return 0o755 if file.executable or file.scheme == "scripts" else 0o644
