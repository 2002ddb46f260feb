"""The types of amendments: the administrator's lines that change the locks of a machine. Pure.

An *override* stands for an older version of a distribution wherever a lock names one; an *extra*
joins one environment. Both are lines of a lock (docs/commands.md, "Overrides and extras").
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from rpm_venv.digest import sha256
from rpm_venv.errors import LockError, Problem
from rpm_venv.frozen import dataclass, field
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import AMENDMENTS, EXTRAS, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

OVERRIDE, EXTRA = "override", "extra"

#: What came of an amendment: it is in the environment; the lock brings it or something newer
#: itself; or it could not be followed.
APPLIED, SUPERSEDED, PENDING = "applied", "superseded", "pending"


@dataclass(frozen=True)
class Amendment:
    """One line of the administrator's: its kind, what it names, and the file it is in."""

    kind: str
    entry: Entry
    file: str

    @property
    def where(self) -> str:
        return f"{self.file}: {self.entry.where}"

    def __str__(self) -> str:
        return f"{self.kind} {self.entry}"


@dataclass(frozen=True)
class Broken:
    """A file of amendments that is not followed, with the names that can be read in it.

    ``path`` is the environment it is for, where it is one of extras.
    """

    kind: str
    file: str
    names: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of one amendment in one environment.

    ``was`` is the version that the lock has ("" for none), ``reason`` why it is pending.
    """

    kind: str
    name: str
    version: str
    file: str
    where: str
    outcome: str
    was: str = ""
    reason: str = ""

    def __str__(self) -> str:
        head = f"{self.file}: {self.where}: " if self.where else f"{self.file}: "
        return f"{head}{self.name} {self.version}".rstrip(" :")

    def line(self) -> str:
        """What came of it, in a line."""
        if self.outcome == PENDING:
            return f"{self} is not applied: {self.reason}"
        if self.outcome == SUPERSEDED:
            return f"{self} is superseded by {self.was}"
        return f"{self} is applied" + (f" in place of {self.was}" if self.was else "")

    SHAPE: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("kind", "name", "version", "file", "where", "outcome", "was", "reason"), str
    )

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """What ``to_json`` gave, whose shape has been checked."""
        return cls(**{name: data[name] for name in cls.SHAPE})


@dataclass(frozen=True)
class Unmet:
    """A file of the administrator's extras for a ``path`` where no environment is.

    ``meant`` is one that is there, and whose path was written into the file's name as it is ("" for
    none). Without that, the application may come later.
    """

    file: str
    path: str
    meant: str

    def line(self) -> str:
        text = f"{self.file}: there is no environment at {self.path}"
        return f"{text}; that of {self.meant} is {escape(self.meant)}.txt" if self.meant else text


@dataclass(frozen=True)
class Amendments:
    """All amendments of a system: overrides, the extras of each path, and files that are wrong."""

    overrides: tuple[Amendment, ...] = ()
    extras: Mapping[str, tuple[Amendment, ...]] = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.overrides or self.extras or self.broken)

    def of(self, path: str, names: Collection[str]) -> tuple[Amendment, ...]:
        """What concerns the environment at ``path``, which has distributions of these names."""
        extras = self.extras.get(path, ())
        there = {*names, *(extra.entry.name for extra in extras)}
        return (*extras, *(each for each in self.overrides if each.entry.name in there))

    def unmet(self, paths: Collection[str]) -> tuple[Unmet, ...]:
        """The files of the administrator's extras that are for none of all environments."""
        found = []
        for path in sorted(set(self.extras).difference(paths)):
            files = {extra.file for extra in self.extras[path]}
            for file in sorted(file for file in files if file.startswith(f"{AMENDMENTS}/")):
                name = file.rpartition("/")[2].removesuffix(".txt")
                meant = [each for each in sorted(paths) if each[1:].replace("/", "-") == name]
                found.append(Unmet(file, path, meant[0] if meant else ""))
        return tuple(found)

    def broken_for(
        self, path: str, names: Collection[str], followed: Collection[Outcome]
    ) -> tuple[Broken, ...]:
        """The wrong files that concern an environment: by a name, or followed when it was made."""
        return tuple(
            file
            for file in self.broken
            if (path == file.path if file.path else bool(file.names.intersection(names)))
            or any(f"{outcome.file}/".startswith(f"{file.file}/") for outcome in followed)
        )

    def digest(self, path: str, names: Collection[str], followed: Collection[Outcome] = ()) -> str:
        """The sha256 (hex) of all that concerns an environment; "" where nothing does."""
        decides = [
            [each.kind, each.file, str(each.entry), str(each.entry.marker), *each.entry.hashes]
            for each in self.of(path, names)
        ]
        decides += [["broken", each.file] for each in self.broken_for(path, names, followed)]
        text = json.dumps(sorted(decides))
        return sha256(text.encode()).hexdigest() if decides else ""


NONE = Amendments()


def refuse_broken(files: Iterable[Broken]) -> None:
    """``LockError`` for files of overrides that cannot be followed and concern an environment.

    Rather its old generation than a new one that has lost a fix to a slip of the pen.
    """
    for file in files:
        if file.kind == OVERRIDE:
            raise broken(file)


def broken(file: Broken) -> LockError:
    """What is wrong with a file, as an error."""
    packaged = f"{file.file}/".startswith(f"{EXTRAS}/")
    return LockError(
        f"this file of {file.kind}s is wrong and is not followed",
        subject=file.file,
        hint="reinstall its package" if packaged else "mend it, then run: rpm-venv sync",
        problems=file.problems,
    )
