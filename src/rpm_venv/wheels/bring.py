"""Packaged objects brought into the store: believed file by file, and linked. An edge."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rpm_venv.errors import Problem, VenvError
from rpm_venv.paths import Layout, with_parents
from rpm_venv.system import files, reading, shares, trust
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.system.sharing import Sharer
from rpm_venv.system.tree import Tree
from rpm_venv.wheels import store
from rpm_venv.wheels.objects import Packaged, Source, StoredFile, StoredObject
from rpm_venv.wheels.packaged import DESCRIPTION, content_digest, directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MODES = (0o644, 0o755)
#: Bytes of descriptions that another process is started for: some 200 files. Measured.
_WORTH = 32 << 10
_CHANGED = "it is not what it was when it was packaged"


def into_store(
    layout: Layout,
    objects: Sequence[Packaged],
    interpreter: Interpreter,
    progress: Callable[[str], None],
    *,
    require_sandbox: bool = False,
) -> tuple[str, ...]:
    """Make these packaged objects ones of the store: hardlinked, durable, or none visible.

    Every file is compared with the description that gives the object its name, and nobody but root
    may have a say in one. ``VenvError`` with everything that is wrong. Byte code that is for
    another Python stays behind, and is made afresh by confined children: the rest is as for
    ``store.build``.
    """
    missing = [each for each in objects if not store.has(layout, each.id)]
    if not missing:
        return ()
    layers: tuple[str, ...] = ()
    with store.filling(layout) as staging:
        problems: list[Problem] = []
        sources: list[Source] = []
        sharer = Sharer()

        def brought(each: Packaged) -> tuple[list[tuple[str, str, str]], list[str]] | None:
            work = _Import(layout, each, interpreter, sharer)
            wrong = [(one.message, one.where, one.hint) for one in work.run(staging)]
            return (wrong, work.left) if wrong or work.left else None

        costs = [_described(layout, each) for each in missing]
        for at, (wrong, left) in shares.each(brought, missing, costs, _WORTH):
            problems += [Problem(*one) for one in wrong]
            place = directory(layout, missing[at].digest) / DESCRIPTION
            wheel = missing[at].id.partition("-")[0]
            sources += [Source(place, filename, wheel) for filename in left]
        if problems:
            raise VenvError("what packages bring is not as they brought it", problems=problems)
        if sources:
            from rpm_venv.wheels.afresh import Compilation  # seldom needed, and much

            compilation = Compilation(staging, sources, interpreter, progress)
            compilation.build(require_sandbox)
            layers = compilation.missing_layers
        store.put(layout, staging, [each.id for each in missing])
    return layers


def _described(layout: Layout, packaged: Packaged) -> int:
    """The size of an object's description, which has a line for each file."""
    try:
        return os.stat(directory(layout, packaged.digest) / DESCRIPTION).st_size
    except OSError:
        return 0  # which is told of when it is read


class _Import:
    """One packaged object on its way into the staging directory.

    ``left`` has the file name of its wheel, where byte code has to be made afresh.
    """

    def __init__(
        self, layout: Layout, packaged: Packaged, interpreter: Interpreter, sharer: Sharer
    ) -> None:
        self._packaged = packaged
        self._place = directory(layout, packaged.digest)
        self._target = layout.target(self._place)
        self._root = layout.root
        self._magic = bytes.fromhex(interpreter.magic)
        self._suffix = f".{interpreter.cache_tag}.pyc"
        self._sharer = sharer
        self.left: list[str] = []

    def run(self, staging: Path) -> list[Problem]:
        """Put the object below ``staging``; everything that is wrong with it."""
        with contextlib.ExitStack() as stack:
            try:
                trust.refuse_outside(self._place, self._root)
                trust.trusted_parents(self._place / DESCRIPTION, self._root)
                top = stack.enter_context(files.directory(self._place, follow=False))
                description = self._description(top)
                stored = self._loaded(description)
            except VenvError as error:
                return [Problem(error.message, self._target, error.hint)]
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                return [self._problem(str(reason), DESCRIPTION)]
            return list(self._problems(top, stored, description, staging))

    def _loaded(self, description: bytes) -> StoredObject:
        """The object that is described: that of the id, or of the same wheel for another Python."""
        if not self._packaged.afresh:
            return store.loads(description, self._packaged.id)
        name = StoredObject.loads_head(description.partition(b"\n")[0]).id
        if not store.is_id(name) or name.partition("-")[0] != self._packaged.id.partition("-")[0]:
            raise ValueError(f"it describes {name}")
        stored = store.loads(description, name)
        self.left = [stored.filename]
        return stored

    def _problem(self, message: str, inside: str) -> Problem:
        hint = f"reinstall its package: rpm -qf {self._target}"
        return Problem(message, f"{self._target}/{inside}", hint)

    def _description(self, top: int) -> bytes:
        status = os.stat(DESCRIPTION, dir_fd=top, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        if status.st_size > reading.MOST:
            raise ValueError("it is too large")
        descriptor = os.open(DESCRIPTION, _READ, dir_fd=top)
        with open(descriptor, "rb") as file:
            data = file.read()
        if content_digest(data) != self._packaged.digest:
            raise ValueError("its sha256 is not the name of the object")
        return data

    def _problems(
        self, top: int, stored: StoredObject, description: bytes, staging: Path
    ) -> Iterator[Problem]:
        """Link and check everything that the description names; nothing else is looked at."""
        by_directory: dict[str, list[StoredFile]] = {}
        for file in stored.files:
            place = f"{file.scheme}/{file.path}".rpartition("/")[0]
            if place in by_directory:
                by_directory[place].append(file)
            else:
                by_directory[place] = [file]
        unsound: dict[str, str] = {}
        for place in sorted(with_parents(by_directory)):  # parents first: no link on the way
            unsound[place] = unsound.get(place.rpartition("/")[0]) or _directory_problem(top, place)
            if unsound[place]:
                yield self._problem(unsound[place], place)
        tree = Tree(staging / self._packaged.id)
        try:
            for place, entries in by_directory.items():
                if unsound[place]:
                    continue
                kept = entries
                if self.left:  # what is of another Python is not for the store
                    kept = [file for file in entries if not stored.is_of_one_python(file)]
                    behind = (file for file in entries if stored.is_of_one_python(file))
                    yield from self._look(top, place, behind)
                if kept:
                    yield from self._fill(top, tree, place, kept)
            if not self.left:
                tree.write(DESCRIPTION, 0o644, description)
                tree.finish()
        finally:
            tree.release()

    def _fill(
        self, top: int, tree: Tree, place: str, entries: Iterable[StoredFile]
    ) -> Iterator[Problem]:
        source = os.open(place, _DIRECTORY, dir_fd=top)
        try:
            with tree.opened(place) as target:
                for file in entries:
                    name = file.path.rpartition("/")[2]
                    try:
                        reason = self._share(source, name, target, file)
                    except OSError as error:
                        if error.errno not in (errno.ENOENT, errno.ELOOP):
                            raise
                        reason = "it is not there"
                    if reason:
                        yield self._problem(reason, f"{place}/{name}")
        finally:
            os.close(source)

    def _look(self, top: int, place: str, entries: Iterable[StoredFile]) -> Iterator[Problem]:
        """What is wrong with files that stay behind: a package is as it was, or is refused."""
        for file in entries:
            inside = f"{place}/{file.path.rpartition('/')[2]}"
            try:
                descriptor = os.open(inside, _READ | os.O_NONBLOCK, dir_fd=top)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ELOOP):
                    raise
                yield self._problem("it is not there", inside)
                continue
            try:
                reason = _file_problem(os.fstat(descriptor), file)
                if not reason and reading.digest(descriptor, file.size) != file.sha256:
                    reason = _CHANGED
            finally:
                os.close(descriptor)
            if reason:
                yield self._problem(reason, inside)

    def _share(self, source: int, name: str, target: int, file: StoredFile) -> str:
        """Give the store a file, and see that it is the one described; what is wrong, or ""."""
        if not self._sharer.link(source, name, target, name):
            status = os.stat(name, dir_fd=source, follow_symlinks=False)
            reason = _file_problem(status, file)
            if reason:
                return reason  # nor copied: it may be anything
            self._sharer.copy(source, name, target, name, file.mode)
        # What is looked at now is what the store gets, whatever happens at the old name: nobody
        # else has this one.
        reason = _file_problem(os.stat(name, dir_fd=target, follow_symlinks=False), file)
        if reason:
            return reason
        descriptor = os.open(name, _READ, dir_fd=target)
        try:
            return self._contents_problem(descriptor, file)
        finally:
            os.close(descriptor)

    def _contents_problem(self, descriptor: int, file: StoredFile) -> str:
        if reading.digest(descriptor, file.size) != file.sha256:
            return _CHANGED
        is_code = file.path.endswith(self._suffix) and file.scheme == "site"
        if is_code and os.pread(descriptor, 4, 0) != self._magic:
            return f"it is byte code of another release of {self._suffix[1:-4]}"
        return ""


def _directory_problem(top: int, place: str) -> str:
    try:
        status = os.stat(place, dir_fd=top, follow_symlinks=False)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return "it is no directory"
    return trust.stranger_problem(status)


def _file_problem(status: os.stat_result, file: StoredFile) -> str:
    """What is wrong with a packaged file, its content aside."""
    is_sound = status.st_mode == stat.S_IFREG | file.mode and status.st_size == file.size
    if is_sound and file.mode in _MODES and status.st_uid == 0:
        return ""  # nearly all
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if mode != file.mode or mode not in _MODES:
        return f"its mode is {mode:04o}, and not {file.mode:04o}"
    if status.st_size != file.size:
        return f"it has {status.st_size} bytes, and not {file.size}"
    return trust.stranger_problem(status)
