"""The strict grammar of a requirements.txt that is a lock: read, diagnosed, rendered. Pure.

A line is ``name==version [; marker] --hash=sha256:HEX…``, continued over ends of lines by
backslashes. Comments and blank lines are free. There is nothing else: what pip takes beyond that
(options, includes, URLs, variables) would let a lock name something else tomorrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rpm_venv.errors import Problem
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.locks.plain_version import PlainVersion, is_plain
from rpm_venv.wheels.wheel import normalized as normalized  # noqa: PLC0414  all locks have names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packaging.markers import Marker

    from rpm_venv.locks.plain_version import AnyVersion

#: ``name[extra]==`` is what pip-compile and uv write where an extra was asked for. Its dependencies
#: are entries of their own in an exact lock, so the extra says nothing more and is dropped.
_HEAD = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?) *"
    r"(?:\[ *[a-z0-9][a-z0-9._-]*(?: *, *[a-z0-9][a-z0-9._-]*)* *\] *)?"
    r"== *(?P<version>[a-z0-9][a-z0-9.!+_-]*) *(?:;(?P<marker>.*))?",
    re.ASCII | re.IGNORECASE,
)
_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}", re.ASCII)
_COMMENT = re.compile(r"(?:^|[ \t])#")
_MAX_VERSION = 128
_MAX_MARKER = 8192
_TELLING = 512  # characters of a line that tell what it is instead
_MAX_NESTING = 32  # parentheses; packaging's parser is recursive

#: What is wrong with a line that is not ours, the first that fits.
_FOREIGN = (
    (r".*\$\{", "an environment variable"),
    (r"--hash\b", "a hash without a distribution before it"),
    (r"-r\b|--requirement\b|-c\b|--constraint\b", "another file"),
    (r"-e\b|--editable\b", "an editable directory"),
    (r"-", "an option of pip"),
    (r"[^;]*(@|://)", "a URL"),
    (r"[^;=<>~!]*(/|\\|\.whl\b|\.zip\b|\.tar\b)", "a file or directory"),
    (r"[^;]*===", "arbitrary equality (===)"),
    (r"[^;,]*==[^;,]*\*", "a wildcard, not one exact version"),
    (r"[^;]*[<>~!,]", "a range, not one exact version"),
    (r"[^;=]*(;|$)", "a distribution without a version"),
)
_OPTION = re.compile(r"(?:^| )(--?[A-Za-z][\w-]*)", re.ASCII)


def read(text: str, filename: str) -> tuple[Lock, list[Problem]]:
    """The lock that is in ``text`` without its wrong lines, and what is wrong with those."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    markers: dict[str, Marker | str] = {}
    for number, line in _lines(text):
        found = _entry(line, f"line {number}", markers)
        if isinstance(found, Entry):
            entries.append(found)
        else:
            problems.extend(found)
    return Lock(filename, "", tuple(entries)), problems


def pins(text: str) -> Iterator[tuple[str, str, AnyVersion]]:
    """Every line that would be an entry but for its hash: its place, name and version."""
    for number, line in _lines(text):
        match = _HEAD.fullmatch(line.replace("\t", " ")) if "${" not in line else None
        version = _version(match["version"]) if match else ""
        if match and not isinstance(version, str):
            yield f"line {number}", normalized(match["name"]), version


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Every logical line with the number of its first physical one, without comments."""
    parts: list[str] = []
    first = 0
    for number, physical in enumerate(text.split("\n"), 1):
        line = physical
        comment = _COMMENT.search(line) if "#" in line else None
        if comment:
            line = line[: comment.start()]
        line = line.strip(" \t\r")
        # As in pip, a comment ends a continued line: older pip-compile wrote "\" before "# via".
        continues = line.endswith("\\") and not comment
        if continues:
            line = line[:-1].rstrip(" \t")
        if line:
            first = first or number
            parts.append(line)
        if parts and not continues:
            yield first, " ".join(parts)
            parts, first = [], 0
    if parts:
        yield first, " ".join(parts)


def _entry(line: str, where: str, markers: dict[str, Marker | str]) -> Entry | list[Problem]:
    head, *tails = line.replace("\t", " ").split(" --hash=")
    hashes = [tail.strip(" ") for tail in tails]
    wrong = [_hash_problem(value) for value in hashes if not _HASH.fullmatch(value)]
    if not hashes and not head.startswith("-"):
        wrong.append(f"{_quoted(head)} has no --hash=sha256:…")
    match = _HEAD.fullmatch(head.rstrip(" ")) if "${" not in head else None
    version = _version(match["version"]) if match else _foreign(head)
    marker = _marker(match["marker"], markers) if match else None
    if isinstance(version, str) or isinstance(marker, str) or not match or wrong:
        faults = [fault for fault in (version, marker) if isinstance(fault, str)]
        return [Problem(message, where) for message in (*faults, *wrong)]
    return Entry(
        name=normalized(match["name"]),
        version=version,
        hashes=tuple(sorted({value[7:].lower() for value in hashes})),
        marker=marker,
        where=where,
    )


def _version(text: str) -> AnyVersion | str:
    """The version, or what is wrong with it."""
    if len(text) <= _MAX_VERSION and is_plain(text):
        return PlainVersion(text)
    from packaging.version import InvalidVersion, Version  # most locks need none of it

    try:
        if len(text) <= _MAX_VERSION:
            return Version(text)
    except (InvalidVersion, ValueError):
        pass
    return f"{_quoted(text)} is not a version (PEP 440)"


def _marker(text: str | None, known: dict[str, Marker | str]) -> Marker | str | None:
    """The marker, or what is wrong with it."""
    if text is None:
        return None
    if text not in known:
        known[text] = _parse_marker(text)
    return known[text]


def _parse_marker(text: str) -> Marker | str:
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison

    if len(text) > _MAX_MARKER or text.count("(") > _MAX_NESTING:
        return f"the marker {_quoted(text)} is too long"
    try:
        marker = Marker(text)
        marker.evaluate()  # extras and groups are names of pylock.toml alone
    except LookupError:
        return f"the marker {_quoted(text.strip())} asks for what only a pylock.toml has"
    except (InvalidMarker, UndefinedComparison, ValueError) as error:
        return f"the marker {_quoted(text.strip())} is not one: {str(error).splitlines()[0]}"
    return marker


def _foreign(head: str) -> str:
    """What is wrong with a line that is not ``name==version``."""
    start = head[:_TELLING]  # the patterns are not linear
    for pattern, message in _FOREIGN:
        if re.match(pattern, start, re.ASCII):
            return f"{_quoted(head)} is {message}"
    return f"{_quoted(head)} is not name==version"


def _hash_problem(value: str) -> str:
    option = _OPTION.search(value)
    if option:
        return f"{option[1]} is an option of pip"
    if " " in value:
        return f"{_quoted(value.partition(' ')[2])} is in the line of another distribution"
    algorithm, colon, _ = value.partition(":")
    if colon and algorithm != "sha256":
        return f"the hash {_quoted(value)} is {_quoted(algorithm)}, and only sha256 is taken"
    return f"{_quoted(value)} is not sha256: and 64 hexadecimal digits"


def _quoted(text: str) -> str:
    """Text of the input, safe and short enough for one line of a terminal."""
    shown = ascii(text)[1:-1]
    return f"'{shown if len(shown) <= 60 else shown[:57] + '...'}'"


def render(entries: Iterable[Entry], header: Sequence[str] = ()) -> str:
    """A requirements.txt of these entries, sorted, that pip and ``read`` understand alike."""
    comments = "".join(f"# {line}\n" for line in header)
    return comments + "".join(_rendered(entry, " \\\n    ") for entry in _sorted(entries))


def condense(entries: Iterable[Entry]) -> str:
    """The same with a line per entry and nothing that a reader would not miss."""
    return "".join(_rendered(entry, " ") for entry in _sorted(entries))


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: (e.name, e.version, str(e.marker or ""), e.hashes))


def _rendered(entry: Entry, separator: str) -> str:
    marker = f" ; {entry.marker}" if entry.marker else ""
    head = f"{entry.name}=={entry.version}{marker}"
    return separator.join([head, *(f"--hash=sha256:{h}" for h in sorted(entry.hashes))]) + "\n"
