"""Whether amended wheels fit into an environment, by what all its wheels say they need. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rpm_venv.frozen import dataclass
from rpm_venv.locks.requirements import normalized

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: What a Requires-Dist or Requires-Python may be: longer or deeper ones are for no reader.
_MAX_TEXT = 2000
_MAX_NESTING = 32
#: How often requirements are looked at, in all, which takes some seconds: 2,000 of a wheel of which
#: others ask for 100 extras.
_MAX_LOOKS = 200_000


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
    holding = _holding(wheels, markers)
    found: dict[str, str] = {}
    for wheel in wheels:
        if wheel.name in amended and not _contains(wheel.python, markers["python_full_version"]):
            found.setdefault(wheel.name, f"it is for Python {wheel.python}")
        for requirement in holding[wheel.name]:
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


def _holding(wheels: Sequence[Needs], markers: Mapping[str, str]) -> dict[str, list[Requirement]]:
    """The requirements of each wheel that hold here, with the extras that others ask of it.

    What an extra brings may ask for others. Each is tried once, with what did not hold before;
    those beyond what anybody means bring nothing.
    """
    left = {wheel.name: dict(enumerate(_readable(wheel))) for wheel in wheels}
    held: dict[str, dict[int, Requirement]] = {wheel.name: {} for wheel in wheels}
    asked = {wheel.name: {""} for wheel in wheels}
    tries = [(wheel.name, "") for wheel in wheels]
    looks = 0
    for name, extra in tries:  # which grows meanwhile
        looks += len(left[name])
        if looks > _MAX_LOOKS:
            break
        environment = {**markers, "extra": extra}
        for number, requirement in list(left[name].items()):
            if not _holds(requirement, environment):
                continue
            held[name][number] = left[name].pop(number)
            other = normalized(requirement.name)
            for more in requirement.extras if other in asked else ():
                if more not in asked[other]:
                    asked[other].add(more)
                    tries.append((other, more))
    return {name: [each for _, each in sorted(held[name].items())] for name in held}


def _readable(wheel: Needs) -> Iterator[Requirement]:
    """The requirements of a wheel; one that cannot be read asks for nothing."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in wheel.requires:
        if len(text) <= _MAX_TEXT and text.count("(") <= _MAX_NESTING:
            with contextlib.suppress(InvalidRequirement):
                yield Requirement(text)


def _holds(requirement: Requirement, environment: dict[str, str]) -> bool:
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        return requirement.marker is None or requirement.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False


def _contains(specifier: str, python: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if len(specifier) > _MAX_TEXT:
        return True
    try:
        return SpecifierSet(specifier).contains(python.rstrip("+"), prereleases=True)
    except InvalidSpecifier:
        return True
