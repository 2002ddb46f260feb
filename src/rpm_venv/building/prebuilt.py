"""What a package brings ready-made: objects and generations, made by the target's own code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rpm_venv.building.gather import Gathered
from rpm_venv.declaration import Declaration
from rpm_venv.frozen import dataclass, field
from rpm_venv.paths import Layout
from rpm_venv.system import configuration, files
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import assemble, generations
from rpm_venv.trees.generation import Generation
from rpm_venv.wheels import packaged, store


@dataclass(frozen=True)
class Prebuilt:
    """Objects by their content digests, and a generation: real directories, to be moved.

    ``notes`` say what had to be decided between wheels.
    ``missing_layers`` are those of confinement that the wheels were read without.
    """

    objects: Mapping[str, Path] = field(default_factory=dict)
    generation: Path | None = None
    notes: tuple[str, ...] = ()
    missing_layers: tuple[str, ...] = ()


@contextlib.contextmanager
def made(
    layout: Layout,
    declaration: Declaration,
    found: Gathered,
    interpreter: Interpreter,
    progress: Callable[[str], None],
) -> Iterator[Prebuilt]:
    """Make what the declaration's level asks for, on the filesystem of a buildroot.

    As the building user: wheels are read by confined children all the same, with the layers that
    such a user gets. What is not moved away in the block is gone after it.
    """
    files.make_directory(layout.root)
    scratch = Layout(files.new_directory(layout.root, ".rpm-venv"))
    try:
        missing = store.build(
            scratch,
            found.wheels,
            interpreter,
            progress,
            require_sandbox=configuration.read(Layout()).require_sandbox,
        )
        if declaration.is_whole:
            generation = Generation.decided(declaration, interpreter, found.distributions)
            place = generations.directory(scratch, declaration.path, generation.name)
            files.make_directory(place)
            assembling = assemble.Assembling(scratch, declaration, generation, interpreter, place)
            notes = assembling.complete()
            yield Prebuilt(generation=place, notes=notes, missing_layers=missing)
        else:
            yield Prebuilt(dict(_objects(scratch)), missing_layers=missing)
    finally:
        files.remove_tree(scratch.root)


def _objects(scratch: Layout) -> Iterator[tuple[str, Path]]:
    for name in store.ids(scratch):
        place = scratch.object(name)
        yield packaged.content_digest((place / "object.json").read_bytes()), place
