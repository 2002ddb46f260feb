"""What an audit found: vulnerabilities, each with all records that are of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from packaging.utils import canonicalize_name

from rpm_venv.advisories import evaluate
from rpm_venv.advisories.ignores import Ignore
from rpm_venv.advisories.osv import Advisory
from rpm_venv.frozen import dataclass, replace

#: Which of several names of one vulnerability comes first.
_FIRST = ("PYSEC", "GHSA", "CVE")


@dataclass(frozen=True)
class Vulnerability:
    """One vulnerability of one distribution, which may have several records and names.

    ``fixed`` are the first versions that its records call fixed, lowest first. ``ignored`` is the
    ignore that holds for it, ``expired`` one that did.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    ignored: Ignore | None = None
    expired: Ignore | None = None

    @property
    def counts(self) -> bool:
        return self.ignored is None


def vulnerabilities(
    name: str, version: str, advisories: Iterable[Advisory]
) -> tuple[Vulnerability, ...]:
    """What of these advisories holds for a version of a distribution; all of it counts."""
    project = canonicalize_name(name)
    holding = [
        each
        for each in advisories
        if any(evaluate.affects(affected, version) for affected in each.of(project))
    ]
    made = (_vulnerability(together, project, version) for together in _same(holding))
    return tuple(sorted(made, key=lambda each: each.id))


def judged(
    found: Vulnerability, path: str, name: str, ignores: Sequence[Ignore], today: date
) -> Vulnerability:
    """The same vulnerability, of a distribution in the environment at ``path``, on a day."""
    ids, project = {found.id, *found.aliases}, canonicalize_name(name)
    matching = [each for each in ignores if each.matches(ids, project, path)]
    holding = [each for each in matching if not each.expired(today)]
    if holding:
        return replace(found, ignored=holding[0])
    return replace(found, expired=matching[0]) if matching else found


def _same(advisories: Iterable[Advisory]) -> Iterable[list[Advisory]]:
    """Advisories in groups: two that share a name, or that a third one joins, are of one thing."""
    known = list(advisories)
    by_name: dict[str, list[int]] = {}
    for number, advisory in enumerate(known):
        for name in {advisory.id, *advisory.aliases}:
            by_name.setdefault(name, []).append(number)
    left = set(range(len(known)))
    for first in range(len(known)):
        if first in left:
            together = _joined(first, known, by_name)
            left -= together
            yield [known[number] for number in sorted(together)]


def _joined(first: int, known: Sequence[Advisory], by_name: dict[str, list[int]]) -> set[int]:
    """The numbers of all advisories that names lead to from one of them; each name is used up."""
    found, waiting = {first}, [first]
    while waiting:
        advisory = known[waiting.pop()]
        for name in (advisory.id, *advisory.aliases):
            new = set(by_name.pop(name, ())) - found
            found |= new
            waiting += new
    return found


def _vulnerability(together: Sequence[Advisory], project: str, version: str) -> Vulnerability:
    ids = sorted({name for each in together for name in (each.id, *each.aliases)}, key=_rank)
    own = min((each.id for each in together), key=_rank)
    return Vulnerability(
        id=own,
        aliases=tuple(name for name in ids if name != own),
        summary=next((each.summary for each in together if each.id == own), ""),
        fixed=_fixed(together, project, version),
    )


def _fixed(together: Sequence[Advisory], project: str, version: str) -> tuple[str, ...]:
    first = {
        evaluate.first_fixed(affected, version)
        for each in together
        for affected in each.of(project)
        if evaluate.affects(affected, version)
    }
    return tuple(sorted(first - {""}, key=evaluate.order))


def _rank(name: str) -> tuple[int, str]:
    prefix = name.partition("-")[0]
    return (_FIRST.index(prefix) if prefix in _FIRST else len(_FIRST), name)
