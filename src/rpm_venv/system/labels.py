"""SELinux labels of what is new, as the policy has them for its place to be. An edge.

What is made in the staging directory has that directory's label. Before it gets its name,
setfiles(8) gives it the labels of the place that it will have: it sees the same directory below
another root, whose name it leaves out. So nothing is ever there with wrong labels, even where a
call is killed, or where a damaged generation is replaced that is in use.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system import files, programs

_ENABLED = Path("/sys/fs/selinux/enforce")  # selinux(8): mounted where a policy is loaded
_CONFIG = Path("/etc/selinux/config")
_SECONDS = 900
_NO_SETFILES = (
    "warning: SELinux is enabled and there is no setfiles: new files have the label of "
    "/usr/lib/rpm-venv; run: dnf install policycoreutils, then: restorecon -R /usr/lib/rpm-venv"
)


def are_kept(layout: Layout) -> bool:
    """Whether files of this system have labels: on a live system with SELinux, and on no other.

    Not with ``--root``: another system's policy is not to be read by root of this one, and who
    builds an image labels all of it in the end.
    """
    return layout.root == Path("/") and _ENABLED.exists() and _CONFIG.exists()


def restore(
    layout: Layout, made: Path, place: Path, *, seconds: float = _SECONDS
) -> tuple[str, ...]:
    """Label a directory in the staging directory, and all below it, for its place to be.

    It is where it was afterwards. ``VenvError`` where it could not be labelled; what there is to
    say where the system has nothing to do it with.
    """
    if not are_kept(layout):
        return ()
    setfiles = programs.found("setfiles")
    if not setfiles:
        return (_NO_SETFILES,)
    contexts = f"/etc/selinux/{_policy()}/contexts/files/file_contexts"
    root = files.new_directory(layout.staging, "labels")
    inside = root / layout.target(place).lstrip("/")
    files.make_directory(inside.parent, 0o700)
    os.rename(made, inside)
    try:
        ended = programs.run([setfiles, "-r", str(root), contexts, str(inside)], seconds)
    finally:
        os.rename(inside, made)
        files.remove_tree(root)
    if ended.problem:
        raise VenvError(
            f"its SELinux labels could not be set: {ended.problem}",
            subject=layout.target(place),
            hint=f"see whether this works: restorecon -R {layout.target(layout.home)}; "
            "then run the same command again",
        )
    return ()


def _policy() -> str:
    """The name of the policy in use: selinux_config(5)."""
    text = _CONFIG.read_text("utf-8", "replace")
    said = re.findall(r"^[ \t]*SELINUXTYPE[ \t]*=[ \t]*([A-Za-z0-9_.-]+)", text, re.MULTILINE)
    return said[-1] if said else "targeted"
