"""The lock: the exact wheels an environment is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import Version


@dataclass(frozen=True)
class LockedFile:
    """A wheel as pylock.toml names it: its file name and sha256 (hex)."""

    filename: str
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One distribution of a lock: normalized name, exact version, and the wheels that may be it.

    ``hashes`` are the sha256 digests (hex) any of which the wheel may have. ``files`` names the
    wheels where the lock does (pylock.toml); a requirements.txt does not. ``where`` is the place in
    the lock: ``line 12`` or ``packages[3]``.
    """

    name: str
    version: Version
    hashes: tuple[str, ...]
    marker: Marker | None = None
    files: tuple[LockedFile, ...] = ()
    where: str = ""


@dataclass(frozen=True)
class Lock:
    """A parsed lock. ``digest`` is the sha256 (hex) of the file's bytes."""

    filename: str
    digest: str
    entries: tuple[Entry, ...]
    requires_python: SpecifierSet | None = None


def parse(data: bytes, filename: str) -> Lock:
    """The lock in ``data``; ``filename`` decides the format and names it in errors.

    ``LockError`` with every problem of the file, each with its place, and the ``rpm-venv lock``
    command that makes a good lock out of it.
    """
    raise NotImplementedError


def select(
    lock: Lock,
    markers: Mapping[str, str],
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> tuple[Entry, ...]:
    """The entries that hold for an interpreter's marker environment, extras and groups, by name.

    ``LockError`` where the lock refuses that Python, an extra or group is not in it, or two
    entries of one name hold at once.
    """
    raise NotImplementedError
