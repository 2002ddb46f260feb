"""Whether a path means what it seems to: nobody but root decides what is there. An edge: reads."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from rpm_venv.errors import VenvError

_MAX_LINKS = 40  # as the kernel's own limit


def refuse_outside(path: Path, root: Path) -> None:
    """``VenvError`` where a link on the way leads to something that is not below ``root``.

    Another system's tree may have links that mean places of that system, and would be taken here
    for places of this one.
    """
    if root == Path("/"):
        return
    real, top = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath((real, top)) != top:
        raise VenvError(
            f"a link on the way leads out of the root directory, to {real}",
            subject=os.fspath(path),
            hint=f"make the link relative, or call rpm-venv inside: chroot {root}",
        )


def refuse_links_out(places: Iterable[Path], buildroot: Path) -> None:
    """``VenvError`` where the way to a place of a buildroot leads out of that.

    Builds run as people, or as root: a link that %install copied must not become their files.
    """
    for place in places:
        try:
            refuse_outside(place, buildroot)
        except VenvError as error:
            raise VenvError(
                f"in the buildroot, {error.message}",
                subject="/" + os.path.relpath(place, buildroot),
                hint="make that link relative in %install",
            ) from None


def trusted_parents(path: Path, root: Path = Path("/")) -> Path:
    """``path`` with every link above it resolved, inside ``root``; its own name is not looked at.

    ``VenvError`` when a directory on the way does not belong to root or to this process, or when
    others may write to it: whoever can rename a parent decides what the path means. Missing
    directories are fine. So are those that everybody may only add to (sticky), where the next one
    is there: where it is not, somebody else may be first.
    """
    return _walk(path.parent, root, _MAX_LINKS) / path.name


def _walk(path: Path, root: Path, links: int) -> Path:
    here = root
    parts = path.relative_to(root).parts if root in (path, *path.parents) else path.parts[1:]
    for number, part in enumerate(parts):
        if part == "..":
            here = here.parent if here != root else root
            continue
        _check_directory(here, path)
        step = here / part
        try:
            is_link = stat.S_ISLNK(os.lstat(step).st_mode)
        except FileNotFoundError:
            _check_directory(here, path, last=True)
            return step.joinpath(*parts[number + 1 :])
        if is_link:
            if os.lstat(here).st_mode & 0o002:  # sticky: who made the link can make another
                _check_owner(step, path)
            if links == 0:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
            target = Path(os.readlink(step))
            # An absolute link of a system below --root means that system's root, not ours.
            base = root.joinpath(*target.parts[1:]) if target.is_absolute() else here / target
            return _walk(base.joinpath(*parts[number + 1 :]), root, links - 1)
        here = step
    _check_directory(here, path, last=True)
    return here


def _check_directory(directory: Path, path: Path, *, last: bool = False) -> None:
    """Refuse a directory in which others can replace, or if it is the last one make, a name."""
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise _untrusted(directory, "is not a directory", path)
    _check_owner(directory, path)
    if is_open(directory, status) and (last or not status.st_mode & stat.S_ISVTX):
        problem = "can be written to by others, who could replace what is in it"
        raise _untrusted(directory, problem, path)


def is_open(directory: Path, status: os.stat_result) -> bool:
    """Whether others may make names in a directory of this status: everybody, a group that is not
    root's, or who is on its access list.
    """
    if status.st_mode & 0o002:
        return True
    is_groups = bool(status.st_mode & 0o020)
    return is_groups and (status.st_gid != 0 or _has_access_list(directory))


def stranger_problem(status: os.stat_result) -> str:
    """Why somebody but root has a say in a file or directory of this status, or ""."""
    return owner_problem(status) or mode_problem(status)


def owner_problem(status: os.stat_result) -> str:
    """As ``stranger_problem``, of its owner alone."""
    ours = _is_ours(status.st_uid)
    return "" if ours else f"it belongs to the user with id {status.st_uid}"


def group_problem(status: os.stat_result) -> str:
    """Why something of root's is not of root's group, nor of that which root calls with, or ""."""
    roots = (0, os.getegid() if os.geteuid() == 0 else 0)
    is_ours = status.st_uid != 0 or status.st_gid in roots
    return "" if is_ours else f"it belongs to the group with id {status.st_gid}"


def mode_problem(status: os.stat_result) -> str:
    """As ``stranger_problem``, of its mode alone."""
    mode = stat.S_IMODE(status.st_mode)
    return f"others may write to it: its mode is {mode:04o}" if mode & 0o022 else ""


def _check_owner(place: Path, path: Path) -> None:
    owner = os.lstat(place).st_uid
    if not _is_ours(owner):
        problem = f"belongs to the user with id {owner}, who could replace what is in it"
        raise _untrusted(place, problem, path)


def _untrusted(place: Path, problem: str, path: Path) -> VenvError:
    return VenvError(
        f"{place} {problem}",
        subject=os.fspath(path),
        hint=f"make {place} a directory that only root can write to",
    )


def _has_access_list(directory: Path) -> bool:
    """Whether named users or groups have rights; the group's bits are then the most they have."""
    try:
        os.getxattr(directory, "system.posix_acl_access", follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_ours(uid: int) -> bool:
    """Whether an owner is root, who calls, or from outside of a user namespace."""
    return uid == 0 or uid == os.geteuid() or uid == _unmapped_uid()


def _unmapped_uid() -> int:
    """The id that stands for owners from outside a user namespace, who are nobody inside it."""
    overflow = 65534
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            ranges = [[int(field) for field in line.split()] for line in file]
    except OSError:
        return 0  # no /proc: as on a host, where every owner is who it says
    mapped = any(first <= overflow < first + count for first, _, count in ranges)
    return 0 if mapped else overflow


def everybody_runs(program: Path) -> bool:
    """Whether a stranger can start a program: it and every directory above it are for all."""
    return all(os.stat(place).st_mode & 0o001 for place in (program, *program.parents))


def program_problem(path: Path, root: Path) -> str:
    """Why root had better not run the program at a real path, or the empty string.

    ``root`` is the system that asked for it by a name of its own: none of its programs are run.
    """
    if root != Path("/") and Path(os.path.realpath(root)) in path.parents:
        return f"it is part of the system below {root}, whose programs are not run"
    for place in (path, *path.parents):
        status = os.stat(place)
        if not _is_ours(status.st_uid):
            return f"{place} belongs to the user with id {status.st_uid}"
        is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_mode & 0o002 and not is_sticky:
            return f"everybody can write to {place}"
        # An ordinary user's files are often open to a group that nobody else is in.
        if os.geteuid() == 0 and is_open(place, status) and not is_sticky:
            return f"the group with id {status.st_gid}, or an access list, can write to {place}"
    return ""
