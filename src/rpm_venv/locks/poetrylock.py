"""poetry.lock: what Poetry has chosen for a Python and a machine. Pure.

Since version 2.1 of the file, that of Poetry 2, each package says by itself which groups and
markers it is for; before, that was in the project's file, and in what Poetry made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rpm_venv.errors import LockError, Problem
from rpm_venv.locks import exported
from rpm_venv.locks.exported import File, Pinned
from rpm_venv.locks.requirements import normalized
from rpm_venv.system.interpreter import Interpreter

_OLDEST = (2, 1)
_SOURCES = {"git": "vcs", "directory": "directory"}


def pinned(
    data: Mapping[str, Any],
    filename: str,
    interpreter: Interpreter,
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> tuple[Pinned, ...]:
    """What a project with these extras and groups needs.

    ``LockError`` where the file is older than Poetry 2 or has no such extra or group.
    """
    metadata = data.get("metadata")
    version = str(metadata.get("lock-version", "")) if isinstance(metadata, dict) else ""
    if tuple(int(part) for part in version.split(".") if part.isdecimal()) < _OLDEST:
        raise LockError(
            f"a poetry.lock of version {version or 'unknown'}, which does not say what is for whom",
            subject=filename,
            hint="make it anew with Poetry 2: poetry lock",
        )
    packages = list(exported.tables(data, "package"))
    problems = _absent(data, packages, extras, groups)
    if problems:
        raise LockError("it cannot be carried over", subject=filename, problems=problems)
    wanted = {"main", *map(normalized, groups)}
    asked = [name for extra in extras for name in {extra, normalized(extra)}]
    return tuple(_pinned(p) for p in packages if _holds(p, wanted, interpreter.markers, asked))


def _absent(
    data: Mapping[str, Any],
    packages: Iterable[Mapping[str, Any]],
    extras: Iterable[str],
    groups: Iterable[str],
) -> list[Problem]:
    known = {normalized(group) for package in packages for group in package.get("groups", ())}
    offered = {normalized(extra) for extra in data.get("extras", {})}
    return [
        Problem(f"it has no {what} {name!a}", hint=f"it has {', '.join(sorted(there)) or 'none'}")
        for what, names, there in (("extra", extras, offered), ("group", groups, known))
        for name in names
        if normalized(name) not in there
    ]


def _holds(
    package: Mapping[str, Any],
    groups: Iterable[str],
    markers: Mapping[str, str],
    extras: Iterable[str],
) -> bool:
    """Whether a package is for any of these groups, by the group's marker or its only one."""
    said = package.get("markers", "")
    for group in package.get("groups", ()):
        if normalized(group) in groups:
            text = said.get(group, "") if isinstance(said, dict) else said
            if not text or exported.marker_holds(text, markers, extras):
                return True
    return False


def _pinned(package: Mapping[str, Any]) -> Pinned:
    from packaging.version import Version

    kind = package.get("source", {}).get("type", "")
    files = exported.tables(package, "files")
    return Pinned(
        normalized(package["name"]),
        Version(package["version"]),
        tuple(File(str(file.get("file")), str(file.get("hash"))) for file in files),
        _SOURCES.get(kind, ""),
    )
