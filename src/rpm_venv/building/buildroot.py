"""What the author's side puts into a buildroot, and the list of it for %files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError
from rpm_venv.paths import HOME, SHARE, Layout, declared_at, escape
from rpm_venv.system import declared, files

#: Directories that are the system's and no package's: ``filesystem`` owns them, or nobody should.
_SYSTEM = frozenset(
    ["/", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var"]
    + [f"/usr/{name}" for name in ("bin", "lib", "lib64", "libexec", "local", "sbin", "share")]
    + [f"/usr/local/{name}" for name in ("bin", "lib", "lib64", "libexec", "share")]
    + [f"/var/{name}" for name in ("cache", "lib", "opt", "www")]
)


def place(layout: Layout, path: str) -> None:
    """Put the placeholder for ``%ghost PATH`` into the buildroot: a link, as on the target.

    A ghost has its type from the buildroot, and rpm would unlink what is a link on disk and was
    packaged as a directory. Relative, because rpmbuild warns of absolute links.
    """
    _link(layout, path, HOME / "envs" / escape(path))


def _link(layout: Layout, path: str, target: PurePosixPath | str) -> None:
    real = layout.real(path)
    if os.path.lexists(real):
        return
    files.make_directory(real.parent)
    files.link_atomic(real, os.path.relpath(layout.real(target), real.parent))


def link_command(layout: Layout, link: str, path: str) -> None:
    """Put a link to a command of the environment at ``path`` into the buildroot."""
    target = f"{path}/bin/{PurePosixPath(link).name}"
    real = layout.real(link)
    wanted = os.path.relpath(layout.real(target), real.parent)
    if os.path.lexists(real) and not (real.is_symlink() and os.readlink(real) == wanted):
        raise VenvError(
            "there is something else in the buildroot already",
            subject=link,
            hint="leave it out of %install, or its name out of -c",
        )
    _link(layout, link, target)


def ship(
    layout: Layout, declaration: Declaration, level: str, lock: bytes, wheels: Iterable[Path]
) -> None:
    """Put a declaration with its lock and wheels into the buildroot, in place of an older one."""
    place = layout.real(declared_at(declaration.path))
    files.remove_tree(place)
    files.make_directory(place)
    files.write_new(layout.real(declaration.lock), lock)
    for directory in declaration.wheels:
        files.make_directory(layout.real(directory))
        for wheel in wheels:
            files.copy_new(wheel, layout.real(directory) / wheel.name)
    # Last: a declaration that is there is whole.
    files.write_new(place / declared.NAME, declared.dumps(declaration, level))


def listed(path: str, commands: Iterable[str]) -> tuple[str, ...]:
    """The lines for %files of one declaration; ``commands`` are its links, as target paths.

    The directories above PATH are the package's where they are no part of the system.
    """
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    return (
        f"%dir {SHARE}",
        str(declared_at(path)),
        *(f"%dir {parent}" for parent in reversed(parents) if parent not in _SYSTEM),
        f"%ghost {path}",
        *commands,
    )


def add_to_list(layout: Layout, file: Path, lines: Iterable[str]) -> None:
    """Add lines to a package's file list, which has those of its other declarations.

    The list outlives the buildroot, so a line of an earlier build may be in it, of something that
    is not there any more: rpmbuild would fail on that.
    """
    known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    there = [line for line in known if os.path.lexists(layout.real(line.split()[-1]))]
    text = "".join(f"{line}\n" for line in dict.fromkeys([*there, *lines]))
    files.make_directory(file.parent)
    files.write_atomic(file, text.encode())
