"""``rpm-venv gc``: remove what no environment needs."""

from __future__ import annotations

from rpm_venv import apply, plan, state, survey
from rpm_venv.errors import VenvError
from rpm_venv.report import DONE, FAILED, Context, Report
from rpm_venv.steps import DropGenerations, SweepStore
from rpm_venv.system import configuration, declared
from rpm_venv.trees import generations, places, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rpm_venv.steps import Step


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
        held = processes.held(layout)
        # Not survey.paths: generations that no path leads to, and nothing is known of, are no
        # environment, and what is to go; where there is neither generation nor state, nothing is.
        paths = sorted({*generations.environments(layout), *state.paths(layout)})
        for _, path in context.each("looking at", paths):
            try:
                places.refuse(layout, path)
                facts = survey.with_processes(survey.facts(layout, path), layout, path, held)
                said.extend(_collect(context, path, facts, keep, dropped))
            except VenvError as error:  # a damaged state: what is its, is not known
                said.extend(error.lines())
        said.extend(apply.apply(context, (SweepStore(),)))
    return Report(
        data={"dropped": dropped},
        text=tuple(f"dropped {path} {name}" for path, names in dropped.items() for name in names),
        talk=tuple(said),
        exit_code=FAILED if said else DONE,
    )


def _collect(
    context: Context, path: str, facts: plan.Facts, keep: int, dropped: dict[str, list[str]]
) -> tuple[str, ...]:
    declaration = declared.read(context.layout, path)
    steps: tuple[Step, ...] = plan.garbage(path, facts, keep)
    if declaration is not None and declaration.is_whole:
        steps = plan.hand_over(declaration, facts)
    said = apply.apply(context, steps)
    for step in steps:
        if isinstance(step, DropGenerations) and step.names:
            dropped[step.path] = list(step.names)
    return said
