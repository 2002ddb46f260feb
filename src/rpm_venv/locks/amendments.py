"""Amendments read, and applied to what a lock names for one environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rpm_venv.errors import Problem, first_line
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks import lock, requirements
from rpm_venv.locks.amended import (
    APPLIED,
    EXTRA,
    OVERRIDE,
    PENDING,
    SUPERSEDED,
    Amendment,
    Amendments,
    Broken,
    Outcome,
)
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import environment_named, extended_by
from rpm_venv.system.amendments import Text

_NAMED = "for example opt-my_2dapp-penv.txt for /opt/my-app/penv"
_NAME = re.compile(r"^[ \t]*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", re.MULTILINE)


def parse(texts: Iterable[Text]) -> Amendments:
    """All amendments in these files. A file with anything wrong in it is ``Broken`` as a whole."""
    overrides: list[Amendment] = []
    extras: dict[str, tuple[Amendment, ...]] = {}
    broken: list[Broken] = []
    for text in texts:
        read = _read(text)
        if isinstance(read, Broken):
            broken.append(read)
        elif text.kind == OVERRIDE:
            overrides.extend(read)
        else:
            path = _path(text.file)
            extras[path] = (*extras.get(path, ()), *read)
    return Amendments(tuple(overrides), extras, tuple(broken))


def _read(text: Text) -> tuple[Amendment, ...] | Broken:
    path = _path(text.file) if text.kind == EXTRA else ""
    problems = [Problem(text.problem)] if text.problem else []
    if text.kind == EXTRA and not path and not problems:
        problems = [Problem("its name is not that of an environment's path, escaped", hint=_NAMED)]
    if not problems:
        # Whatever the file is called: the one grammar whose every line names its hash.
        found, problems = lock.read(text.data, "amendments.txt")
        if not problems:
            return tuple(Amendment(text.kind, entry, text.file) for entry in found.entries)
    names = _NAME.findall(text.data.decode("utf-8", "replace"))
    known = frozenset(map(requirements.normalized, names))
    return Broken(text.kind, text.file, known, tuple(problems), path)


def _path(file: str) -> str:
    """The environment that a file of extras is for, by its name or its directory; "" for none."""
    name = file.rpartition("/")[2].removesuffix(".txt")
    return extended_by(file) or environment_named(name)


@dataclass(frozen=True)
class Amended:
    """The entries of a lock after the amendments; which of them are whose; what came of each.

    ``applied`` has the amendment behind each entry that is not the lock's own, by name.
    """

    entries: tuple[Entry, ...]
    applied: Mapping[str, Amendment]
    outcomes: tuple[Outcome, ...]

    def was(self, name: str) -> str:
        """The version that the lock has of an amended distribution; "" for none."""
        return next((o.was for o in self.outcomes if (o.name, o.outcome) == (name, APPLIED)), "")


def amend(
    entries: Iterable[Entry],
    amendments: Amendments,
    path: str,
    markers: Mapping[str, str],
    refused: Mapping[Amendment, str],
) -> Amended:
    """What an environment is made of: the entries that its lock has for it, and the amendments.

    ``refused`` are those that have turned out not to fit, each with the reason. An override that is
    not newer than what the lock has does nothing: a package's own fix is never taken back.
    """
    own = {entry.name: entry for entry in entries}
    concerned = amendments.of(path, own)
    holding = [each for each in concerned if _holds(each.entry, markers)]
    result = _Result(own)
    for file in amendments.broken:
        if file.kind == EXTRA and file.path == path:
            reason = "; ".join(map(str, file.problems[:1]))
            result.outcomes.append(Outcome(EXTRA, "", "", file.file, "", PENDING, reason=reason))
    for each in holding:
        if each in refused:
            result.add(each, PENDING, refused[each])
    left = [each for each in holding if each not in refused]
    for extra in (each for each in left if each.kind == EXTRA):
        result.join(extra)
    overrides = [each for each in left if each.kind == OVERRIDE]
    for override in sorted(overrides, key=lambda each: each.entry.version, reverse=True):
        result.override(override)
    return Amended(
        tuple(result.entries[name] for name in sorted(result.entries)),
        result.applied,
        tuple(sorted(result.outcomes, key=lambda o: (o.kind, o.file, o.name, o.version))),
    )


def _holds(entry: Entry, markers: Mapping[str, str]) -> bool:
    return entry.marker is None or entry.marker.evaluate(dict(markers))


class _Result:
    """The entries as they become, and what came of each amendment."""

    def __init__(self, own: Mapping[str, Entry]) -> None:
        self._own = own
        self.entries = dict(own)
        self.applied: dict[str, Amendment] = {}
        self.outcomes: list[Outcome] = []

    def add(self, amendment: Amendment, outcome: str, reason: str = "", was: str = "") -> None:
        entry = amendment.entry
        own = self._own.get(entry.name)
        self.outcomes.append(
            Outcome(
                amendment.kind,
                entry.name,
                str(entry.version),
                amendment.file,
                entry.where,
                outcome,
                was or (str(own.version) if own else ""),
                reason,
            )
        )

    def join(self, extra: Amendment) -> None:
        name, version = extra.entry.name, extra.entry.version
        there = self.entries.get(name)
        if there is None:
            self._take(extra)
        elif there.version == version:
            self.add(extra, SUPERSEDED)
        else:
            self.add(extra, PENDING, f"the environment has {there}; an override can raise it")

    def override(self, override: Amendment) -> None:
        """Take an override, which come the newest first; one of two equals adds its hashes."""
        name, version = override.entry.name, override.entry.version
        there = self.entries.get(name)
        if there is None:
            return  # an extra of that name did not fit
        first = self.applied.get(name)
        if version > there.version:
            was = "" if first else str(there.version)
            self._take(override, was)
        elif first is not None and first.kind == OVERRIDE and version == there.version:
            hashes = tuple(sorted({*there.hashes, *override.entry.hashes}))
            self.entries[name] = replace(there, hashes=hashes)
            self.add(override, APPLIED)
        else:
            self.add(override, SUPERSEDED, was=str(there.version))

    def _take(self, amendment: Amendment, was: str = "") -> None:
        entry = amendment.entry
        self.entries[entry.name] = replace(entry, where=amendment.where, marker=None)
        self.applied[entry.name] = amendment
        self.add(amendment, APPLIED, was=was)


def reason(error: Exception) -> str:
    """Why an amendment is refused, in one line."""
    problems = getattr(error, "problems", ())
    return ": ".join([first_line(error).rstrip(":"), *(str(problem) for problem in problems[:1])])
