"""What a pyproject.toml requires: dependencies and extras (PEP 621), groups (PEP 735). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rpm_venv.errors import LockError, Problem, first_line
from rpm_venv.locks import toml
from rpm_venv.locks.requirements import normalized

if TYPE_CHECKING:
    from packaging.markers import Marker


def is_project(filename: str) -> bool:
    """Whether a file of this name is a project's."""
    return filename.rpartition("/")[2] == "pyproject.toml"


def content(data: bytes, filename: str) -> dict[str, Any]:
    """A TOML file's content; ``LockError`` if it is none."""
    try:
        return toml.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LockError(f"not TOML: {first_line(error)}", subject=filename) from None


def lines(
    data: bytes, filename: str, extras: Iterable[str] = (), groups: Iterable[str] = ()
) -> tuple[str, ...]:
    """The requirements of a project with these extras and groups.

    An extra of the project's that asks for another one of its own brings that, too. ``LockError``
    with all that is wrong: no such extra or group, groups that include each other, dependencies
    that only the build backend would tell.
    """
    project = _Project(content(data, filename))
    found = [*project.main()]
    for extra in extras:
        found += project.of_extra(extra, f"extra {extra}")
    for group in groups:
        found += project.of_group(group, ())
    if project.problems:
        raise LockError("it cannot be locked", subject=filename, problems=project.problems)
    return tuple(dict.fromkeys(found))


class _Project:
    """A project's tables, and what is found to be wrong in them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._table = _table(data.get("project"))
        self._groups = {normalized(k): v for k, v in _table(data.get("dependency-groups")).items()}
        optional = _table(self._table.get("optional-dependencies"))
        self._extras = {normalized(k): v for k, v in optional.items()}
        self._done: set[str] = set()
        self._groups_done: dict[str, list[str]] = {}
        if not self._table and not self._groups:
            self.problems.append(Problem("it has no [project] table", hint=_NOT_PEP_621))

    def main(self) -> list[str]:
        self._refuse_dynamic("dependencies")
        return self._lines(self._table.get("dependencies", []), "project.dependencies")

    def of_extra(self, name: str, where: str) -> list[str]:
        """The requirements of an extra, each once."""
        wanted = normalized(name)
        if wanted in self._done:
            return []
        self._done.add(wanted)
        self._refuse_dynamic("optional-dependencies")
        if wanted not in self._extras:
            self._absent(where, "extra", name, self._extras)
            return []
        return self._lines(self._extras[wanted], f"project.optional-dependencies.{name}")

    def of_group(self, name: str, within: Sequence[str]) -> list[str]:
        """The requirements of a group and of those that it includes (PEP 735)."""
        wanted = normalized(name)
        if wanted in within:
            chain = " → ".join((*within, wanted))
            self.problems.append(Problem(f"groups include each other: {chain}"))
            return []
        if wanted not in self._groups:
            self._absent(f"group {name}", "group", name, self._groups)
            return []
        if wanted in self._groups_done:
            return self._groups_done[wanted]
        where, found = f"dependency-groups.{name}", list[str]()
        items = self._groups[wanted]
        for item in items if isinstance(items, list) else [None]:
            if isinstance(item, dict) and isinstance(item.get("include-group"), str):
                found += self.of_group(item["include-group"], (*within, wanted))
            else:
                found += self._lines([item], where)
        # Each line once: groups that include each other's twice would double them at every step.
        self._groups_done[wanted] = list(dict.fromkeys(found))
        return self._groups_done[wanted]

    def _refuse_dynamic(self, key: str) -> None:
        dynamic = self._table.get("dynamic")
        if isinstance(dynamic, list) and key in dynamic:
            self.problems.append(Problem("only its build tells them", f"project.{key}", _DYNAMIC))

    def _absent(self, where: str, what: str, name: str, there: Iterable[str]) -> None:
        choice = f"it has {', '.join(sorted(there)) or 'none'}"
        self.problems.append(Problem(f"it has no {what} {name!a}", where, choice))

    def _lines(self, items: Any, where: str) -> list[str]:
        found: list[str] = []
        for item in items if isinstance(items, list) else [items]:
            found += self._line(item, where)
        return found

    def _line(self, item: Any, where: str) -> Iterator[str]:
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            requirement = Requirement(item)
        except (InvalidRequirement, TypeError, RecursionError) as error:
            self.problems.append(Problem(f"not a requirement: {first_line(error)}", where))
            return
        if normalized(requirement.name) != normalized(str(self._table.get("name", ""))):
            yield str(requirement)
            return
        for extra in sorted(requirement.extras):  # the project itself, with another extra
            for line in self.of_extra(extra, where):
                yield _under(line, requirement.marker)


_NOT_PEP_621 = "lock from poetry.lock or uv.lock, or from a requirements.in"
_DYNAMIC = "write them down in a requirements.in"


def _under(line: str, marker: Marker | None) -> str:
    """A requirement that has another one's marker besides its own."""
    if marker is None:
        return line
    from packaging.markers import Marker as Marked
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    own = requirement.marker
    requirement.marker = Marked(f"({own}) and ({marker})") if own else marker
    return str(requirement)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
