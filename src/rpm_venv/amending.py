"""The administrator's amendments tried: what is made with them, and why one does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from rpm_venv import apply
from rpm_venv.choose import Choice
from rpm_venv.errors import VenvError
from rpm_venv.locks import amendments
from rpm_venv.locks.amended import Amendment
from rpm_venv.plan import Wish
from rpm_venv.report import Context
from rpm_venv.steps import BringObjects, MakeGeneration, MakeObjects
from rpm_venv.wheels.objects import object_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.steps import Step

#: The steps that change nothing which anybody can see.
_OBJECTS = (BringObjects, MakeObjects)
_UNSEEN = (*_OBJECTS, MakeGeneration)


def prepare(
    context: Context, wish: Wish, choice: Choice, steps: Sequence[Step]
) -> tuple[tuple[str, ...], dict[Amendment, str]]:
    """Make objects and generation of an amended lock; what there is to say, and what does not fit.

    An environment never fails because of an amendment: what cannot be made with it is made without.
    Where nothing is amended, nothing is done.
    """
    generation = [step for step in steps if isinstance(step, MakeGeneration)]
    if not choice.amended.applied or not generation:
        return (), {}
    try:
        said = apply.apply(context, [step for step in steps if isinstance(step, _OBJECTS)])
        refused = _misfits(context, wish, choice)
        if not refused:
            said = (*said, *apply.apply(context, generation))
    except VenvError as error:
        return (), _blamed(choice, error)
    return said, refused


def left(steps: Sequence[Step], choice: Choice) -> tuple[Step, ...]:
    """The steps that ``prepare`` has not done."""
    if not choice.amended.applied:
        return tuple(steps)
    return tuple(step for step in steps if not isinstance(step, _UNSEEN))


def _misfits(context: Context, wish: Wish, choice: Choice) -> dict[Amendment, str]:
    from rpm_venv.locks import fit  # most environments are not amended
    from rpm_venv.wheels import needs  # starts children

    amended = choice.amended
    ids = [object_id(each.distribution.sha256, wish.interpreter) for each in choice.wheels]
    before = {name: amended.was(name) for name in amended.applied}
    found = fit.misfits(
        needs.read(context.layout, ids, wish.interpreter), before, wish.interpreter.markers
    )
    return {amended.applied[name]: reason for name, reason in found.items()}


def _blamed(choice: Choice, error: VenvError) -> dict[Amendment, str]:
    """The amendment whose wheel an error names; all of them where it names none of theirs."""
    applied = choice.amended.applied
    files = {each.distribution.filename: each.distribution.name for each in choice.wheels}
    name = files.get(error.subject.rpartition("/")[2], "")
    reason = amendments.reason(error)
    return dict.fromkeys([applied[name]] if name in applied else applied.values(), reason)
