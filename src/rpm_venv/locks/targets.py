"""The Pythons and machines that one lock is for, and what each of them is answered. Pure.

Every one of them is answered alone, and the answers become one lock: what all have needs no marker,
and where they differ, a marker tells which Pythons and machines an entry is for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rpm_venv.errors import UsageError
from rpm_venv.frozen import replace
from rpm_venv.locks.locked import Entry, LockedFile
from rpm_venv.system.interpreter import OLDEST, Interpreter

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

#: One Python on one machine, and the entries of it.
Answers = Sequence[tuple[Interpreter, Sequence[Entry]]]

_MINOR = re.compile(r"3\.(\d{1,2})")
_MACHINE = re.compile(r"[a-z0-9_]{2,20}")
#: The 2.N of manylinux tags: a wheel for the oldest system is the best, and one for a newer system
#: than there is does no harm.
_EL8_GLIBC = 28
_NEWEST_GLIBC = 45
_OLDER_MANYLINUX = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}


def is_version(python: str) -> bool:
    """Whether ``-p`` names a version, ``3.12``, of which no interpreter need be here."""
    return _MINOR.fullmatch(python) is not None


def check_machine(machine: str) -> str:
    """A machine as ``platform_machine`` calls it; ``UsageError`` if it is no such name."""
    if not _MACHINE.fullmatch(machine):
        raise UsageError("not the name of a machine, such as x86_64 or aarch64", subject=machine)
    return machine


def elsewhere(minor: str, machine: str) -> Interpreter:
    """A CPython that is not here, ``3.12`` on ``aarch64``, as far as a lock needs to know it.

    It is the first release of its version: what only later ones do without is in the lock.
    """
    version = (3, int(minor[2:]), 0)
    if version[:2] < OLDEST:
        oldest = f"{OLDEST[0]}.{OLDEST[1]}"
        raise UsageError(f"environments are made for Python {oldest} or newer, not {minor}")
    markers = {
        "implementation_name": "cpython",
        "implementation_version": f"{minor}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{minor}.0",
        "python_version": minor,
        "sys_platform": "linux",
    }
    return Interpreter("", version, f"cpython-3{version[1]}", markers, _tags(version[:2], machine))


def on_machine(interpreter: Interpreter, machine: str) -> Interpreter:
    """The same Python on a machine that need not be this one."""
    if interpreter.markers["platform_machine"] == machine:
        return interpreter
    return elsewhere(interpreter.minor, machine)


@functools.cache
def _tags(version: tuple[int, int], machine: str) -> tuple[str, ...]:
    from packaging.tags import compatible_tags, cpython_tags

    name = f"cp{version[0]}{version[1]}"
    platforms = []
    for glibc in (*range(_EL8_GLIBC, 4, -1), *range(_EL8_GLIBC + 1, _NEWEST_GLIBC)):
        platforms.append(f"manylinux_2_{glibc}_{machine}")
        platforms += [f"{old}_{machine}" for old, n in _OLDER_MANYLINUX.items() if n == glibc]
    platforms.append(f"linux_{machine}")
    tags = [*cpython_tags(version, [name], platforms), *compatible_tags(version, name, platforms)]
    return tuple(map(str, tags))


def machine_of(interpreter: Interpreter) -> str:
    return str(interpreter.markers["platform_machine"])


def described(interpreters: Iterable[Interpreter]) -> str:
    """``Python 3.9 and 3.12 on x86_64 and aarch64``."""
    known = list(interpreters)
    minors = dict.fromkeys(one.minor for one in known)
    return f"Python {_all(minors)} on {_all(dict.fromkeys(map(machine_of, known)))}"


def _all(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def merged(answers: Answers) -> tuple[Entry, ...]:
    """One list of entries for all who were answered, with a marker where not all have an entry.

    Each name and version is one entry, with the wheels of all who have it; a marker that an answer
    has itself, which asks for more than Python and machine, stays and applies as well.
    """
    everybody = [interpreter for interpreter, _ in answers]
    found: dict[tuple[str, str, str], list[tuple[int, Entry]]] = {}
    for index, (_, entries) in enumerate(answers):
        for entry in entries:
            key = (entry.name, str(entry.version), str(entry.marker or ""))
            found.setdefault(key, []).append((index, entry))
    return tuple(
        replace(_joined([e for _, e in having]), marker=_marker(having, everybody))
        for _, having in sorted(found.items())
    )


def _joined(entries: Sequence[Entry]) -> Entry:
    files: dict[LockedFile, None] = {file: None for e in entries for file in e.files}
    return replace(
        entries[0],
        hashes=tuple(sorted({digest for e in entries for digest in e.hashes})),
        files=tuple(sorted(files, key=lambda file: (file.filename, file.sha256))),
        source="" if any(not e.source for e in entries) else entries[0].source,
        sdist=next((e.sdist for e in entries if e.sdist), None),
    )


def _marker(having: Sequence[tuple[int, Entry]], everybody: Sequence[Interpreter]) -> Marker | None:
    from packaging.markers import Marker

    own = having[0][1].marker
    text = condition([everybody[index] for index, _ in having], everybody)
    if own is None:
        return Marker(text) if text else None
    return Marker(f"({own}) and ({text})") if text else own


def condition(some: Iterable[Interpreter], everybody: Sequence[Interpreter]) -> str:
    """What holds for some of all interpreters and for none of the others; empty for all.

    Everybody is each of some Pythons on each of some machines.
    """
    pythons = sorted({one.minor for one in everybody}, key=lambda minor: int(minor[2:]))
    machines = sorted(set(map(machine_of, everybody)))
    chosen = {(one.minor, machine_of(one)) for one in some}
    alike: dict[tuple[str, ...], list[str]] = {}
    for minor in pythons:
        on = tuple(machine for machine in machines if (minor, machine) in chosen)
        alike.setdefault(on, []).append(minor)
    terms = []
    for on, minors in alike.items():
        if on:
            parts = [_pythons(minors, pythons), _machines(on, machines)]
            terms.append(" and ".join(f"({part})" for part in parts if part))
    return " or ".join(f"({term})" for term in terms) if all(terms) else ""


def _pythons(minors: Sequence[str], known: Sequence[str]) -> str:
    """A condition on python_version for some of the known ones, which are in ascending order."""
    if len(minors) == len(known):
        return ""
    if list(minors) == list(known[: len(minors)]):
        return f'python_version < "{known[len(minors)]}"'
    if list(minors) == list(known[-len(minors) :]):
        return f'python_version >= "{minors[0]}"'
    return " or ".join(f'python_version == "{minor}"' for minor in minors)


def _machines(some: Sequence[str], known: Sequence[str]) -> str:
    if len(some) == len(known):
        return ""
    return " or ".join(f'platform_machine == "{machine}"' for machine in some)


def environments(interpreters: Sequence[Interpreter]) -> tuple[Marker, ...]:
    """What a pylock.toml says that it is for (PEP 751), where that is more than one Python."""
    from packaging.markers import Marker

    return tuple(
        Marker(f'python_version == "{one.minor}" and platform_machine == "{machine_of(one)}"')
        for one in interpreters
    )


def requires_python(interpreters: Sequence[Interpreter]) -> SpecifierSet:
    """The Pythons that a lock is for, as a pylock.toml says it."""
    from packaging.specifiers import SpecifierSet

    minors = sorted({int(one.minor[2:]) for one in interpreters})
    if len(minors) == 1:
        return SpecifierSet(f"==3.{minors[0]}.*")
    return SpecifierSet(f">=3.{minors[0]},<3.{minors[-1] + 1}")
