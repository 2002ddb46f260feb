"""What a package brings ready-made: objects and generations, made by the target's own code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rpm_venv.paths import Layout
from rpm_venv.system import configuration, files
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels import packaged, store
from rpm_venv.wheels.store import Source


@dataclass(frozen=True)
class Prebuilt:
    """Objects by their content digests: real directories, to be moved to their place.

    ``missing_layers`` are those of confinement that the wheels were read without.
    """

    objects: Mapping[str, Path] = field(default_factory=dict)
    missing_layers: tuple[str, ...] = ()


@contextlib.contextmanager
def made(
    layout: Layout,
    sources: Sequence[Source],
    interpreter: Interpreter,
    progress: Callable[[str], None],
) -> Iterator[Prebuilt]:
    """Make the objects of these wheels, on the filesystem of a buildroot.

    As the building user: wheels are read by confined children all the same, with the layers that
    such a user gets. What is not moved away in the block is gone after it.
    """
    files.make_directory(layout.root)
    scratch = Layout(files.new_directory(layout.root, ".rpm-venv"))
    try:
        missing = store.build(
            scratch,
            sources,
            interpreter,
            progress,
            require_sandbox=configuration.read(Layout()).require_sandbox,
        )
        names = [store.object_id(source.sha256, interpreter) for source in sources]
        objects = {}
        for name in names:
            place = scratch.object(name)
            objects[packaged.content_digest((place / "object.json").read_bytes())] = place
        yield Prebuilt(objects, missing)
    finally:
        files.remove_tree(scratch.root)
