"""How a generation, or an object, differs from what was written of it. An edge that only reads."""

from __future__ import annotations

import contextlib
import os
import stat
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as RealPath

from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout, parents
from rpm_venv.system import reading, shares, trust
from rpm_venv.trees import generations, shared_links
from rpm_venv.trees.manifest import Finding, Path, Tree, compare
from rpm_venv.wheels import store
from rpm_venv.wheels.objects import StoredFile, StoredObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

_ABOUT_JSON = f"{generations.ABOUT}/generation.json"
_OBJECT_JSON = "object.json"
_TOP = Path("", "dir", 0o755)
#: What every generation has and no manifest lists: itself, and its own description.
_DESCRIPTION = {
    path.path: path
    for path in (
        _TOP,
        Path(generations.ABOUT, "dir", 0o755),
        Path(_ABOUT_JSON, "file", 0o644),
        Path(f"{generations.ABOUT}/manifest", "file", 0o644),
    )
}
#: What a file costs beside its bytes, in bytes; and what another process is started for. Measured.
_FILE_COSTS = 16 << 10
_WORTH = 12 << 20
#: Files to be read that are kept in mind, where it is not all of one generation.
_MOST_UNREAD = 50_000


@dataclass(frozen=True)
class _Unread:
    """A regular file at ``place`` that has to be read to know how it differs from its entry."""

    place: str
    entry: Path
    owner: tuple[int, int]


if TYPE_CHECKING:
    _Seen = Union[Finding, _Unread]  # or what has to be read for a finding


@dataclass(frozen=True)
class _Described:
    """What an object's description has, and its sha256.

    ``paths`` are those of ``files``, sorted: the files of a directory are beside each other, and
    each of a generation's links to one object, which may be hundreds, is no look at all files.
    """

    digest: str
    files: Mapping[str, StoredFile]
    paths: Sequence[str]

    @classmethod
    def read(cls, layout: Layout, object_id: str) -> _Described:
        description = store.description(layout, object_id)
        files = _by_path(description.stored())
        return cls(description.digest, files, sorted(files))

    def below(self, inside: str) -> dict[str, Path]:
        start = len(inside) + 1
        first = bisect_left(self.paths, f"{inside}/")
        last = bisect_left(self.paths, f"{inside}0", first)  # "0" is what follows "/"
        return _expected({path[start:]: self.files[path] for path in self.paths[first:last]})


class Trees:
    """Directories of objects that generations have links to, each looked at once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[Tree, tuple[Finding, ...]] = {}
        self._last: tuple[str, _Described | None] = ("", None)

    def look(self, trees: Iterable[Tree], beside: Sequence[_Seen]) -> tuple[Finding, ...]:
        """Look at those that were not yet, and read the files of ``beside`` in the same go.

        What was found beside.
        """
        in_turn = sorted(trees, key=lambda tree: tree.object_id)  # a description is read once
        new = {tree: list(self._look(tree)) for tree in in_turn if tree not in self._known}
        found, *of_trees = _read([beside, *new.values()])
        self._known.update(zip(new, of_trees))
        return found

    def differences(self, tree: Tree) -> tuple[Finding, ...]:
        """Every way in which a directory that was looked at is not as its object has it."""
        return self._known[tree]

    def _look(self, tree: Tree) -> Iterable[_Seen]:
        described = self._described(tree.object_id)
        if described is None:
            displaced = store.is_displaced(self._layout, tree.object_id)
            return [Finding("type" if displaced else "missing", "")]
        if described.digest != tree.description:
            return [Finding("content", "")]
        place = self._layout.object(tree.object_id)
        owner = _owner(self._layout.store)
        above = list(_above(place, tree.inside, owner))
        if any(finding.kind in {"type", "missing"} for finding in above):
            return above  # what is behind it is not the store's, or nothing
        return [*above, *_below(place / tree.inside, described.below(tree.inside), owner)]

    def _described(self, object_id: str) -> _Described | None:
        """None for an object that is not there, or waits to be made anew."""
        if self._last[0] != object_id:
            described = None
            with contextlib.suppress(VenvError):
                described = _Described.read(self._layout, object_id)
            self._last = (object_id, described)
        return self._last[1]


def of(layout: Layout, path: str, generation: str, trees: Trees | None = None) -> Iterator[Finding]:
    """Every way in which a generation on disk differs from its manifest, in the order of paths.

    Each file is read and hashed, those behind links to the store once for all calls that have the
    same ``trees``. Everything belongs to the owner of the directory ``envs/``: root, where rpm
    runs. The generation's directory itself has the path "".
    """
    top = generations.directory(layout, path, generation)
    expected = {entry.path: entry for entry in generations.manifest(layout, path, generation).paths}
    expected.update(_DESCRIPTION)
    seen = list(_below(top, expected, _owner(layout.envs)))
    here = {finding.path for finding in seen if isinstance(finding, Finding)}
    if _ABOUT_JSON not in here and not _describes_itself(layout, path, generation):
        seen.append(Finding("content", _ABOUT_JSON))
    links = {
        entry.path: Tree.parse(entry.digest)
        for entry in expected.values()
        if entry.kind == "tree" and entry.path not in here
    }
    trees = trees or Trees(layout)
    findings = list(trees.look(links.values(), seen))
    for link, tree in links.items():
        if not _leads_to(top / link, layout.object(tree.object_id) / tree.inside):
            findings.append(Finding("target", link))
        for inside in trees.differences(tree):
            findings.append(Finding(inside.kind, f"{link}/{inside.path}".rstrip("/")))
    yield from sorted(findings, key=lambda finding: finding.path)


def of_objects(
    layout: Layout, object_ids: Iterable[str]
) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """Each of these objects of the store, and how it differs from its description."""
    seen: dict[str, list[_Seen]] = {}
    for object_id in object_ids:
        seen[object_id] = list(_of_object(layout, object_id))
        if sum(map(len, seen.values())) > _MOST_UNREAD:
            yield from zip(seen, _read([*seen.values()]))
            seen = {}
    yield from zip(seen, _read([*seen.values()]))


def _of_object(layout: Layout, object_id: str) -> Iterator[_Seen]:
    try:
        stored = store.read(layout, object_id)
    except VenvError:
        yield Finding("content", _OBJECT_JSON)
        return
    expected = _expected(_by_path(stored))
    directories = [entry.path for entry in expected.values() if entry.kind == "dir"]
    expected[_OBJECT_JSON] = Path(_OBJECT_JSON, "file", 0o644)
    expected.update(shared_links.kept(layout.object(object_id), object_id, directories))
    yield from _below(layout.object(object_id), expected, _owner(layout.store))


def _by_path(stored: StoredObject) -> dict[str, StoredFile]:
    return {f"{file.scheme}/{file.path}": file for file in stored.files}


def _expected(files: Mapping[str, StoredFile]) -> dict[str, Path]:
    """What is to be there of an object, or of a directory of it, with all directories."""
    directories = {path: Path(path, "dir", 0o755) for path in parents(files)}
    entries = {
        path: Path(path, "file", file.mode, file.size, file.sha256) for path, file in files.items()
    }
    return {"": _TOP, **directories, **entries}


def _owner(place: RealPath) -> tuple[int, int]:
    """Who has made what is in a directory of ours: its owner, or root where that is a stranger.

    Then the directory is what is wrong, and not all that is in it (``trees/places.py``); so where
    it has been given to another group.
    """
    status = os.stat(place)
    if trust.owner_problem(status) or trust.group_problem(status):
        return (0, 0)
    return (status.st_uid, status.st_gid)


def _above(place: RealPath, inside: str, mine: tuple[int, int]) -> Iterator[Finding]:
    """How an object's description, or a directory on the way to one in it, is not as it was made.

    Who may write there has a say in what a link leads to, whatever is behind it now.
    """
    way = ["", *sorted(parents([inside]), key=len)]
    for name in (*way, _OBJECT_JSON):
        entry = Path(name, "file", 0o644) if name == _OBJECT_JSON else Path(name, "dir", 0o755)
        try:
            status = os.lstat(f"{place}/{name}" if name else place)
        except FileNotFoundError:
            yield Finding("missing", "")
            return
        for finding in compare(entry, _on_disk(os.fspath(place), entry, status)):
            yield Finding(finding.kind, "")
        if (status.st_uid, status.st_gid) != mine:
            yield Finding("owner", "")
        if not stat.S_ISDIR(status.st_mode):
            return  # the description is the last


def _below(top: RealPath, expected: Mapping[str, Path], mine: tuple[int, int]) -> Iterator[_Seen]:
    """How what is at ``top`` and below differs; a file that has no digest is not read."""
    place = os.fspath(top)
    try:
        first = os.lstat(place)
    except FileNotFoundError:
        yield Finding("missing", "")
        return
    yield from _of(place, expected[""], first, mine)
    left = dict(expected)
    del left[""]
    for name, there in _walk(place) if stat.S_ISDIR(first.st_mode) else ():
        entry = left.pop(name, None)
        if entry is None:
            yield Finding("added", name)
        elif entry.kind == "file" and entry.digest and there.is_file(follow_symlinks=False):
            yield _Unread(f"{place}/{name}", entry, mine)
        else:
            yield from _of(place, entry, there.stat(follow_symlinks=False), mine)
    for name in left:
        yield Finding("missing", name)


def _of(top: str, entry: Path, status: os.stat_result, owner: tuple[int, int]) -> Iterator[Finding]:
    """How one path differs that is not to be read, or is no file."""
    yield from compare(entry, _on_disk(top, entry, status))
    if (status.st_uid, status.st_gid) != owner:
        yield Finding("owner", entry.path)


def _leads_to(link: RealPath, place: RealPath) -> bool:
    """Whether a link leads to what is there: not where ``envs`` is a link by now."""
    try:
        return os.path.samefile(link, place)
    except OSError:
        return not place.is_dir()  # another finding


def _describes_itself(layout: Layout, path: str, generation: str) -> bool:
    described = generations.read(layout, path, generation)
    return described is not None and described.name == generation == described.decided_name


def _walk(top: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every path below ``top``; however deep somebody made it."""
    left = [""]
    while left:
        below = left.pop()
        with os.scandir(f"{top}/{below}") as entries:
            for entry in entries:
                name = below + entry.name
                yield name, entry
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{name}/")


def _on_disk(top: str, expected: Path, status: os.stat_result) -> Path:
    name, mode = expected.path, stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Path(name, "link", digest=os.readlink(f"{top}/{name}" if name else top))
    if stat.S_ISDIR(status.st_mode):
        return Path(name, "dir", mode)
    if stat.S_ISREG(status.st_mode):
        return Path(name, "file", mode)
    return Path(name, "other", mode)


def _read(seen: Sequence[Sequence[_Seen]]) -> list[tuple[Finding, ...]]:
    """Every finding once, in the order of what was seen; all files are read for them."""
    unread = [one for some in seen for one in some if isinstance(one, _Unread)]
    costs = [one.entry.size + _FILE_COSTS for one in unread]
    wrong = {id(unread[at]): kinds for at, kinds in shares.each(_wrong, unread, costs, _WORTH)}
    return [tuple(dict.fromkeys(_findings(some, wrong))) for some in seen]


def _findings(seen: Sequence[_Seen], wrong: Mapping[int, Sequence[str]]) -> Iterator[Finding]:
    for one in seen:
        if isinstance(one, Finding):
            yield one
        elif id(one) in wrong:
            yield from (Finding(kind, one.entry.path) for kind in wrong[id(one)])


def _wrong(file: _Unread) -> list[str]:
    """What is wrong with a file that was seen to be a regular one; nearly always nothing."""
    # Should it be a pipe by now, or a link, it is not waited for and not followed.
    descriptor = os.open(file.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    entry = file.entry
    kinds = []
    try:
        status = reading.refuse_irregular(descriptor, file.place)
        size = status.st_size
        if size != entry.size or reading.digest(descriptor, size) != entry.digest:
            kinds.append("content")
    finally:
        os.close(descriptor)
    if stat.S_IMODE(status.st_mode) != entry.mode:
        kinds.append("mode")
    if (status.st_uid, status.st_gid) != file.owner:
        kinds.append("owner")
    return kinds
