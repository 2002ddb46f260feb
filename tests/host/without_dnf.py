"""What dnf is asked for on a host, done by rpm alone: for a build of rpm that dnf does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import pytest

from tests.host.host import REPOSITORY, Host, Result

_FORMAT = (
    "%{NAME}\t%{VERSION}\t%{RELEASE}\t[%{REQUIRENAME},]\t[%{PROVIDENAME},]\t[%{FILENAMES},]"
    "\t[%{OBSOLETENAME},]\n"
)


@dataclass(frozen=True)
class _Package:
    """A package of the repository, or an installed one (which has no file)."""

    file: str
    name: str
    version: str
    release: str
    requires: tuple[str, ...]
    provides: frozenset[str]
    obsoletes: frozenset[str]

    @property
    def order(self) -> tuple[int, ...]:
        """Where its version stands: tests have numbers with dots."""
        return tuple(map(int, re.findall(r"\d+", f"{self.version}-{self.release}")))

    def is_meant(self, word: str) -> bool:
        word = re.sub(r"\.(noarch|x86_64|aarch64)$", "", word)
        version = f"{self.name}-{self.version}"
        return any(
            fnmatch(each, word) for each in (self.name, version, f"{version}-{self.release}")
        )


def transaction(host: Host, verb: str, *words: str, check: bool = True) -> Result:
    """The same in one transaction of rpm's; skips the test where rpm alone cannot do it."""
    if verb == "remove":
        return host.rpm("-e", *words, check=check)
    if verb not in _VERBS:
        pytest.skip(f"dnf {verb} needs dnf, which has no other rpm than the system's")
    there = _query(host, "-qp", *_files(host))
    installed = {package.name: package for package in _query(host, "-qa")}
    chosen = _VERBS[verb](there, installed, words)
    missing = [word for word in words if not any(each.is_meant(word) for each in chosen)]
    if missing and verb != "upgrade":
        raise AssertionError(f"there is no {', '.join(missing)} to {verb}")
    if not chosen:
        return host.run("echo", "Nothing to do.")
    chosen = _with_needed(chosen, there, installed.values())
    return host.rpm(*_OPTIONS[verb], *(package.file for package in chosen), check=check)


def _files(host: Host) -> list[str]:
    return [f"{REPOSITORY}/{file.name}" for file in sorted(host.path(REPOSITORY).glob("*.rpm"))]


def _query(host: Host, *how: str) -> list[_Package]:
    lines = host.rpm(*how, "--qf", _FORMAT).stdout.splitlines()
    return [_package(line, file) for line, file in zip(lines, [*how[1:], *[""] * len(lines)])]


def _package(line: str, file: str) -> _Package:
    name, version, release, *lists = line.split("\t")
    requires, provides, files, obsoletes = ([w for w in each.split(",") if w] for each in lists)
    return _Package(
        file, name, version, release, tuple(requires), frozenset([*provides, *files]),
        frozenset(obsoletes),
    )  # fmt: skip


_Installed = dict[str, _Package]


def _newest(packages: Iterable[_Package]) -> list[_Package]:
    found: dict[str, _Package] = {}
    for package in sorted(packages, key=lambda package: package.order):
        found[package.name] = package
    return list(found.values())


def _install(there: list[_Package], _: _Installed, words: Sequence[str]) -> list[_Package]:
    return _newest(package for package in there if any(map(package.is_meant, words)))


def _upgrade(there: list[_Package], has: _Installed, words: Sequence[str]) -> list[_Package]:
    return _newest(
        package
        for package in there
        if (not words or any(map(package.is_meant, words)))
        and (
            package.order > has[package.name].order
            if package.name in has
            else bool(package.obsoletes & {*has})
        )
    )


def _downgrade(there: list[_Package], has: _Installed, words: Sequence[str]) -> list[_Package]:
    return _newest(
        package
        for package in there
        if any(map(package.is_meant, words)) and package.order < has[package.name].order
    )


def _reinstall(there: list[_Package], has: _Installed, words: Sequence[str]) -> list[_Package]:
    return _newest(
        package
        for package in there
        if any(map(package.is_meant, words)) and package.order == has[package.name].order
    )


def _with_needed(
    chosen: list[_Package], there: list[_Package], installed: Iterable[_Package]
) -> list[_Package]:
    """These, and what they require and nothing provides yet."""
    provided = frozenset().union(*(package.provides for package in [*installed, *chosen]))
    for package in chosen:  # which grows
        for need in package.requires:
            others = [each for each in there if need in each.provides]
            if need not in provided and others:
                chosen.append(_newest(others)[0])
                provided |= chosen[-1].provides
    return chosen


_VERBS = {
    "install": _install,
    "upgrade": _upgrade,
    "downgrade": _downgrade,
    "reinstall": _reinstall,
}
_OPTIONS = {
    "install": ("-U",),
    "upgrade": ("-U",),
    "downgrade": ("-U", "--oldpackage"),
    "reinstall": ("--reinstall",),
}
