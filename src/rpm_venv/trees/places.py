"""The directories that environments stand in: whether somebody but root has a say in one. Reads.

Who may write there can put something else in the place of an object, a generation or a state, and
of its description with it: no comparison of files finds that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout, escape
from rpm_venv.system import files, trust

_MODE = 0o755


@dataclass(frozen=True)
class Misplaced:
    """What is wrong with a directory, a target path: a word of ``Finding``, why, what to do."""

    kind: str
    path: str
    reason: str
    hint: str

    @property
    def hides(self) -> bool:
        """Whether what should be behind it cannot be looked at, or is not this system's to tell."""
        return self.kind in ("type", "target")

    def line(self) -> str:
        return f"{self.path}: {self.reason}; {self.hint}"


def of_all(layout: Layout) -> Iterator[Misplaced]:
    """What is wrong with the directories of all environments; not being there is nothing wrong.

    A link is followed where all on its way are root's: ours may have been moved.
    """
    for place in (layout.home, layout.store, layout.envs, layout.state):
        yield from _of(layout, place, _MODE)
    yield from _of(layout, layout.staging, files.STAGING_MODE)


def of_one(layout: Layout, path: str) -> Iterator[Misplaced]:
    """The same of the directory that the generations of the environment at ``path`` are in."""
    yield from _of(layout, layout.envs / escape(path), _MODE)


def _of(layout: Layout, place: Path, mode: int) -> Iterator[Misplaced]:
    name = layout.target(place)
    try:
        status = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(status.st_mode):
        try:
            trust.refuse_outside(place, layout.root)
            trust.trusted_parents(place / "any", layout.root)
            status = os.stat(place)
        except VenvError as error:
            yield Misplaced("target", name, f"it is a link, and {error.message}", error.hint)
            return
        except OSError as error:
            reason = f"it is a link that leads nowhere: {error.strerror}"
            yield Misplaced("target", name, reason, _anew(place))
            return
    if not stat.S_ISDIR(status.st_mode):
        yield Misplaced("type", name, "it is no directory", _anew(place))
        return
    owner, others = trust.owner_problem(status), trust.mode_problem(status)
    if owner:
        yield Misplaced("owner", name, owner, _by(f"chown root:root {_word(place)}"))
    if others:
        yield Misplaced("mode", name, others, _by(f"chmod {mode:04o} {_word(place)}"))


def _anew(place: Path) -> str:
    return _by(f"rm {_word(place)}, and then rpm-venv repair")


def _by(command: str) -> str:
    return f"mend it with: {command}"


def _word(place: Path) -> str:
    from shlex import quote  # not for who has nothing to tell

    return quote(os.fspath(place))
