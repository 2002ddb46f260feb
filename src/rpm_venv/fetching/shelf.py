"""The wheels that a lock names, as far as they are at hand: in the store, in directories.

What is there is believed only by its sha256. An edge: reads alone.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rpm_venv.confined import protocol
from rpm_venv.errors import Problem, WheelError
from rpm_venv.fetching import plain_tags
from rpm_venv.frozen import dataclass
from rpm_venv.locks.lock import HOW_TO_BUILD, Entry
from rpm_venv.paths import Layout
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.system.sealed import open_regular
from rpm_venv.trees.generation import Distribution
from rpm_venv.wheels import store
from rpm_venv.wheels.objects import Packaged
from rpm_venv.wheels.packaged import Offers, offers
from rpm_venv.wheels.store import Source
from rpm_venv.wheels.wheel import WheelName, best, normalized, positions

_CHUNK = 1 << 20
_MOST_SHOWN = 10
_SDIST = (".tar.gz", ".zip", ".tar.bz2")


@dataclass(frozen=True)
class Found:
    """The wheel chosen for one entry of a lock, and what its object can be made of.

    That is ``packaged`` or ``source``; both are None where the store has it.
    """

    distribution: Distribution
    source: Source | None = None
    packaged: Packaged | None = None


@dataclass(frozen=True)
class AtHand:
    """What this machine has of a lock's wheels; ``missing`` says of each other entry why."""

    found: tuple[Found, ...] = ()
    missing: tuple[tuple[Entry, Problem], ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """A wheel file that is, by its name, the distribution of an entry."""

    name: WheelName
    path: Path
    rank: int

    @property
    def order(self) -> tuple[int, tuple[int, str]]:
        """Best first: by tag, then by build number, of which the higher is better (PEP 427)."""
        number, text = self.name.build or (-1, "")
        return (self.rank, (-number, text))


def at_hand(
    layout: Layout,
    entries: Iterable[Entry],
    interpreter: Interpreter,
    directories: Sequence[str],
    *,
    stored: bool = True,
    packaged: Sequence[str] = (),
) -> AtHand:
    """Choose a wheel for each entry out of directories, target paths, and the store.

    ``packaged`` are the content digests of objects that packages ship, which come next to the
    store's; where their byte code is for another Python, after wheels of that tag.

    The best tag wins, wherever it is; every file that is chosen has been hashed, unless its object
    is in the store already. With ``stored`` false the store is not looked at: a package being built
    needs the files. Nothing is written.
    """
    shelf = _Shelf(layout, interpreter, directories, store.ids(layout) if stored else (), packaged)
    found, missing = [], []
    for entry in entries:
        choice = shelf.choose(entry)
        if isinstance(choice, Found):
            found.append(choice)
        else:
            missing.append((entry, choice))
    return AtHand(tuple(found), tuple(missing))


def sdists(entries: Iterable[Entry], directories: Sequence[str]) -> dict[Entry, Path]:
    """The source distributions in directories, of the system that builds, that entries name."""
    found: dict[Entry, Path] = {}
    names = [(place, name) for place in directories for name in _names(Path(place))]
    for entry in entries:
        digests = {*entry.hashes, *([entry.sdist.sha256] if entry.sdist else [])}
        for place, name in names:
            file = Path(place, name)
            if name.endswith(_SDIST) and _is_sdist_of(name, entry) and sha256(file) in digests:
                found.setdefault(entry, file)
    return found


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


@dataclass(frozen=True)
class _Made:
    """An object that is an entry's wheel unpacked; ``rank`` is that of the wheel."""

    rank: int
    found: Found

    @property
    def is_afresh(self) -> bool:
        """Whether it has no byte code for this Python yet: then a wheel is as good."""
        return self.found.packaged is not None and self.found.packaged.afresh

    @property
    def order(self) -> tuple[int, bool, str]:
        """Best first."""
        return self.rank, self.is_afresh, self.found.distribution.sha256


class _Shelf:
    """The store's objects and the directories' wheels, listed once."""

    def __init__(
        self,
        layout: Layout,
        interpreter: Interpreter,
        places: Sequence[str],
        stored: Iterable[str],
        packaged: Sequence[str],
    ) -> None:
        self._layout = layout
        self._interpreter = interpreter
        self._stored = frozenset(stored)
        self._packaged = packaged
        self._places = places

    @functools.cached_property
    def _listed(self) -> tuple[tuple[Path, str], ...]:
        """What the directories have; not looked at where the store has everything."""
        places = [self._layout.real(place) for place in self._places]
        return tuple((place, name) for place in places for name in _names(place))

    @functools.cached_property
    def _files(self) -> Mapping[str, list[tuple[Path, str]]]:
        """The wheels in the directories, by what the names of their distributions begin with."""
        files: dict[str, list[tuple[Path, str]]] = {}
        for directory, filename in self._listed:
            if filename.endswith(".whl"):
                name = normalized(filename.partition("-")[0])
                files.setdefault(name, []).append((directory, filename))
        return files

    def _wheels(self, entry: Entry) -> list[tuple[WheelName, Path]]:
        """The wheels of a distribution; not all that are there, whose names take long to read."""
        found = []
        for directory, filename in self._files.get(entry.name, ()):
            with contextlib.suppress(WheelError):  # no name that an entry could have
                name = WheelName.parse(filename)
                if name.name == entry.name:
                    found.append((name, directory / filename))
        return found

    @functools.cached_property
    def _offers(self) -> Offers:
        """What packages bring; not looked at where the store has everything."""
        return offers(self._layout, self._packaged, self._interpreter)

    @functools.cached_property
    def _positions(self) -> Mapping[str, int]:
        return positions(self._interpreter.tags)

    def choose(self, entry: Entry) -> Found | Problem:
        made = self._made(entry)
        if made and not made[0].is_afresh and len(entry.hashes) == 1:
            return made[0].found
        candidates = sorted(
            self._candidates(entry, is_alone=not made), key=lambda candidate: candidate.order
        )
        wrong: dict[str, str] = {}
        for candidate in candidates:
            if made and (made[0].rank, made[0].is_afresh) <= (candidate.rank, False):
                return made[0].found
            digest = sha256(candidate.path)
            if digest in entry.hashes:
                return self._found(entry, candidate, digest)
            wrong[candidate.path.name] = digest
        if made:
            return made[0].found
        return self._reason(entry, wrong)

    def _has(self, name: str) -> bool:
        """Whether the store has an object whole: a damaged one waits there to be made anew."""
        return name in self._stored and store.has(self._layout, name)

    def _found(self, entry: Entry, candidate: _Candidate, digest: str) -> Found:
        filename = candidate.path.name
        distribution = Distribution(entry.name, str(entry.version), filename, digest)
        name = store.object_id(digest, self._interpreter)
        if self._has(name):
            return Found(distribution)
        if name in self._offers.usable:
            return Found(distribution, packaged=self._offers.usable[name].packaged)
        return Found(distribution, Source(candidate.path, filename, digest))

    def _made(self, entry: Entry) -> list[_Made]:
        """The objects that may be this entry, best first."""
        found = []
        python = self._interpreter
        for digest in entry.hashes:
            name = store.object_id(digest, self._interpreter)
            packaged = None
            if self._has(name):
                stored = store.head(self._layout, name)
            elif name in self._offers.usable or name in self._offers.afresh:
                offer = self._offers.usable.get(name) or self._offers.afresh[name]
                packaged, stored = offer.packaged, offer.head
            else:
                continue
            # Nothing to compare it with: a wheel in a directory may be better than one made afresh.
            is_alone = len(entry.hashes) == 1 and not (packaged and packaged.afresh)
            if is_alone and python.is_here and plain_tags.fit(python, stored.filename):
                place: int | None = 0
            else:
                place = best(WheelName.parse(stored.filename), self._positions)
            # An object of the same tag can be of another kind of build: free-threaded, debug.
            if place is not None and stored.version == str(entry.version):
                wheel = Distribution(entry.name, stored.version, stored.filename, digest)
                found.append(_Made(place, Found(wheel, packaged=packaged)))
        return sorted(found, key=lambda made: made.order)

    def _candidates(self, entry: Entry, *, is_alone: bool) -> Iterator[_Candidate]:
        """What may be an entry; ``is_alone`` says that nothing else is compared with it."""
        python = self._interpreter
        wheels = [
            (name, path) for name, path in self._wheels(entry) if name.version == entry.version
        ]
        is_alone = is_alone and len(wheels) == 1 and python.is_here
        for name, path in wheels:
            is_plain = is_alone and plain_tags.fit(python, name.filename)
            place = 0 if is_plain else best(name, self._positions)
            if place is not None:
                yield _Candidate(name, path, place)

    def _reason(self, entry: Entry, wrong: Mapping[str, str]) -> Problem:
        """Why there is no wheel for an entry, as far as the files tell."""
        files = self._wheels(entry)
        others = [path.name for name, path in files if name.version == entry.version]
        versions = sorted({str(name.version) for name, _ in files})
        hint = ""
        brought = self._brought(entry)
        if brought:
            message = f"its package brings {brought}, which is not for {self._interpreter.tag}"
            hint = "it takes a package that is built for this Python"
        elif wrong:
            name, digest = next(iter(wrong.items()))
            message = f"{name} is there, but its sha256 is {digest}, which the lock does not name"
        elif others:
            message = f"there is {', '.join(others)}, which is not for {self._interpreter.tag}"
        elif any(name.endswith(_SDIST) and _is_sdist_of(name, entry) for _, name in self._listed):
            message, hint = "there is only a source distribution", HOW_TO_BUILD
        elif versions:
            message = f"there is no wheel of that version, but of {', '.join(versions)}"
        else:
            message = f"there is no wheel of it{self._in_places()}"
            message += f"; {self._offers.unread}" if self._offers.unread else ""
        return Problem(f"{entry}: {message}", entry.where, hint)

    def _brought(self, entry: Entry) -> str:
        """A wheel of this entry's that a package brings unpacked, and that is of no use here."""
        names = [store.object_id(digest, self._interpreter) for digest in entry.hashes]
        offers = {**self._offers.afresh, **self._offers.usable}
        return next((offers[name].head.filename for name in names if name in offers), "")

    def _in_places(self) -> str:
        absent = [place for place in self._places if not self._layout.real(place).is_dir()]
        others = [place for place in absent if self._layout.real(place).exists()]
        if others:
            return f"; {some(others)} is no directory"
        if absent:
            return f"; the directory {some(absent)} does not exist"
        return f" in {some(self._places)}" if self._places else ""


def some(places: Sequence[str]) -> str:
    """Directories in words; a package may name more than anybody reads."""
    return ", ".join([*places[:_MOST_SHOWN], *(["…"] if len(places) > _MOST_SHOWN else [])])


def _is_sdist_of(filename: str, entry: Entry) -> bool:
    from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
    from packaging.version import InvalidVersion

    try:
        name, version = parse_sdist_filename(filename)
    except (InvalidSdistFilename, InvalidVersion):
        return canonicalize_name(filename).startswith(f"{entry.name}-")
    return name == entry.name and version == entry.version


def sha256(path: Path) -> str:
    """The sha256 (hex) of a wheel or sdist; ``WheelError`` where it cannot be read."""
    import hashlib  # not where the store has everything (digest.py)

    digest = hashlib.sha256()
    try:
        # The administrator may keep wheels behind links; whose end is a device has no end.
        with open(path, "rb", buffering=0, opener=open_regular) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                if file.tell() > protocol.MAX_WHEEL:
                    raise WheelError("larger than a wheel may be", subject=str(path))
    except OSError as error:
        raise WheelError(f"cannot be read: {error.strerror}", subject=str(path)) from error
    return digest.hexdigest()
