"""Assembling a generation: a lawful virtual environment (PEP 405) out of the store's objects.

A directory that one object has for itself, and that bears it, is a link to the object's, as byte
code is; the other files of the objects are hardlinked, a directory at a time; what belongs to the
environment itself is written. Nothing in it depends on anything but the declaration, the objects
and the interpreter. An edge: writes below the directory it is given.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass, replace
from rpm_venv.paths import Layout
from rpm_venv.system import files, shares, trust
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.system.sharing import Sharer
from rpm_venv.trees import generations, linked, manifest, merge
from rpm_venv.trees.ahead import NOTHING, Change, change, names
from rpm_venv.trees.contents import Contents, Written, contents
from rpm_venv.trees.generation import LINKS, Generation
from rpm_venv.trees.generations import ABOUT
from rpm_venv.trees.linked import Parts
from rpm_venv.trees.manifest import Manifest
from rpm_venv.trees.shared_links import SharedLinks
from rpm_venv.wheels import store
from rpm_venv.wheels.store import Description, StoredFile, StoredObject

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_TO_ALL = 0o755
_WORTH = 1000  # names that are worth a syncfs(2) of their own: some milliseconds
_OPENING = 3  # what a directory costs, in hardlinks
_SHARED = 1500  # hardlinks that are worth another process


@dataclass(frozen=True)
class Assembly:
    """A generation on disk: its contents, and what had to be decided between wheels."""

    contents: Contents
    notes: tuple[str, ...] = ()

    @property
    def manifest(self) -> Manifest:
        return _manifest(self.contents)


class Assembling:
    """A generation that is made in ``into``, an empty directory, with all that it says of itself.

    Without ``links`` no directory is one, whatever the generation's layout allows.
    """

    def __init__(
        self,
        layout: Layout,
        declaration: Declaration,
        generation: Generation,
        interpreter: Interpreter,
        into: Path,
        *,
        links: bool = True,
    ) -> None:
        self._layout = layout
        self._declaration = declaration
        self._generation = generation
        self._interpreter = interpreter
        self._into = into
        is_near = _store_is_near(layout, declaration.path)
        self._has_trees = links and generation.layout == LINKS and is_near
        self._described: dict[str, Description] = {}
        self._read: dict[str, StoredObject] = {}
        self._known: linked.Known = {}
        #: What is in the directory; None where that is not known.
        self._made: Contents | None = NOTHING

    def begin(self, there: Sequence[str]) -> None:
        """Make what these objects alone come to, while others are made; ``complete`` does the rest.

        It decides nothing, and nothing is wrong with it: what is, ``complete`` has to say. But
        ``OSError`` as ``flushing.early``.
        """
        with contextlib.suppress(VenvError, OSError):
            self._become(there)
        if self._made and names(self._made) >= _WORTH:
            from rpm_venv.system import flushing  # has threads, and is there where objects are made

            flushing.early(self._into)

    def complete(self) -> tuple[str, ...]:
        """Make it of all objects, which are in the store; what had to be decided between wheels.

        ``VenvError`` as ``assemble``.
        """
        assembled = self._become(self._generation.objects)
        described = replace(self._generation, notes=assembled.notes)
        about = self._into / ABOUT
        about.mkdir(mode=0o755, exist_ok=True)
        about.chmod(0o755)
        files.write_new(about / "generation.json", described.dumps(), 0o644)
        files.write_new(about / "manifest", assembled.manifest.dumps(), 0o644)
        for directory in (about, self._into):  # the last that would differ between two assemblies
            os.utime(directory, ns=files.TIMES)
        return assembled.notes

    def _become(self, object_ids: Sequence[str]) -> Assembly:
        """Change what is in the directory into what these objects come to."""
        made, self._made = self._made, None
        if made is None:
            files.remove_tree(self._into)
            self._into.mkdir(mode=0o755)
        assembled = assemble(
            self._layout,
            self._declaration,
            self._generation.name,
            self._parts(object_ids),
            self._interpreter,
            self._into,
            made or NOTHING,
        )
        self._made = assembled.contents
        return assembled

    def _parts(self, object_ids: Iterable[str]) -> Parts:
        """What is linked and what is merged; an object is read once."""
        if not self._has_trees:
            for name in object_ids:
                if name not in self._read:
                    self._read[name] = store.read(self._layout, name)
            return Parts([self._read[name] for name in object_ids])
        for name in object_ids:
            if name not in self._described:
                self._described[name] = store.description(self._layout, name)
        descriptions = [self._described[name] for name in object_ids]
        return linked.apart(descriptions, self._interpreter, self._known)


def assemble(  # noqa: PLR0917  the stages' one order: where, what, out of what, into
    layout: Layout,
    declaration: Declaration,
    generation: str,
    parts: Parts,
    interpreter: Interpreter,
    into: Path,
    made: Contents = NOTHING,
) -> Assembly:
    """Make the tree of a generation in ``into``, for its target path; ``made`` is what is there.

    The objects are in the store. ``VenvError`` with every problem where the wheels do not fit
    together; then nothing was written. What is in ``into`` is not durable yet.
    """
    merged = merge.merge(parts.objects, interpreter)
    if merged.problems:
        raise VenvError(
            "the wheels of the lock do not fit into one environment",
            subject=declaration.path,
            problems=merged.problems,
        )
    target = layout.generation_target(declaration.path, generation)
    everything = contents(layout, declaration, target, merged, interpreter, parts.trees)
    _make(layout, into, change(made, everything))
    return Assembly(everything, tuple(merged.notes))


def _store_is_near(layout: Layout, path: str) -> bool:
    """Whether a relative link leads from an environment's generations to the store.

    It does not where an administrator has put ``envs``, or an environment in it, elsewhere.
    """
    home = generations.directory(layout, path, "0").parent
    above = home / "../.." if home.exists() else layout.envs / ".."
    try:
        return os.path.samefile(above / "store", layout.store)
    except OSError:
        return False


def _make(layout: Layout, into: Path, change: Change) -> None:
    """Change what is in a directory. An edge's half of ``ahead.change``."""
    added = change.added
    by_directory: dict[str, list[tuple[str, StoredObject, StoredFile]]] = {}
    for path, (owner, item) in added.linked.items():
        assert isinstance(item, StoredFile)  # noqa: S101  launchers are always written
        directory, _, name = path.rpartition("/")
        by_directory.setdefault(directory, []).append((name, owner, item))
    with files.directory(into, follow=False) as top:
        os.fchmod(top, 0o755)
        for path in change.gone:
            os.unlink(path, dir_fd=top)
        for directory in change.emptied:
            os.rmdir(directory, dir_fd=top)
        _make_directories(top, added.directories)
        with _Linker(layout) as linker:
            # What a linker learns is its process's own, as are the directories that it holds.
            shares.each(
                lambda directory: linker.fill(top, directory or ".", by_directory[directory]),
                tuple(by_directory),
                [_OPENING + len(entries) for entries in by_directory.values()],
                _SHARED,
            )
        for path, file in added.written.items():
            _write(top, path, file)
        for path, target in added.links.items():
            os.symlink(target, path, dir_fd=top)
            os.utime(path, ns=files.TIMES, dir_fd=top, follow_symlinks=False)
        shared = SharedLinks(layout.store)
        for path, tree in added.trees.items():
            shared.put(top, path, tree)
        for directory in (*change.touched, "."):
            os.utime(directory, ns=files.TIMES, dir_fd=top)


def _make_directories(top: int, directories: Iterable[str]) -> None:
    """Thousands of them, whatever the umask is, which is the threads' that make objects, too."""
    is_exact: bool | None = None
    for directory in directories:
        os.mkdir(directory, _OPEN_TO_ALL, dir_fd=top)
        if is_exact is None:  # the umask takes the same bits from each
            is_exact = stat.S_IMODE(os.stat(directory, dir_fd=top).st_mode) == _OPEN_TO_ALL
        if not is_exact:
            os.chmod(directory, _OPEN_TO_ALL, dir_fd=top)


def _write(top: int, path: str, file: Written) -> None:
    descriptor = os.open(path, _NEW, file.mode, dir_fd=top)
    try:
        os.fchmod(descriptor, file.mode)
        files.write_all(descriptor, file.data)
        os.utime(descriptor, ns=files.TIMES)
    finally:
        os.close(descriptor)


class _Linker:
    """Puts files of objects into directories."""

    def __init__(self, layout: Layout) -> None:
        self._root = layout.root
        self._store = os.fspath(layout.store)
        #: The way to the directory at hand: each name, a descriptor, and whether it is a link.
        self._way: list[tuple[str, int, bool]] = []
        self._sharer = Sharer()

    def __enter__(self) -> _Linker:
        return self

    def __exit__(self, *_: object) -> None:
        self._back(0)

    def _back(self, steps: int) -> None:
        while len(self._way) > steps:
            os.close(self._way.pop()[1])

    def fill(
        self, top: int, directory: str, entries: Iterable[tuple[str, StoredObject, StoredFile]]
    ) -> None:
        """Put the entries of one directory in their place. No file is looked at."""
        target = os.open(directory, _DIRECTORY, dir_fd=top)
        try:
            here = None
            for name, owner, item in entries:
                above, _, inside = item.path.rpartition("/")
                place = (owner.id, item.scheme, above)
                if place != here:  # files of one directory come in a row
                    source, here = self._open(place), place
                self._sharer.put(source, inside, target, name, item.mode)
        finally:
            os.close(target)

    def _open(self, place: tuple[str, str, str]) -> int:
        """A descriptor of an object's directory. Those above it are kept: the next is near."""
        owner, scheme, directory = place
        names = ["", owner, scheme, *(directory.split("/") if directory else ())]
        if not self._way:  # what has no files has no store either
            self._way.append(("", os.open(self._store, _DIRECTORY & ~os.O_NOFOLLOW), False))
        same = 1
        while same < min(len(names), len(self._way)) and names[same] == self._way[same][0]:
            same += 1
        self._back(same)
        for depth in range(same, len(names)):
            self._way.append(self._step(names, depth))
        _, descriptor, is_link = self._way[-1]
        if is_link:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._store + "/".join(names))
        return descriptor

    def _step(self, names: Sequence[str], depth: int) -> tuple[str, int, bool]:
        """As an item of the way. A link is none of ours: it may lead to a place below the root."""
        name, (_, above, _) = names[depth], self._way[-1]
        place = self._store + "/".join(names[: depth + 1])
        try:
            return name, os.open(name, _DIRECTORY, dir_fd=above), False
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR) or not os.path.islink(place):
                raise OSError(error.errno, error.strerror, place) from None
        trust.refuse_outside(Path(place), self._root)
        return name, os.open(place, _DIRECTORY & ~os.O_NOFOLLOW), True


def _manifest(everything: Contents) -> Manifest:
    entry = manifest.Path
    paths = [entry(path, "dir", 0o755) for path in everything.directories]
    paths += [
        entry(path, "file", item.mode, item.size, item.sha256)
        for path, (_, item) in everything.linked.items()
        if isinstance(item, StoredFile)
    ]
    paths += [
        entry(path, "file", file.mode, len(file.data), file.sha256.hex())
        for path, file in everything.written.items()
    ]
    paths += [entry(path, "link", digest=target) for path, target in everything.links.items()]
    paths += [entry(path, "tree", digest=str(tree)) for path, tree in everything.trees.items()]
    return Manifest.of(paths)
