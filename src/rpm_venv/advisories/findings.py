"""What an audit found: vulnerabilities, each with all records that are of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from packaging.utils import canonicalize_name

from rpm_venv.advisories import evaluate
from rpm_venv.advisories.ignores import Ignore
from rpm_venv.advisories.osv import Advisory

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


@dataclass(frozen=True)
class Installed:
    """A distribution in the environment at ``path``."""

    path: str
    name: str
    version: str

    @property
    def project(self) -> str:
        return canonicalize_name(self.name)


def vulnerabilities(
    installed: Installed,
    advisories: Iterable[Advisory],
    ignores: Sequence[Ignore],
    today: date,
) -> tuple[Vulnerability, ...]:
    """What of these advisories holds for a distribution."""
    holding = [
        each
        for each in advisories
        if any(
            evaluate.affects(affected, installed.version) for affected in each.of(installed.project)
        )
    ]
    made = (_vulnerability(together, installed, ignores, today) for together in _same(holding))
    return tuple(sorted(made, key=lambda each: each.id))


def _same(advisories: Iterable[Advisory]) -> list[list[Advisory]]:
    """Advisories in groups: two that share a name, or that a third one joins, are of one thing."""
    groups: list[tuple[set[str], list[Advisory]]] = []
    for advisory in advisories:
        names, together = {advisory.id, *advisory.aliases}, [advisory]
        apart = []
        for group in groups:
            if group[0] & names:
                names |= group[0]
                together = group[1] + together
            else:
                apart.append(group)
        groups = [*apart, (names, together)]
    return [together for _, together in groups]


def _vulnerability(
    together: Sequence[Advisory],
    installed: Installed,
    ignores: Sequence[Ignore],
    today: date,
) -> Vulnerability:
    ids = sorted({name for each in together for name in (each.id, *each.aliases)}, key=_rank)
    own = min((each.id for each in together), key=_rank)
    matching = [each for each in ignores if each.matches(ids, installed.project, installed.path)]
    holding = [each for each in matching if not each.expired(today)]
    return Vulnerability(
        id=own,
        aliases=tuple(name for name in ids if name != own),
        summary=next((each.summary for each in together if each.id == own), ""),
        fixed=_fixed(together, installed),
        ignored=next(iter(holding), None),
        expired=next(iter(matching), None) if not holding else None,
    )


def _fixed(together: Sequence[Advisory], installed: Installed) -> tuple[str, ...]:
    first = {
        evaluate.first_fixed(affected, installed.version)
        for each in together
        for affected in each.of(installed.project)
        if evaluate.affects(affected, installed.version)
    }
    return tuple(sorted(first - {""}, key=evaluate.order))


def _rank(name: str) -> tuple[int, str]:
    prefix = name.partition("-")[0]
    return (_FIRST.index(prefix) if prefix in _FIRST else len(_FIRST), name)
