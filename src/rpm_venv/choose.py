"""Which wheels an environment is made of: the lock read for its Python, and a wheel per entry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rpm_venv.declaration import Declaration
from rpm_venv.errors import FetchError, Problem, UnreachableError
from rpm_venv.fetching import fetch, shelf
from rpm_venv.fetching.shelf import AtHand, Found
from rpm_venv.frozen import dataclass
from rpm_venv.locks import amendments
from rpm_venv.locks import lock as locks
from rpm_venv.locks.amended import Amendment, refuse_broken
from rpm_venv.locks.amendments import Amended
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.plan import Wish
from rpm_venv.report import Context
from rpm_venv.system import amendments as administrator
from rpm_venv.system import files
from rpm_venv.wheels import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.system.sandbox import Zygote


@dataclass(frozen=True)
class Choice:
    """A wheel for every distribution, and what came of the administrator's amendments.

    ``children`` is as in ``Context``.
    """

    wheels: tuple[Found, ...]
    amended: Amended
    children: Zygote | None = None


@contextlib.contextmanager
def wheels(
    context: Context, wish: Wish, lock: bytes, refused: Mapping[Amendment, str] | None = None
) -> Iterator[Choice]:
    """A wheel for every entry of the amended lock; fetched ones exist inside the block alone, and
    so does what makes children for those that are not in the store.

    ``refused`` are amendments that did not fit. One whose wheel is not to be had joins them; where
    that is a wheel of the lock, ``LockError`` and ``FetchError`` say everything that is wrong, or
    missing.
    """
    layout, declaration = context.layout, wish.declaration
    parsed = locks.parse(lock, declaration.lock)
    entries = locks.select(parsed, wish.interpreter.markers, declaration.extras, declaration.groups)
    with contextlib.ExitStack() as stack:
        children = None
        if _expects_to_make(layout, wish, entries):
            from rpm_venv.wheels import batch  # most calls make no objects

            children = stack.enter_context(batch.started(layout, wish.interpreter))
        amended, found = _amended(stack, context, wish, entries, dict(refused or {}))
        own = [entry for entry in amended.entries if entry.name not in amended.applied]
        at_hand = _at_hand(layout, wish, own, declaration.wheels)
        if at_hand.missing and declaration.offline:
            raise _missing(declaration, [problem for _, problem in at_hand.missing])
        asked = tuple(entry for entry, _ in at_hand.missing)
        fetched = stack.enter_context(_fetched(context, wish, asked))
        yield Choice((*at_hand.found, *found, *fetched), amended, children)


def _expects_to_make(layout: Layout, wish: Wish, entries: Sequence[Entry]) -> bool:
    """Whether a wheel of a directory is likely to become an object: none of an entry's is there."""
    if wish.declaration.packaged or not wish.declaration.wheels:
        return False
    stored = set(store.ids(layout))
    return any(
        stored.isdisjoint(store.object_id(digest, wish.interpreter) for digest in entry.hashes)
        for entry in entries
    )


def _amended(
    stack: contextlib.ExitStack,
    context: Context,
    wish: Wish,
    entries: Sequence[Entry],
    refused: dict[Amendment, str],
) -> tuple[Amended, list[Found]]:
    """The amended entries, and the wheels of those amendments whose wheels are to be had.

    The index is asked also where the package says ``-o``, which is about its own wheels.
    """
    layout, declaration = context.layout, wish.declaration
    lines, path, markers = wish.amendments, declaration.path, wish.interpreter.markers
    own = {entry.name for entry in entries}
    fetched: dict[Entry, tuple[Found, ...]] = {}
    refuse_broken(lines.broken_for(path, own, wish.followed))
    places = (*administrator.wheels(layout, path), *declaration.wheels)
    while True:
        amended = amendments.amend(entries, lines, path, markers, refused)
        theirs = [entry for entry in amended.entries if entry.name in amended.applied]
        at_hand = _at_hand(layout, wish, theirs, places) if theirs else AtHand()
        found = list(at_hand.found)
        lacking = False
        for entry, problem in at_hand.missing:
            try:
                if entry not in fetched:
                    fetched[entry] = stack.enter_context(_fetched(context, wish, (entry,)))
                found.extend(fetched[entry])
            except FetchError as error:
                reason = f"{problem.message}, and {amendments.reason(error)}"
                refused[amended.applied[entry.name]] = reason
                lacking = True
        if not lacking:
            return amended, found


def _at_hand(layout: Layout, wish: Wish, entries: Sequence[Entry], places: Sequence[str]) -> AtHand:
    packaged = wish.declaration.packaged
    return shelf.at_hand(layout, entries, wish.interpreter, places, packaged=packaged)


@contextlib.contextmanager
def _fetched(context: Context, wish: Wish, entries: Sequence[Entry]) -> Iterator[tuple[Found, ...]]:
    """Wheels from the index, inside the block alone."""
    if not entries:
        yield ()
        return
    layout = context.layout
    _refuse_unfetched(context, wish, entries)
    files.make_staging(layout)
    with files.passing_directory(layout.staging, "fetch") as staging:
        what = f"fetching {len(entries)} wheels from the index"
        context.progress(lambda: f"{what}, {fetch.brought(staging) / 1e6:.1f} MB so far")
        yield _from_index(context, wish, entries, staging)


def _refuse_unfetched(context: Context, wish: Wish, entries: Sequence[Entry]) -> None:
    """What the index has answered before in this call, or that it does not answer."""
    for asked in (None, (tuple(entries), wish.interpreter.path)):
        if asked in context.unfetched:
            raise context.unfetched[asked]


def _from_index(
    context: Context, wish: Wish, entries: Sequence[Entry], staging: Path
) -> tuple[Found, ...]:
    try:
        return fetch.from_index(context.layout, entries, wish.interpreter, staging)
    except FetchError as error:
        is_all = isinstance(error, UnreachableError)
        context.unfetched[None if is_all else (tuple(entries), wish.interpreter.path)] = error
        raise


def _missing(declaration: Declaration, problems: Sequence[Problem]) -> FetchError:
    places = shelf.some(declaration.wheels) or "the package"
    return FetchError(
        f"{len(problems)} of the wheels that {declaration.lock} names are not at hand",
        subject=declaration.path,
        hint=f"put them into {places}, or leave out -o to ask the index",
        problems=problems,
    )
