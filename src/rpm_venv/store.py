"""The store: unpacked wheels with byte code, one object per wheel and interpreter.

``store/<sha256>-<tag>/`` holds ``object.json`` and a directory per install scheme: ``site`` (purelib
and platlib are one), ``data``, ``headers``, ``scripts``. An object is never changed once it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from rpm_venv.interpreter import Interpreter
from rpm_venv.paths import Layout


@dataclass(frozen=True)
class Source:
    """A wheel at hand: a real path whose bytes must have this sha256 (hex)."""

    path: Path
    filename: str
    sha256: str


@dataclass(frozen=True)
class EntryPoint:
    """A command that a wheel declares: ``kind`` is ``console`` or ``gui``."""

    kind: str
    name: str
    module: str
    attribute: str


@dataclass(frozen=True)
class StoredFile:
    """One file of an object: below ``scheme``/``path``, with mode bits, size and sha256 (hex)."""

    scheme: str
    path: str
    mode: int
    size: int
    sha256: str


@dataclass(frozen=True)
class StoredObject:
    """What ``object.json`` says: whose wheel this is and every file of it.

    ``dist_info`` is the directory's name below ``site``. Its RECORD there already lists byte code
    and INSTALLER; ``assemble`` writes another where scripts, data or headers join it.
    """

    id: str
    filename: str
    name: str
    version: str
    dist_info: str
    files: tuple[StoredFile, ...]
    entry_points: tuple[EntryPoint, ...]


def object_id(sha256: str, interpreter: Interpreter) -> str:
    """The name of the object that a wheel becomes for an interpreter."""
    return f"{sha256}-{interpreter.tag}"


def has(layout: Layout, object_id: str) -> bool:
    """Whether the object is in the store, whole."""
    raise NotImplementedError


def ids(layout: Layout) -> tuple[str, ...]:
    """The names of all objects in the store."""
    raise NotImplementedError


def read(layout: Layout, object_id: str) -> StoredObject:
    """The description of an object in the store; ``VenvError`` if it is not there or damaged."""
    raise NotImplementedError


def build(
    layout: Layout,
    sources: Sequence[Source],
    interpreter: Interpreter,
    progress: Callable[[str], None],
) -> None:
    """Make the objects of these wheels: verified, unpacked, compiled, durable, or none visible.

    ``WheelError`` names the wheel and everything that is wrong with it.
    """
    raise NotImplementedError


def drop(layout: Layout, object_ids: Iterable[str]) -> None:
    """Delete objects; one that is not there is no error."""
    raise NotImplementedError
