"""The declarations that packages ship, below ``/usr/share/rpm-venv``. An edge: only reads."""

from __future__ import annotations

import json
import os

from rpm_venv.declaration import Declaration
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.paths import SHARE, Layout, declared_at, environment_path, escape, unescape

FORMAT = 1
NAME = "declaration.json"

#: How much of an environment travels inside the package; what is not there is made on the target.
LEVELS = ("lock", "wheels", "store")


def dumps(declaration: Declaration) -> bytes:
    """The file that a package ships for a declaration."""
    data = {"format": FORMAT, **declaration.to_json()}
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def read(layout: Layout, path: str) -> Declaration | None:
    """What a package declares for ``path``; None where none does, ``VenvError`` if damaged."""
    file = layout.real(declared_at(path) / NAME)
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}, this rpm-venv reads {FORMAT}")
        declaration = Declaration.from_json(found)
        if declaration.path != path:
            raise ValueError(f"it is of {declaration.path}")
        if declaration.level not in LEVELS:
            raise ValueError(f"level {declaration.level}, this rpm-venv knows {', '.join(LEVELS)}")
    except (ValueError, KeyError, TypeError, VenvError) as error:
        raise VenvError(
            f"the declaration of this environment is damaged: {error}",
            subject=path,
            where=layout.target(file),
            hint=f"reinstall its package: rpm -qf {layout.target(file)}",
        ) from error
    return declaration


def paths(layout: Layout) -> tuple[str, ...]:
    """The paths of all environments that packages declare, sorted."""
    top = layout.real(SHARE)
    try:
        names = os.listdir(top)
    except FileNotFoundError:
        return ()
    found = (path_of(f"{SHARE}/{name}/{NAME}") for name in names if (top / name / NAME).is_file())
    return tuple(sorted(path for path in found if path))


def path_of(file: str) -> str:
    """The environment whose declaration a file is a part of, by its target path; "" for none."""
    name, _, inside = file.removeprefix(f"{SHARE}/").partition("/")
    if not file.startswith(f"{SHARE}/") or not inside:
        return ""
    path = unescape(name)
    try:
        return path if escape(environment_path(path)) == name else ""
    except UsageError:
        return ""
