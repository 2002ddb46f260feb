"""What a package that declares an environment ships: its lock, made exact, and the wheels of it.

The application's own wheels join the lock; a wheel is looked for in directories, asked of the
index, or built of the sdist that the lock names. All as the building user.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rpm_venv.building import vendored
from rpm_venv.errors import FetchError, LockError, Problem, VenvError
from rpm_venv.fetching import shelf
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks import lock, own
from rpm_venv.locks.built import Built
from rpm_venv.locks.locked import MAX_SIZE, Entry, Lock, LockedFile
from rpm_venv.paths import Layout
from rpm_venv.report import Context
from rpm_venv.system import reading
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees.generation import Distribution
from rpm_venv.wheels.store import Source


@dataclass(frozen=True)
class Wish:
    """What is to be gathered.

    ``data`` is the lock, a file called ``filename``. ``own`` are the wheels that join it. With
    ``complete``, a wheel of every entry is needed; ``offline`` asks no index for it.
    """

    data: bytes
    filename: str
    interpreter: Interpreter
    extras: tuple[str, ...]
    groups: tuple[str, ...]
    directories: tuple[str, ...]
    own: tuple[Built, ...]
    complete: bool
    offline: bool


@dataclass(frozen=True)
class Gathered:
    """The lock to be shipped, its entries that hold, and the wheels of them that are at hand.

    ``distributions`` are what these wheels are to an environment, in the same order.
    """

    lock: bytes
    entries: tuple[Entry, ...]
    wheels: tuple[Source, ...]
    distributions: tuple[Distribution, ...]


@contextlib.contextmanager
def gathered(context: Context, wish: Wish) -> Iterator[Gathered]:
    """The lock and wheels of a wish; fetched and built ones exist inside the block alone.

    ``LockError`` where the lock is not exact or does not fit; ``FetchError`` with each wheel that
    is needed and cannot be had.
    """
    with contextlib.ExitStack() as stack:
        opened = {name: _opened(name, stack) for name in wish.directories}
        unpacked = replace(wish, directories=tuple(opened.values()))
        try:
            found = stack.enter_context(_gathered(context, unpacked))
        except FetchError as error:
            raise _as_named(error, opened) from None
        yield found


def _opened(name: str, stack: contextlib.ExitStack) -> str:
    """The directory to look in; an archive of wheels is unpacked into one."""
    if not vendored.is_archive(Path(name)):
        return name
    scratch = tempfile.TemporaryDirectory(prefix="rpm-venv-wheels-")
    directory = stack.enter_context(scratch)
    vendored.unpack(Path(name), Path(directory))
    return directory


def _as_named(error: FetchError, opened: Mapping[str, str]) -> FetchError:
    """The error, told of the archives that the author named and not of where they were unpacked."""

    def told(text: str) -> str:
        for name, directory in opened.items():
            text = text.replace(directory, name)
        return text

    problems = [replace(one, message=told(one.message)) for one in error.problems]
    place = {"subject": error.subject, "where": error.where}
    return FetchError(told(error.message), **place, hint=error.hint, problems=problems)


@contextlib.contextmanager
def _gathered(context: Context, wish: Wish) -> Iterator[Gathered]:
    joined, told = own.join(wish.data, wish.filename, wish.own)
    entries = _select(joined, wish)
    own.refuse_needs(wish.own, entries, wish.interpreter, wish.filename)
    directories = (
        *wish.directories,
        *dict.fromkeys(str(w.path.absolute().parent) for w in wish.own),
    )
    found = _at_hand(wish, entries, directories)
    if not wish.complete or not found.missing:
        yield Gathered(_text(wish, joined, told), entries, *_chosen(found))
        return
    with tempfile.TemporaryDirectory(prefix="rpm-venv-declare-") as scratch:
        sources = _sources(context, wish, found, directories, scratch)
        made = [_build(context, wish, e, source, scratch) for e, source in sources.items()]
        joined, told = _with(joined, made), (*told, *(line for _, _, line in made))
        entries = _select(joined, wish)
        found = _at_hand(wish, entries, (*directories, scratch))
        if found.missing:
            raise _missing(found.missing)
        yield Gathered(_text(wish, joined, told), entries, *_chosen(found))


def _select(joined: Lock, wish: Wish) -> tuple[Entry, ...]:
    markers, asked = wish.interpreter.markers, (wish.extras, wish.groups)
    return lock.select(joined, markers, *asked, sdists=wish.complete)


def _text(wish: Wish, joined: Lock, told: Sequence[str]) -> bytes:
    """The file as the author wrote it, where nothing has changed it."""
    return own.shipped(joined, told) if told else wish.data


def _at_hand(wish: Wish, entries: Iterable[Entry], directories: Sequence[str]) -> shelf.AtHand:
    return shelf.at_hand(Layout(), entries, wish.interpreter, directories, stored=False)


def _chosen(found: shelf.AtHand) -> tuple[tuple[Source, ...], tuple[Distribution, ...]]:
    chosen = [one for one in found.found if one.source]
    return (
        tuple(one.source for one in chosen if one.source),
        tuple(one.distribution for one in chosen),
    )


def _sources(
    context: Context,
    wish: Wish,
    found: shelf.AtHand,
    directories: Sequence[str],
    scratch: str,
) -> dict[Entry, Path]:
    """The sdist of each entry that is without a wheel after the index was asked for one."""
    sources = shelf.sdists((entry for entry, _ in found.missing), directories)
    absent = [(entry, problem) for entry, problem in found.missing if entry not in sources]
    if absent and wish.offline:
        raise _missing(absent)
    if absent:
        from rpm_venv.fetching import download

        context.progress(f"fetching {len(absent)} distributions from the index")
        wanted = [entry for entry, _ in absent]
        download.distributions(wanted, wish.interpreter, Path(scratch))
        sources.update(shelf.sdists(wanted, [scratch]))
    return sources


_Made = tuple[Entry, Entry, str]


def _build(context: Context, wish: Wish, entry: Entry, source: Path, scratch: str) -> _Made:
    """An entry, the entry of the wheel that is built of its sdist, and how the lock tells of it."""
    from rpm_venv.building import source as building

    context.progress(f"building {entry} of {source.name}")
    wheel = building.build(source, wish.interpreter, Path(scratch))
    if (wheel.entry.name, wheel.entry.version) != (entry.name, entry.version):
        raise VenvError(f"its build made {wheel.path.name}, not {entry}", subject=source.name)
    (digest,) = wheel.entry.hashes
    file = LockedFile(wheel.path.name, digest)
    exact = replace(entry, hashes=(digest,), files=(file,), source="", sdist=None)
    told = f"{entry} was built of {source.name}, sha256:{shelf.sha256(source)}"
    return entry, exact, told


def _with(joined: Lock, made: Sequence[_Made]) -> Lock:
    exact = {entry: new for entry, new, _ in made}
    return replace(joined, entries=tuple(exact.get(e, e) for e in joined.entries))


def _missing(missing: Sequence[tuple[Entry, Problem]]) -> FetchError:
    return FetchError(
        f"{len(missing)} of the wheels that the lock names are not at hand",
        hint="put them into a directory that -w names, or leave out -o to ask the index",
        problems=[problem for _, problem in missing],
    )


def read(path: Path) -> bytes:
    """The author's lock; ``LockError`` where it cannot be read."""
    try:
        return reading.content(path, most=MAX_SIZE)
    except OSError as error:
        raise LockError(f"cannot be read: {error.strerror}", subject=str(path)) from None
