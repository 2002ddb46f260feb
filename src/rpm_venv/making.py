"""The steps that make objects and generations: all that nothing points to yet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from rpm_venv.paths import Layout
from rpm_venv.report import Context
from rpm_venv.steps import BringObjects, MakeBoth, MakeGeneration, MakeObjects
from rpm_venv.system import configuration, files, labels, trust
from rpm_venv.trees import fapolicyd, generations
from rpm_venv.trees.assemble import Assembling
from rpm_venv.wheels import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _bring_objects(context: Context, step: BringObjects) -> tuple[str, ...]:
    from rpm_venv.wheels import bring  # most machines get none

    context.progress(f"taking {len(step.objects)} objects from packages")
    missing = bring.into_store(
        context.layout,
        step.objects,
        step.interpreter,
        context.progress,
        require_sandbox=configuration.read(context.layout).require_sandbox,
    )
    return _less_confined("read", missing)


def _make_objects(
    context: Context, step: MakeObjects, meanwhile: Callable[[], None] = lambda: None
) -> tuple[str, ...]:
    missing = store.build(
        context.layout,
        step.sources,
        step.interpreter,
        context.progress,
        require_sandbox=configuration.read(context.layout).require_sandbox,
        meanwhile=meanwhile,
        children=context.children,
    )
    fetched = {layer for source in step.sources for layer in source.fetched_without}
    return _less_confined("fetched and read" if fetched else "read", {*missing, *fetched})


def _less_confined(done: str, missing: Collection[str]) -> tuple[str, ...]:
    if not missing:
        return ()
    from rpm_venv.system import sandbox

    layers = sandbox.lacking(layer for layer in sandbox.LAYERS if layer in missing)
    return (f"warning: wheels were {done} with less confinement: {layers}",)


def _make_generation(context: Context, step: MakeGeneration) -> tuple[str, ...]:
    with _staged(context.layout, step) as (into, assembling):
        return _finish(context, step, into, assembling)


def _make_both(context: Context, step: MakeBoth) -> tuple[str, ...]:
    with _staged(context.layout, step.generation) as (into, assembling):
        said = _make_objects(context, step.objects, lambda: assembling.begin(step.there))
        return (*said, *_finish(context, step.generation, into, assembling))


@contextlib.contextmanager
def _staged(layout: Layout, step: MakeGeneration) -> Iterator[tuple[Path, Assembling]]:
    """A directory to make a generation in, which is gone where that fails."""
    wanted = step.generation
    into = layout.staging / wanted.name
    files.remove_tree(into)  # of a call that was killed since this one began
    into.mkdir(mode=0o755)
    links = configuration.read(layout).links
    try:
        yield (
            into,
            Assembling(layout, step.declaration, wanted, step.interpreter, into, links=links),
        )
    except BaseException:
        with contextlib.suppress(OSError):  # what went wrong first is what there is to say
            files.remove_tree(into)
        raise


def _finish(
    context: Context, step: MakeGeneration, into: Path, assembling: Assembling
) -> tuple[str, ...]:
    layout, wanted = context.layout, step.generation
    context.progress(f"assembling {wanted.path} from {len(wanted.distributions)} wheels")
    notes = assembling.complete()
    place = generations.directory(layout, wanted.path, wanted.name)
    said = labels.restore(layout, into, place)
    files.syncfs(into)
    if fapolicyd.is_there(layout):
        manifest = generations.manifest_in(into, wanted.path, wanted.name)
        said += fapolicyd.trust_generation(layout, wanted.path, wanted.name, manifest)
    _put(into, place, layout.root)
    return (*(f"{wanted.path}: {note}" for note in notes), *said)


def _put(made: Path, place: Path, root: Path) -> None:
    """Rename a finished directory to its place, over a damaged one if need be; durable."""
    trust.refuse_outside(place.parent, root)
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Where a directory cannot be exchanged, the path points to nothing between two steps, and the
    # same call again finds the generation missing and makes it.
    files.remove_tree(files.replace_directory(made, place, f"{generations.ABOUT}/manifest"))
    files.fsync_dir(place.parent)
    files.fsync_dir(place.parent.parent)


STEPS: dict[type, Callable[[Context, Any], tuple[str, ...]]] = {
    BringObjects: _bring_objects,
    MakeObjects: _make_objects,
    MakeGeneration: _make_generation,
    MakeBoth: _make_both,
}
