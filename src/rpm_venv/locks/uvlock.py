"""uv.lock: what uv has chosen for a Python and a machine. Pure.

The file is a graph: from the project along the dependencies whose markers hold, as uv itself goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rpm_venv.errors import LockError, Problem
from rpm_venv.locks import exported
from rpm_venv.locks.exported import File, Pinned
from rpm_venv.locks.pylock import name_at
from rpm_venv.locks.requirements import normalized
from rpm_venv.system.interpreter import Interpreter

_EXPORT = "export it: uv export --format pylock.toml"
_MOST_COMPARED = 1_000_000  # packages with the edges that name them; real files stay below 10,000
_LOCAL = ("editable", "virtual", "directory")


def pinned(
    data: Mapping[str, Any],
    filename: str,
    interpreter: Interpreter,
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> tuple[Pinned, ...]:
    """What a project with these extras and groups needs, without the project itself.

    ``LockError`` where the file is no uv.lock of version 1, is not for this Python, or has no such
    extra or group.
    """
    graph = _Graph(data, filename, interpreter)
    root = graph.root()
    graph.walk(root.get("dependencies"))
    for extra in extras:
        graph.walk(graph.part(root, "optional-dependencies", extra, "extra"))
    for group in groups:
        graph.walk(graph.part(root, "dev-dependencies", group, "group"))
    if graph.problems:
        raise LockError("it cannot be carried over", subject=filename, problems=graph.problems)
    return tuple(graph.found.values())


class _Graph:
    """The packages of the file, and those that were come to."""

    def __init__(self, data: Mapping[str, Any], filename: str, interpreter: Interpreter) -> None:
        from packaging.specifiers import SpecifierSet

        self._filename = filename
        self._markers = interpreter.markers
        self.problems: list[Problem] = []
        self.found: dict[tuple[str, str], Pinned] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self._compared = 0
        self._packages: dict[str, list[Mapping[str, Any]]] = {}
        if data.get("version") != 1:
            raise LockError("not a uv.lock of version 1", subject=filename, hint=_EXPORT)
        for package in exported.tables(data, "package"):
            self._packages.setdefault(normalized(str(package.get("name"))), []).append(package)
        wanted = str(data.get("requires-python", ""))
        python = interpreter.markers["python_full_version"].rstrip("+")
        if not SpecifierSet(wanted).contains(python, prereleases=True):
            self.problems.append(Problem(f"it is for Python {wanted}, not {interpreter.minor}"))

    def root(self) -> Mapping[str, Any]:
        """The project that the file is of."""
        local = {
            str(package["source"][kind]): package
            for packages in self._packages.values()
            for package in packages
            for kind in _LOCAL
            if kind in _dict(package.get("source"))
        }
        if "." not in local and len(local) != 1:
            raise LockError(
                "it does not tell which project it is of", subject=self._filename, hint=_EXPORT
            )
        return local.get(".") or next(iter(local.values()))

    def part(
        self, package: Mapping[str, Any], table: str, name: str, what: str
    ) -> list[Mapping[str, Any]]:
        known = {normalized(k): v for k, v in _dict(package.get(table)).items()}
        if normalized(name) not in known:
            choice = f"it has {', '.join(sorted(known)) or 'none'}"
            self.problems.append(Problem(f"it has no {what} {name!a}", hint=choice))
            return []
        found: list[Mapping[str, Any]] = known[normalized(name)]
        return found

    def walk(self, edges: Any) -> None:
        """Follow dependencies, and theirs, as far as their markers hold."""
        left = list(edges or ())
        while left:
            edge = left.pop()
            marker = edge.get("marker", "")
            if "extra" in marker.replace("'", " ").replace('"', " ").split():
                self.problems.append(
                    Problem("it has conflicting extras, which are not read", edge["name"], _EXPORT)
                )
            elif not marker or exported.marker_holds(marker, self._markers):
                left += self._enter(edge)

    def _enter(self, edge: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        package = self._package(edge)
        if package is None:
            self.problems.append(Problem("it is not in the file", str(edge.get("name"))))
            return
        name, version = normalized(package["name"]), str(package.get("version", "0"))
        if (name, version, "") not in self._seen:
            self._seen.add((name, version, ""))
            self.found[name, version] = _pinned(package)
            yield from package.get("dependencies", ())
        for extra in edge.get("extra", ()):
            if (name, version, extra) not in self._seen:
                self._seen.add((name, version, extra))
                # An extra that brings nothing is not in the file.
                yield from _dict(package.get("optional-dependencies")).get(extra, ())

    def _package(self, edge: Mapping[str, Any]) -> Mapping[str, Any] | None:
        candidates = self._packages.get(normalized(str(edge.get("name"))), ())
        self._compared += len(candidates)
        if self._compared > _MOST_COMPARED:
            raise ValueError("too many versions of one distribution")
        fitting = [
            package
            for package in candidates
            if edge.get("version") in (None, package.get("version"))
            and edge.get("source") in (None, package.get("source"))
        ]
        return fitting[0] if len(fitting) == 1 else None


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _pinned(package: Mapping[str, Any]) -> Pinned:
    from packaging.version import Version

    source = _dict(package.get("source"))
    kind = "vcs" if "git" in source else "directory" if any(k in source for k in _LOCAL) else ""
    files = list(exported.tables(package, "wheels"))
    files += [package["sdist"]] if isinstance(package.get("sdist"), dict) else []
    return Pinned(
        normalized(package["name"]),
        Version(str(package.get("version", "0"))),
        tuple(_file(file, source) for file in files),
        kind,
    )


def _file(file: Mapping[str, Any], source: Mapping[str, Any]) -> File:
    url = str(file.get("url") or source.get("url") or "")
    path = str(file.get("path") or source.get("path") or "")
    name = file.get("filename") or (path.rpartition("/")[2] if path else name_at(url))
    return File(str(name), str(file.get("hash", "")), url)
