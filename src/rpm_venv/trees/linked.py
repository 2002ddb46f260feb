"""What a generation has as links: the directories that one object has for itself, and that bear it.

Byte code always does: nothing asks where it really is. The files of these directories need not be
known to make a generation; only the others are merged. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from types import MappingProxyType

from rpm_venv.frozen import dataclass, replace
from rpm_venv.paths import parents, with_parents
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import merge, startup
from rpm_venv.trees.manifest import Tree
from rpm_venv.wheels.store import Description, StoredObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    Known = dict[tuple[str, frozenset[str], frozenset[str]], "Look"]

#: What the environment has in site-packages itself is no wheel's: merge refuses it.
_RESERVED = frozenset((startup.FIRST, startup.LAST))


@dataclass(frozen=True)
class Parts:
    """Objects without the files that are below a path of ``trees``, relative to a generation."""

    objects: Sequence[StoredObject]
    trees: Mapping[str, Tree] = MappingProxyType({})


@dataclass(frozen=True)
class Look:
    """What ``apart`` asks of an object without some of its directories.

    ``caches`` are its directories of byte code, which is not in ``stored``. ``files`` are those in
    site-packages, ``own`` all places that it has there, ``added`` those that it has from another
    scheme: they are as if another wheel had them.
    """

    stored: StoredObject
    caches: AbstractSet[str]
    files: AbstractSet[str]
    own: AbstractSet[str]
    added: AbstractSet[str]


def apart(
    descriptions: Sequence[Description], interpreter: Interpreter, known: Known | None = None
) -> Parts:
    """Take apart what can be links and what is to be merged; ``VenvError`` as ``stored``.

    A top directory that one object has for itself is a link, where it bears that. Where others have
    something in it, it is opened: then the object's portions of it may be links, or the highest
    directories that only this object has above them. ``known`` is for calls about the same objects
    and others: what one has looked at, the next one need not.
    """
    known = {} if known is None else known
    every = [_Opened(each, interpreter, known) for each in descriptions]
    alone = _alone(every)
    while True in {each.open(alone) for each in every}:
        alone = _alone(every)
    packages = _Alone(every, {_package(place) for each in every for place in each.caches})
    objects, trees = [], {}
    site = merge.site_packages(interpreter)
    for each in every:
        objects.append(each.without(alone, packages))
        for place in sorted((*each.closed, *each.caches)):
            tree = Tree(each.stored.id, f"site/{place}", each.description.digest)
            trees[f"{site}/{place}"] = tree
    return Parts(objects, trees)


def _package(place: str) -> str:
    """The directory of sources whose byte code is at ``place``."""
    return place.rpartition("/")[0]


class _Opened:
    """An object, of which some directories of ``site`` are ``closed``: the others were read."""

    def __init__(self, description: Description, interpreter: Interpreter, known: Known) -> None:
        self.description = description
        self.closed = {*description.head.bears}
        self._interpreter = interpreter
        self._known = known
        self._look()

    def _look(self, whole: AbstractSet[str] = frozenset()) -> None:
        """Read the object but for what is closed, and for byte code that is not in ``whole``."""
        key = (self.description.digest, frozenset(self.closed), frozenset(whole))
        if key not in self._known:
            self._known[key] = _looked_at(self.description, self.closed, whole, self._interpreter)
        look = self._known[key]
        self.stored, self.caches, self.files, self.own, self.added = (
            look.stored, look.caches, look.files, look.own, look.added,
        )  # fmt: skip

    def open(self, alone: _Alone) -> bool:
        """Open what others have something in; whether there was anything."""
        shared = {place for place in self.closed if not alone.has(place)}
        if shared:
            inside = {each for each in self.stored.portions if each.partition("/")[0] in shared}
            self.closed = (self.closed - shared) | inside
            self._look()
        return bool(shared)

    def without(self, alone: _Alone, packages: _Alone) -> StoredObject:
        """The object without what it has below the highest closed directories, for good.

        Byte code stays closed where nobody else has anything in its package: what another wheel
        puts in a source's place is no source of this byte code.
        """
        shared = {place for place in self.caches if not packages.has(_package(place))}
        if shared:
            self._look(shared)
        highest = {alone.highest(place) for place in self.closed}
        if highest != self.closed:
            below = tuple(f"{place}/" for place in highest - self.closed)
            kept = (
                file
                for file in self.stored.files
                if file.scheme != "site" or not file.path.startswith(below)
            )
            self.stored = replace(self.stored, files=tuple(kept))
            self.caches = {place for place in self.caches if not place.startswith(below)}
            self.closed = highest
        return self.stored


def _looked_at(
    description: Description,
    closed: AbstractSet[str],
    whole: AbstractSet[str],
    interpreter: Interpreter,
) -> Look:
    is_loose = not whole and closed == {*description.head.bears}
    stored, caches = description.loose if is_loose else description.parted(sorted(closed), whole)
    own = [file.path for file in stored.files if file.scheme == "site"]
    others = tuple(file for file in stored.files if file.scheme != "site")
    start = f"{merge.site_packages(interpreter)}/"
    claims = merge.claims(replace(stored, files=others), interpreter) if others else ()
    added = [path[len(start) :] for path, _ in claims if path.startswith(start)]
    return Look(
        stored,
        caches,
        {*own, *added},
        {*own, *parents(own), *with_parents((*closed, *caches))},
        {*added, *parents(added)},
    )


def _alone(every: Sequence[_Opened]) -> _Alone:
    return _Alone(every, {place for each in every for place in each.closed})


class _Alone:
    """Which of some places in site-packages one object has for itself, with all below."""

    def __init__(self, every: Iterable[_Opened], places: AbstractSet[str]) -> None:
        asked = with_parents(places)
        self._owners = Counter(_RESERVED)
        self._files = set(_RESERVED)
        for each in every:
            self._owners.update(each.own & asked)
            self._owners.update(each.added & asked)
            self._files |= each.files & asked
        self._has_files = bool(self._files & asked)  # hardly ever: where wheels contradict

    def has(self, place: str) -> bool:
        """Whether nobody else has anything there, or a file where it has a directory."""
        return self._owners[place] == 1 and not (
            self._has_files and self._files & with_parents([place])
        )

    def highest(self, place: str) -> str:
        """The highest directory above a place of one owner that nobody else has, or itself."""
        above = sorted(with_parents([place]), key=len)
        return next(each for each in above if self._owners[each] == 1)
