"""Which directories of a wheel bear a link in their place: nothing in them reaches out of them.

A link to a directory changes what ``..`` means below it, and what a resolved path is. Who only
names files below its own directory, or goes up by cutting names off a path, does not see the link.
Code is not run to find out: what may look outside counts as what does. Pure.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from itertools import islice

#: How a source gets at its own place ...
_OWN_PLACE = re.compile(
    rb"__file__|__path__|__spec__|getfile\(|getabsfile|getsourcefile|get_filename|co_filename"
    rb"|submodule_search_locations|\.origin\b|importlib[._]resources|resource_filename"
)
#: ... leaves it for the real one ...
_RESOLVED = re.compile(rb"realpath|\.resolve\((?:strict|\))|readlink|samefile")
#: ... or leaves going up to the kernel ...
_PARENT = re.compile(rb"pardir|(?<!\.)\.\.(?=[/\"'])")
#: ... and goes up from there ...
_UP = re.compile(rb"dirname\b|\.parent\b|pardir|(?<!\.)\.\.(?=[/\"'])|path\.split\(")
#: ... nobody knows how far ...
_ANY_NUMBER_UP, _REPEATED = b".parents", re.compile(rb"\bwhile\b|\bfor _ in range")
#: ... or looks for itself in the environment, whose names below a link are others.
_COMPARED = re.compile(
    rb"relative_to|relpath|commonpath|commonprefix|site-packages|getsitepackages|get_python_lib"
    rb"|sysconfig|sys\.(?:exec_)?prefix|VIRTUAL_ENV"
)
#: Words without which the patterns of these names find nothing. They are found sooner.
_WORDS = {
    _OWN_PLACE: (
        *(b"__file__", b"__path__", b"__spec__", b"getfile(", b"getabsfile", b"getsourcefile"),
        *(b"get_filename", b"co_filename", b"submodule_search_locations", b".origin"),
        *(b"importlib.resources", b"importlib_resources", b"resource_filename"),
    ),
    _RESOLVED: (b"realpath", b".resolve(", b"readlink", b"samefile"),
    _PARENT: (b"pardir", b".."),
}
_ORIGIN = re.compile(rb"\$(?:ORIGIN\b|\{ORIGIN\})")
_ELF = b"\x7fELF"
_MAX_SEARCHED = 1 << 16  # bytes of one library path; a longer one is not understood
_OVERLAP = len(b"${ORIGIN}") - 1


class Reach:
    """Looks at the files of one wheel, and says which top directories bear a link."""

    def __init__(self, paths: Iterable[str]) -> None:
        tops = {path.partition("/")[0] for path in paths if "/" in path}
        self._own = {path.partition("/")[0] for path in paths}
        self._bearing = {
            top for top in tops if top != "__pycache__" and not top.lower().endswith(".dist-info")
        }
        self._placed: set[str] = set()
        self._resolving: set[str] = set()
        self._rest = b""
        self._binary = False

    def bearing(self) -> list[str]:
        """The top directories below which no file was found to reach out.

        One source may know its place, and another go up from the real one.
        """
        return sorted(self._bearing - (self._placed & self._resolving))

    def source(self, path: str, data: bytes) -> None:
        """Look at a whole Python source."""
        top, _, inside = path.partition("/")
        has_place = _has(_OWN_PLACE, data)
        if has_place:
            self._placed.add(top)
        is_resolved = _has(_RESOLVED, data)
        if not is_resolved and not (has_place and _has(_PARENT, data)):
            return
        depth = inside.count("/") + 1
        ups = len(list(islice(_UP.finditer(data), depth + 1)))
        is_far = ups > depth or _ANY_NUMBER_UP in data
        is_far = is_far or (ups > 0 and _REPEATED.search(data) is not None)
        if has_place and (is_far or (is_resolved and _COMPARED.search(data))):
            self._reaches_out(path)
        elif is_far:
            self._resolving.add(top)

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

    def _reaches_out(self, path: str) -> None:
        self._bearing.discard(path.partition("/")[0])


def _has(pattern: re.Pattern[bytes], data: bytes) -> bool:
    return any(word in data for word in _WORDS[pattern]) and pattern.search(data) is not None
