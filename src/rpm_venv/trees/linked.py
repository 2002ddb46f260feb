"""What a generation has as links: the directories that one object has for itself, and that bear it.

Their files need not be known to make a generation; only the others are merged. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from types import MappingProxyType

from rpm_venv.frozen import dataclass
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import merge, startup
from rpm_venv.trees.manifest import Tree
from rpm_venv.wheels.store import Description, StoredObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Parts:
    """Objects without the files that are below a path of ``trees``, relative to a generation."""

    objects: Sequence[StoredObject]
    trees: Mapping[str, Tree] = MappingProxyType({})


def apart(descriptions: Sequence[Description], interpreter: Interpreter) -> Parts:
    """Take apart what can be links and what is to be merged; ``VenvError`` as ``stored``."""
    loose = [each.loose for each in descriptions]
    # What the environment has there itself is no wheel's: merge refuses it.
    tops = Counter((startup.FIRST, startup.LAST))
    for stored in loose:
        tops.update(stored.bears)
        tops.update(set(_tops(stored, interpreter)))
    objects, trees = [], {}
    site = merge.site_packages(interpreter)
    for each, stored in zip(descriptions, loose):
        alone = [top for top in stored.bears if tops[top] == 1]
        is_shared = len(alone) < len(stored.bears)
        objects.append(each.stored(without=alone) if is_shared else stored)
        for top in alone:
            trees[f"{site}/{top}"] = Tree(stored.id, f"site/{top}", each.digest)
    return Parts(objects, trees)


def _tops(stored: StoredObject, interpreter: Interpreter) -> Iterable[str]:
    """The names in site-packages that an object has, or has something below, by its files."""
    start = f"{merge.site_packages(interpreter)}/"
    for path, _ in merge.claims(stored, interpreter):
        if path.startswith(start):
            yield path[len(start) :].partition("/")[0]
