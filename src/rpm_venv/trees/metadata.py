"""What the distributions of a generation say of themselves, in METADATA. An edge: only reads.

It is a stranger's text: no more of it is read than a header has, and nothing of it is believed but
what the wheel's file name says as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rpm_venv.confined import dist_info
from rpm_venv.confined.members import Refused
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.system import reading
from rpm_venv.trees import generations
from rpm_venv.trees.generation import Distribution, Generation

_MAX_HEADER = 1 << 20  # bytes
_SUFFIX = ".dist-info"


@dataclass(frozen=True)
class Metadata:
    """The fields of METADATA by their names in small letters, each with all its values."""

    fields: Mapping[str, Sequence[str]]

    def all(self, name: str) -> Sequence[str]:
        return self.fields.get(name, ())

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def read(layout: Layout, generation: Generation) -> dict[str, Metadata]:
    """The METADATA of each distribution, by its name in the generation; those that have one."""
    found: dict[str, Metadata] = {}
    top = generations.directory(layout, generation.path, generation.name)
    for wheel, directory in directories(top, generation):
        try:
            data = _header(os.fspath(top / directory / "METADATA"))
            found[wheel.name] = Metadata(dist_info.fields(data, "METADATA"))
        except Refused:
            continue
    return found


def directories(top: Path, generation: Generation) -> Iterator[tuple[Distribution, str]]:
    """The dist-info directory of each distribution, by its path in the generation at ``top``."""
    wheels = {_stem(wheel.name, wheel.version): wheel for wheel in generation.distributions}
    for python in _sorted(top / "lib"):
        site = f"lib/{python}/site-packages"
        for entry in _sorted(top / site):
            name, _, version = entry[: -len(_SUFFIX)].partition("-")
            wheel = wheels.get(_stem(name, version)) if entry.endswith(_SUFFIX) else None
            if wheel is not None:
                yield wheel, f"{site}/{entry}"


def _stem(name: str, version: str) -> tuple[str, str]:
    """A name and a version as all spellings of a dist-info directory's name have them."""
    from packaging.utils import canonicalize_name, canonicalize_version

    version = version.replace("_", "-")
    try:
        return canonicalize_name(name), canonicalize_version(version)
    except ValueError:  # more digits than Python reads: what another root's description may say
        return canonicalize_name(name), version


def _sorted(directory: os.PathLike[str]) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _header(file: str) -> bytes:
    """The beginning of a regular file; nothing of what is none."""
    try:
        descriptor = reading.regular(file, follow=False)
    except OSError:
        return b""
    with open(descriptor, "rb") as stream:
        return stream.read(_MAX_HEADER)
