"""Where in the environments a file is: by its name, through links, or as a hardlink. Only reads."""

from __future__ import annotations

import contextlib
import csv
import os
import posixpath
import stat
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from rpm_venv.frozen import dataclass
from rpm_venv.paths import HOME, SHARE, Layout, extended_by, unescape
from rpm_venv.system import reading
from rpm_venv.trees import generations
from rpm_venv.trees.generation import Distribution, Generation, is_name
from rpm_venv.trees.manifest import Tree
from rpm_venv.wheels import store

_MAX_LINKS = 40
_MAX_RECORD = 64 << 20  # bytes
_ENVS = HOME / "envs"
_STORE = HOME / "store"
_STATE = HOME / "state"


@dataclass(frozen=True)
class Place:
    """A file's place. ``kind`` is one of these:

    - ``environment``: the public path ``path`` itself
    - ``generation``: ``inside``, below the generation ``generation`` of ``path``
    - ``object``: ``inside``, below the object ``object_id`` of the store
    - ``state``: what this machine knows of the environment ``path``
    - ``declaration``: what a package ships for the environment ``path``
    """

    kind: str
    path: str = ""
    generation: str = ""
    inside: str = ""
    object_id: str = ""


def find(layout: Layout, file: str, known: Collection[str]) -> Place | None:
    """The place of a file, a target path; None where it is in no environment.

    ``known`` are the public paths of all environments. Links are followed inside the root.
    """
    here = posixpath.normpath(file)
    for _ in range(_MAX_LINKS):
        found = _by_name(layout, here, known)
        if found is not None:
            return found
        following = _one_link(layout, here)
        if following is None:
            return _twin(layout, here)
        here = following
    return None


def _by_name(layout: Layout, file: str, known: Collection[str]) -> Place | None:
    if file in known:
        return Place("environment", file)
    for path in known:
        if file.startswith(f"{path}/"):
            live = generations.live(layout, path)
            place = Place("generation", path, live.generation, file[len(path) + 1 :])
            if live.kind == "ours" and not _leads_away(layout, place):
                return place
    parts = PurePosixPath(file).parts
    for kind, top in (("generation", _ENVS), ("object", _STORE), ("state", _STATE)):
        if parts[: len(top.parts)] == top.parts and len(parts) > len(top.parts):
            found = _below(kind, parts[len(top.parts) :])
            return None if found and _leads_away(layout, found) else found
    if parts[: len(SHARE.parts)] == SHARE.parts and len(parts) > len(SHARE.parts):
        path = extended_by(file) or unescape(parts[len(SHARE.parts)])
        return Place("declaration", path) if path in known else None
    return None


def _below(kind: str, parts: tuple[str, ...]) -> Place | None:
    name, inside = parts[0], "/".join(parts[1:])
    if kind == "object":
        return Place(kind, object_id=name, inside=inside)
    if kind == "state":
        return Place(kind, unescape(name[:-5])) if name.endswith(".json") else None
    if len(parts) > 1 and is_name(parts[1]):
        return Place(kind, unescape(name), parts[1], "/".join(parts[2:]))
    return Place("environment", unescape(name)) if len(parts) == 1 else None


def _leads_away(layout: Layout, place: Place) -> bool:
    """Whether a directory on the way is a link (``lib64`` is), and so not the file's own name.

    A link to a directory of an object stands for the generation's own directory.
    """
    if place.kind != "generation":
        return False
    top = generations.directory(layout, place.path, place.generation)
    above = list(PurePosixPath(place.inside).parents)[:-1]
    return any(_is_link(top / each, str(each)) for each in above)


def _is_link(real: Path, inside: str) -> bool:
    try:
        target = os.readlink(real)
    except OSError:
        return False
    _, _, place = target.partition("/store/")
    try:
        return target != Tree.parse(f":{place}").target(inside)
    except ValueError:
        return True


def _one_link(layout: Layout, file: str) -> str | None:
    """The path after the first link on it was followed; None where there is none."""
    parts = PurePosixPath(file).parts[1:]
    for number in range(1, len(parts) + 1):
        here = "/" + "/".join(parts[:number])
        try:
            target = os.readlink(layout.real(here))
        except OSError:
            continue
        followed = posixpath.join(posixpath.dirname(here), target, *parts[number:])
        return posixpath.normpath(followed)
    return None


def _twin(layout: Layout, file: str) -> Place | None:
    """The object that has a file which is the same one as this, under another name."""
    try:
        status = os.lstat(layout.real(file))
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink < 2:
        return None
    for object_id in store.ids(layout):
        top = layout.object(object_id)
        for directory, _, names in os.walk(top):
            for name in names:
                other = os.lstat(os.path.join(directory, name))
                if (other.st_dev, other.st_ino) == (status.st_dev, status.st_ino):
                    inside = os.path.relpath(os.path.join(directory, name), top)
                    return Place("object", object_id=object_id, inside=inside)
    return None


def distribution(layout: Layout, generation: Generation, inside: str) -> Distribution | None:
    """The distribution whose RECORD lists a path of a generation; None for the environment's own.

    A launcher and byte code are listed, too (docs/security.md).
    """
    top = generations.directory(layout, generation.path, generation.name)
    for wheel, record in _records(top, generation):
        if inside in _listed(top, record, PurePosixPath(inside).name):
            return wheel
    return None


def _records(top: Path, generation: Generation) -> Iterator[tuple[Distribution, str]]:
    """RECORD of each distribution, by its path in the generation."""
    from rpm_venv.trees import metadata

    for wheel, directory in metadata.directories(top, generation):
        yield wheel, f"{directory}/RECORD"


def _listed(top: Path, record: str, name: str) -> Iterator[str]:
    """The paths in the generation that a RECORD lists, as far as they end in this name."""
    site = posixpath.dirname(posixpath.dirname(record))
    try:
        lines = reading.beginning(top / record, _MAX_RECORD).decode("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        if name in line:
            row: list[str] = []
            with contextlib.suppress(csv.Error):  # another root's may have any line
                row = next(csv.reader([line]), [])
            if row:
                yield posixpath.normpath(f"{site}/{row[0]}")


def users(layout: Layout, object_id: str) -> Iterator[tuple[Generation, Distribution]]:
    """Every generation that was assembled from an object, with the distribution that it is."""
    for path in generations.environments(layout):
        for name in generations.names(layout, path):
            generation = generations.read(layout, path, name)
            for wheel in generation.distributions if generation else ():
                if generation and f"{wheel.sha256}-{generation.tag}" == object_id:
                    yield generation, wheel
