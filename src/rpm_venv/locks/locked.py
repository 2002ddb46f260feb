"""The types of a lock: what it names, and the lock as a whole. Pure."""

from __future__ import annotations

from rpm_venv.frozen import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:  # parsing a lock without markers must not pay for what parses markers
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    from rpm_venv.locks.plain_version import AnyVersion


MAX_SIZE = 8 << 20  # bytes of a lock; 400 distributions with every wheel ever built take 2 MiB


@dataclass(frozen=True)
class LockedFile:
    """A file as pylock.toml names it: its file name, its sha256 (hex) and, if known, its URL."""

    filename: str
    sha256: str
    url: str = ""


@dataclass(frozen=True)
class Entry:
    """One distribution of a lock: normalized name, exact version, and the wheels that may be it.

    ``hashes`` are the sha256 digests (hex) any of which the wheel may have. ``files`` names the
    wheels where the lock does (pylock.toml); a requirements.txt does not. ``where`` is the place in
    the lock: ``line 12`` or ``packages[3]``.

    ``source`` is empty, or says what a pylock.toml has in place of wheels: ``sdist``, ``vcs``,
    ``directory`` or ``archive``. Such an entry has no hashes, and ``select`` refuses it where it
    holds; its version is 0 where the lock gives none. ``sdist`` is the source distribution that a
    pylock.toml names, beside wheels or in place of them: a build may make a wheel of it.
    """

    name: str
    version: AnyVersion
    hashes: tuple[str, ...]
    marker: Marker | None = None
    files: tuple[LockedFile, ...] = ()
    where: str = field(default="", compare=False)
    source: str = ""
    requires_python: SpecifierSet | None = None
    sdist: LockedFile | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Lock:
    """A parsed lock. ``digest`` is the sha256 (hex) of the file's bytes.

    ``pylock`` tells the format. The fields after it are PEP 751's and empty in a requirements.txt:
    ``environments`` are markers one of which must hold; ``default_groups`` apply unless groups are
    asked for.
    """

    filename: str
    digest: str
    entries: tuple[Entry, ...]
    requires_python: SpecifierSet | None = None
    pylock: bool = False
    environments: tuple[Marker, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    default_groups: tuple[str, ...] = ()
