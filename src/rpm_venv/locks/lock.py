"""The lock: the exact wheels an environment is made of. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rpm_venv.digest import sha256
from rpm_venv.errors import LockError, Problem, first_line
from rpm_venv.frozen import replace
from rpm_venv.locks import requirements
from rpm_venv.locks.locked import MAX_SIZE, Entry, Lock, LockedFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from packaging.markers import Marker

__all__ = [
    "MAX_SIZE",
    "Entry",
    "Lock",
    "LockedFile",
    "command",
    "condense",
    "parse",
    "read",
    "render",
    "select",
]

#: What a pylock.toml has in place of wheels, in words.
SOURCES = {
    "sdist": "only an sdist",
    "vcs": "a revision of a source repository",
    "directory": "a source directory",
    "archive": "a source archive",
}
_LOCK_VERSION = re.compile(r"^[ \t]*lock-version[ \t]*=[^=]", re.MULTILINE)
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]"
#: What to do about a distribution that has no wheel: root never runs a build.
HOW_TO_BUILD = (
    "build a wheel of it (pip wheel --no-deps), put it into the package, and add it to the lock "
    "with rpm-venv lock -a WHEEL"
)


def parse(data: bytes, filename: str) -> Lock:
    """The lock in ``data``; ``filename`` decides the format and names it in errors.

    ``pylock.toml`` and ``pylock.NAME.toml`` are PEP 751's format, anything else is a
    requirements.txt; where the name is ``-`` (from stdin), the key that every pylock.toml has
    tells. ``LockError`` with every problem of the file, each with its place, and the
    ``rpm-venv lock`` command that makes a good lock out of it.
    """
    lock, problems = read(data, filename)
    if not lock.entries and not problems:
        problems = [Problem("it names nothing")]
    if problems:
        raise LockError(
            "not an exact lock",
            subject=filename,
            hint=f"make one with: {command(filename)}",
            problems=problems,
        )
    return lock


def read(data: bytes, filename: str) -> tuple[Lock, list[Problem]]:
    """The lock that is in ``data`` without what is wrong in it, and what that is."""
    digest = sha256(data).hexdigest()
    text = _text(data)
    if isinstance(text, Problem):
        return Lock(filename, digest, ()), [text]
    if is_pylock(filename) or (filename == "-" and _LOCK_VERSION.search(text)):
        from rpm_venv.locks import pylock

        lock, problems = pylock.read(text, filename)
    else:
        lock, problems = requirements.read(text, filename)
    return replace(lock, digest=digest), [*problems, *_conflicts(lock.entries)]


def is_pylock(filename: str) -> bool:
    """Whether a file of this name is in PEP 751's format."""
    name = filename.rpartition("/")[2]
    return name.startswith("pylock.") and name.endswith(".toml")


def _text(data: bytes) -> str | Problem:
    """The text of a lock; a byte order mark, as editors of other systems leave it, is no fault."""
    if len(data) > MAX_SIZE:
        return Problem(f"larger than {MAX_SIZE >> 20} MiB")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return Problem("not UTF-8", f"line {data.count(10, 0, error.start) + 1}")
    control = re.search(_CONTROL, text) if not text.replace("\n", "").isprintable() else None
    if control:
        line = text.count("\n", 0, control.start()) + 1
        return Problem(f"a control character ({control[0]!a})", f"line {line}")
    return text


def _conflicts(entries: Iterable[Entry]) -> Iterator[Problem]:
    """Entries of one name that hold at once whatever the markers' values are.

    Each is compared with the first of its name without a marker and the first with its own marker,
    so that ten thousand of one name take no longer than of ten thousand.
    """
    first: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        known, marker = first.setdefault(entry.name, {}), str(entry.marker or "")
        compared = (known.get(""), known.get(marker) if marker else None)
        others = known.values() if not marker and "" not in known else compared
        for other in others:
            if other is not None and not _same(entry, other):
                yield Problem(f"{entry} conflicts with {other} in {other.where}", entry.where)
        known.setdefault(marker, entry)


def _same(one: Entry, other: Entry) -> bool:
    return (one.version, one.hashes, one.source) == (other.version, other.hashes, other.source)


def select(
    lock: Lock,
    markers: Mapping[str, str],
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
    *,
    sdists: bool = False,
) -> tuple[Entry, ...]:
    """The entries that hold for an interpreter's marker environment, extras and groups, by name.

    ``groups`` replace the lock's default groups (PEP 751). ``LockError`` where the lock refuses
    that Python, an extra or group is not in it, an entry that holds has no wheel, or two different
    entries of one name hold at once. With ``sdists``, for who can build, an entry of which there is
    only an sdist with a sha256 is one of them.
    """
    asked = frozenset(map(requirements.normalized, extras))
    wanted = frozenset(map(requirements.normalized, groups))
    environment: dict[str, Any] = dict(markers)
    if lock.pylock:
        environment["extras"] = asked
        environment["dependency_groups"] = wanted or frozenset(lock.default_groups)
    holds = _evaluator(lock, environment)
    chosen, problems = _choose(lock.entries, holds, _python(markers), sdists)
    problems = [*_unfit(lock, markers, holds), *problems]
    absent = [*_absent(lock, asked, wanted)]
    if absent and not problems:  # another lock for this Python would lack them as well
        raise LockError(
            "the lock has not all that is asked for", subject=lock.filename, problems=absent
        )
    if problems:
        python = ".".join(markers["python_full_version"].split(".")[:2])
        raise LockError(
            f"the lock does not fit Python {markers['python_full_version']}",
            subject=lock.filename,
            hint=f"make one with: {command(lock.filename, python)}",
            problems=[*absent, *problems],
        )
    return chosen


def holding(
    lock: Lock, markers: Mapping[str, str], extras: Iterable[str] = (), groups: Iterable[str] = ()
) -> tuple[Entry, ...]:
    """The entries that hold, one a name, whether or not all of them could be an environment."""
    environment: dict[str, Any] = dict(markers)
    if lock.pylock:
        environment["extras"] = frozenset(map(requirements.normalized, extras))
        environment["dependency_groups"] = frozenset(map(requirements.normalized, groups))
    return _choose(lock.entries, _evaluator(lock, environment), _python(markers), sdists=True)[0]


def _evaluator(lock: Lock, environment: Mapping[str, Any]) -> Callable[[Marker], bool | Problem]:
    """Whether a marker holds, asked once each; ``Problem`` where it has no value."""
    known: dict[str, bool | Problem] = {}
    context: Any = "lock_file" if lock.pylock else "metadata"

    def holds(marker: Marker) -> bool | Problem:
        text = str(marker)
        if text not in known:
            try:
                known[text] = marker.evaluate(environment, context)
            except (ValueError, LookupError, RecursionError) as error:
                known[text] = Problem(f"the marker {text} has no value here: {first_line(error)}")
        return known[text]

    return holds


def _choose(
    entries: Iterable[Entry], holds: Callable[[Marker], bool | Problem], python: str, sdists: bool
) -> tuple[tuple[Entry, ...], list[Problem]]:
    """The entries that hold, one a name, and what is wrong with them."""
    chosen: dict[str, Entry] = {}
    problems: list[Problem] = []
    for entry in entries:
        held = entry.marker is None or holds(entry.marker)
        if isinstance(held, Problem):
            problems.append(replace(held, where=entry.where))
        elif held:
            other = chosen.setdefault(entry.name, entry)
            problems.extend(_entry_problems(entry, other, python, sdists))
    return tuple(chosen[name] for name in sorted(chosen)), problems


def _entry_problems(entry: Entry, other: Entry, python: str, sdists: bool) -> Iterator[Problem]:
    """What is wrong with an entry that holds beside the first one of its name."""
    if not _same(entry, other):
        yield Problem(f"{entry} and {other} in {other.where} both hold here", entry.where)
    if entry.source and not (sdists and entry.source == "sdist" and entry.sdist):
        what = SOURCES[entry.source]
        yield Problem(f"{entry.name} is {what}, not a wheel", entry.where, HOW_TO_BUILD)
    required = entry.requires_python
    if required is not None and not required.contains(python, True):
        yield Problem(f"{entry} is for Python {required}", f"{entry.where}.requires-python")


def _absent(lock: Lock, extras: Iterable[str], groups: Iterable[str]) -> Iterator[Problem]:
    """The extras and groups asked for that the lock does not have."""
    asked = (
        ("extra", extras, lock.extras),
        ("group", groups, (*lock.groups, *lock.default_groups)),
    )
    for what, names, there in asked:
        known = {requirements.normalized(name) for name in there}
        for name in sorted(set(names) - known):
            choice = f"it has {', '.join(sorted(known)) or 'none'}"
            yield Problem(f"it has no {what} {name!a}", hint=choice)


def _unfit(
    lock: Lock, markers: Mapping[str, str], holds: Callable[[Marker], bool | Problem]
) -> Iterator[Problem]:
    """Why the lock as a whole is not for this Python."""
    required = lock.requires_python
    if required is not None and not required.contains(_python(markers), True):
        yield Problem(f"it is for Python {required}", "requires-python")
    if lock.environments and not any(holds(marker) is True for marker in lock.environments):
        choice = " or ".join(map(str, lock.environments))
        yield Problem(f"it is for systems where {choice}", "environments")


def _python(markers: Mapping[str, str]) -> str:
    """The Python's full version; a build of CPython between two tags calls itself ``3.13.0+``."""
    version = markers["python_full_version"]
    return f"{version}local" if version.endswith("+") else version


def render(lock: Lock, header: Sequence[str] = ()) -> str:
    """The lock in its own format, sorted, below comments."""
    if lock.pylock:
        from rpm_venv.locks import pylock

        return pylock.render(lock, header)
    return requirements.render(lock.entries, header)


def condense(lock: Lock) -> str:
    """The lock without what only people read, in its own format."""
    if lock.pylock:
        from rpm_venv.locks import pylock

        return pylock.render(lock)
    return requirements.condense(lock.entries)


def command(filename: str, python: str = "") -> str:
    """The command that makes an exact lock out of this file, for this Python (``3.12``)."""
    import shlex  # only where there is something to say

    option = f" -p python{python}" if python else ""
    if filename == "-":
        return f"rpm-venv lock{option} IN OUT"
    return f"rpm-venv lock{option} {shlex.quote(filename)} {shlex.quote(_exact_name(filename))}"


def _exact_name(filename: str) -> str:
    """A name beside the file's own: what a person wrote is never overwritten."""
    directory, slash, name = filename.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if name == "pylock.toml":
        name = "pylock.exact.toml"
    elif suffix == "in" and stem:
        name = f"{stem}.txt"
    else:
        name = f"{stem}-exact{dot}{suffix}" if stem else f"{name}-exact"
    return f"{directory}{slash}{name}"
