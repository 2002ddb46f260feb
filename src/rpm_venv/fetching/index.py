"""Wheels from the site's index, by pip: a child without privileges that answers to the site alone.

pip knows the site's configuration, proxies, certificates and credentials. It gets those and an
exact list, and nothing of the caller's environment. What it brings is believed by its sha256. An
edge: runs programs, writes below its own directory in staging.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpm_venv.errors import FetchError, Problem, UnreachableError, VenvError, WheelError
from rpm_venv.fetching import complaint, pips, site
from rpm_venv.fetching.pips import Pip
from rpm_venv.frozen import replace
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.system import files, reading
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels.store import Source
from rpm_venv.wheels.stream import printable
from rpm_venv.wheels.wheel import WheelName, rank

_CHUNK = 1 << 20
#: What an index is asked for to see whether it answers: a version that nobody can upload.
_NO_WHEEL = f"pip==0+rpm.venv --hash=sha256:{'0' * 64}"


def download(
    layout: Layout, entries: Sequence[Entry], interpreter: Interpreter, place: Path
) -> tuple[Source, ...]:
    """The wheels of these entries, in their order, downloaded below ``place``, an empty directory.

    ``FetchError`` says in one line what keeps pip from getting them, or of several wheels what
    keeps it from each; then the directory holds whatever pip left.
    """
    lines = [
        " ".join([f"{entry.name}=={entry.version}", *(f"--hash=sha256:{h}" for h in entry.hashes)])
        for entry in entries
    ]
    own = Pip(interpreter.path)
    others = Pip(os.path.realpath(sys.executable), tuple(_target(interpreter)))
    choice = [own] if own.python == others.python else [own, others]
    done = pips.run(layout, place, lines, choice)
    if done.said:
        raise _failure(layout, done)
    if os.geteuid() == 0:  # nobody does not get at what is about to be checked
        for directory in (place, place / "wheels"):
            os.chown(directory, 0, 0, follow_symlinks=False)
    wheels = _checked(place / "wheels", entries, interpreter)
    return tuple(replace(wheel, fetched_without=done.missing) for wheel in wheels)


def _failure(layout: Layout, done: pips.Done) -> FetchError:
    """The error that tells of every pip that failed; of one cause once."""
    found = list(dict.fromkeys(map(complaint.diagnose, done.said)))
    silent = all(each.unreachable for each in found)
    none = silent and done.none and site.is_alone(layout)
    kind = UnreachableError if none else FetchError
    if len(found) == 1 or silent:
        return kind(found[0].message, hint=found[0].hint)
    problems = (Problem(each.message, hint=each.hint) for each in found)
    return kind("the index does not give every wheel", problems=problems)


def problems(layout: Layout) -> tuple[Problem, ...]:
    """Why the index cannot be asked for wheels; nothing where it answers, whatever it has."""
    # Not in the staging directory: that belongs to whoever holds the lock on this machine.
    place = Path(tempfile.mkdtemp(prefix="rpm-venv-", dir="/tmp"))
    try:
        done = pips.run(layout, place, [_NO_WHEEL], [Pip(os.path.realpath(sys.executable))])
        found = [complaint.of_index(said) for said in done.said]
    except VenvError as error:
        return (Problem(error.message, error.subject, error.hint),)
    finally:
        files.remove_tree(place)
    return tuple(Problem(each.message, hint=each.hint) for each in found if each)


def _target(interpreter: Interpreter) -> list[str]:
    """What tells another Python's pip which wheels are wanted."""
    own = [tag.split("-") for tag in interpreter.tags if tag.startswith("cp")]
    abis = dict.fromkeys(abi for _, abi, _ in own)
    platforms = dict.fromkeys(platform for _, _, platform in own if platform != "any")
    return [
        *("--implementation", "cp", "--python-version", interpreter.minor),
        *(f"--abi={abi}" for abi in abis),
        *(f"--platform={platform}" for platform in platforms),
    ]


def _open_own(path: str, flags: int) -> int:
    """Open what a stranger wrote: a regular file and nothing else."""
    return reading.regular(path, flags, follow=False)


def _checked(wheels: Path, entries: Sequence[Entry], interpreter: Interpreter) -> Iterator[Source]:
    """The downloaded files, each of them the wheel of one entry."""
    found: dict[str, list[tuple[WheelName, str]]] = {}
    filenames = sorted(os.listdir(wheels))
    if wheels.is_symlink() or len(filenames) > len(entries):
        raise FetchError("pip brought more than it was asked for")
    for filename in filenames:
        try:
            name = WheelName.parse(filename)
            with open(wheels / filename, "rb", opener=_open_own) as file:
                digest = _digest(file)
        except (OSError, WheelError) as error:
            message = f"pip brought what is no wheel: {printable(filename)}"
            raise FetchError(message) from error
        found.setdefault(name.name, []).append((name, digest))
    for entry in entries:
        for name, digest in found.get(entry.name, ()):
            fits = name.version == entry.version and rank(name, interpreter.tags) is not None
            if fits and digest in entry.hashes:
                yield Source(wheels / name.filename, name.filename, digest)
                break
        else:
            raise FetchError(f"{entry}: pip brought no wheel of it that the lock names")


def _digest(file: io.BufferedReader) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
