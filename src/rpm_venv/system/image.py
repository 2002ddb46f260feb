"""Image-based systems: /usr that is made elsewhere, and what of a build is kept. An edge: reads."""

from __future__ import annotations

import os
from pathlib import Path

from rpm_venv.errors import ReadOnlyError, VenvError
from rpm_venv.paths import Layout

#: There on every system that ostree has booted, and in the sandbox of rpm-ostree's scriptlets.
_BOOTED = "/run/ostree-booted"
_MOUNTS = "/proc/self/mounts"


def is_read_only(layout: Layout) -> bool:
    """Whether nothing of environments can be changed, because their filesystem is read-only."""
    try:
        return bool(os.statvfs(layout.home).f_flag & os.ST_RDONLY)
    except OSError:
        return False  # what writes says what is wrong


def read_only(layout: Layout) -> ReadOnlyError:
    """That nothing can be changed here, and what can be done; not for one environment alone."""
    hint = "make that writable first"
    if layout.real(_BOOTED).exists():
        hint = "make another image, or for this boot alone first call: ostree admin unlock"
    elif layout.root == Path("/"):
        hint += ", such as with: mount -o remount,rw /usr"
    return ReadOnlyError(
        "Read-only file system: environments cannot be changed where this system runs",
        subject=layout.target(layout.home),
        hint=hint,
    )


def refuse_lost(layout: Layout, path: str) -> None:
    """``VenvError`` where the link at ``path`` would go when the scriptlet ends.

    rpm-ostree's sandbox has an empty root of its own, with /usr and /etc of the image in it. Its
    /opt is a link to /usr/lib/opt, where some package has files there, and missing otherwise.
    """
    if layout.root != Path("/") or not layout.real(_BOOTED).exists():
        return
    parent = layout.real(path).parent
    while not parent.exists():
        parent = parent.parent
    if parent.stat().st_dev == layout.root.stat().st_dev and _root_is_in_memory():
        above = os.path.dirname(path)
        raise VenvError(
            f"rpm-ostree keeps nothing that a scriptlet makes below {parent}",
            subject=path,
            hint=f"give the package %dir {above} in %files, or a path below /usr",
        )


def _root_is_in_memory() -> bool:
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:
            kinds = [fields[2] for fields in map(str.split, mounts) if fields[1] == "/"]
    except OSError:
        return False  # nothing is told, nothing is refused
    return kinds[-1:] == ["tmpfs"]
