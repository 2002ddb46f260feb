"""pylock.toml (PEP 751) as a lock: read through ``packaging.pylock``, and rendered. Pure.

A package that has no wheel is not refused here but by ``select``, where it holds: a lock for every
platform may name an sdist that only another system would build.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rpm_venv.errors import Problem
from rpm_venv.locks import toml
from rpm_venv.locks.locked import Entry, Lock, LockedFile
from rpm_venv.wheels.wheel import has_too_many_tags, number_of_tags

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageArchive, PackageWheel
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

_WHEEL = re.compile(r"[A-Za-z0-9_.!+-]+\.whl", re.ASCII)
_SDIST = re.compile(r"[A-Za-z0-9_.!+-]+\.(?:tar\.gz|zip)", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_CONDITION = re.compile(r"\b(?:extras|dependency_groups)\b")
#: In the file names of all its wheels. To parse as many takes four seconds.
_MAX_TAGS = 500_000
_MAX_REQUIRES = 1000  # letters of requires-python
_TOO_LONG = f"longer than {_MAX_REQUIRES} letters"
_TOML_PLACE = re.compile(r" \(at line (\d+), column \d+\)$")


def read(text: str, filename: str) -> tuple[Lock, list[Problem]]:
    """The lock that is in ``text`` without its wrong packages, and what is wrong with those."""
    try:
        data = toml.loads(text)
    except toml.DeepKeyError as error:
        return Lock(filename, "", (), pylock=True), [Problem(str(error))]
    except RecursionError:
        return Lock(filename, "", (), pylock=True), [Problem("the TOML is nested too deeply")]
    except ValueError as error:
        place = _TOML_PLACE.search(str(error))
        message = f"not TOML: {_TOML_PLACE.sub('', str(error))}"
        where = f"line {place[1]}" if place else ""
        return Lock(filename, "", (), pylock=True), [Problem(message, where)]
    stems = itertools.chain.from_iterable(map(_stems, _packages(data)))
    # One name alone that has too many is told with its place, below.
    if sum(min(number_of_tags(stem), 1000) for stem in stems) > _MAX_TAGS:
        problem = f"the file names of its wheels have more than {_MAX_TAGS} tags"
        return Lock(filename, "", (), pylock=True), [Problem(problem)]
    head, problems = _head(data)
    entries: list[Entry] = []
    for index, package in enumerate(_packages(data)):
        found = _package(package, f"packages[{index}]")
        if isinstance(found, Entry):
            entries.append(found)
        else:
            problems.extend(found)
    return Lock(filename, "", tuple(entries), **head, pylock=True), problems


def _head(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """What the file says about itself, for ``Lock``, and what is wrong there."""
    from packaging.pylock import Pylock, PylockValidationError

    without = {**data, "packages": []} if isinstance(data.get("packages"), list) else data
    try:
        lock = Pylock.from_dict(without)
    except RecursionError:
        return {}, [Problem("a marker is nested too deeply", "environments")]
    except PylockValidationError as error:
        return {}, [Problem(error.message, error.context or "")]
    if _is_unreadable(lock.requires_python):
        return {}, [Problem(_TOO_LONG, "requires-python")]
    return {
        "requires_python": lock.requires_python,
        "environments": tuple(lock.environments or ()),
        "extras": tuple(lock.extras or ()),
        "groups": tuple(lock.dependency_groups or ()),
        "default_groups": tuple(lock.default_groups or ()),
    }, []


def _packages(data: Mapping[str, Any]) -> list[Any]:
    packages = data.get("packages")
    return packages if isinstance(packages, list) else []


def _package(data: Any, where: str) -> Entry | list[Problem]:
    """One package; it is validated in a file of its own, so that every package's fault is found."""
    from packaging.pylock import Pylock, PylockValidationError

    if any(map(has_too_many_tags, _stems(data))):
        return [Problem("a wheel's file name is too long, or has too many tags", where)]
    alone = {"lock-version": "1.0", "created-by": "", "packages": [data]}
    try:
        package = Pylock.from_dict(alone).packages[0]
    except RecursionError:
        return [Problem("a marker is nested too deeply", where)]
    except PylockValidationError as error:
        place = (error.context or "").replace("packages[0]", where, 1)
        return [Problem(error.message, place or where)]
    if _is_unreadable(package.requires_python):
        return [Problem(_TOO_LONG, f"{where}.requires-python")]
    files: list[LockedFile] = []
    problems: list[Problem] = []
    for place, wheel in _wheels(package):
        found = _file(package, wheel, f"{where}.{place}")
        if isinstance(found, Problem):
            problems.append(found)
        else:
            files.append(found)
    problems.extend(_same_names(files, where))
    versions = {package.version} if package.version else {_version(f.filename) for f in files}
    if len(versions) > 1:
        problems.append(Problem("no version, and wheels of several", f"{where}.wheels"))
    version = next(iter(versions), None)
    return problems or _entry(package, version, tuple(files), where)


def _is_unreadable(requires_python: SpecifierSet | None) -> bool:
    """Whether it may have a number of more digits than Python reads, which is seen when asked."""
    return requires_python is not None and len(str(requires_python)) > _MAX_REQUIRES


def _stems(package: Any) -> Iterator[str]:
    """What may be taken for the file names of a package's wheels, before anything is validated."""
    wheels = package.get("wheels") if isinstance(package, dict) else None
    archive = package.get("archive") if isinstance(package, dict) else None
    for wheel in [*(wheels if isinstance(wheels, list) else ()), archive]:
        for key, value in wheel.items() if isinstance(wheel, dict) else ():
            if key in ("name", "path", "url") and isinstance(value, str):
                name = name_at(value) if key == "url" else re.split(r"[/\\]", value)[-1]
                if name.endswith(".whl"):
                    yield name[: -len(".whl")]


def _version(filename: str) -> Version:
    from packaging.utils import parse_wheel_filename

    return parse_wheel_filename(filename)[1]


def _wheels(package: Package) -> Iterator[tuple[str, PackageWheel | PackageArchive]]:
    for index, wheel in enumerate(package.wheels or ()):
        yield f"wheels[{index}]", wheel
    # uv and pip lock a wheel that was given by its URL as an archive; by its hash it is exact.
    if package.archive is not None and _archive_name(package.archive).endswith(".whl"):
        yield "archive", package.archive


def _archive_name(archive: PackageWheel | PackageArchive) -> str:
    return re.split(r"[/\\]", archive.path)[-1] if archive.path else name_at(archive.url or "")


def name_at(url: str) -> str:
    """The file name at the end of a URL."""
    from urllib.parse import unquote, urlsplit

    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""


def wheel_at(url: str, sha256: str) -> LockedFile | None:
    """The wheel that an index or a directory has at this URL, if it is one."""
    name = name_at(url)
    if not _WHEEL.fullmatch(name) or not _SHA256.fullmatch(sha256):
        return None
    return LockedFile(name, sha256.lower(), public(url))


def _file(
    package: Package, wheel: PackageWheel | PackageArchive, where: str
) -> LockedFile | Problem:
    # A PackageWheel may have a name of its own; an archive has only its path or URL.
    name: str = getattr(wheel, "name", "") or _archive_name(wheel)
    fault = _name_fault(package, name)
    if fault:
        return Problem(fault, where)
    digest = wheel.hashes.get("sha256")
    if digest is None:
        given = ", ".join(sorted(map(str, wheel.hashes)))
        return Problem(f"no sha256, only {given}", f"{where}.hashes")
    if not _SHA256.fullmatch(digest):
        return Problem("sha256 is not 64 hexadecimal digits", f"{where}.hashes.sha256")
    return LockedFile(name, digest.lower(), public(wheel.url or ""))


def _name_fault(package: Package, filename: str) -> str:
    """What is wrong with a wheel's file name, which becomes a file's name; empty if nothing is."""
    from packaging.utils import parse_wheel_filename

    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except ValueError:
        return f"{filename!a} is not a wheel's file name"
    if not _WHEEL.fullmatch(filename):
        return f"{filename!a} is not a wheel's file name"
    if name != package.name or version != (package.version or version):
        return f"{filename} is another distribution's"
    return ""


def public(url: str) -> str:
    """The URL, if it means the same on every machine, without credentials."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https"):
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _same_names(files: Sequence[LockedFile], where: str) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for file in files:
        if seen.setdefault(file.filename, file.sha256) != file.sha256:
            yield Problem(f"two hashes for {file.filename}", f"{where}.wheels")


def _entry(
    package: Package, version: Version | None, files: tuple[LockedFile, ...], where: str
) -> Entry:
    from packaging.version import Version

    sdist = _sdist(package)
    return Entry(
        name=str(package.name),
        version=version or (_sdist_version(sdist) if sdist else None) or Version("0"),
        hashes=tuple(sorted({file.sha256 for file in files})),
        marker=package.marker,
        files=tuple(sorted(files, key=lambda file: file.filename)),
        where=where,
        source="" if files else _source(package),
        requires_python=package.requires_python,
        sdist=sdist,
    )


def _sdist(package: Package) -> LockedFile | None:
    """The source distribution, where its name and sha256 are those of one."""
    sdist = package.sdist
    if sdist is None:
        return None
    place = re.split(r"[/\\]", sdist.path)[-1] if sdist.path else name_at(sdist.url or "")
    name = sdist.name or place
    digest = sdist.hashes.get("sha256", "")
    if not _SDIST.fullmatch(name) or not _SHA256.fullmatch(digest):
        return None
    return LockedFile(name, digest.lower(), public(sdist.url or ""))


def _sdist_version(sdist: LockedFile) -> Version | None:
    from packaging.utils import parse_sdist_filename

    try:
        return parse_sdist_filename(sdist.filename)[1]
    except ValueError:
        return None


def _source(package: Package) -> str:
    kinds = ("vcs", "directory", "archive")
    return next((kind for kind in kinds if getattr(package, kind) is not None), "sdist")


def render(lock: Lock, header: Sequence[str] = ()) -> str:
    """A pylock.toml of this lock, sorted, that pip, uv and ``read`` understand alike.

    A wheel without a public URL gets its file name as its path: it is beside the lock or, for this
    program, wherever wheels are looked for.
    """
    comments = "".join(f"# {line}\n" for line in header)
    top = [
        'lock-version = "1.0"',
        *_key("environments", [str(marker) for marker in lock.environments]),
        *_key("requires-python", str(lock.requires_python or "")),
        *_key("extras", list(lock.extras)),
        *_key("dependency-groups", list(lock.groups)),
        *_key("default-groups", list(lock.default_groups)),
        'created-by = "rpm-venv"',
    ]
    entries = sorted(lock.entries, key=lambda e: (e.name, e.version, str(e.marker or "")))
    tables = ["\n".join(_table(entry)) for entry in entries]
    if not tables:
        top.append("packages = []")
    return comments + "\n\n".join(["\n".join(top), *tables]) + "\n"


def _table(entry: Entry) -> Iterator[str]:
    yield "[[packages]]"
    yield f"name = {_string(entry.name)}"
    yield f"version = {_string(str(entry.version))}"
    yield from _key("marker", str(entry.marker or ""))
    yield from _key("requires-python", str(entry.requires_python or ""))
    if entry.sdist and not entry.files:
        yield f"sdist = {_file_table(entry.sdist)}"
        return
    yield "wheels = ["
    for file in entry.files:
        yield f"  {_file_table(file)},"
    yield "]"


def _file_table(file: LockedFile) -> str:
    place = f"url = {_string(file.url)}" if file.url else f"path = {_string(file.filename)}"
    hashes = f"{{ sha256 = {_string(file.sha256)} }}"
    return f"{{ name = {_string(file.filename)}, {place}, hashes = {hashes} }}"


def _key(name: str, value: str | list[str]) -> Iterator[str]:
    """The line of a key, unless there is nothing to say."""
    if isinstance(value, str) and value:
        yield f"{name} = {_string(value)}"
    elif value:
        yield f"{name} = [{', '.join(map(_string, value))}]"


def _string(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's. All of it is printable."""
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)


def is_conditional(entry: Entry) -> bool:
    """Whether an entry's marker asks for an extra or a group, which only a pylock.toml can say."""
    return bool(_CONDITION.search(str(entry.marker or "")))


def requirements(entries: Iterable[Entry]) -> Iterator[str]:
    """The distributions of a lock as lines of a requirements.txt, to resolve them again.

    Extras and groups have no meaning there: what they bring is asked for whatever the condition.
    """
    for entry in entries:
        unversioned = str(entry.version) == "0" and entry.source
        pinned = entry.name if unversioned else f"{entry.name}=={entry.version}"
        plain = entry.marker is not None and not is_conditional(entry)
        yield f"{pinned} ; {entry.marker}" if plain else pinned
