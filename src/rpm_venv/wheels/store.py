"""The store: unpacked wheels with byte code, one object per wheel and interpreter. An edge.

``store/<sha256>-<tag>/`` holds ``object.json`` and a directory per install scheme: ``site``
(purelib and platlib are one), ``data``, ``headers``, ``scripts``. An object never changes, but for
the links to it that it keeps in ``links`` (``trees/shared_links.py``).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from rpm_venv.digest import sha256
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.system import files, reading, trust
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels.objects import EntryPoint, Source, StoredFile, StoredObject, object_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Callable

    from rpm_venv.system.sandbox import Zygote

__all__ = [
    "Description",
    "EntryPoint",
    "Source",
    "StoredFile",
    "StoredObject",
    "build",
    "description",
    "clear",
    "distrust",
    "drop",
    "filling",
    "has",
    "head",
    "ids",
    "is_displaced",
    "is_id",
    "lists_all",
    "loads",
    "object_id",
    "put",
    "read",
]

_ID = r"[0-9a-f]{64}-[A-Za-z0-9_.-]+"  # compiled where it is needed


def has(layout: Layout, object_id: str) -> bool:
    """Whether the object is in the store, whole; a link in its place is none, wherever it leads."""
    return os.path.isfile(_file(layout, object_id)) and not is_displaced(layout, object_id)


def lists_all(layout: Layout, object_ids: Iterable[str]) -> bool:
    """Whether all of these are directories of the store, which is all that every call asks."""
    needed = set(object_ids)
    if not needed:
        return True
    try:
        with os.scandir(layout.store) as entries:  # which says what is a directory, at no cost
            there = [e for e in entries if e.name in needed and e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return False
    return len(there) == len(needed)


def is_displaced(layout: Layout, object_id: str) -> bool:
    """Whether something else is in the place of an object's directory: a link, or a file."""
    try:
        return not stat.S_ISDIR(os.lstat(f"{layout.store}/{object_id}").st_mode)
    except FileNotFoundError:
        return False


def is_id(name: str) -> bool:
    """Whether this is the name of an object, as ``object_id`` makes them."""
    return re.fullmatch(_ID, name) is not None


def ids(layout: Layout) -> tuple[str, ...]:
    """The names of all objects in the store."""
    try:
        names = os.listdir(layout.store)
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in names if is_id(name)))


@dataclass(frozen=True)
class Description:
    """The description of an object in the store as it is: ``digest`` is its sha256 (hex).

    ``head`` is what it says before the files.
    """

    head: StoredObject
    digest: str
    data: bytes

    @cached_property
    def loose(self) -> tuple[StoredObject, frozenset[str]]:
        """``parted`` without what it bears."""
        return self.parted(self.head.bears)

    def stored(self) -> StoredObject:
        """The whole object; ``VenvError`` where the description is damaged."""
        return self._looked_at(lambda: (self.head.with_files(self.data), frozenset()))[0]

    def parted(
        self, without: Iterable[str], whole: AbstractSet[str] = frozenset()
    ) -> tuple[StoredObject, frozenset[str]]:
        """As ``StoredObject.parted``; ``VenvError`` where the description is damaged."""
        return self._looked_at(lambda: self.head.parted(self.data, without, whole))

    def _looked_at(
        self, read: Callable[[], tuple[StoredObject, frozenset[str]]]
    ) -> tuple[StoredObject, frozenset[str]]:
        try:
            stored, caches = read()
            _refuse_paths(stored, caches)
            stored.refuse_empty(self.data)
        except ValueError as error:
            raise _damaged(self.head.id, error) from None
        return stored, caches


def read(layout: Layout, object_id: str) -> StoredObject:
    """The description of an object in the store; ``VenvError`` if it is not there or damaged."""
    return description(layout, object_id).stored()


#: What ``head`` has read, by file, for the ``description`` that follows in most calls. An object
#: never changes; whoever of us puts another in its place, or takes it away, forgets what it was.
_AHEAD: dict[str, tuple[object, Description]] = {}
_MOST_AHEAD = 500  # however many environments a call is about


def head(layout: Layout, object_id: str) -> StoredObject:
    """As ``read``, without the files."""
    file = _file(layout, object_id)
    before = _identity(file)
    found = description(layout, object_id)
    if before is not None and len(_AHEAD) < _MOST_AHEAD:
        _AHEAD[file] = before, found
    return found.head


def _forget(layout: Layout, object_ids: Iterable[str]) -> None:
    for name in object_ids:
        _AHEAD.pop(_file(layout, name), None)


def _file(layout: Layout, object_id: str) -> str:
    return f"{layout.store}/{object_id}/object.json"


def _identity(file: str) -> object:
    """What another file in its place has not, whoever put it there; None where there is none."""
    try:
        status = os.lstat(file)
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_mode, status.st_size)


def description(layout: Layout, object_id: str) -> Description:
    """As ``read``, with its files not looked at yet."""
    file = _file(layout, object_id)
    before, known = _AHEAD.pop(file, (None, None))
    if known is not None and before == _identity(file):
        return known
    try:
        if is_displaced(layout, object_id):  # whose it is behind a link, nobody knows
            raise NotADirectoryError("what is in its place is no directory")
        data = reading.content(file, follow=False)
        head = _of(StoredObject.loads_head(data.partition(b"\n")[0]), object_id)
    except FileNotFoundError:
        raise VenvError("the object is not in the store", subject=object_id) from None
    except (OSError, ValueError) as error:
        raise _damaged(object_id, error) from None
    return Description(head, sha256(data).hexdigest(), data)


def _damaged(object_id: str, error: Exception) -> VenvError:
    return VenvError(
        f"the object's description is damaged: {error}",
        subject=object_id,
        hint="run: rpm-venv repair",
    )


def loads(data: bytes, object_id: str, without: Iterable[str] = ()) -> StoredObject:
    """The object that is described; ``ValueError`` where it is another, or leads out of itself.

    So it is where a link to one of its directories would lead nowhere. ``without`` is as in
    ``StoredObject.loads``.
    """
    stored = _of(StoredObject.loads(data, without), object_id)
    stored.refuse_empty(data)
    return stored


def _of(stored: StoredObject, object_id: str) -> StoredObject:
    """What was read, which is what it was asked for; ``ValueError`` as ``loads``."""
    if stored.id != object_id:
        raise ValueError(f"it describes {stored.id}")
    _refuse_paths(stored)
    return stored


def _refuse_paths(stored: StoredObject, caches: Iterable[str] = ()) -> None:
    """``ValueError`` where a description leads out of its object; another root's may."""
    from rpm_venv.confined import names, protocol  # not for who only asks what is there

    tops = [stored.dist_info, *stored.bears]
    wrong = names.wrong([*tops, *stored.portions, *caches, *(file.path for file in stored.files)])
    wrong = wrong or [top for top in tops if "/" in top]
    below = tuple(f"{top}/" for top in stored.bears)
    wrong = wrong or [each for each in stored.portions if not each.startswith(below)]
    if wrong:
        raise ValueError(f"a path that no object has: {wrong[0]!a}")
    if not {file.scheme for file in stored.files} <= set(protocol.SCHEMES):
        raise ValueError("a scheme that is none")


def build(
    layout: Layout,
    sources: Sequence[Source],
    interpreter: Interpreter,
    progress: Callable[[str], None],
    *,
    require_sandbox: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
    children: Zygote | None = None,
) -> tuple[str, ...]:
    """Make the objects of these wheels: verified, unpacked, compiled, durable, or none visible.

    ``meanwhile`` is called while others make them; not where there is nothing to make. ``children``
    is what makes the confined children, where it was started before (``batch.started``).

    Returns the layers of confinement that this system lacks, by their names in
    ``sandbox.LAYERS``; with ``require_sandbox`` the lack of one is a ``SandboxError``.
    ``WheelError`` names the wheel and everything that is wrong with it.
    """
    wanted = {object_id(source.sha256, interpreter): source for source in sources}
    missing = [source for name, source in wanted.items() if not has(layout, name)]
    if not missing:
        return ()
    with filling(layout) as staging:
        from rpm_venv.wheels.batch import Batch  # what unpacks is not needed by what only looks

        batch = Batch(staging, missing, interpreter, progress, children)
        put(layout, staging, batch.build(require_sandbox, meanwhile))
    return batch.missing_layers


@contextlib.contextmanager
def filling(layout: Layout) -> Iterator[Path]:
    """A directory to make objects in, for ``put``; it is gone after the block.

    ``VenvError`` for an ``OSError`` of the block.
    """
    try:
        files.make_directory(layout.store)
        files.make_staging(layout)
        staging = files.new_directory(layout.staging, "store")
        try:
            yield staging
        finally:
            files.remove_tree(staging)
    except OSError as error:
        raise VenvError(
            f"the store cannot be written to: {error.strerror}",
            subject=os.fspath(error.filename or layout.store),
        ) from error


def put(layout: Layout, made: Path, object_ids: Sequence[str]) -> None:
    """Give finished objects below ``made`` their names in the store; all of them durable first.

    The names are durable with the generation that needs them, by its own syncfs.
    """
    from rpm_venv.system import labels  # most calls put nothing into the store

    labels.restore(layout, made, layout.store)
    files.syncfs(made)
    _forget(layout, object_ids)
    for name in object_ids:
        # What is there was damaged, half dropped, or is no directory. Generations may link to it.
        files.replace_directory(made / name, layout.object(name), "object.json")


def distrust(layout: Layout, object_ids: Collection[str]) -> None:
    """Have objects made anew by the next ``build`` or ``put``; until then they stay as they are."""
    _forget(layout, object_ids)
    for name in object_ids:
        trust.refuse_outside(layout.object(name), layout.root)
        if not is_displaced(layout, name):  # that is made anew in any case
            with contextlib.suppress(FileNotFoundError):
                (layout.object(name) / "object.json").unlink()


def clear(layout: Layout, added: Iterable[str]) -> None:
    """Take away what somebody added to objects, paths below the store.

    Not durable yet: what comes back after a power loss is seen, and taken away, as before.
    """
    for name in added:
        place = layout.store / name
        trust.refuse_outside(place.parent, layout.root)
        files.remove_tree(place)


def drop(layout: Layout, object_ids: Collection[str]) -> None:
    """Take objects out of sight; one that is not there is no error.

    They are in the staging directory then, and its next clearing deletes them: an object that is
    half deleted must not look whole.
    """
    wrong = [name for name in object_ids if not is_id(name)]
    if wrong:
        raise ValueError(f"not the name of an object: {wrong[0]!r}")
    displaced = [name for name in object_ids if is_displaced(layout, name)]
    for name in displaced:
        files.remove_tree(layout.object(name))  # the file, or the link itself
    there = [name for name in object_ids if layout.object(name).is_dir()]
    if not there and not displaced:
        return
    _forget(layout, object_ids)
    files.make_staging(layout)
    retired = [files.retire(layout.object(name), layout.staging, "object.json") for name in there]
    files.fsync_dir(layout.store)
    for place in retired:
        if place.parent == layout.store:
            files.remove_tree(place)
