"""Generations on disk: reading them, which one is live, the switch to another, the end of one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rpm_venv.errors import VenvError
from rpm_venv.paths import HOME, Layout, environment_named, escape
from rpm_venv.system import files, reading, trust
from rpm_venv.trees.generation import LINKS, Generation, Live, is_name
from rpm_venv.trees.manifest import SEAL_SIZE, Manifest, ends, sealed
from rpm_venv.wheels import store

#: The directory of a generation that describes it; not part of its manifest.
ABOUT = ".rpm-venv"


def directory(layout: Layout, path: str, generation: str) -> Path:
    """The real directory of a generation."""
    return layout.real(layout.generation_target(path, generation))


def names(layout: Layout, path: str) -> tuple[str, ...]:
    """The generations of an environment that are on disk."""
    try:
        found = os.listdir(layout.envs / escape(path))
    except FileNotFoundError:
        return ()
    return tuple(sorted(name for name in found if is_name(name)))


def environments(layout: Layout) -> tuple[str, ...]:
    """The paths that have a generation on disk, sorted; with those whose environment has gone, and
    that a process holds (``survey.paths`` has the environments).
    """
    try:
        return tuple(sorted(filter(None, map(environment_named, os.listdir(layout.envs)))))
    except FileNotFoundError:
        return ()


def read(layout: Layout, path: str, generation: str) -> Generation | None:
    """A generation's own description; None when it is not there or not readable."""
    try:
        file = directory(layout, path, generation) / ABOUT / "generation.json"
        return Generation.loads(reading.content(file, follow=False))
    except (OSError, ValueError):
        return None


def manifest(layout: Layout, path: str, generation: str) -> Manifest:
    """A generation's manifest; ``VenvError`` when it is missing or damaged."""
    return manifest_in(directory(layout, path, generation), path, generation)


def manifest_in(tree: Path, path: str, generation: str) -> Manifest:
    """The manifest of a generation that is in the directory ``tree``, before it gets its name."""
    try:
        return Manifest.loads(reading.content(tree / ABOUT / "manifest", follow=False))
    except (OSError, ValueError) as error:
        raise VenvError(
            f"the manifest of generation {generation} cannot be read: {error}",
            subject=path,
            hint=f"run: rpm-venv repair {path}",
        ) from error


def whole(layout: Layout, path: str, generation: str) -> bool:
    """Whether a generation is there with a sound manifest, and the objects it may have links to.

    Its files are for ``verify``.
    """
    try:
        file = directory(layout, path, generation) / ABOUT / "manifest"
        data = reading.content(file, follow=False)
    except OSError:
        return False
    if not sealed(data):
        return False
    needed = _needed(layout, path, generation)
    return needed is not None and all(store.has(layout, name) for name in needed)


def finished(layout: Layout, path: str, generation: str) -> bool:
    """Whether a generation is there with a manifest that has its end; ``whole`` reads all of it.

    It takes hardly longer for a large one: that is what a call with nothing to do looks at.
    """
    try:
        file = directory(layout, path, generation) / ABOUT / "manifest"
        end = reading.end(file, SEAL_SIZE)
    except OSError:
        return False
    if not ends(end):
        return False
    needed = _needed(layout, path, generation)
    return needed is not None and store.lists_all(layout, needed)


def _needed(layout: Layout, path: str, generation: str) -> Sequence[str] | None:
    """The objects that a generation may have links to; None where it does not describe itself."""
    described = read(layout, path, generation)
    if described is None:
        return None
    return described.objects if described.layout == LINKS else ()


def live(layout: Layout, path: str) -> Live:
    """What stands at ``path`` now."""
    real = layout.real(path)
    try:
        status = real.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return Live("nothing")
    if stat.S_ISLNK(status.st_mode):
        return _led_to(layout, path)
    if not stat.S_ISDIR(status.st_mode):
        return Live("foreign")
    if (real / "pyvenv.cfg").is_file():
        return Live("handmade")
    return Live("litter" if _is_litter(real) else "foreign")


def _led_to(layout: Layout, path: str) -> Live:
    """What the link at ``path`` leads to: a generation, or the link to one that a package ships."""
    home = HOME / "envs" / escape(path)
    target = _target(layout, path)
    if str(target) == layout.live_target(path):
        target = _target(layout, str(target))
        if target.parent != home or not is_name(target.name):
            return Live("ours")  # that link is not there, or not as it was packaged
    if target.parent == home and is_name(target.name):
        return Live("ours", target.name)
    return Live("foreign")


def _target(layout: Layout, link: str) -> PurePosixPath:
    """Where a link at a target path leads, as a target path; ``/`` where there is no link."""
    try:
        to = os.readlink(layout.real(link))
    except OSError:
        return PurePosixPath("/")
    return PurePosixPath(os.path.normpath(PurePosixPath(link).parent / to))


def _is_litter(top: Path) -> bool:
    """Whether only byte code and directories are left: what rpm leaves when it erases modules."""
    for _, directories, names in os.walk(top):
        del directories
        if any(not name.endswith((".pyc", ".pyo")) for name in names):
            return False
    return True


def make_parents(layout: Layout, path: str) -> tuple[str, ...]:
    """Make the missing directories above ``path``, durably; those made, deepest first."""
    trust.refuse_outside(layout.real(path).parent, layout.root)
    made = []
    missing: list[PurePosixPath] = []
    parent = PurePosixPath(path).parent
    while not layout.real(parent).exists():
        missing.append(parent)
        parent = parent.parent
    for directory in reversed(missing):
        layout.real(directory).mkdir(mode=0o755)
        files.fsync_dir(layout.real(directory).parent)
        made.append(str(directory))
    return tuple(reversed(made))


def switch(layout: Layout, path: str, generation: str) -> str:
    """Make a generation the live one, by one rename; durable when it returns.

    A hand-made environment at the path is put aside as rpm does with files that are not its own,
    to ``PATH.rpmorig``; the name it got is returned ("" when there was none).
    """
    real = layout.real(path)
    trust.refuse_outside(real.parent, layout.root)
    link = layout.generation_target(path, generation)
    found = live(layout, path)
    if found.kind == "foreign":
        raise VenvError("something that is no environment of ours is in the way", subject=path)
    if found.kind == "litter":
        files.remove_tree(real)
    aside = ""
    if found.kind == "handmade":
        aside = _exchange(real, link)
    else:
        _clear_waiting(real)
        waiting = real.with_name(f".{real.name}.rpm-venv-{generation}")
        os.symlink(link, waiting)
        os.rename(waiting, real)
    files.fsync_dir(real.parent)
    return layout.target(Path(aside)) if aside else ""


def _clear_waiting(real: Path) -> None:
    """Remove what a killed switch left beside the public path."""
    try:
        names = os.listdir(real.parent)
    except FileNotFoundError:
        return  # rpm has taken the directory away, with the path
    for name in (name for name in names if name.startswith(f".{real.name}.rpm-venv-")):
        real.with_name(name).unlink()


def _exchange(real: Path, link: str) -> str:
    """Put ``link`` where the directory ``real`` is, and the directory aside; the name it got."""
    aside = _unused(f"{real}.rpmorig", os.path.dirname(link))
    os.symlink(link, aside)
    try:
        files.exchange(aside, str(real))
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS):
            os.unlink(aside)
            raise
        # An overlay cannot move a directory of its lower layer, and some filesystems cannot
        # exchange: the new generation is complete, so a kill in here is mended by the same call.
        os.unlink(aside)
        _move_aside(real, aside)
        try:
            os.symlink(link, real)
        except OSError:
            os.rename(aside, real)
            raise
    return aside


def _move_aside(real: Path, aside: str) -> None:
    try:
        os.rename(real, aside)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        from rpm_venv.system import copying  # for a hand-made environment alone

        copying.copy_tree(real, Path(aside))
        files.remove_tree(real)


def _unused(wanted: str, ours: str) -> str:
    """A free name; one that a killed switch took for its link, below ``ours``, is free again."""
    candidate, number = wanted, 0
    while os.path.lexists(candidate):
        if os.path.islink(candidate) and os.path.dirname(os.readlink(candidate)) == ours:
            os.unlink(candidate)
            break
        number += 1
        candidate = f"{wanted}.{number}"
    return candidate


def unlink(layout: Layout, path: str) -> None:
    """Take the public path away, if it is ours, and what a killed switch left; durable."""
    real = layout.real(path)
    trust.refuse_outside(real.parent, layout.root)
    _clear_waiting(real)
    if live(layout, path).kind == "ours":
        real.unlink()
        files.fsync_dir(real.parent)


def make_room(layout: Layout, path: str) -> None:
    """Put an empty directory at the public path, where nothing is and one above it is.

    A power loss may take it: it is for a package that has to be installed once more anyway.
    """
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        layout.real(path).mkdir(mode=0o755)


def drop(layout: Layout, path: str, generations: Sequence[str]) -> None:
    """Take generations of an environment out of sight, and its directory when none is left.

    They are in the staging directory then, and its next clearing deletes them: a generation that is
    half deleted must not look whole.
    """
    home = layout.envs / escape(path)
    trust.refuse_outside(home, layout.root)
    there = [name for name in generations if (home / name).is_dir()]
    if there:
        files.make_staging(layout)
        manifest = f"{ABOUT}/manifest"
        retired = [files.retire(home / name, layout.staging, manifest) for name in there]
        files.fsync_dir(home)
        for place in retired:
            if place.parent == home:
                files.remove_tree(place)
    files.remove_empty(home)
