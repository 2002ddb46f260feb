"""``rpm-venv remove``: take the environment at PATH away, for the package it belongs to."""

from __future__ import annotations

from pathlib import PurePosixPath

from rpm_venv import apply, events, history, plan, survey, whole
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.frozen import replace
from rpm_venv.paths import Layout, environment_path
from rpm_venv.report import Context, Report
from rpm_venv.steps import Tell
from rpm_venv.system import occupancy, rpmdb
from rpm_venv.trees import places
from rpm_venv.verbs import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rpm_venv.steps import Step


def arguments(parser: argparse.ArgumentParser) -> None:
    options.package_argument(parser)
    parser.add_argument(
        "--count",
        metavar="N",
        type=int,
        help="the scriptlet's $1: 0 on erase, more on upgrade (the macros pass it)",
    )
    options.path_argument(parser)


def run(context: Context, args: argparse.Namespace) -> Report:
    """Remove; an environment that is not there, or is another package's by now, is success."""
    path = environment_path(args.path)
    layout = context.layout
    if args.package is None and args.count is not None:  # an upgrade would lose what is there
        raise UsageError(
            "--count is a scriptlet's, which says with --package whose environment it means",
            subject=path,
            hint="by hand, leave it out",
        )
    if args.package is None:
        whole.refuse(layout, path, "remove its package")
    # Where this fails on an upgrade, rpm keeps both versions. What installs has refused it before.
    unsafe = places.problems(layout, path) if args.count else ()
    if unsafe:
        note = f"{path}: left as it is: {unsafe[0]}"
        return Report(data={"path": path, "removed": False}, talk=(note,))
    with apply.exclusive(layout, path):
        facts = survey.facts(layout, path)
        caller = _caller(layout, path, args, facts)
        if whole.is_whole(layout, path):
            steps: tuple[Step, ...] = ()  # rpm brings and removes it
        elif plan.may_remove(caller, facts):
            if _anything(facts):
                emptied = _emptied(layout, path, caller, facts)
                said = take_away(context, path, facts, emptied, is_left=bool(caller.count))
                return Report(data={"path": path, "removed": True}, talk=said)
            steps = _untold(layout, path)
        else:
            steps = plan.heal(facts)
        said = apply.apply(context, steps)
    return Report(data={"path": path, "removed": False}, talk=said)


def take_away(
    context: Context,
    path: str,
    facts: plan.Facts,
    emptied: Sequence[str] = (),
    *,
    is_left: bool,
) -> tuple[str, ...]:
    """Remove an environment; what there is to say. ``is_left``: a package may have left it behind.

    ``VenvError``, when it is done, where another package's files were unpacked into it: rpm follows
    the link when an older version comes back that had files of its own below the path.
    """
    layout = context.layout
    live = facts.live.generation or (facts.before.wanted if facts.before else "")
    whose = occupancy.unpacked_into(layout, path, live) if is_left else ""
    said = apply.apply(context, plan.remove(path, facts, emptied, room=bool(whose)))
    if whose:
        name = whose.rsplit("-", 2)[0]
        raise VenvError(
            f"files of {whose} were unpacked into the environment, and are gone with it",
            subject=path,
            hint=f"run: dnf reinstall {name}; then, as others may share files with it: "
            "rpm-venv repair",
        )
    return said


def _untold(layout: Layout, path: str) -> tuple[Step, ...]:
    """The line that an earlier removal could not add to the history, if there is one."""
    last = history.last(layout, path)
    if last is None or last.action == "remove":
        return ()
    removal = replace(events.removed(path, None, ""), package=last.package, lock=last.lock)
    return (Tell(removal),)


def _anything(facts: plan.Facts) -> bool:
    return facts.before is not None or bool(facts.generations) or facts.live.kind == "ours"


def _caller(layout: Layout, path: str, args: argparse.Namespace, facts: plan.Facts) -> plan.Caller:
    if args.package is None:
        _refuse_by_hand(layout, path, facts)
        return plan.Caller()
    if not args.count:
        return plan.Caller(args.package, args.count)
    return plan.Caller(
        package=args.package,
        count=args.count,
        installed=rpmdb.instances(layout, args.package.name),
        claimers=rpmdb.providers(layout, f"venv({path})"),
    )


def _emptied(layout: Layout, path: str, caller: plan.Caller, facts: plan.Facts) -> tuple[str, ...]:
    """The directories above the path that only the leaving package has, deepest first.

    rpm comes to them before ``%postun``, finds them not empty, and leaves them. Not so in
    ``%preun``, where the package's lock is still there: they are rpm's to remove then.
    """
    package, before = caller.package, facts.before
    if package is None or before is None:
        return ()
    if not caller.count and layout.real(before.declaration.lock).exists():
        return ()
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    leaving = f"{package.name}-{package.evr}"
    owners = {parent: rpmdb.owner(layout, parent) or () for parent in parents}
    return tuple(
        parent for parent in parents if {o.rpartition(".")[0] for o in owners[parent]} == {leaving}
    )


def _refuse_by_hand(layout: Layout, path: str, facts: plan.Facts) -> None:
    """Leave an installed package its environment: rpm would not know that it went."""
    owner = facts.before.owner if facts.before else None
    if owner is not None and rpmdb.instances(layout, owner.name):
        raise VenvError(
            f"the environment belongs to the installed package {owner}",
            subject=path,
            hint=f"remove that with: dnf remove {owner.name}",
        )
