"""``rpm-venv rollback``: make a kept generation of an environment the live one again."""

from __future__ import annotations

from rpm_venv import apply, plan, survey, whole
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.paths import environment_path
from rpm_venv.report import Context, Report
from rpm_venv.trees.generation import is_name
from rpm_venv.verbs import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    options.path_argument(parser)
    parser.add_argument(
        "generation",
        metavar="GENERATION",
        nargs="?",
        help="one of those that 'show' names (default: the one that was live before)",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Roll back at once, after every file of that generation was compared with its manifest."""
    path = environment_path(args.path)
    if args.generation is not None and not is_name(args.generation):
        raise UsageError(
            f"{args.generation} is not the name of a generation",
            subject=path,
            hint=f"see: rpm-venv show {path}",
        )
    whole.refuse(context.layout, path, "go back with: dnf downgrade, or dnf history undo")
    with apply.exclusive(context.layout, path):
        context.progress(f"verifying the generations of {path}")
        facts = survey.facts(context.layout, path, thorough=True)
        before = facts.before
        if before is None:
            raise VenvError(
                "there is no environment at this path", subject=path, hint="see: rpm-venv list"
            )
        wanted = _wanted(facts, before.kept, path, args.generation)
        gone = survey.python_gone(context.layout, path, wanted)
        if gone:
            raise VenvError(
                f"generation {wanted} cannot run: {gone}",
                subject=path,
                hint="go back with: dnf history undo",
            )
        steps = plan.rollback(facts, wanted, before)
        said = apply.apply(context, steps)
    return Report(
        data={"path": path, "generation": wanted, "changed": wanted != facts.live.generation},
        talk=said,
    )


def _wanted(facts: plan.Facts, kept: tuple[str, ...], path: str, asked: str | None) -> str:
    """The generation to go to: there, and as its manifest says."""
    there = facts.generations
    others = [name for name in kept if name != facts.live.generation and name in there]
    wanted = asked or next(iter(others), "")
    if not wanted:
        raise VenvError(
            "no other generation of it was kept",
            subject=path,
            hint="go back with: dnf history undo",
        )
    if wanted not in facts.generations:
        raise VenvError(
            f"it has no generation {wanted}", subject=path, hint=f"see: rpm-venv show {path}"
        )
    if wanted not in facts.whole:
        raise VenvError(
            f"generation {wanted} is not as it was made, and stays out of the way",
            subject=path,
            hint="go back with: dnf history undo, which makes it anew",
        )
    return wanted
