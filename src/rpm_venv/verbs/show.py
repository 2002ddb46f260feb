"""``rpm-venv show``: one environment in full."""

from __future__ import annotations

from rpm_venv import state, survey
from rpm_venv.environment import Environment
from rpm_venv.errors import VenvError
from rpm_venv.locks.amended import APPLIED, EXTRA, OVERRIDE, Outcome
from rpm_venv.paths import environment_path
from rpm_venv.report import Context, Report
from rpm_venv.trees import disk, generations
from rpm_venv.trees.generation import Distribution, Generation
from rpm_venv.verbs import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def arguments(parser: argparse.ArgumentParser) -> None:
    options.path_argument(parser)


def run(context: Context, args: argparse.Namespace) -> Report:
    """Show what is live, from which lock, for which package, and every distribution in it."""
    layout = context.layout
    path = environment_path(args.path)
    environment = state.known(layout, path)
    live = generations.live(layout, path)
    if environment is None and live.kind != "ours":
        raise VenvError(
            "there is no environment at this path", subject=path, hint="see: rpm-venv list"
        )
    generation = generations.read(layout, path, live.generation) if live.generation else None
    around = survey.surroundings(layout, [path])
    word, reason = survey.standing(layout, path, environment, live, around)
    data: dict[str, Any] = {
        "path": path,
        "condition": word,
        "reason": reason,
        **_asked(environment),
        **_made(generation, environment),
        "amendments": _amendments(generation, environment),
        "disk": disk.use(layout, path).__dict__,
        "generations": [
            {"name": name, "live": name == live.generation}
            for name in generations.names(layout, path)
        ],
    }
    return Report(data=data, text=_text(data))


def _asked(environment: Environment | None) -> dict[str, Any]:
    if environment is None:
        return {}
    declaration = environment.declaration
    return {
        "package": str(environment.owner or ""),
        "level": declaration.level,
        "lock": declaration.lock,
        "lock_sha256": environment.lock_digest,
        "wheels_from": list(declaration.wheels),
        "index": not declaration.offline,
        "extras": list(declaration.extras),
        "groups": list(declaration.groups),
    }


def _amendments(
    generation: Generation | None, environment: Environment | None
) -> list[dict[str, Any]]:
    """What came of each override and extra; what a rollback has left behind is not in effect."""
    there = {(each.name, each.version) for each in generation.distributions} if generation else ()
    return [
        outcome.to_json()
        for outcome in (environment.outcomes if environment else ())
        if outcome.outcome != APPLIED or (outcome.name, outcome.version) in there
    ]


def _origin(wheel: Distribution, environment: Environment | None) -> dict[str, str]:
    """For a distribution that is not the lock's own: the file it is from, and what the lock has."""
    for each in environment.outcomes if environment else ():
        if (each.name, each.version, each.outcome) == (wheel.name, wheel.version, APPLIED):
            return {each.kind: each.file, "locked": each.was}
    return {}


def _made(generation: Generation | None, environment: Environment | None) -> dict[str, Any]:
    if generation is None:
        return {"generation": "", "distributions": []}
    return {
        "generation": generation.name,
        "python": generation.python,
        "system_site": generation.system_site,
        "notes": list(generation.notes),
        "distributions": [
            {**wheel.__dict__, **_origin(wheel, environment)} for wheel in generation.distributions
        ],
    }


def _text(data: dict[str, Any]) -> tuple[str, ...]:
    lines = []
    for name, value in data.items():
        if name == "disk":
            own, shared = disk.shown(value["own"]), disk.shown(value["shared"])
            lines.append(f"{'disk:':<13} {own} of its own, {shared} shared")
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{name.replace('_', ' ')}:")
            lines.extend(f"  {_item(item)}" for item in value)
            continue
        shown = ", ".join(value) if isinstance(value, list) else value
        if shown not in ("", None):
            shown = (
                {True: "yes", False: "no"}.get(shown, shown) if isinstance(shown, bool) else shown
            )
            lines.append(f"{name.replace('_', ' ') + ':':<13} {shown}")
    return tuple(lines)


def _item(item: dict[str, Any]) -> str:
    if "live" in item:
        return f"{item['name']}{' (live)' if item['live'] else ''}"
    if "outcome" in item:
        return Outcome.from_json(item).line()
    text = f"{item['name']} {item['version']}  {item['filename']}  sha256:{item['sha256']}"
    file = item.get(OVERRIDE) or item.get(EXTRA)
    return f"{text}  from {file}, lock: {item['locked'] or 'none'}" if file else text
