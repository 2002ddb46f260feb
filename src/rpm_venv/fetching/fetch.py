"""Getting the wheels that are not at hand from the site's index, and what it says meanwhile.

An edge.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from rpm_venv.errors import Problem
from rpm_venv.fetching.shelf import Found
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees.generation import Distribution


def from_index(
    layout: Layout, entries: Sequence[Entry], interpreter: Interpreter, staging: Path
) -> tuple[Found, ...]:
    """Have pip download a wheel for each entry into ``staging``, an empty directory of root's.

    ``FetchError`` in one line where that is not to be had: no network, no pip, no such wheel.
    """
    from rpm_venv.fetching import (
        index,  # seldom needed, and costs as much as the rest of this module
    )

    sources = index.download(layout, entries, interpreter, staging)
    return tuple(
        Found(Distribution(entry.name, str(entry.version), source.filename, source.sha256), source)
        for entry, source in zip(entries, sources)
    )


def brought(staging: Path) -> int:
    """How many bytes of files pip has in ``staging`` by now, as far as a short look tells."""
    total, left, most = 0, [staging], 1000
    while left and most > 0:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                most -= 1
                if most <= 0:
                    break
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def index_problems(layout: Layout) -> tuple[Problem, ...]:
    """Why the index cannot be asked for wheels now; nothing where it answers. Nothing stays."""
    from rpm_venv.fetching import index

    return index.problems(layout)
