"""``rpm-venv install``: make PATH the environment that a lock describes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from rpm_venv import apply, events, plan, state, survey, whole
from rpm_venv.declaration import Declaration
from rpm_venv.digest import sha256
from rpm_venv.environment import INTERRUPTED
from rpm_venv.errors import VenvError, first_line
from rpm_venv.frozen import replace
from rpm_venv.locks.amended import Amendment, broken
from rpm_venv.paths import Layout
from rpm_venv.report import Context, Report
from rpm_venv.steps import DropGenerations, Tell, WriteState
from rpm_venv.system import configuration, declared, interpreter, occupancy
from rpm_venv.verbs import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rpm_venv.steps import Step


def arguments(parser: argparse.ArgumentParser) -> None:
    options.declaration_arguments(
        parser,
        lock=False,
        lock_help="the lock; without it and the other options, as a package declares",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Install; on failure what was live still is, and the state says why."""
    made = options.declaration if args.lock else options.shipped
    declaration = made(context.layout, args)
    with apply.exclusive(context.layout, declaration.path):
        try:
            report = install(context, declaration)
        except VenvError as error:
            package = f" ({declaration.package})" if declaration.package else ""
            raise error.within(f"{declaration.path}{package}") from error
    return replace(report, talk=(*warnings(context.layout), *report.talk))


def warnings(layout: Layout) -> Iterator[str]:
    """A line for each file of overrides or extras that is wrong."""
    for file in survey.amendments(layout).broken:
        yield f"warning: {broken(file).line()}"


def install(context: Context, declaration: Declaration, known: plan.Facts | None = None) -> Report:
    """``run`` for a declaration, with ``apply.exclusive`` around it.

    ``known`` are the facts where the caller has looked closer than ``survey.facts`` does.
    """
    layout = context.layout
    facts = known or survey.facts(layout, declaration.path)
    brought = declared.read(layout, declaration.path)
    if brought is not None and brought.is_whole and not whole.is_leaving(brought, declaration):
        whole.refuse_unsound(brought, facts)
        if not declaration.is_whole:
            whole.refuse(layout, declaration.path, "install another version of its package")
        return _report(declaration, brought.generation, changed=False)
    if declaration.package is None and facts.before:
        # By hand, an environment stays its package's.
        declaration = replace(declaration, package=facts.before.owner)
    occupancy.refuse(layout, declaration, facts.live)
    _refuse_orphan(layout, declaration, facts)
    with _failure_kept(context, declaration, facts):
        lock = survey.lock(layout, declaration)
        digest = sha256(lock).hexdigest()
        python = interpreter.inspect(layout, declaration.python)
        lines = survey.amendments(layout)
        facts = survey.with_names(facts, layout, declaration.path, lines)
        followed = facts.before.outcomes if facts.before else ()
        keep = configuration.read(layout).keep
        wish = plan.Wish(declaration, digest, python, keep, lines, followed)
        same = plan.unchanged(wish, facts)
        if same is not None:
            # Where a call was killed before it could tell.
            mended = facts.before is not None and facts.before.failure == INTERRUPTED
            event = events.installed(same, "", repaired=mended)
            said = apply.apply(context, (Tell(event, once=not mended),))
            if same != facts.before:
                state.write(layout, same)
            if plan.untidy(same, facts):
                facts = survey.with_processes(facts, layout, declaration.path)
                said += apply.apply(context, plan.tidy(same, facts))
            return _report(declaration, same.wanted, changed=False, talk=said)
        steps, said = _make(context, wish, lock, facts)
    after = next(step.environment for step in steps if isinstance(step, WriteState))
    unfollowed = tuple(f"{declaration.path}: {each.line()}" for each in after.pending)
    failed = facts.before is None or bool(facts.before.failure)
    changed = failed or any(not isinstance(step, (WriteState, Tell)) for step in steps)
    return _report(declaration, after.wanted, changed=changed, talk=(*said, *unfollowed))


def _refuse_orphan(layout: Layout, declaration: Declaration, facts: plan.Facts) -> None:
    """``VenvError`` where the lock has gone with the package: no other try finds it."""
    owner = facts.before.owner if facts.before else None
    if owner is None or layout.real(declaration.lock).exists():
        return
    if owner == declaration.package and survey.orphaned(layout, [declaration.path]):
        raise VenvError(
            f"its package {owner} is not installed any more",
            subject=declaration.path,
            hint=f"install it, or remove the environment with: rpm-venv remove {declaration.path}",
        )


def _make(
    context: Context, wish: plan.Wish, lock: bytes, facts: plan.Facts
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The steps that made the wish come true, and what there is to say of them."""
    facts = survey.with_manifests(facts, context.layout, wish.declaration.path)
    said: tuple[str, ...] = ()
    refused: dict[Amendment, str] = {}
    while True:
        steps, more, misfits = _try(context, wish, lock, facts, refused)
        said = (*said, *more)
        if not misfits:
            return steps, said
        refused.update(misfits)


def _try(
    context: Context,
    wish: plan.Wish,
    lock: bytes,
    facts: plan.Facts,
    refused: Mapping[Amendment, str],
) -> tuple[tuple[Step, ...], tuple[str, ...], Mapping[Amendment, str]]:
    """As ``_make``, without these amendments; and those that do not fit: all is as it was then."""
    from rpm_venv import amending, choose  # what reads locks and wheels is much, and seldom needed

    done = False
    try:
        with choose.wheels(context, wish, lock, refused) as choice:
            context = replace(context, children=choice.children)
            outcomes = choice.amended.outcomes
            steps = plan.install(wish, choice.wheels, facts, outcomes)
            # To look at every process takes longer than to plan twice, and most calls drop nothing.
            if any(isinstance(step, DropGenerations) for step in steps):
                facts = survey.with_processes(facts, context.layout, wish.declaration.path)
                steps = plan.install(wish, choice.wheels, facts, outcomes)
            said, misfits = amending.prepare(context, wish, choice, steps)
            if not misfits:
                said = (*said, *apply.apply(context, amending.left(steps, choice)))
                done = True
    except OSError as error:
        if not done:
            raise
        # The fetched wheels are in the staging directory still: the next call clears it.
        said = (*said, f"{apply.LEFT}: {error}")
    return steps, said, misfits


@contextlib.contextmanager
def _failure_kept(context: Context, declaration: Declaration, facts: plan.Facts) -> Iterator[None]:
    """Put a failure's reason into the state, so that ``list`` and ``verify`` can tell it."""
    try:
        yield
    except (VenvError, OSError) as error:
        with contextlib.suppress(OSError, VenvError):  # the disk may be what failed
            # Not the state from before: what was done may need what was written of it since.
            before = state.read(context.layout, declaration.path)
            failed = plan.refused(declaration, replace(facts, before=before), first_line(error))
            state.write(context.layout, failed)
            digest, live = _digest(context.layout, declaration), facts.live.generation
            event = events.failed(declaration, digest, live, first_line(error))
            apply.apply(context, (Tell(event, once=True),))
        raise


def _digest(layout: Layout, declaration: Declaration) -> str:
    """The sha256 of the lock; "" where there is none."""
    try:
        return sha256(survey.lock(layout, declaration)).hexdigest()
    except VenvError:
        return ""


def _report(
    declaration: Declaration, generation: str, *, changed: bool, talk: tuple[str, ...] = ()
) -> Report:
    return Report(
        data={"path": declaration.path, "generation": generation, "changed": changed},
        talk=talk,
    )
