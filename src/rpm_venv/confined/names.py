"""Whether a file name from a wheel may be written below a directory. Pure; both sides' own."""

import re
import unicodedata
from itertools import repeat

_MAX_COMPONENT = 255  # bytes, on every Linux filesystem
_MAX_NAME = 1000  # bytes; PATH_MAX is 4096, and the generation's own path comes before it
_MAX_DEPTH = 40

_PART = r"(?!\.{1,2}(?:/|\Z))[ -.0-\[\]-~]+"
#: Printable ASCII without a backslash, no empty part, no "." or "..": nearly every name there is.
_ORDINARY = re.compile(rf"(?:{_PART}/)*{_PART}")

_ORDINARY_PART = re.compile(_PART)

_UNPRINTABLE = {
    "Cc": "a control character",
    "Cf": "an invisible or direction-changing character",
    "Cs": "bytes that are not UTF-8",
    "Cn": "a code point that is no character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


def problem(name: str) -> str:
    """Why ``name`` is not a safe relative path, or the empty string."""
    if len(name) <= _MAX_COMPONENT and _ORDINARY.fullmatch(name) and name.count("/") < _MAX_DEPTH:
        return ""
    return _parts_problem(name.split("/")) or _characters_problem(name)


def is_ordinary(path: str, name: str) -> bool:
    """Whether ``path`` is safe, if its directory is and has no letters but ASCII's.

    ``name`` is its last part.
    """
    return len(path) <= _MAX_COMPONENT and _ORDINARY_PART.fullmatch(name) is not None


def wrong(paths: "list[str]") -> "list[str]":
    """Those of many names that are not safe relative paths."""
    if not paths:
        return []
    text = f"/{'/'.join(paths)}/"
    are_ordinary = text.isascii() and text.isprintable()
    if (
        are_ordinary
        and not any(part in text for part in ("\\", "//", "/./", "/../"))
        and max(map(len, paths)) <= _MAX_COMPONENT
        and max(map(str.count, paths, repeat("/"))) < _MAX_DEPTH
    ):
        return []
    return [path for path in paths if problem(path)]


def _parts_problem(parts: "list[str]") -> str:
    if parts == [""]:
        return "the name is empty"
    if parts[0] == "":
        return "the name is absolute"
    if ".." in parts:
        return "the name has '..' in it"
    if "" in parts or "." in parts:
        return "the name has an empty or '.' part"
    if len(parts) > _MAX_DEPTH:
        return f"the name is more than {_MAX_DEPTH} directories deep"
    lengths = [len(part.encode("utf-8", "surrogatepass")) for part in parts]
    if max(lengths) > _MAX_COMPONENT or sum(lengths) + len(lengths) > _MAX_NAME:
        return f"the name is longer than {_MAX_COMPONENT} bytes a part or {_MAX_NAME} bytes in all"
    return ""


def _characters_problem(name: str) -> str:
    if "\\" in name:
        return "the name has a backslash in it"
    for character in name:
        if not character.isprintable():
            kind = unicodedata.category(character)
            return f"the name has {_UNPRINTABLE.get(kind, 'an unprintable character')} in it"
    return ""


def folded(name: str) -> str:
    """A key that two names share when some filesystem takes them for one."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
