"""``rpm-venv history``: what happened to environments, also to those that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rpm_venv import history
from rpm_venv.history import Line
from rpm_venv.paths import Layout, environment_path
from rpm_venv.report import Context, Report
from rpm_venv.trees import generations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DIGITS = 12  # of a lock's sha256, for people


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="*", help="environments (default: all)")


def run(context: Context, args: argparse.Namespace) -> Report:
    """Tell the history, oldest first, and where a line of it is missing."""
    paths = {environment_path(path) for path in args.paths}
    lines = [line for line in history.read(context.layout) if not paths or line.event.path in paths]
    untold = dict(_untold(context.layout, lines))
    return Report(
        data={
            "events": [{"time": line.time, **vars(line.event)} for line in lines],
            "untold": untold,
        },
        text=tuple(_text(line) for line in lines),
        talk=tuple(
            f"{path}: {f'generation {name}' if name else 'nothing'} is there, and no line tells "
            "since when: a call was killed, or could not write it"
            for path, name in untold.items()
        ),
    )


def _untold(layout: Layout, lines: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Environments whose live generation is not the one that their last line tells of."""
    known: dict[str, str] = {}
    for line in lines:
        event = line.event
        known[event.path] = event.before if event.outcome == "failed" else event.generation
    for path, told in known.items():
        live = generations.live(layout, path).generation
        if live != told:
            yield path, live


def _text(line: Line) -> str:
    event = line.event
    parts = [line.time, event.path, f"{event.action} {event.outcome}"]
    parts += [event.package or "by hand"]
    parts += [f"lock {event.lock[:_DIGITS]}"] if event.lock else []
    if event.generation:
        was = event.before and event.before != event.generation
        parts.append(f"{event.before} → {event.generation}" if was else event.generation)
    parts += [event.reason] if event.reason else []
    return "  ".join(parts)
