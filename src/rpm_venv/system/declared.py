"""The declarations that packages ship, below ``/usr/share/rpm-venv``. An edge: only reads."""

from __future__ import annotations

import json
import os

from rpm_venv import shapes
from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError
from rpm_venv.paths import SHARE, Layout, declared_at, environment_named
from rpm_venv.system import reading

FORMAT = 1
NAME = "declaration.json"

#: How much of an environment travels inside the package; what is not there is made on the target.
LEVELS = ("lock", "wheels", "store", "env")


def dumps(declaration: Declaration) -> bytes:
    """The file that a package ships for a declaration."""
    data = {"format": FORMAT, **declaration.to_json()}
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def read(layout: Layout, path: str) -> Declaration | None:
    """What a package declares for ``path``; None where none does, ``VenvError`` if damaged."""
    file = layout.real(declared_at(path) / NAME)
    try:
        data = reading.content(file, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _damaged(layout, path, error.strerror) from error
    try:
        found = shapes.checked(shapes.loads(data), {"format": int}, "the declaration")
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}, this rpm-venv reads {FORMAT}")
        declaration = Declaration.from_json(found)
        if declaration.path != path:
            raise ValueError(f"it is of {declaration.path}")
        if declaration.level not in LEVELS:
            raise ValueError(f"level {declaration.level}, this rpm-venv knows {', '.join(LEVELS)}")
    except (ValueError, KeyError, TypeError, VenvError) as error:
        raise _damaged(layout, path, error) from error
    return declaration


def whole(layout: Layout, path: str) -> str:
    """The generation that a package brings whole; "" where none does, or none can be read."""
    try:
        declaration = read(layout, path)
    except VenvError:
        return ""
    return declaration.generation if declaration and declaration.is_whole else ""


def _damaged(layout: Layout, path: str, reason: object) -> VenvError:
    file = layout.target(layout.real(declared_at(path) / NAME))
    return VenvError(
        f"the declaration of this environment is damaged: {reason}",
        subject=path,
        where=file,
        hint=f"reinstall its package: rpm -qf {file}",
    )


def paths(layout: Layout) -> tuple[str, ...]:
    """The paths of all environments that packages declare, sorted."""
    top = layout.real(SHARE)
    try:
        names = os.listdir(top)
    except FileNotFoundError:
        return ()
    found = (environment_named(name) for name in names if os.path.lexists(top / name / NAME))
    return tuple(sorted(path for path in found if path))


def path_of(file: str) -> str:
    """The environment whose declaration a file is a part of, by its target path; "" for none."""
    name, _, inside = file.removeprefix(f"{SHARE}/").partition("/")
    if not file.startswith(f"{SHARE}/") or not inside:
        return ""
    return environment_named(name)
