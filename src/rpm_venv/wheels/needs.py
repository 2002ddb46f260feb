"""What wheels need, by the METADATA in their objects, which a confined child reads. An edge."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rpm_venv.confined import requires
from rpm_venv.errors import VenvError
from rpm_venv.locks.fit import Needs
from rpm_venv.paths import Layout
from rpm_venv.system import configuration, files, stranger, trust
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels import store
from rpm_venv.wheels.objects import StoredObject

_TIMEOUT = 60  # seconds
_MAX_SIZE = 4 << 20  # bytes of METADATA


def read(layout: Layout, object_ids: Iterable[str], interpreter: Interpreter) -> tuple[Needs, ...]:
    """What each of these objects of the store says that it needs; ``VenvError`` if unreadable."""
    objects = [store.read(layout, name) for name in object_ids]
    files.make_staging(layout)
    place = files.new_directory(layout.staging, "needs")
    try:
        said = _asked(layout, objects, place, interpreter)
    finally:
        files.remove_tree(place)
    try:
        return tuple(
            Needs(each.name, each.version, tuple(map(str, lines)), str(python))
            for each, (lines, python) in zip(objects, json.loads(said))
        )
    except (ValueError, TypeError) as error:
        raise VenvError(f"what the wheels need cannot be read: {error}") from None


def _asked(
    layout: Layout, objects: Sequence[StoredObject], place: Path, interpreter: Interpreter
) -> str:
    """The child's words. It gets copies: a stranger may not get to where the originals are."""
    text = Path(requires.__file__).read_text(encoding="utf-8")
    names = []
    for number, each in enumerate(objects):
        metadata = layout.object(each.id) / "site" / each.dist_info / "METADATA"
        with open(metadata, "rb") as file:
            files.write_new(place / str(number), file.read(_MAX_SIZE), 0o600)
        names.append(str(number))
    for python in dict.fromkeys((interpreter.path, os.path.realpath(sys.executable))):
        if trust.everybody_runs(Path(python)):
            break
    done = stranger.run(
        [python, "-S", "-s", "-B", "-c", text, *names],
        env={},
        cwd=place,
        network=False,
        timeout=_TIMEOUT,
        require_all=configuration.read(layout).require_sandbox,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()[-1:] or [done.ending]
        raise VenvError(f"what the wheels need cannot be read: {lines[0][:200]}")
    return done.stdout
