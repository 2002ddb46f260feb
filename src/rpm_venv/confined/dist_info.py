"""What a wheel says about itself: METADATA, WHEEL, RECORD and entry_points.txt, taken apart.

Only syntax is judged here. Whether the claims fit the wheel's file name is for root to say, which
gets them as short strings.
"""

from __future__ import annotations

import base64
import binascii
import csv
import re
from typing import NamedTuple

from rpm_venv.confined import protocol
from rpm_venv.confined.members import Refused

#: May be listed in RECORD without a hash, or not at all: RECORD itself, and what signs it.
UNHASHED = ("RECORD", "RECORD.jws", "RECORD.p7s")
_SHA256 = re.compile(r"[A-Za-z0-9_-]{43}")
_SHA256_LETTERS = 43
_CLAIM = len("sha256=") + _SHA256_LETTERS
#: The commonest claim, of so many letters, and the size that goes with it.
_PLAIN = re.compile(r"sha256=[A-Za-z0-9_-]{43}[0-9]{1,19}")
_STANDARD = str.maketrans("-_", "+/")
_COMMANDS = {"console_scripts": "console", "gui_scripts": "gui"}


class Row(NamedTuple):
    """RECORD's claim about one file: the digest (``b""``: none given) and the size (-1: none)."""

    digest: bytes
    size: int


def fields(data: bytes, where: str) -> dict[str, list[str]]:
    """The header fields of METADATA or WHEEL, by lower-case name, each with all its values.

    Only the header is read, and continuation lines are left out: no field that matters has any.
    """
    found: dict[str, list[str]] = {}
    for line in data.replace(b"\r\n", b"\n").partition(b"\n\n")[0].split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon and not line.startswith((b" ", b"\t")):
            text = value.decode("utf-8", "replace").strip()
            found.setdefault(name.decode("latin-1").strip().lower(), []).append(text)
    if not found:
        raise Refused("has no header", where)
    return found


def single(found: dict[str, list[str]], name: str, where: str) -> str:
    """The value of a field that must be there once."""
    values = found.get(name.lower(), [])
    if len(values) != 1:
        raise Refused(f"has {len(values)} fields {name} where there must be one", where)
    return values[0]


def record(data: bytes, where: str) -> tuple[dict[str, Row], list[Refused]]:
    """RECORD's rows by path, and what is wrong with it."""
    rows: dict[str, Row] = {}
    problems: list[Refused] = []
    try:
        lines = data.decode("utf-8").splitlines()
        for fields_ in csv.reader(lines, strict=True):
            if not fields_:
                continue
            try:
                path, row = _row(fields_)
            except ValueError as error:
                problems.append(Refused(f"RECORD: {error}", fields_[0] or where))
                continue
            if path in rows:
                problems.append(Refused("RECORD lists it more than once", path))
            rows[path] = row
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"RECORD cannot be read: {error}", where) from None
    return rows, problems


def _row(values: list[str]) -> tuple[str, Row]:
    if len(values) != 3:
        raise ValueError(f"a row of {len(values)} fields, not three")
    path, claim, size = values
    if len(claim) == _CLAIM and _PLAIN.fullmatch(claim + size):
        # Nearly all: the same as below in a fraction of the time.
        return path, Row(_decoded(claim[-_SHA256_LETTERS:]), int(size))
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):
        raise ValueError("the size is no number")
    if not claim:
        return path, Row(b"", int(size or -1))
    algorithm, _, encoded = claim.partition("=")
    if algorithm not in protocol.DIGESTS.values():
        raise ValueError(f"{algorithm or 'a nameless algorithm'} is no strong hash")
    try:
        digest = _digest(encoded, algorithm)
    except (binascii.Error, ValueError):
        raise ValueError("the hash is malformed") from None
    if protocol.DIGESTS.get(len(digest)) != algorithm:
        raise ValueError("the hash has the wrong length")
    return path, Row(digest, int(size or -1))


def _decoded(encoded: str) -> bytes:
    return binascii.a2b_base64(encoded.translate(_STANDARD) + "=")


def _digest(encoded: str, algorithm: str) -> bytes:
    if _SHA256.fullmatch(encoded):
        return _decoded(encoded)
    if protocol.DIGESTS.get(len(encoded) // 2) == algorithm:
        return bytes.fromhex(encoded)  # against the letter of PEP 427, but gmsh does it so
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)


def commands(data: bytes, where: str) -> list[tuple[str, str, str]]:
    """Kind, name and value of each command in entry_points.txt, unjudged, in order."""
    found: list[tuple[str, str, str]] = []
    kind = ""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("is not UTF-8", where) from None
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("[") and stripped.endswith("]"):
            kind = _COMMANDS.get(stripped[1:-1].strip(), "")
        elif kind:
            name, equals, value = stripped.partition("=")
            if not equals:
                raise Refused(f"a line without '=': {stripped[:80]}", where)
            found.append((kind, name.strip(), value.strip()))
    return found
