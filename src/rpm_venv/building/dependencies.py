"""The rpm dependencies of a package that declares an environment. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rpm_venv.declaration import Declaration
from rpm_venv.locks.locked import Entry
from rpm_venv.locks.plain_version import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from rpm_venv.wheels.wheel import WheelName

#: The oldest runtime that understands the calls of these macros (%__rpm_venv_version).
RUNTIME = "rpm-venv >= 0.1.0"

_MINORS = range(60)  # of Python 3; a bound beyond the last one is none
_LATE_PATCH = 999


def provides(path: str, entries: Iterable[Entry]) -> list[str]:
    """What a package provides with the environment at ``path``: itself and what it bundles."""
    return [f"venv({path})", *bundled(entries)]


def bundled(entries: Iterable[Entry]) -> list[str]:
    """What a package says of the distributions that it has in it."""
    versions = ((entry.name, parsed(entry.version)) for entry in entries)
    return sorted(f"bundled(python3dist({name})) = {rpm_version(v)}" for name, v in versions)


def extends(path: str) -> list[str]:
    """What a package of extras needs: the environment at ``path``, and what joins them to it."""
    return [RUNTIME, f"venv({path})"]


def conflicts(path: str) -> list[str]:
    """What keeps a second package off the path; no package is in conflict with itself."""
    return [f"venv({path})"]


def requires(
    declaration: Declaration, requires_python: SpecifierSet | None, minors: Collection[int] | None
) -> list[str]:
    """What must be there when the scriptlets run: the runtime and a Python that fits.

    An environment that is the package's own files needs no runtime.
    ``minors`` are the Pythons 3.N that all wheels can be loaded by, None for no such bound. The
    order that ``Requires(post,postun)`` gives comes with a plain ``Requires`` already: rpm sorts by
    both alike and looks at the scriptlet only to break a loop (lib/order.c).
    """
    lines = [] if declaration.is_whole else [RUNTIME]
    if declaration.python != "/usr/bin/python3":
        python = declaration.python
        lines.append(python if python.startswith("/") else f"/usr/bin/{python}")
    if minors is not None and len(minors) == 1:
        lines.append(f"python(abi) = 3.{next(iter(minors))}")
    elif requires_python is not None and python_abi(requires_python):
        lines.append(python_abi(requires_python))
    return lines


def common_minors(entries: Iterable[Iterable[WheelName]]) -> frozenset[int] | None:
    """The Pythons 3.N for which every entry has a wheel; None when nothing binds. May be empty.

    Each entry is given by the wheels that it may be.
    """
    common: frozenset[int] | None = None
    for wheels in entries:
        bounds = [_minors(wheel) for wheel in wheels]
        if not bounds or None in bounds:
            continue
        union = frozenset().union(*(bound for bound in bounds if bound is not None))
        common = union if common is None else common & union
    return common


def _minors(wheel: WheelName) -> frozenset[int] | None:
    """The Pythons 3.N that alone can load a wheel; None when later ones can as well."""
    found = [_bound_minor(tag) for tag in wheel.tags]
    return None if None in found else frozenset(m for m in found if m is not None and m >= 0)


def _bound_minor(tag: str) -> int | None:
    """N where a tag is for CPython 3.N alone, None if it is for later ones too, -1 for others."""
    interpreter, abi, _ = tag.split("-")
    if interpreter.startswith("py3"):
        return None
    if not interpreter.startswith("cp3"):
        return -1
    return None if abi == "abi3" else int(interpreter[3:] or 0)


def rpm_version(version: Version) -> str:
    """A PEP 440 version as Fedora's python3dist() dependencies write it.

    An epoch becomes rpm's, trailing zeros go, ``1.0rc1`` is ``1~rc1``, ``1.0.dev2`` ``1~~dev2``,
    ``1.0.post3`` ``1^post3``; a local version has no place there.
    """
    release = list(version.release)
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    suffix = ""
    if version.pre is not None:
        suffix = "~" + "".join(map(str, version.pre))
    elif version.dev is not None:
        suffix = f"~~dev{version.dev}"
    elif version.post is not None:
        suffix = f"^post{version.post}"
    epoch = f"{version.epoch}:" if version.epoch else ""
    return epoch + ".".join(map(str, release)) + suffix


def python_abi(specifiers: SpecifierSet) -> str:
    """``requires-python`` as a dependency on python(abi), which has no patch level; "" for none."""
    patches = _patches(specifiers)
    fitting = [
        minor
        for minor in _MINORS
        if any(specifiers.contains(f"3.{minor}.{patch}", prereleases=True) for patch in patches)
    ]
    if not fitting:
        return "python(abi) = 0"  # nothing satisfies the lock, and nothing satisfies this
    bounds = []
    if fitting[0] > _MINORS[0]:
        bounds.append(f"python(abi) >= 3.{fitting[0]}")
    if fitting[-1] < _MINORS[-1]:
        bounds.append(f"python(abi) <= 3.{fitting[-1]}")
    holes = sorted(set(range(fitting[0], fitting[-1])) - set(fitting))
    return _rich(bounds, [f"python(abi) = 3.{hole}" for hole in holes])


def _patches(specifiers: SpecifierSet) -> set[int]:
    """Patch levels enough to tell whether a minor version fits: any rule changes next to these."""
    from packaging.version import Version

    patches = {0, _LATE_PATCH}
    for specifier in specifiers:
        release = Version(specifier.version.removesuffix(".*")).release
        if len(release) > 2:
            patches |= {max(release[2] - 1, 0), release[2], release[2] + 1}
    return patches


def _rich(bounds: list[str], holes: list[str]) -> str:
    """The dependency that one package must meet in all of ``bounds`` and in none of ``holes``."""
    text = f"({' with '.join(bounds)})" if len(bounds) > 1 else "".join(bounds)
    for hole in holes:
        text = f"({text or 'python(abi)'} without {hole})"
    return text
