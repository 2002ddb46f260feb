"""The directories that environments stand in: whether somebody but root has a say in one. Reads.

Who may write there can put something else in the place of an object, a generation or a state, and
of its description with it: no comparison of files finds that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from rpm_venv.errors import Problem, VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import HOME, Layout, escape
from rpm_venv.system import files, trust

_MODE = 0o755


@dataclass(frozen=True)
class Misplaced:
    """What is wrong with a directory, a target path: a word of ``Finding``, why, what to do.

    ``is_theirs`` says that somebody but root decides what is in it, or behind it.
    """

    kind: str
    path: str
    reason: str
    hint: str
    is_theirs: bool = True

    @property
    def hides(self) -> bool:
        """Whether what should be behind it cannot be looked at, or is not this system's to tell."""
        return self.kind in ("type", "target")

    def line(self) -> str:
        return f"{self.path}: {self.reason}; {self.hint}"


def refuse(layout: Layout, path: str = "") -> None:
    """``VenvError`` where somebody but root decides what is in a directory of ours.

    ``path`` is the environment that is to be changed. What changes something believes what is in
    these directories, and deletes all that is in the staging directory: wherever that is by now.
    """
    found = problems(layout, path)
    if not found:
        return
    error = VenvError("others have a say in directories of rpm-venv", problems=found)
    if len(found) == 1:
        error = VenvError(found[0].message, subject=found[0].where, hint=found[0].hint)
    raise error.within(path) if path else error


def problems(layout: Layout, path: str = "") -> list[Problem]:
    """What ``refuse`` refuses."""
    found = [*of_all(layout)]
    if path and not any(one.hides for one in found):
        found += of_one(layout, path)
    return [Problem(one.reason, one.path, one.hint) for one in found if one.is_theirs]


def of_all(layout: Layout) -> Iterator[Misplaced]:
    """What is wrong with the directories of all environments; not being there is nothing wrong.

    A link of root's is followed where all on its way are root's: ours may have been moved. Those
    above ours are looked at for who may put something else in the place of ours alone.
    """
    above = [*_above(layout)]
    yield from above
    if any(one.hides for one in above):
        return
    home = [*_of(layout, layout.home, _MODE)]
    yield from home
    if any(one.hides for one in home):
        return
    for place in (layout.store, layout.envs, layout.state):
        yield from _of(layout, place, _MODE)
    yield from _of(layout, layout.staging, files.STAGING_MODE)


def of_one(layout: Layout, path: str) -> Iterator[Misplaced]:
    """The same of the directory that the generations of the environment at ``path`` are in."""
    yield from _of(layout, layout.envs / escape(path), _MODE)


def _above(layout: Layout) -> Iterator[Misplaced]:
    """What is wrong above our home: as ``trust.trusted_parents``, with all of it, and no link."""
    for place in map(layout.real, reversed(HOME.parents)):
        try:
            status = os.stat(place) if place == layout.root else os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISLNK(status.st_mode):
            yield from _behind(layout, place)
            return
        if trust.is_open(place, status) and not _only_grows(place, status, layout.home):
            yield _open(layout, place, status, "go-w")
        owner = trust.owner_problem(status)
        if owner:
            yield Misplaced("owner", layout.target(place), owner, _by(f"chown root {_word(place)}"))


def _only_grows(place: Path, status: os.stat_result, below: Path) -> bool:
    """Whether others may only add to a directory (sticky), in which the next one is there."""
    following = place / below.relative_to(place).parts[0]
    return bool(status.st_mode & stat.S_ISVTX) and os.path.lexists(following)


def _of(layout: Layout, place: Path, mode: int) -> Iterator[Misplaced]:
    try:
        status = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(status.st_mode):
        strange = [*_behind(layout, place)]
        yield from strange
        if strange:
            return
        status = os.stat(place)
    name = layout.target(place)
    if not stat.S_ISDIR(status.st_mode):
        yield Misplaced("type", name, "it is no directory", _anew(place))
        return
    owner, group = trust.owner_problem(status), trust.group_problem(status)
    if owner or group:
        command = f"chown root:root {_word(place)}"
        yield Misplaced("owner", name, owner or group, _by(command), is_theirs=bool(owner))
    if trust.mode_problem(status):
        yield _open(layout, place, status, f"{mode:04o}")


def _open(layout: Layout, place: Path, status: os.stat_result, mode: str) -> Misplaced:
    """A directory that has more writers than one; they may all be root."""
    return Misplaced(
        "mode",
        layout.target(place),
        trust.mode_problem(status),
        _by(f"chmod {mode} {_word(place)}"),
        is_theirs=trust.is_open(place, status),
    )


def _behind(layout: Layout, link: Path) -> Iterator[Misplaced]:
    """What is wrong with a link in the place of a directory, and on the way that it leads."""
    name = layout.target(link)
    try:
        owner = trust.owner_problem(os.lstat(link))
        if owner:
            yield Misplaced("target", name, f"it is a link, and {owner}", _anew(link))
            return
        trust.refuse_outside(link, layout.root)
        trust.trusted_parents(link / "any", layout.root)
        os.stat(link)
    except VenvError as error:
        yield Misplaced("target", name, f"it is a link, and {error.message}", error.hint)
    except OSError as error:
        reason = f"it is a link that leads nowhere: {error.strerror}"
        yield Misplaced("target", name, reason, _anew(link))


def _anew(place: Path) -> str:
    return _by(f"rm {_word(place)}, and then rpm-venv repair")


def _by(command: str) -> str:
    return f"mend it with: {command}"


def _word(place: Path) -> str:
    from shlex import quote  # not for who has nothing to tell

    return quote(os.fspath(place))
