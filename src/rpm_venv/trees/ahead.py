"""What becomes of a tree that was begun before all of its objects were there. Pure.

What was made ahead decides nothing: the contents of all objects do. Here is what tells the two
apart, so that the tree that comes out is the one that would have been made at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rpm_venv.frozen import dataclass
from rpm_venv.trees.contents import Contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, TypeVar

    from rpm_venv.trees.merge import Claim

    Of = TypeVar("Of")

#: A directory with nothing in it.
NOTHING = Contents((), {}, {}, {}, {})


@dataclass(frozen=True)
class Change:
    """What makes one tree of another, in this order.

    ``gone`` are files and links, ``emptied`` directories, the deepest first; ``added`` comes to a
    place where nothing is. ``touched`` are all directories whose time changes by that, without the
    top.
    """

    gone: Sequence[str]
    emptied: Sequence[str]
    added: Contents
    touched: Sequence[str]


def names(contents: Contents) -> int:
    """How many names a tree has."""
    return len(contents.directories) + sum(1 for _ in _paths(contents))


def change(made: Contents, wanted: Contents) -> Change:
    """What is to be taken away from and added to ``made``, so that it is ``wanted``."""
    stays = {
        *_same(made.linked, wanted.linked, _is_same_file),
        *_same(made.written, wanted.written),
        *_same(made.links, wanted.links),
        *_same(made.trees, wanted.trees),
    }
    before, after = set(made.directories), set(wanted.directories)
    gone = [path for path in _paths(made) if path not in stays]
    emptied = [path for path in reversed(made.directories) if path not in after]
    added = Contents(
        [path for path in wanted.directories if path not in before],
        _without(wanted.linked, stays),
        _without(wanted.written, stays),
        _without(wanted.links, stays),
        _without(wanted.trees, stays),
    )
    changed = {path.rpartition("/")[0] for path in (*gone, *emptied, *_paths(added))}
    changed.update(path.rpartition("/")[0] for path in added.directories)
    touched = [*added.directories, *sorted((changed & after).difference(added.directories))]
    return Change(gone, emptied, added, touched)


def _paths(contents: Contents) -> Iterator[str]:
    """All of a tree but its directories."""
    for paths in (contents.linked, contents.written, contents.links, contents.trees):
        yield from paths


def _same(
    made: Mapping[str, Of],
    wanted: Mapping[str, Of],
    is_same: Callable[[Of, Of], bool] = lambda one, other: one == other,
) -> Iterable[str]:
    for path, one in made.items():
        other = wanted.get(path)
        if other is not None and is_same(one, other):
            yield path


def _is_same_file(one: Claim, other: Claim) -> bool:
    """Whether a claim is to the same file of the same object: another's has another inode."""
    (owner, item), (its_owner, its_item) = one, other
    return owner.id == its_owner.id and (item is its_item or item == its_item)


def _without(contents: Mapping[str, Of], stays: set[str]) -> Mapping[str, Of]:
    return {path: value for path, value in contents.items() if path not in stays}
