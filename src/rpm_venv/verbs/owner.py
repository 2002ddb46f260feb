"""``rpm-venv owner``: which environment, distribution and package a file belongs to."""

from __future__ import annotations

import os
import posixpath

from rpm_venv import state, survey
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.paths import Layout
from rpm_venv.report import Context, Report
from rpm_venv.system import declared, rpmdb
from rpm_venv.trees import generations, ownership
from rpm_venv.trees.generation import Distribution, Generation
from rpm_venv.trees.ownership import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file, also one that rpm does not know")


def run(context: Context, args: argparse.Namespace) -> Report:
    """Tell whose FILE is; ``VenvError`` where it is in no environment."""
    layout = context.layout
    file = _target(layout, args.file)
    place = ownership.find(layout, file, survey.paths(layout))
    if place is None:
        raise VenvError(_unknown(layout, file), subject=file, hint=f"see: rpm -qf {file}")
    users = _users(layout, place)
    first = users[0] if users else None
    path = place.path or (first[0].path if first else "")
    wheel = first[1] if first else None
    data: dict[str, Any] = {
        "file": file,
        "kind": place.kind,
        "path": path,
        "package": _package(layout, path),
        "generation": place.generation or (first[0].name if first and not place.path else ""),
        "inside": place.inside,
        "distribution": {**wheel.__dict__} if wheel else None,
        "object": place.object_id or _object(first),
        "also_in": [f"{one.path} {one.name}" for one, _ in users[1:]],
    }
    data["live"] = bool(path) and generations.live(layout, path).generation == data["generation"]
    return Report(data=data, text=_text(data))


def _target(layout: Layout, name: str) -> str:
    if name.startswith("/"):
        return posixpath.normpath(name)
    if str(layout.root) != "/":
        raise UsageError("with --root, files are named by absolute paths below it", subject=name)
    return os.path.abspath(name)


def _unknown(layout: Layout, file: str) -> str:
    owners = rpmdb.owner(layout, file)
    return f"it is in no environment{', and belongs to ' + ', '.join(owners) if owners else ''}"


def _users(layout: Layout, place: Place) -> list[tuple[Generation, Distribution | None]]:
    """The generations that have the file, the one asked about first, and whose it is there."""
    if place.kind == "object":
        return list(ownership.users(layout, place.object_id))
    if place.kind != "generation":
        return []
    generation = generations.read(layout, place.path, place.generation)
    if generation is None:
        return []
    wheel = ownership.distribution(layout, generation, place.inside)
    first: list[tuple[Generation, Distribution | None]] = [(generation, wheel)]
    if wheel is None:
        return first
    others = ownership.users(layout, f"{wheel.sha256}-{generation.tag}")
    return first + [each for each in others if each[0].name != generation.name]


def _object(first: tuple[Generation, Distribution | None] | None) -> str:
    if first is None or first[1] is None:
        return ""
    return f"{first[1].sha256}-{first[0].tag}"


def _package(layout: Layout, path: str) -> str:
    if not path:
        return ""
    try:
        environment = state.known(layout, path)
        declaration = None if environment else declared.read(layout, path)
    except VenvError:
        return ""
    package = environment.owner if environment else declaration.package if declaration else None
    return str(package or "")


def _text(data: dict[str, Any]) -> tuple[str, ...]:
    wheel = data["distribution"]
    generation = data["generation"]
    rows = [
        ("file", data["file"]),
        ("environment", data["path"]),
        ("package", data["package"]),
        ("generation", generation and f"{generation}{' (live)' if data['live'] else ''}"),
        ("inside", data["inside"]),
        ("distribution", wheel and f"{wheel['name']} {wheel['version']}  {wheel['filename']}"),
        ("object", data["object"]),
        *(("also in", other) for other in data["also_in"]),
    ]
    return tuple(f"{name + ':':<13} {value}" for name, value in rows if value)
