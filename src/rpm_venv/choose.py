"""Which wheels an environment is made of: the lock read for its Python, and a wheel per entry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from rpm_venv.declaration import Declaration
from rpm_venv.errors import FetchError, Problem
from rpm_venv.fetching import fetch
from rpm_venv.fetching.fetch import Found
from rpm_venv.locks import lock as locks
from rpm_venv.plan import Wish
from rpm_venv.report import Context
from rpm_venv.system import files


@contextlib.contextmanager
def wheels(context: Context, wish: Wish, lock: bytes) -> Iterator[tuple[Found, ...]]:
    """A wheel for every entry of the lock that holds; fetched ones exist inside the block alone.

    ``LockError`` and ``FetchError`` say everything that is wrong, or missing.
    """
    layout, declaration = context.layout, wish.declaration
    parsed = locks.parse(lock, declaration.lock)
    entries = locks.select(parsed, wish.interpreter.markers, declaration.extras, declaration.groups)
    at_hand = fetch.at_hand(
        layout, entries, wish.interpreter, declaration.wheels, packaged=declaration.packaged
    )
    if not at_hand.missing:
        yield at_hand.found
        return
    if declaration.offline:
        raise _missing(declaration, [problem for _, problem in at_hand.missing])
    context.progress(f"fetching {len(at_hand.missing)} wheels from the index")
    files.make_staging(layout)
    staging = files.new_directory(layout.staging, "fetch")
    try:
        asked = tuple(entry for entry, _ in at_hand.missing)
        yield (*at_hand.found, *fetch.from_index(layout, asked, wish.interpreter, staging))
    except BaseException:
        with contextlib.suppress(OSError):  # what went wrong first is what there is to say
            files.remove_tree(staging)
        raise
    files.remove_tree(staging)


def _missing(declaration: Declaration, problems: Sequence[Problem]) -> FetchError:
    places = ", ".join(declaration.wheels) or "the package"
    return FetchError(
        f"{len(problems)} of the wheels that {declaration.lock} names are not at hand",
        subject=declaration.path,
        hint=f"put them into {places}, or leave out -o to ask the index",
        problems=problems,
    )
