"""``rpm-venv sync``: bring environments to what packages declare.

The runtime's file triggers call it with the files of a transaction on stdin. Which of rpm's steps
it is called from does not matter to it: it looks at which declarations are there, and does what is
left to do.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence

from rpm_venv import apply, history, plan, state, survey
from rpm_venv.declaration import Declaration
from rpm_venv.environment import SOUND, Environment
from rpm_venv.errors import OccupiedError, ReadOnlyError, VenvError
from rpm_venv.frozen import replace
from rpm_venv.locks.amended import Amendments, broken
from rpm_venv.paths import Layout, extended_by
from rpm_venv.report import FAILED, Context, Report
from rpm_venv.system import declared, image, interpreter
from rpm_venv.trees import generations, places
from rpm_venv.verbs.install import install
from rpm_venv.verbs.remove import take_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

#: What calls: nobody, a trigger that runs for each package, the one at a transaction's end, or
#: those for another Python and for overrides and extras, which have no declarations on stdin.
#: An environment that a package has brought extras for, or taken away, is looked at as for these.
_FILE, _TRANSACTION, _SYSTEM = "file", "transaction", "system"


#: Callers that look at every environment, whoever asked for it.
_ALL = (None, _SYSTEM)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trigger",
        metavar="KIND",
        choices=(_FILE, _TRANSACTION, _SYSTEM),
        help="called by a trigger of this kind, with files of packages on stdin",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Sync; exit 1 and one line for each environment that could not be, the others are.

    Where nothing can be changed, links outside of /usr are led to what is in it, and no more.
    By hand, environments that scriptlets made are looked at as well, for what is to be tried again,
    another Python and amendments; and an amendment that could not be followed is a failure.
    """
    layout = context.layout
    there = declared.paths(layout)
    if image.is_read_only(layout):
        return _of_an_image(context, sorted({*there, *state.paths(layout)}))
    lines = survey.amendments(layout)
    asked = _asked(layout, there, lines, args.trigger)
    if asked:
        places.refuse(layout)
    done: dict[str, str] = {}
    talk = (
        [*_wrong(lines), *_unmet(layout, lines, args.trigger), *_trusted(layout)]
        if args.trigger in _ALL
        else []
    )
    failed: list[str] = []
    paths = sorted(asked)
    for within, path in replace(context, tidies=False).each("looking at", paths):
        trigger = asked[path]
        try:
            # Each by itself: others that write need not wait for all of them.
            with apply.exclusive(layout, path, tidies=path == paths[0]):
                done[path], said = _sync(within, path, trigger)
            talk.extend(line if path in line else f"{path}: {line}" for line in said)
            if trigger in _ALL and _unfollowed(layout, path, lines, talk):
                failed.append(path)
        except (VenvError, OSError) as error:
            if trigger == _FILE and isinstance(error, OccupiedError):
                continue  # in an upgrade those files are about to go: the other trigger will see
            failed.append(path)
            talk.append(_line(layout, path, error))
    if done:
        talk.extend(apply.tidy(context))
    changed = {path: what for path, what in done.items() if what}
    return Report(
        data={"changed": changed, "failed": failed},
        text=() if args.trigger else tuple(f"{what} {path}" for path, what in changed.items()),
        talk=tuple(talk),
        exit_code=FAILED if failed or (lines.broken and not args.trigger) else 0,
    )


def _asked(
    layout: Layout, there: tuple[str, ...], lines: Amendments, trigger: str | None
) -> dict[str, str | None]:
    """The environments to look at, each with the caller to do it for."""
    if trigger == _SYSTEM:
        return dict.fromkeys([*_of_another_python(layout), *_amended(layout, lines)], trigger)
    asked = {*_left_behind(layout, there)}
    if trigger:
        files = [line.rstrip("\n") for line in sys.stdin]
        asked |= {declared.path_of(file) for file in files} - {""}
        extended = {extended_by(file) for file in files} - {"", *asked}
        amended = extended.intersection(_amended(layout, lines)) if extended else ()
        return {**dict.fromkeys(asked, trigger), **dict.fromkeys(amended, _SYSTEM)}
    asked |= {*there, *_unfinished(layout, there, lines), *_of_another_python(layout)}
    return dict.fromkeys(asked)


def _amended(layout: Layout, lines: Amendments) -> Iterator[str]:
    """Environments that other amendments concern now than when they were made."""
    for path in state.paths(layout):
        try:
            known = state.read(layout, path)
        except VenvError:
            continue  # list and verify say so
        if known is not None and _is_behind(layout, known, lines):
            yield path


def _of_another_python(layout: Layout) -> Iterator[str]:
    """Environments whose Python is another by now, or is not there; each Python is asked once."""
    found: dict[str, tuple[str, str] | None] = {}
    for path in state.paths(layout):
        try:
            known = state.read(layout, path)
        except VenvError:
            continue  # list and verify say so
        generation = generations.read(layout, path, known.wanted) if known else None
        if known is None or generation is None:
            continue
        python = known.declaration.python
        if python not in found:
            found[python] = _interpreter(layout, python)
        if found[python] != (generation.python, generation.tag):
            yield path


def _interpreter(layout: Layout, python: str) -> tuple[str, str] | None:
    """What a generation's name says of its Python; None where there is no such interpreter."""
    try:
        there = interpreter.inspect(layout, python)
    except VenvError:
        return None
    return there.path, there.tag


def _trusted(layout: Layout) -> tuple[str, ...]:
    """See that fapolicyd, which may be new, trusts what is there; what there is to say of it."""
    if not layout.trust_files.is_dir():
        return ()
    from rpm_venv.trees import fapolicyd  # most systems have none

    try:
        with apply.exclusive(layout):
            return fapolicyd.in_step(layout)
    except (VenvError, OSError) as error:
        return (error.line() if isinstance(error, VenvError) else f"warning: {error}",)


def _wrong(lines: Amendments) -> Iterator[str]:
    """What is wrong with the files of overrides and extras."""
    for file in lines.broken:
        yield from broken(file).lines()


def _unmet(layout: Layout, lines: Amendments, trigger: str | None) -> Iterator[str]:
    """The files of extras that are for no environment; of those, a trigger tells slips of the pen:
    a site may bring extras to all of its hosts, whether they have the application or not.
    """
    for file in lines.unmet(survey.paths(layout)) if lines.extras else ():
        if file.meant or not trigger:
            yield file.line()


def _unfinished(layout: Layout, there: Iterable[str], lines: Amendments) -> Iterator[str]:
    """Environments of scriptlets where something is to be tried again, or an amendment is new."""
    for path in set(state.paths(layout)).difference(there):
        try:
            known = state.read(layout, path)
        except VenvError:
            continue  # list and verify say so
        if known is None or known.is_declared:
            continue
        waits = known.failure or known.pending or _is_interrupted(layout, known)
        if waits or _is_behind(layout, known, lines):
            yield path


def _is_interrupted(layout: Layout, known: Environment) -> bool:
    """Whether a call was killed that had begun to switch: before the link, or before it told."""
    live = generations.live(layout, known.path)
    if live.kind != "ours":
        return False
    last = history.last(layout, known.path)
    is_told = last is None or last.outcome != "done" or last.generation == live.generation
    return live.generation != known.wanted or not is_told


def _is_behind(layout: Layout, known: Environment, lines: Amendments) -> bool:
    """Whether other amendments concern an environment now than when it was made."""
    live = generations.live(layout, known.path)
    return survey.concerning(layout, known.path, known, live, lines) != known.amended


def _unfollowed(layout: Layout, path: str, lines: Amendments, talk: list[str]) -> bool:
    """Whether an environment is not what it should be by now; what was not said of it is said."""
    known = state.known(layout, path)
    if known is None:
        return False
    behind = _is_behind(layout, known, lines)
    if known.declaration.is_whole:
        if behind:
            talk.append(f"{path}: overrides and extras are not for what a package brings whole")
        return behind
    gone = survey.python_gone(layout, path, known.wanted)
    if known.left and gone:
        hint = f"go forward with: rpm-venv repair {path}"
        talk.append(f"{path}: it is rolled back, and {gone}; {hint}")
        return True
    if known.left and behind:
        hint = f"go forward with: rpm-venv repair {path}"
        talk.append(f"{path}: overrides and extras wait, because it is rolled back; {hint}")
        return True
    return bool(known.pending)


def _left_behind(layout: Layout, there: Iterable[str]) -> Iterator[str]:
    """Environments that were declared and are not any more."""
    for path in set(state.paths(layout)).difference(there):
        try:
            known = state.read(layout, path)
        except VenvError:
            continue  # verify says so; whose it was cannot be known
        if known is not None and known.is_declared:
            yield path


def _sync(context: Context, path: str, trigger: str | None) -> tuple[str, tuple[str, ...]]:
    """Do what there is to do for one environment; a word for it, "" for nothing, and the talk."""
    layout = context.layout
    declaration = declared.read(layout, path)
    facts = survey.facts(layout, path)
    if declaration is not None and declaration.is_whole:
        facts = survey.with_processes(facts, layout, path) if facts.before else facts
        steps = plan.hand_over(declaration, facts)
        return ("handed over" if steps else ""), apply.apply(context, steps)
    before = facts.before
    mine = trigger in _ALL and before is not None and not before.is_declared
    if declaration is None and before is not None and mine:
        declaration = before.declaration  # of a scriptlet, or made by hand
    what = plan.errand(declaration, facts, again=trigger == _TRANSACTION)
    asked = declaration or (before.declaration if before else None)
    if what == "install" and asked is not None:
        report = install(context, asked, facts)
        return ("installed" if report.data["changed"] else ""), report.talk
    if what == "remove":
        return "removed", take_away(context, path, facts, is_left=trigger == _FILE)
    steps = plan.heal(facts)
    return ("healed" if steps else ""), apply.apply(context, steps)


def _of_an_image(context: Context, paths: Sequence[str]) -> Report:
    """``run`` where no environment can be changed: only a link outside of /usr may be behind."""
    layout = context.layout
    around = survey.surroundings(layout, paths)
    changed: dict[str, str] = {}
    waiting: dict[str, str] = {}
    for path in paths:
        try:
            steps = plan.relink(survey.facts(layout, path))
            with contextlib.suppress(OSError):  # the link is in the image, too
                apply.apply(context, steps)
                changed.update(dict.fromkeys([path] if steps else [], "healed"))
            known, live = state.known(layout, path), generations.live(layout, path)
            word, reason = survey.standing(layout, path, known, live, around)
        except (VenvError, OSError) as problem:
            word, reason = "damaged", str(getattr(problem, "message", problem))
        waiting.update({path: f"{path} is {word}: {reason}"} if word not in SOUND else {})
    text = tuple(f"healed {path}" for path in changed)
    if not waiting:
        return Report(data={"changed": changed, "failed": []}, text=text)
    error = image.read_only(layout)
    more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    first = next(iter(waiting.values()))
    line = ReadOnlyError(f"{error.message}; {first}{more}", subject=error.subject, hint=error.hint)
    data = {"changed": changed, "failed": list(waiting)}
    return Report(data=data, text=text, talk=(line.line(),), exit_code=FAILED)


def _line(layout: Layout, path: str, error: VenvError | OSError) -> str:
    """A failure in one line: rpm shows those of several packages one below the other."""
    if not isinstance(error, VenvError):
        return f"{path}: {error}"
    told = error.within(_name(layout, path))
    problems = [str(problem) for problem in told.problems]
    more = [f"and {len(problems) - 1} more"] if len(problems) > 1 else []
    message = ": ".join([told.message, *problems[:1]])
    return VenvError(", ".join([message, *more]), subject=told.subject, hint=told.hint).line()


def _name(layout: Layout, path: str) -> str:
    try:
        declaration: Declaration | None = declared.read(layout, path)
    except VenvError:
        declaration = None
    package = declaration.package if declaration else None
    return f"{path} ({package})" if package else path
