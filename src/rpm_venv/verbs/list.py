"""``rpm-venv list``: every environment of this system, a line each."""

from __future__ import annotations

from collections.abc import Mapping

from rpm_venv import state, survey
from rpm_venv.environment import SOUND
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.report import Context, Report
from rpm_venv.survey import Surroundings
from rpm_venv.trees import disk, generations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

_COLUMNS = ("path", "package", "level", "python", "wheels", "generation", "condition")
_SIZES = ("own", "shared")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", action="store_true", help="with the room they take, which takes longer"
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """List; nothing of the environments' contents is looked at (that is ``verify``)."""
    layout = context.layout
    paths = survey.paths(layout)
    around = survey.surroundings(layout, paths)
    rows = [_row(layout, path, around) for path in paths]
    if args.sizes:
        measured = (path for _, path in context.each("measuring", paths))
        rows = [{**row, **disk.use(layout, path).__dict__} for row, path in zip(rows, measured)]
    return Report(
        data={"environments": rows},
        text=_table(rows, sizes=args.sizes),
        talk=(
            *(_told(layout, row) for row in rows if row["condition"] not in SOUND),
            *(each.line() for each in around.amendments.unmet(paths)),
        ),
    )


def _told(layout: Layout, row: Mapping[str, Any]) -> str:
    """What is wrong with an environment, and what mends it."""
    from rpm_venv.verbs.verify import mend  # not where all is as it should be

    path, reason = row["path"], row["reason"]
    if "rpm-venv " in reason and row["condition"] != "orphaned":  # it says so itself
        return f"{path}: {reason}"
    return f"{path}: {reason}; {mend(layout, path, {row['condition']})}"


def _row(layout: Layout, path: str, around: Surroundings) -> dict[str, Any]:
    live = generations.live(layout, path)
    generation = generations.read(layout, path, live.generation) if live.generation else None
    package = level = ""
    outcomes: list[dict[str, Any]] = []
    try:
        environment = state.known(layout, path)
        word, reason = survey.standing(layout, path, environment, live, around)
        if environment:
            package = str(environment.owner or "")
            level = environment.declaration.level
            outcomes = [outcome.to_json() for outcome in environment.outcomes]
    except VenvError as error:
        word, reason = "damaged", error.message
    return {
        "path": path,
        "package": package,
        "level": level,
        "python": generation.python if generation else "",
        "wheels": len(generation.distributions) if generation else 0,
        "generation": live.generation,
        "condition": word,
        "reason": reason,
        "amendments": outcomes,
    }


def _table(rows: list[dict[str, Any]], *, sizes: bool) -> tuple[str, ...]:
    if not rows:
        return ()
    columns = (*_COLUMNS, *_SIZES) if sizes else _COLUMNS
    cells = [[name.upper() for name in columns]]
    cells += [[_cell(name, row[name]) for name in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    )


def _cell(name: str, value: object) -> str:
    return disk.shown(value) if name in _SIZES and isinstance(value, int) else str(value) or "-"
