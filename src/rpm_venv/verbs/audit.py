"""``rpm-venv audit``: which environments have distributions with known vulnerabilities. Offline."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from rpm_venv import state, survey
from rpm_venv.advisories import database, findings, ignores
from rpm_venv.advisories.findings import Vulnerability
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.frozen import dataclass, replace
from rpm_venv.paths import Layout, environment_path
from rpm_venv.report import DONE, FAILED, FOUND, Context, Report
from rpm_venv.system import configuration, reading
from rpm_venv.trees import generations
from rpm_venv.trees.generation import Generation

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True)
class _Audited:
    """One environment: its live generation, None with the reason where there is none to look at.

    ``absent`` is where there is nothing at the path at all, which nobody can run.
    """

    path: str
    package: str
    generation: Generation | None
    problem: str = ""
    absent: bool = False
    found: tuple[tuple[str, str, Vulnerability], ...] = ()


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="environments (default: all of this system)"
    )
    parser.add_argument("--all", action="store_true", help="all environments of this system")
    parser.add_argument(
        "--db",
        metavar="FILE",
        help="the database: an index, or OSV records in a zip or a directory "
        f"(default: {database.PLACE})",
    )
    parser.add_argument(
        "--max-age",
        metavar="DAYS",
        type=int,
        help="refuse a database whose newest record is older (default: audit-max-age)",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Audit; exit 3 where a vulnerability counts, 1 where something could not be looked at."""
    layout = context.layout
    if args.all and args.paths:
        raise UsageError("PATH and --all exclude each other")
    paths = [environment_path(path) for path in args.paths] or survey.paths(layout)
    ignored = _ignores(layout)
    looked = [
        _look(layout, path) for _, path in context.each("looking at", [*dict.fromkeys(paths)])
    ]
    context.progress("reading the database of advisories")
    known = database.load(_place(layout, args.db), _wanted(looked))
    _refuse_old(known, _bound(layout, args.max_age))
    audited = list(_audited(looked, known, ignored))
    counting = any(found.counts for each in audited for _, _, found in each.found)
    unseen = any(each.problem and not each.absent for each in audited)
    return Report(
        data={
            "database": _database_data(known),
            "environments": [_environment_data(each) for each in audited],
        },
        text=tuple(line for each in audited for line in _text(each)),
        talk=(*_talk(audited, ignored), _database_line(known)),
        exit_code=FOUND if counting else FAILED if unseen else DONE,
    )


def _place(layout: Layout, asked: str | None) -> Path:
    return Path(asked).absolute() if asked else database.default(layout)


def _ignores(layout: Layout) -> tuple[ignores.Ignore, ...]:
    try:
        return ignores.parse(reading.content(layout.real(ignores.PLACE)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise VenvError(f"cannot be read: {error.strerror}", subject=ignores.PLACE) from None


def _look(layout: Layout, path: str) -> _Audited:
    """What of an environment there is to audit."""
    package = ""
    try:
        environment = state.known(layout, path)
        package = str(environment.owner or "") if environment else ""
    except VenvError:
        pass  # whose it is cannot be told; what is in it can
    live = generations.live(layout, path)
    if live.kind == "nothing":
        return _Audited(path, package, None, "there is nothing at this path", absent=True)
    if live.kind != "ours":
        return _Audited(path, package, None, "what stands at the path is not this environment")
    generation = generations.read(layout, path, live.generation)
    problem = "" if generation else f"generation {live.generation} cannot be read"
    return _Audited(path, package, generation, problem)


def _wanted(looked: Sequence[_Audited]) -> frozenset[str]:
    return frozenset(
        canonicalize_name(wheel.name)
        for each in looked
        if each.generation
        for wheel in each.generation.distributions
    )


def _bound(layout: Layout, asked: int | None) -> int | None:
    return asked if asked is not None else configuration.read(layout).audit_max_age


def _refuse_old(known: database.Database, bound: int | None) -> None:
    if bound is None or (known.age is not None and known.age <= bound):
        return
    age = "of unknown age" if known.age is None else f"{known.age} days old"
    raise VenvError(
        f"no usable database of advisories: it is {age}, and {bound} days are allowed",
        subject=known.place,
        hint="bring a newer one",
    )


def _audited(
    looked: Sequence[_Audited], known: database.Database, ignored: tuple[ignores.Ignore, ...]
) -> Iterator[_Audited]:
    """The same environments, with what was found; a version that many have is looked up once."""
    today = database.today()

    @functools.cache
    def found(name: str, version: str) -> tuple[Vulnerability, ...]:
        return findings.vulnerabilities(name, version, known.of(canonicalize_name(name)))

    for each in looked:
        wheels = each.generation.distributions if each.generation else ()
        yield replace(
            each,
            found=tuple(
                (
                    wheel.name,
                    wheel.version,
                    findings.judged(one, each.path, wheel.name, ignored, today),
                )
                for wheel in wheels
                for one in found(wheel.name, wheel.version)
            ),
        )


def _database_data(known: database.Database) -> dict[str, Any]:
    summary = known.summary
    return {
        "place": known.place,
        "records": summary.records,
        "withdrawn": summary.withdrawn,
        "unreadable": summary.unreadable,
        "skipped": list(summary.skipped),
        "newest": summary.newest.isoformat() if summary.newest else "",
        "age_days": known.age,
    }


def _environment_data(audited: _Audited) -> dict[str, Any]:
    generation = audited.generation
    return {
        "path": audited.path,
        "package": audited.package,
        "generation": generation.name if generation else "",
        "distributions": len(generation.distributions) if generation else 0,
        "problem": audited.problem,
        "vulnerabilities": [
            {
                "name": name,
                "version": version,
                "id": found.id,
                "aliases": list(found.aliases),
                "summary": found.summary,
                "fixed": list(found.fixed),
                "ignored": _ignore_data(found.ignored),
                "expired": _ignore_data(found.expired),
            }
            for name, version, found in audited.found
        ],
    }


def _ignore_data(ignore: ignores.Ignore | None) -> dict[str, Any] | None:
    if ignore is None:
        return None
    return {"until": ignore.until.isoformat(), "reason": ignore.reason, "line": ignore.line}


def _text(audited: _Audited) -> tuple[str, ...]:
    if not audited.found:
        return ()
    owner = f" ({audited.package})" if audited.package else ""
    lines = [f"{audited.path}{owner}"]
    for name, version, found in audited.found:
        names = ", ".join((found.id, *found.aliases))
        fixed = f"fixed in {', '.join(found.fixed)}" if found.fixed else "no fixed version known"
        lines.append(f"  {name} {version}  {names}  {fixed}")
        if found.summary:
            lines.append(f"      {found.summary}")
        if found.ignored:
            lines.append(f"      ignored until {found.ignored.until}: {found.ignored.reason}")
        if found.expired:
            lines.append(f"      was ignored until {found.expired.until}: {found.expired.reason}")
    return tuple(lines)


def _talk(audited: Sequence[_Audited], ignored: Sequence[ignores.Ignore]) -> tuple[str, ...]:
    lines = [f"{each.path}: not audited: {each.problem}" for each in audited if each.problem]
    lines += [
        f"{ignores.PLACE}:{each.line}: the ignore of {each.id} has expired on {each.until}"
        for each in ignored
        if each.expired(database.today())
    ]
    return tuple(lines)


def _database_line(known: database.Database) -> str:
    summary = known.summary
    newest = f"the newest of {summary.newest}, {known.age} days ago" if summary.newest else ""
    skipped = ""
    if summary.unreadable:
        first = ", ".join(summary.skipped[:3])
        skipped = f"{summary.unreadable} unreadable and skipped ({first})"
    parts = [f"{summary.records} advisories", newest, skipped]
    return f"{known.place}: {'; '.join(part for part in parts if part)}"
