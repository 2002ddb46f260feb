"""What an administrator decided not to count: ``/etc/rpm-venv/audit.ignore``. Pure.

A line each: ``ID until=2027-01-31 [package=NAME] [path=/opt/app1/penv] reason=TEXT``. The reason is
the rest of the line. Through the day it names, an ignore counts.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from packaging.utils import canonicalize_name

from rpm_venv.errors import Problem, UsageError, VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import environment_path

PLACE = "/etc/rpm-venv/audit.ignore"
_FORM = "ID until=YYYY-MM-DD [package=NAME] [path=PATH] reason=TEXT"
_KEYS = ("until", "package", "path")


@dataclass(frozen=True)
class Ignore:
    """One advisory that does not count, by any of its names; everywhere, or where it says."""

    id: str
    until: date
    reason: str
    line: int
    project: str = ""
    path: str = ""

    def matches(self, ids: Collection[str], project: str, path: str) -> bool:
        """Whether it is about this finding, expired or not."""
        return self.id in ids and self.project in ("", project) and self.path in ("", path)

    def expired(self, today: date) -> bool:
        return today > self.until


def parse(data: bytes) -> tuple[Ignore, ...]:
    """The ignores of a file; ``VenvError`` with every problem of it."""
    found = []
    problems = []
    for number, line in enumerate(data.decode("utf-8", "backslashreplace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            found.append(_ignore(text, number))
        except ValueError as error:
            problems.append(Problem(str(error), f"line {number}", f"the form is: {_FORM}"))
    if problems:
        raise VenvError("the list of ignores is wrong", subject=PLACE, problems=problems)
    return tuple(found)


def _ignore(text: str, number: int) -> Ignore:
    head, there, reason = text.partition(" reason=")
    identifier, *words = head.split()
    if not there or not reason.strip():
        raise ValueError("there is no reason")
    if "=" in identifier:
        raise ValueError("it does not begin with an id")
    values: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in _KEYS or not equals or key in values:
            raise ValueError(f"not understood: {word[:80]!a}")
        values[key] = value
    try:
        until = date.fromisoformat(values.get("until", ""))
        path = environment_path(values["path"]) if "path" in values else ""
    except UsageError as error:
        raise ValueError(error.message) from None
    except ValueError:
        raise ValueError("until= is no date") from None
    project = canonicalize_name(values.get("package", ""))
    return Ignore(identifier, until, reason.strip(), number, project, path)
