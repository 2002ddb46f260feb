"""Whether amended wheels fit into an environment, by what all its wheels say they need. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rpm_venv.frozen import dataclass
from rpm_venv.locks.requirements import normalized

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: What a Requires-Dist may be: longer ones, or deeper ones, are for no reader.
_MAX_TEXT = 2000
_MAX_NESTING = 32


@dataclass(frozen=True)
class Needs:
    """What one wheel's METADATA says: Requires-Dist and Requires-Python as they stand there."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    python: str = ""


def misfits(
    wheels: Sequence[Needs], amended: Mapping[str, str], markers: Mapping[str, str]
) -> dict[str, str]:
    """Why amended wheels do not fit among all ``wheels`` of an environment, by name.

    ``amended`` has the version that stood there before, "" where there was none. What the package's
    own wheels ask of each other is the package's affair, and so is a requirement that was broken
    before.
    """
    versions = {each.name: each.version for each in wheels}
    asked = _extras(wheels, markers)
    found: dict[str, str] = {}
    for wheel in wheels:
        if wheel.name in amended and not _contains(wheel.python, markers["python_full_version"]):
            found.setdefault(wheel.name, f"it is for Python {wheel.python}")
        for requirement in _requirements(wheel, markers, asked.get(wheel.name, frozenset())):
            for name, reason in _judged(wheel, requirement, versions, amended):
                found.setdefault(name, reason)
    return found


def _judged(
    wheel: Needs, requirement: Requirement, versions: Mapping[str, str], amended: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The amended wheel that one requirement speaks against, and why."""
    name = normalized(requirement.name)
    there = versions.get(name)
    if there is None:
        if wheel.name in amended:
            yield wheel.name, f"it needs {requirement}, which the environment does not have"
    elif requirement.specifier.contains(there, prereleases=True):
        return
    elif wheel.name in amended:
        yield wheel.name, f"it needs {requirement}, and the environment has {name} {there}"
    elif name in amended:
        was = amended[name]
        if not was or requirement.specifier.contains(was, prereleases=True):
            yield name, f"{wheel.name} {wheel.version} needs {requirement}"


def _extras(wheels: Sequence[Needs], markers: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The extras of each wheel that others ask for, and those that these lead to."""
    asked: dict[str, frozenset[str]] = {}
    while True:
        before = dict(asked)
        for wheel in wheels:
            for requirement in _requirements(wheel, markers, asked.get(wheel.name, frozenset())):
                name = normalized(requirement.name)
                if requirement.extras:
                    asked[name] = asked.get(name, frozenset()) | frozenset(requirement.extras)
        if asked == before:
            return asked


def _requirements(
    wheel: Needs, markers: Mapping[str, str], extras: frozenset[str]
) -> Iterator[Requirement]:
    """The requirements of a wheel that hold here; one that cannot be read asks for nothing."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement, Requirement

    for text in wheel.requires:
        if len(text) > _MAX_TEXT or text.count("(") > _MAX_NESTING:
            continue
        try:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or any(
                marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras)
            ):
                yield requirement
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue


def _contains(specifier: str, python: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(python.rstrip("+"), prereleases=True)
    except InvalidSpecifier:
        return True
