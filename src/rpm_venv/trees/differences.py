"""How a generation, or an object, differs from what was written of it. An edge that only reads."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as RealPath

from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system import reading
from rpm_venv.trees import generations
from rpm_venv.trees.manifest import Finding, Path, Tree, compare
from rpm_venv.trees.merge import parents
from rpm_venv.wheels import store
from rpm_venv.wheels.objects import StoredObject

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


class Trees:
    """Directories of objects that generations have links to, each looked at once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[Tree, tuple[Finding, ...]] = {}
        self._last: tuple[str, StoredObject, str] | None = None

    def differences(self, tree: Tree) -> tuple[Finding, ...]:
        """Every way in which a directory is not as its object's description has it."""
        if tree not in self._known:
            self._known[tree] = tuple(self._look(tree))
        return self._known[tree]

    def _look(self, tree: Tree) -> Iterable[Finding]:
        try:
            stored, digest = self._described(tree.object_id)
        except VenvError:  # an object that is not there, or waits to be made anew
            return [Finding("missing", "")]
        if digest != tree.description:
            return [Finding("content", "")]
        start = f"{tree.inside}/"
        files = {
            path[len(start) :]: Path(path[len(start) :], "file", file.mode, file.size, file.sha256)
            for file in stored.files
            for path in [f"{file.scheme}/{file.path}"]
            if path.startswith(start)
        }
        place = self._layout.object(tree.object_id)
        owner = os.stat(self._layout.store)
        above = list(_above(place, tree.inside, owner))
        if any(finding.kind == "type" for finding in above):
            return above  # what is behind it is not the store's
        below = _below(place / tree.inside, _with_directories(files), owner)
        return dict.fromkeys([*above, *below])

    def _described(self, object_id: str) -> tuple[StoredObject, str]:
        if self._last is None or self._last[0] != object_id:
            described = store.description(self._layout, object_id)
            self._last = (object_id, described.stored(), described.digest)
        return self._last[1:]


def of(layout: Layout, path: str, generation: str, trees: Trees | None = None) -> Iterator[Finding]:
    """Every way in which a generation on disk differs from its manifest, in the order of paths.

    Each file is read and hashed, those behind links to the store once for all calls that have the
    same ``trees``. Everything belongs to the owner of the directory ``envs/``: root, where rpm
    runs. The generation's directory itself has the path "".
    """
    top = generations.directory(layout, path, generation)
    expected = {entry.path: entry for entry in generations.manifest(layout, path, generation).paths}
    expected.update(_DESCRIPTION)
    findings = list(_below(top, expected, os.stat(layout.envs)))
    here = {finding.path for finding in findings}
    if _ABOUT_JSON not in here and not _describes_itself(layout, path, generation):
        findings.append(Finding("content", _ABOUT_JSON))
    trees = trees or Trees(layout)
    for entry in expected.values():
        if entry.kind == "tree" and entry.path not in here:
            tree = Tree.parse(entry.digest)
            if not _leads_to(top / entry.path, layout.object(tree.object_id) / tree.inside):
                findings.append(Finding("target", entry.path))
            for inside in trees.differences(tree):
                findings.append(Finding(inside.kind, f"{entry.path}/{inside.path}".rstrip("/")))
    yield from sorted(findings, key=lambda finding: finding.path)


def of_object(layout: Layout, object_id: str) -> Iterator[Finding]:
    """Every way in which an object of the store differs from its description."""
    try:
        stored = store.read(layout, object_id)
    except VenvError:
        yield Finding("content", _OBJECT_JSON)
        return
    paths = [(f"{file.scheme}/{file.path}", file) for file in stored.files]
    files = {path: Path(path, "file", file.mode, file.size, file.sha256) for path, file in paths}
    expected = _with_directories(files)
    expected[_OBJECT_JSON] = Path(_OBJECT_JSON, "file", 0o644)
    yield from _below(layout.object(object_id), expected, os.stat(layout.store))


def _with_directories(files: Mapping[str, Path]) -> dict[str, Path]:
    directories = {path: Path(path, "dir", 0o755) for path in parents(files)}
    return {"": _TOP, **directories, **files}


def _above(place: RealPath, inside: str, owner: os.stat_result) -> Iterator[Finding]:
    """How an object's description, or a directory on the way to one in it, is not as it was made.

    Who may write there has a say in what a link leads to, whatever is behind it now.
    """
    way = ["", *sorted(parents([inside]), key=len)]
    for name in (*way, _OBJECT_JSON):
        entry = Path(name, "file", 0o644) if name == _OBJECT_JSON else Path(name, "dir", 0o755)
        status = os.lstat(f"{place}/{name}" if name else place)
        for finding in compare(entry, _on_disk(os.fspath(place), entry, status)):
            yield Finding(finding.kind, "")
        if (status.st_uid, status.st_gid) != (owner.st_uid, owner.st_gid):
            yield Finding("owner", "")
        if not stat.S_ISDIR(status.st_mode):
            return  # the description is the last


def _below(top: RealPath, expected: Mapping[str, Path], owner: os.stat_result) -> Iterator[Finding]:
    """How what is at ``top`` and below differs; a file that has no digest is not read."""
    seen = set()
    place = os.fspath(top)
    try:
        first = os.lstat(place)
    except FileNotFoundError:
        yield Finding("missing", "")
        return
    below = _walk(place) if stat.S_ISDIR(first.st_mode) else iter(())
    for name, status in itertools.chain([("", first)], below):
        seen.add(name)
        entry = expected.get(name)
        if entry is None:
            yield Finding("added", name)
            continue
        if not _is_as_written(place, entry, status):
            yield from compare(entry, _on_disk(place, entry, status))
        if (status.st_uid, status.st_gid) != (owner.st_uid, owner.st_gid):
            yield Finding("owner", name)
    for name in expected.keys() - seen:
        yield Finding("missing", name)


def _leads_to(link: RealPath, place: RealPath) -> bool:
    """Whether a link leads to what is there: not where ``envs`` is a link by now."""
    try:
        return os.path.samefile(link, place)
    except OSError:
        return not place.is_dir()  # another finding


def _describes_itself(layout: Layout, path: str, generation: str) -> bool:
    described = generations.read(layout, path, generation)
    return described is not None and described.name == generation == described.decided_name


def _walk(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below ``top``, with its status; however deep somebody made it."""
    left = [""]
    while left:
        below = left.pop()
        with os.scandir(f"{top}/{below}") as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                yield name, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{name}/")


def _is_as_written(top: str, entry: Path, status: os.stat_result) -> bool:
    """Whether this is a regular file as its entry has it: nearly all are."""
    return (
        entry.kind == "file"
        and status.st_mode == stat.S_IFREG | entry.mode
        and (
            not entry.digest
            or (
                status.st_size == entry.size
                and _digest(f"{top}/{entry.path}", entry.size) == entry.digest
            )
        )
    )


def _on_disk(top: str, expected: Path, status: os.stat_result) -> Path:
    name, mode = expected.path, stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Path(name, "link", digest=os.readlink(f"{top}/{name}" if name else top))
    if stat.S_ISDIR(status.st_mode):
        return Path(name, "dir", mode)
    if stat.S_ISREG(status.st_mode) and expected.kind == "file" and not expected.digest:
        return Path(name, "file", mode)
    if stat.S_ISREG(status.st_mode):
        return Path(name, "file", mode, status.st_size, _digest(f"{top}/{name}", status.st_size))
    return Path(name, "other", mode)


def _digest(file: str, size: int) -> str:
    """The sha256 (hex) of a file that was seen to be a regular one."""
    # Should it be a pipe by now, or a link, it is not waited for and not followed.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        reading.refuse_irregular(descriptor, file)
        return reading.digest(descriptor, size)
    finally:
        os.close(descriptor)
