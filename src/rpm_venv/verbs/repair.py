"""``rpm-venv repair``: bring environments back to what their lock says."""

from __future__ import annotations

from rpm_venv import apply, state, survey, whole
from rpm_venv.environment import INTERRUPTED
from rpm_venv.errors import ReadOnlyError, VenvError
from rpm_venv.frozen import replace
from rpm_venv.paths import environment_path
from rpm_venv.report import FAILED, Context, Report
from rpm_venv.steps import MendObjects
from rpm_venv.system import declared
from rpm_venv.trees import places
from rpm_venv.verbs.install import install

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="environments (default: all of this system)"
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Repair; exit 1 and a line for each environment that could not be, the others are.

    Nothing is where others have a say in our directories: whose they are to be, is not for us.
    """
    layout = context.layout
    misplaced = list(places.of_all(layout))
    if any(one.is_theirs for one in misplaced):
        return Report(
            {"repaired": {}, "failed": []},
            talk=tuple(one.line() for one in misplaced),
            exit_code=FAILED,
        )
    paths = [environment_path(path) for path in args.paths] or survey.paths(layout)
    repaired: dict[str, bool] = {}
    talk: list[str] = []
    for within, path in replace(context, tidies=False).each("repairing", paths):
        try:
            with apply.exclusive(layout, path, tidies=path == paths[0]):
                repaired[path], said = _repair(within, path)
                talk.extend(line if path in line else f"{path}: {line}" for line in said)
        except ReadOnlyError:
            raise  # of all of them
        except (VenvError, OSError) as error:
            told = error if isinstance(error, VenvError) else VenvError(str(error))
            talk.extend(told.within(path).lines())
    if repaired:
        talk.extend(apply.tidy(context))
    misplaced += [
        one for path in repaired for one in places.of_one(layout, path) if not one.is_theirs
    ]
    talk.extend(one.line() for one in misplaced)
    failed = [path for path in paths if path not in repaired]
    return Report(
        data={"repaired": repaired, "failed": failed},
        text=tuple(f"repaired {path}" for path, changed in repaired.items() if changed),
        talk=tuple(talk),
        exit_code=FAILED if failed or misplaced else 0,
    )


def _repair(context: Context, path: str) -> tuple[bool, tuple[str, ...]]:
    """Repair one environment; whether anything had to be done, and what there is to say of it."""
    layout = context.layout
    environment = state.read(layout, path)
    # What a package declares now comes before what was asked for when it was last looked at.
    asked = environment.declaration if environment else None
    declaration = declared.read(layout, path) or asked
    if declaration is None:
        raise VenvError(
            "nothing is known of an environment at this path",
            subject=path,
            hint=f"make it again with: rpm-venv install -r LOCK {path}",
        )
    facts = survey.facts(layout, path, thorough=True)
    if declaration.is_whole:
        whole.refuse_unsound(declaration, facts)
        return False, ()
    damaged, added = survey.damaged_objects(layout, path)
    if damaged or added:
        apply.apply(context, (MendObjects(damaged, added),))
        facts = survey.facts(layout, path, thorough=True)
    live = facts.live.generation
    if environment is not None and live and live not in facts.whole:
        # So that one that is killed is told of: the same generation is live after it.
        state.write(layout, environment.failed(INTERRUPTED))
    report = install(context, declaration, facts)
    return bool(report.data["changed"] or added), report.talk
