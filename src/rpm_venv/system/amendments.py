"""Overrides and extras: the administrator's, and what packages bring. An edge: only reads."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.locks.amended import EXTRA, OVERRIDE
from rpm_venv.locks.locked import MAX_SIZE
from rpm_venv.paths import AMENDMENTS, EXTRAS, Layout, environment_named, escape
from rpm_venv.system import reading, trust

_PLACES = ((OVERRIDE, "overrides.d"), (EXTRA, "extras.d"))


@dataclass(frozen=True)
class Text:
    """A file of one kind of amendments, a target path; why it is not to be believed, if so."""

    kind: str
    file: str
    data: bytes = b""
    problem: str = ""


def read(layout: Layout) -> tuple[Text, ...]:
    """Every file of amendments, by kind and name: the administrator's before those of packages."""
    places = [(kind, str(AMENDMENTS / place)) for kind, place in _PLACES]
    places += [(EXTRA, str(EXTRAS / name)) for name in _extended(layout)]
    return tuple(text for kind, place in places for text in _texts(layout, kind, place))


def wheels(layout: Layout, path: str) -> tuple[str, ...]:
    """The directories of wheels for amendments of an environment, target paths that are there."""
    places = (str(AMENDMENTS / "wheels"), str(EXTRAS / escape(path)))
    return tuple(place for place in places if layout.real(place).is_dir())


def _extended(layout: Layout) -> list[str]:
    """The names of the environments that packages bring extras for."""
    try:
        return sorted(name for name in os.listdir(layout.real(EXTRAS)) if environment_named(name))
    except OSError:  # none, or not one that anything can be in
        return []


def _texts(layout: Layout, kind: str, place: str) -> list[Text]:
    try:
        names = sorted(os.listdir(layout.real(place)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [Text(kind, place, problem=f"cannot be read: {error.strerror}")]
    names = [name for name in names if name.endswith(".txt") and not name.startswith(".")]
    if not names:
        return []
    try:
        directory = trust.trusted_parents(layout.real(place) / names[0], layout.root).parent
    except (VenvError, OSError) as error:
        reason = error.message if isinstance(error, VenvError) else str(error)
        return [Text(kind, place, problem=reason)]
    return [_text(kind, f"{place}/{name}", directory / name) for name in names]


def _text(kind: str, file: str, real: Path) -> Text:
    """One file, which root alone decides about: what it says becomes code that users run."""
    try:
        descriptor = reading.regular(real, follow=False)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Text(kind, file, problem="it is a link; put the file itself there")
        return Text(kind, file, problem=f"cannot be read: {error.strerror}")
    with os.fdopen(descriptor, "rb") as opened:
        problem = trust.stranger_problem(os.fstat(descriptor))
        return Text(kind, file, b"" if problem else opened.read(MAX_SIZE + 1), problem)
