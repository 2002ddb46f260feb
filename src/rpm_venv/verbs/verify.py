"""``rpm-venv verify``: compare environments with their manifests, every file of them."""

from __future__ import annotations

from collections.abc import Iterator

from rpm_venv import state, survey, whole
from rpm_venv.environment import SOUND
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout, environment_path
from rpm_venv.report import DONE, FOUND, Context, Report
from rpm_venv.survey import Surroundings
from rpm_venv.system import declared
from rpm_venv.trees import differences, generations, places
from rpm_venv.trees.differences import Trees
from rpm_venv.trees.generation import Live
from rpm_venv.trees.places import Misplaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_TRIES = 3  # an upgrade may switch generations while one is read


@dataclass(frozen=True)
class Found:
    """One thing that is not as it should be: a word, the file or path, and why ("" if plain)."""

    kind: str
    path: str
    reason: str = ""

    def line(self) -> str:
        return f"{self.kind:<8} {self.path}" + (f"  {self.reason}" if self.reason else "")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="environments (default: all of this system)"
    )
    parser.add_argument(
        "--declared", action="store_true", help="those that packages declare, for rpm -V rpm-venv"
    )
    parser.add_argument(
        "--stderr",
        action="store_true",
        help="say it on stderr: rpm hides the stdout of a %%verifyscript",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Verify; exit 3 and a line per difference where there is one, silence where not."""
    layout = context.layout
    misplaced = list(places.of_all(layout))
    if any(one.hides for one in misplaced):
        return _report(args, [], misplaced, [], [])
    known = declared.paths(layout) if args.declared else survey.paths(layout)
    paths = [environment_path(path) for path in args.paths] or list(known)
    found: list[Found] = []
    talk: list[str] = []
    around = survey.surroundings(layout, paths)
    trees = differences.Trees(layout)
    for _, path in context.each("verifying", paths):
        misplaced += places.of_one(layout, path)
        here = _verify(layout, path, around, trees)
        found.extend(here)
        if here:
            kinds = {one.kind for one in here}
            talk.append(f"{path}: not as installed; {mend(layout, path, kinds)}")
    return _report(args, paths, misplaced, found, talk)


def _report(
    args: argparse.Namespace,
    paths: list[str],
    misplaced: list[Misplaced],
    found: list[Found],
    talk: list[str],
) -> Report:
    """Everything that was found, the directories that environments stand in first."""
    found = [*(Found(one.kind, one.path, one.reason) for one in misplaced), *found]
    lines = tuple(one.line() for one in found)
    said = (*(one.line() for one in misplaced), *talk)
    return Report(
        data={"environments": paths, "findings": [one.__dict__ for one in found]},
        text=() if args.stderr else lines,
        talk=(*(lines if args.stderr else ()), *said),
        exit_code=FOUND if found else DONE,
    )


def mend(layout: Layout, path: str, kinds: set[str]) -> str:
    """What mends findings of these kinds. A repair works from the state: there has to be one."""
    repair = f"mend it with: rpm-venv repair {path}"
    if "orphaned" in kinds:  # its lock has gone, too
        return f"install its package, or remove it with: rpm-venv remove {path}"
    reinstall = whole.mend(layout, path)
    if reinstall and kinds == {"pending"}:
        return "take those lines away, or build the package with another lock"
    if reinstall:
        return f"remove what was added, and {reinstall}" if "added" in kinds else reinstall
    if kinds & {"state", "damaged"}:
        file = layout.target(layout.state_file(path))
        return f"remove {file} and reinstall the package it belongs to"
    if not layout.state_file(path).exists() and path not in declared.paths(layout):
        return "reinstall the package it belongs to"
    return f"move away what stands there, and {repair}" if "replaced" in kinds else repair


def _verify(layout: Layout, path: str, around: Surroundings, trees: Trees) -> list[Found]:
    for _ in range(_TRIES):
        live = generations.live(layout, path)
        found = list(_findings(layout, path, live, around, trees))
        if not found:
            return found
        if generations.live(layout, path) == live:
            break
    with state.still(layout) as alone:  # an install may be between the state and the link
        if alone:
            live = generations.live(layout, path)
            found = list(_findings(layout, path, live, around, differences.Trees(layout)))
    return found


def _findings(
    layout: Layout, path: str, live: Live, around: Surroundings, trees: Trees
) -> Iterator[Found]:
    try:
        environment = state.known(layout, path)
        word, reason = survey.standing(layout, path, environment, live, around)
    except VenvError as error:
        word, reason = "state", error.message
    if word not in SOUND:
        yield Found(word, path, reason)
    if live.kind != "ours" or not live.generation:
        return
    try:
        for finding in differences.of(layout, path, live.generation, trees):
            yield Found(finding.kind, f"{path}/{finding.path}")
    except VenvError as error:
        yield Found("manifest", path, error.message)
    except FileNotFoundError:
        yield Found("missing", path, f"generation {live.generation} is not there")
