"""``rpm-venv gc``: remove what no environment needs."""

from __future__ import annotations

import argparse

from rpm_venv import apply, plan, state, survey
from rpm_venv.errors import VenvError
from rpm_venv.report import DONE, FAILED, Context, Report
from rpm_venv.system import configuration
from rpm_venv.trees import generations


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(context: Context, args: argparse.Namespace) -> Report:
    """Remove generations that are neither kept nor in use, and objects that none refers to.

    What a killed call left goes as well. An environment whose state is lost keeps everything.
    Exit 1 where something could not be removed or told apart, and a line for it.
    """
    del args
    layout = context.layout
    keep = configuration.read(layout).keep
    dropped: dict[str, list[str]] = {}
    said: list[str] = []
    with apply.exclusive(layout):
        for path in sorted({*generations.environments(layout), *state.paths(layout)}):
            try:
                facts = survey.with_processes(survey.facts(layout, path), layout, path)
            except VenvError as error:  # a damaged state: what is its, is not known
                said.extend(error.lines())
                continue
            steps = plan.garbage(path, facts, keep)
            said.extend(apply.apply(context, steps))
            dropped.update({step.path: list(step.names) for step in steps})
        said.extend(apply.apply(context, (plan.SweepStore(),)))
    return Report(
        data={"dropped": dropped},
        text=tuple(f"dropped {path} {name}" for path, names in dropped.items() for name in names),
        talk=tuple(said),
        exit_code=FAILED if said else DONE,
    )
