"""``rpm-venv sbom``: the bill of materials of one environment, in CycloneDX."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rpm_venv import bom, state, survey
from rpm_venv.errors import VenvError
from rpm_venv.paths import environment_path
from rpm_venv.report import Context, Report
from rpm_venv.system import interpreter, release
from rpm_venv.trees import generations, metadata
from rpm_venv.verbs import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    options.path_argument(parser)


def run(context: Context, args: argparse.Namespace) -> Report:
    """Tell what the live generation consists of; the document is JSON with or without --json."""
    layout = context.layout
    path = environment_path(args.path)
    live = generations.live(layout, path)
    generation = generations.read(layout, path, live.generation) if live.generation else None
    if generation is None:
        raise VenvError(
            "there is no generation to tell of at this path",
            subject=path,
            hint="see: rpm-venv list",
        )
    environment = state.known(layout, path)
    talk: tuple[str, ...] = ()
    markers: Mapping[str, str] | None = None
    try:
        markers = interpreter.inspect(layout, generation.python).markers
    except VenvError as error:
        talk = (f"{path}: nothing is said of dependencies: {error.line()}",)
    word, _ = survey.standing(layout, path, environment, live, survey.surroundings(layout, [path]))
    setting = bom.Setting(
        owner=environment.owner if environment else None,
        release=release.read(layout),
        outcomes=environment.outcomes if environment else (),
        condition="" if word == "ok" else word,
    )
    document = bom.document(
        generation,
        setting,
        metadata.read(layout, generation),
        markers,
    )
    lines = json.dumps(document, indent=2, sort_keys=True).splitlines()
    return Report(data=document, text=tuple(lines), talk=talk)
