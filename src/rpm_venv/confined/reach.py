"""Which directories of a wheel bear a link in their place: nothing in them reaches out of them.

A link to a directory changes what ``..`` means below it, and what a resolved path is. Who only
names files below its own directory, or goes up by cutting names off a path, does not see the link.
Code is not run to find out: what may look outside counts as what does. Asked are the top
directories, and the wheel's portions of those that other wheels may fill as well. Pure.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from itertools import islice

from rpm_venv.confined import climbing
from rpm_venv.confined.portions import portion_of, portions

#: How a source gets at the place of any module ...
_ANY_PLACE = (
    *(b"getfile(", b"getabsfile", b"getsourcefile", b"get_filename", b"submodule_search_locations"),
    *(b"importlib.resources", b"importlib_resources", b"resource_filename", b"import resources"),
)
#: ... or at its own ...
_OWN_PLACE = (b"__file__", b"__path__", b"__cached__", b"co_filename", b".origin", *_ANY_PLACE)
#: ... and leaves it for the real one: looked for in every source, and so few words ...
_RESOLVING = (b"realpath", b"readlink", b".resolve(")
_RESOLVED = re.compile(
    rb"(?<![\w'\"])(?:realpath|readlink)\b|\.resolve\((?:\)|strict|True|False)|Path\.resolve\b"
)
#: ... or leaves going up to the kernel ...
_DOTS, _PARDIR = re.compile(rb"\.\.(?<!\.\.\.)[/\\\"']"), b"pardir"
#: ... or goes up from what may be a real place, nobody knows how far.
_UP = re.compile(rb"dirname\b|\.parent|pardir|\.\.[/\\\"']|path\.split\(|import split")
_REPEATED = re.compile(rb"\bwhile\b|\bfor\b|\.parents")
#: How a source gets at another module's place, besides: that may be above its portion.
_PLACE_OF_ANOTHER = re.compile(
    rb"(?:[.'\"]|import\b[^\n]*)__(?:file|path|cached)__|\.origin\b|importlib.resources"
)
_ORIGIN = re.compile(rb"\$(?:ORIGIN\b|\{ORIGIN\})")
_ELF = b"\x7fELF"
_MAX_SEARCHED = 1 << 16  # bytes of one library path; a longer one is not understood
_OVERLAP = len(b"${ORIGIN}") - 1


class Reach:
    """Looks at the files of one wheel, and says which directories bear a link."""

    def __init__(self, paths: Collection[str]) -> None:
        tops = {path.partition("/")[0] for path in paths if "/" in path}
        self._own = {path.partition("/")[0] for path in paths}
        self._bearing = {
            top for top in tops if top != "__pycache__" and not top.lower().endswith(".dist-info")
        }
        self._portions = dict(portions(paths, self._bearing))
        self._rest = b""
        self._binary = False

    def bearing(self) -> list[str]:
        """The top directories below which no file was found to reach out.

        With them are the portions below one, where no file reaches out of any of these: all or
        none, as who goes from one to the next has to find that.
        """
        inside = [portion for some in self._portions.values() for portion in some]
        return sorted([*self._bearing, *inside])

    def source(self, path: str, data: bytes) -> None:
        """Look at a whole Python source: at its words first, as most have none of them."""
        if path.partition("/")[0] not in self._bearing:
            return
        is_resolved = any(word in data for word in _RESOLVING) and _uses(_RESOLVED, data)
        has_dots = _DOTS.search(data) is not None or _PARDIR in data
        is_suspected = (is_resolved or has_dots) and _suspected(data, is_resolved=is_resolved)
        if is_suspected and not self._stays_in_portion(path, data):
            self._portions.pop(path.partition("/")[0], None)
            if climbing.leads_out(data, path):
                self._reaches_out(path)

    def _stays_in_portion(self, path: str, data: bytes) -> bool:
        """Whether a source is in a portion and stays inside, and so inside of the top, too.

        One that asks for the place of other modules may compare its own with that of a package
        above its portion, which is elsewhere when both are real.
        """
        portion = self._portion(path)
        if not portion or _asks_for_others(data):
            return False
        return not climbing.leads_out(data, path[portion.rfind("/") + 1 :])

    def _portion(self, path: str) -> str:
        return portion_of(path, self._portions.get(path.partition("/")[0], ()))

    def begin(self, path: str, beginning: bytes) -> None:
        """Come to another file, of which this is the beginning: ``chunk`` gets all of it."""
        self._binary = bool(beginning) and _ELF.startswith(beginning[: len(_ELF)])
        self._rest = b""
        if path.endswith((".py", ".pyc")):  # too large to be compiled, or without its source
            self._reaches_out(path)

    def chunk(self, path: str, data: bytes) -> None:
        """Look at the next bytes of a file: where a library says that it looks for others."""
        if not self._binary:
            return
        data = self._rest + data
        start = 0
        for found in _ORIGIN.finditer(data):
            if found.start() < start:
                continue  # a second one in the same list of directories
            end = data.find(b"\0", found.start())
            if end < 0:
                self._rest = data[found.start() :]
                if len(self._rest) > _MAX_SEARCHED:
                    self._reaches_out(path)
                    self._rest = b""
                return
            self._libraries(path, data[found.start() : end])
            start = end
        self._rest = data[max(start, len(data) - _OVERLAP) :]

    def _libraries(self, path: str, searched: bytes) -> None:
        """Look at directories that the dynamic loader would go through, as ld.so(8) has them."""
        here = posixpath.dirname(path)
        for directory in searched.decode("utf-8", "replace").split(":"):
            after = re.split(r"\$ORIGIN|\$\{ORIGIN\}", directory)
            if len(after) == 1:
                continue  # not relative to the library
            place = posixpath.normpath(f"{here}/{after[-1]}")
            if len(after) > 2 or after[0] or place.partition("/")[0] not in self._own:
                self._reaches_out(path)
            elif self._portion(path) != self._portion(f"{place}/"):
                self._portions.pop(path.partition("/")[0], None)

    def _reaches_out(self, path: str) -> None:
        top = path.partition("/")[0]
        self._bearing.discard(top)
        self._portions.pop(top, None)


def _uses(pattern: re.Pattern[bytes], data: bytes) -> bool:
    return pattern.search(data) is not None or b"getattr(" in data


def _asks_for_others(data: bytes) -> bool:
    return any(word in data for word in _ANY_PLACE) or _PLACE_OF_ANOTHER.search(data) is not None


def _suspected(data: bytes, *, is_resolved: bool) -> bool:
    """Whether a source has its own place, or goes up often enough from one that it was given."""
    if any(word in data for word in _OWN_PLACE):
        return True
    ups = len(list(islice(_UP.finditer(data), 2)))
    return is_resolved and (ups > 1 or (ups > 0 and _REPEATED.search(data) is not None))
