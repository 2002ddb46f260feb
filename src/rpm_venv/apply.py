"""The one executor of steps: each step of ``plan.py`` done to this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from rpm_venv import history, state
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.report import Context
from rpm_venv.steps import (
    BringObjects,
    DropGenerations,
    Forget,
    MakeBoth,
    MakeGeneration,
    MakeObjects,
    MendObjects,
    RemoveParents,
    SweepStore,
    Switch,
    Tell,
    Unlink,
    WriteState,
)
from rpm_venv.system import declared, files, trust
from rpm_venv.trees import generations, places
from rpm_venv.wheels import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rpm_venv.steps import Step

#: Trees that another process is started for, to delete them. Measured: half the time for 138.
_WORTH = 24

#: The warning where all was done but to tidy up, which the next call does as well.
LEFT = "warning: not all that is no longer needed could be removed"


def apply(context: Context, steps: Iterable[Step]) -> tuple[str, ...]:
    """Execute the steps in their order; what there is to say of them, a line each.

    The caller is inside ``exclusive``. A step that fails raises and ends the execution; what was
    done stays, and is such that the environment is whole and the same call can be made again. It is
    an ``OSError`` only while the public path leads where it led.
    """
    said: list[str] = []
    changed: Step | None = None
    for step in steps:
        try:
            said.extend(_STEPS[type(step)](context, step))
        except OSError as error:
            if isinstance(step, _TIDYING) and not isinstance(changed, Unlink):
                said.append(f"{LEFT}: {error}")
                continue
            changed = step if _has_changed(context, step) else changed
            if changed is None:
                raise
            raise _half_way(changed, error) from error
        changed = step if isinstance(step, (Switch, Unlink)) else changed
    return tuple(said)


def _has_changed(context: Context, step: Step) -> bool:
    """Whether a step that failed has changed where the public path leads, and failed then."""
    if isinstance(step, Switch):
        return generations.live(context.layout, step.path).generation == step.generation
    if isinstance(step, Unlink):
        return generations.live(context.layout, step.path).kind == "nothing"
    return False


def _half_way(changed: Step, error: OSError) -> VenvError:
    done = "the new environment is there" if isinstance(changed, Switch) else "it is gone"
    return VenvError(
        f"{done}, but not all could be done: {error}",
        subject=getattr(changed, "path", ""),
        hint="run the same command again",
    )


@contextlib.contextmanager
def exclusive(layout: Layout, path: str = "", *, tidies: bool = True) -> Iterator[None]:
    """The only call that writes on this machine, with an empty staging directory.

    ``path`` is the environment that it is for, if it is for one. ``VenvError``, before anything is
    changed, where somebody but root has a say in a directory of ours (``places.refuse``).
    With ``tidies`` false that is as it was left, and must be tidied by a later one: what is to be
    done once for many environments takes the time that they all take together.
    """
    places.refuse(layout, path)
    with state.locked(layout):
        for place in (layout.store, layout.envs, layout.state):
            files.make_directory(place)  # a new one is durable by the first install's syncfs
        files.make_staging(layout)
        if tidies and os.listdir(layout.staging):
            # A call was killed, or left this to us. It may have made or freed objects; what says so
            # goes last.
            _drop_unreferred(layout)
            _clear_staging(layout)
            from rpm_venv.trees import fapolicyd  # not where all is as it should be

            with contextlib.suppress(OSError, VenvError):  # sync says it
                fapolicyd.in_step(layout)
        try:
            yield
        finally:
            if tidies:
                state.unmark(layout)


def tidy(context: Context) -> tuple[str, ...]:
    """Do once what calls without ``tidies`` left to be done; what there is to say of it."""
    layout = context.layout
    said: tuple[str, ...] = ()
    try:
        with exclusive(layout, tidies=False):
            unread = ""
            if os.listdir(layout.staging):
                unread, said = _drop_unreferred(layout)
            if not unread:
                _clear_staging(layout)
            state.unmark(layout)
    except (VenvError, OSError) as error:  # the next call that writes does it as well
        return (*said, f"{LEFT}: {error}")
    return said


def _clear_staging(layout: Layout) -> None:
    """Remove what a killed call left: with the lock held, nothing in there is anybody's."""
    _delete(layout, os.listdir(layout.staging))


def _delete(layout: Layout, names: Iterable[str]) -> None:
    """Delete what is in the staging directory: out of sight, so that a kill does no harm."""
    from rpm_venv.system import shares  # most calls have nothing to delete

    # Generations have more files than most objects, and shorter names: they come first.
    places = [layout.staging / name for name in sorted(names, key=len)]
    shares.each(files.remove_tree, places, [1] * len(places), _WORTH)


def _make(context: Context, step: Step) -> tuple[str, ...]:
    from rpm_venv import making  # not for a removal, nor for an install of what is there

    return making.STEPS[type(step)](context, step)


def _write_state(context: Context, step: WriteState) -> tuple[str, ...]:
    state.write(context.layout, step.environment)
    return ()


def _switch(context: Context, step: Switch) -> tuple[str, ...]:
    from rpm_venv.trees import fapolicyd  # as in _make

    said = fapolicyd.know(context.layout, step.path, step.generation)
    generations.make_parents(context.layout, step.path)
    aside = generations.switch(context.layout, step.path, step.generation)
    return (*said, *([f"warning: {step.path} saved as {aside}"] if aside else []))


def _unlink(context: Context, step: Unlink) -> tuple[str, ...]:
    generations.unlink(context.layout, step.path)
    if step.room:
        generations.make_room(context.layout, step.path)
    return ()


def _drop_generations(context: Context, step: DropGenerations) -> tuple[str, ...]:
    if not step.names:
        generations.drop(context.layout, step.path, ())
        return ()
    from rpm_venv import log  # as in _tell
    from rpm_venv.trees import fapolicyd

    # Before them: what is there and not trusted is dropped, or trusted again, by a later call.
    said = fapolicyd.forget(context.layout, step.path, step.names)
    generations.drop(context.layout, step.path, step.names)
    log.dropped(context.layout, f"from {step.path}: generation {', '.join(step.names)}")
    return said


def _sweep_store(context: Context, step: SweepStore) -> tuple[str, ...]:
    del step
    if not context.tidies:
        files.make_directory(context.layout.staging / "unswept")  # tells the next ``exclusive``
        return ()
    unread, said = _drop_unreferred(context.layout)
    names = os.listdir(context.layout.staging)
    _delete(context.layout, [name for name in names if name.startswith("drop-")])
    if unread:  # the next call finds something in the staging directory, and tries again
        files.new_directory(context.layout.staging, "unswept")
    return said


def _drop_unreferred(layout: Layout) -> tuple[str, tuple[str, ...]]:
    """Drop the objects that no generation refers to; none at all while one cannot be read.

    The name of that one ("" where all can), and what there is to say.
    """
    referred: set[str] = set()
    for path in generations.environments(layout):
        # What a package brings whole has nothing of the store.
        for name in set(generations.names(layout, path)) - {declared.whole(layout, path)}:
            generation = generations.read(layout, path, name)
            if generation is None:
                return name, (f"{path}: generation {name} cannot be read; no object was dropped",)
            referred.update(generation.objects)
    gone = set(store.ids(layout)) - referred
    if not gone:
        return "", ()
    from rpm_venv import log  # as in _tell
    from rpm_venv.trees import fapolicyd

    said = fapolicyd.forget_objects(layout, gone)  # before them, as with generations
    store.drop(layout, gone)
    log.dropped(layout, f"from the store: {len(gone)} objects")
    return "", said


def _mend_objects(context: Context, step: MendObjects) -> tuple[str, ...]:
    store.distrust(context.layout, step.damaged)
    store.clear(context.layout, step.added)
    return ()


def _tell(context: Context, step: Tell) -> tuple[str, ...]:
    said: tuple[str, ...] = ()
    try:
        is_new = history.tell(context.layout, step.event, once=step.once)
    except OSError as error:  # what is told of is done
        is_new = True
        said = (f"warning: the history could not be written: {error}",)
    if is_new:
        from rpm_venv import log  # most calls find that all is as it should be

        log.tell(context.layout, step.event)
    return said


def _remove_parents(context: Context, step: RemoveParents) -> tuple[str, ...]:
    for directory in step.directories:
        real = context.layout.real(directory)
        trust.refuse_outside(real.parent, context.layout.root)
        files.remove_empty(real)
    return ()


def _forget(context: Context, step: Forget) -> tuple[str, ...]:
    state.forget(context.layout, step.path)
    return ()


#: What later calls do as well, where it fails in an install.
_TIDYING = (DropGenerations, SweepStore)

_STEPS: dict[type, Callable[[Context, Any], tuple[str, ...]]] = {
    BringObjects: _make,
    MakeObjects: _make,
    MakeGeneration: _make,
    MakeBoth: _make,
    WriteState: _write_state,
    Switch: _switch,
    Unlink: _unlink,
    DropGenerations: _drop_generations,
    SweepStore: _sweep_store,
    MendObjects: _mend_objects,
    RemoveParents: _remove_parents,
    Tell: _tell,
    Forget: _forget,
}
