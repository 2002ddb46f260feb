"""Where a wheel's own code begins in top directories that other wheels may fill, too. Pure.

A portion (PEP 420) of a namespace package: below directories that hold nothing of their own, the
first that does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

#: What a directory of a namespace package may hold: it tells where the others are, if it is there.
_NAMESPACE_FILE = "__init__.py"
#: A wheel of more directories has none: googleapis-common-protos has 11, and most have one.
MOST = 100


def portions(paths: Collection[str], tops: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """The portions below each of ``tops`` that is like a namespace package, by top directory.

    ``paths`` are all files of a wheel, relative to site-packages. A top directory that has more
    than its ``__init__.py`` is one package, of one wheel.
    """
    paths = [path for path in paths if "__pycache__/" not in path]
    own = {
        place
        for place, _, name in (path.rpartition("/") for path in paths)
        if name != _NAMESPACE_FILE
    }
    alike = {top for top in tops if top not in own}
    found: dict[str, set[str]] = {}
    for path in paths if alike else ():
        top = path.partition("/")[0]
        portion = _first(path, own) if top in alike else ""
        if portion:
            found.setdefault(top, set()).add(portion)
    if sum(map(len, found.values())) > MOST:
        return {}
    return {top: tuple(sorted(inside)) for top, inside in found.items()}


def portion_of(path: str, inside: Collection[str]) -> str:
    """The portion of ``inside`` that a path is in; "" where it is in none, as ``__init__.py``."""
    return next((portion for portion in inside if path.startswith(f"{portion}/")), "")


def _first(path: str, own: Collection[str]) -> str:
    """The first directory on the way to a file that has something of its own, or ""."""
    end = path.find("/")
    while end >= 0:
        if path[:end] in own:
            return path[:end]
        end = path.find("/", end + 1)
    return ""
