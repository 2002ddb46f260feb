"""What a package being built ships for its environments: locks and wheels, read and judged."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from rpm_venv.building.dependencies import common_minors
from rpm_venv.confined.archive import Archive
from rpm_venv.confined.members import Refused
from rpm_venv.declaration import Declaration
from rpm_venv.errors import LockError, Problem, VenvError
from rpm_venv.fetching import shelf
from rpm_venv.frozen import dataclass
from rpm_venv.locks import lock as locks
from rpm_venv.locks.locked import MAX_SIZE, Entry, Lock
from rpm_venv.paths import Layout
from rpm_venv.system import reading, trust
from rpm_venv.system.interpreter import Interpreter, inspect
from rpm_venv.wheels import packaged
from rpm_venv.wheels.wheel import WheelName


@dataclass(frozen=True)
class Shipped:
    """A wheel in the buildroot, and the sha256 (hex) of its bytes."""

    wheel: WheelName
    sha256: str


@dataclass(frozen=True)
class Payload:
    """One declaration with its lock, the entries that hold for its Python, and its wheels.

    ``shelves`` has every wheel below each directory of ``-w``, by the directory; ``unpacked`` are
    those that are there as objects.
    """

    declaration: Declaration
    lock: Lock
    entries: tuple[Entry, ...]
    interpreter: Interpreter
    shelves: Mapping[str, tuple[Shipped, ...]]
    unpacked: tuple[Shipped, ...] = ()

    def minors(self) -> frozenset[int] | None:
        """The Pythons 3.N that all that is brought can be loaded by (``common_minors``)."""
        if self.declaration.is_whole:  # it is for one
            return frozenset([self.interpreter.version[1]])
        return common_minors(map(self._possible, self.entries))

    def _possible(self, entry: Entry) -> tuple[WheelName, ...]:
        """The wheels that an entry may become, as far as the build can tell; () for unknown."""
        shipped = [one for shelf in self.shelves.values() for one in shelf] + list(self.unpacked)
        here = {one.sha256: one.wheel for one in shipped if one.sha256 in entry.hashes}
        if self.declaration.offline or len(here) == len(set(entry.hashes)):
            return tuple(here.values())
        return tuple(WheelName.parse(file.filename) for file in entry.files)


def read(layout: Layout, declaration: Declaration) -> Payload:
    """What the buildroot holds for a declaration; ``VenvError`` with all that is wrong with it."""
    try:
        found = lock(layout, declaration.lock)
        interpreter = inspect(layout, declaration.python)
        entries = locks.select(found, interpreter.markers, declaration.extras, declaration.groups)
    except LockError as error:
        raise _of_the_source(error, declaration) from None
    shelves = {directory: _shelf(layout, directory) for directory in declaration.wheels}
    unpacked = _unpacked(layout, declaration, interpreter)
    return Payload(declaration, found, entries, interpreter, shelves, unpacked)


def _unpacked(
    layout: Layout, declaration: Declaration, interpreter: Interpreter
) -> tuple[Shipped, ...]:
    offers = packaged.offers(layout, declaration.packaged, interpreter)
    if offers.unread:
        raise VenvError(offers.unread, subject=declaration.path)
    heads = [offer.head for each in (offers.usable, offers.afresh) for offer in each.values()]
    return tuple(Shipped(WheelName.parse(h.filename), h.id.partition("-")[0]) for h in heads)


def _of_the_source(error: LockError, declaration: Declaration) -> LockError:
    """The error with the command for the file that the author has: the buildroot's goes away."""
    if "rpm-venv lock " not in error.hint:
        return error
    python = re.search(r"python(3\.\d+)$", declaration.python)
    command = locks.command(PurePosixPath(declaration.lock).name, python[1] if python else "")
    hint = f"make one of your source with: {command}"
    return LockError(
        error.message,
        subject=error.subject,
        where=error.where,
        hint=hint,
        problems=error.problems,
    )


def lock(layout: Layout, file: str) -> Lock:
    """A lock in the buildroot; ``LockError`` where it is not there or not exact.

    ``VenvError`` where it is a link out of the buildroot.
    """
    trust.refuse_links_out([layout.real(file)], layout.root)
    try:
        data = reading.content(layout.real(file), most=MAX_SIZE)
    except OSError as error:
        raise LockError(
            f"the lock is not in the buildroot: {error.strerror}",
            subject=file,
            hint="put it there in %install, or name with -r the file that is",
        ) from None
    return locks.parse(data, file)


def _shelf(layout: Layout, directory: str) -> tuple[Shipped, ...]:
    real = layout.real(directory)
    try:
        names = sorted(name for name in os.listdir(real) if name.endswith(".whl"))
    except OSError as error:
        raise VenvError(
            f"the directory of wheels is not in the buildroot: {error.strerror}",
            subject=directory,
            hint="put it there in %install, or leave -w out",
        ) from None
    trust.refuse_links_out((real / name for name in names), layout.root)
    return tuple(Shipped(WheelName.parse(name), _sha256(real / name)) for name in names)


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with os.fdopen(reading.regular(file), "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def chosen_wheels(layout: Layout, payload: Payload) -> list[Path]:
    """The wheels of the buildroot that the declared Python gets, of all that are there."""
    places = payload.declaration.wheels
    at_hand = shelf.at_hand(layout, payload.entries, payload.interpreter, places, stored=False)
    return [found.source.path for found in at_hand.found if found.source]


def trees(layout: Layout, declaration: Declaration) -> list[Path]:
    """The directories of the buildroot that have wheels unpacked: objects, or a generation."""
    found = [packaged.directory(layout, digest) for digest in declaration.packaged]
    if declaration.generation:
        target = layout.generation_target(declaration.path, declaration.generation)
        found.append(layout.real(target))
    return found


def problems(layout: Layout, payload: Payload, allowed: Collection[str]) -> list[Problem]:
    """What is wrong with the wheels of a payload; ``allowed`` are the sha256 of all locks."""
    return [
        *_foreign_wheels(payload, allowed),
        *(_missing_wheels(layout, payload) if payload.declaration.offline else ()),
        *_python_problems(payload),
        *_damaged_wheels(layout, payload),
    ]


def _foreign_wheels(payload: Payload, allowed: Collection[str]) -> Iterator[Problem]:
    versions = {entry.name: entry.version for entry in payload.lock.entries}
    for directory, there in payload.shelves.items():
        for shipped in there:
            wheel = shipped.wheel
            if shipped.sha256 in allowed:
                continue
            wrong = f"its sha256 {shipped.sha256} is not in the lock"
            reason = wrong if versions.get(wheel.name) == wheel.version else "no lock names it"
            yield Problem(reason, f"{directory}/{wheel.filename}", payload.declaration.lock)


def _missing_wheels(layout: Layout, payload: Payload) -> Iterator[Problem]:
    """What the target would find missing, by the target's own code."""
    places = payload.declaration.wheels
    at_hand = shelf.at_hand(layout, payload.entries, payload.interpreter, places)
    for _, problem in at_hand.missing:
        yield Problem(f"with -o, {problem.message}", problem.where, problem.hint)


def _python_problems(payload: Payload) -> Iterator[Problem]:
    minors = payload.minors()
    if minors is not None and payload.interpreter.version[1] not in minors:
        fitting = ", ".join(f"3.{minor}" for minor in sorted(minors)) or "no Python at all"
        yield Problem(
            f"the wheels together are for {fitting}, "
            f"and {payload.declaration.python} is {payload.interpreter.minor}"
        )


def _damaged_wheels(layout: Layout, payload: Payload) -> Iterator[Problem]:
    """Wheels that the target would refuse to open. What is wrong inside them is said there."""
    for wheel in chosen_wheels(layout, payload):
        with wheel.open("rb") as stream:
            try:
                Archive(stream.fileno())
            except Refused as refused:
                yield Problem(refused.message, layout.target(wheel))


def hashes(payloads: Iterable[Payload]) -> frozenset[str]:
    """Every sha256 that the locks of these payloads allow."""
    return frozenset(h for payload in payloads for e in payload.lock.entries for h in e.hashes)


def placeholder_problem(layout: Layout, path: str) -> Sequence[Problem]:
    """What stands in the buildroot where the environment's placeholder goes and cannot be one."""
    real = layout.real(path)
    if not os.path.lexists(real) or real.is_symlink():
        return ()
    return (
        Problem(
            "the buildroot has something else than a symbolic link there",
            path,
            "leave PATH out in %install: the environment is made on the target",
        ),
    )
