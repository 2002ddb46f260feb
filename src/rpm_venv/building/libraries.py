"""The system's libraries that the binaries of an environment need. An edge: runs rpm's elfdeps.

rpm's own tool reads the binaries, so the names and symbol versions are those that packages of
libraries provide. Here is only decided which files it sees, and what the environment brings itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from rpm_venv.confined import names
from rpm_venv.confined.archive import Archive
from rpm_venv.confined.members import Member, Refused
from rpm_venv.errors import VenvError, WheelError
from rpm_venv.frozen import dataclass
from rpm_venv.system import files

_ELF = b"\x7fELF"
_TIMEOUT = 600  # seconds, for the binaries of one wheel
#: ``libm.so.6(GLIBC_2.29)(64bit)``, ``libm.so.6``, ``rtld(GNU_HASH)``.
_CAPABILITY = re.compile(r"(?P<soname>(lib|ld|rtld)[^\s()]*)(\([^\s()]*\))?(\([^\s()]*\))?")


@dataclass(frozen=True)
class Linkage:
    """What binaries ask of other libraries, and the names by which they can be asked for."""

    requires: frozenset[str] = frozenset()
    brings: frozenset[str] = frozenset()

    def __or__(self, other: Linkage) -> Linkage:
        return Linkage(self.requires | other.requires, self.brings | other.brings)

    def missing(self) -> list[str]:
        """The requirements that none of the binaries meets, as rpm writes them; sorted.

        A library that is brought counts in whatever version: an environment's own libraries, with
        names that auditwheel made for them alone, are never the system's.
        """
        return sorted(line for line in self.requires if soname(line) not in self.brings)


def soname(capability: str) -> str:
    """The library of a requirement: ``libm.so.6`` of ``libm.so.6(GLIBC_2.29)(64bit)``."""
    return capability.partition("(")[0]


def of_wheels(elfdeps: str, wheels: Iterable[Path]) -> Linkage:
    """What the binaries inside wheels ask and bring; ``elfdeps`` is the command's path.

    ``WheelError`` where a wheel is not to be read by the rules of the target, or its binaries ask
    for something that is no library's name.
    """
    found = Linkage()
    for wheel in wheels:
        with tempfile.TemporaryDirectory(prefix="rpm-venv-elf-") as scratch:
            binaries = list(_unpack(wheel, Path(scratch)))
            found |= _linkage(elfdeps, binaries, wheel.name)
    return found


def of_trees(elfdeps: str, trees: Iterable[Path]) -> Linkage:
    """What the binaries below directories ask and bring. Links are not followed."""
    found = Linkage()
    for tree in trees:
        found |= _linkage(elfdeps, list(_binaries(tree)), str(tree))
    return found


def _binaries(tree: Path) -> Iterator[Path]:
    for directory, _, entries in os.walk(tree):
        for entry in entries:
            path = Path(directory, entry)
            if path.is_file() and not path.is_symlink() and not names.problem(entry):
                with path.open("rb") as stream:
                    if stream.read(len(_ELF)) == _ELF:
                        yield path


def _unpack(wheel: Path, scratch: Path) -> Iterator[Path]:
    """Write the binaries of a wheel below ``scratch``, each with its own name."""
    with wheel.open("rb") as stream:
        try:
            archive = Archive(stream.fileno())
            for refused in archive.problems:
                raise refused
            for number, member in enumerate(archive.members):
                if not member.is_directory:
                    yield from _unpack_member(archive, member, scratch / str(number))
        except Refused as refused:
            raise WheelError(refused.message, subject=wheel.name, where=refused.where) from None


def _unpack_member(archive: Archive, member: Member, place: Path) -> Iterator[Path]:
    """Write one member into ``place`` if it is a binary; the sizes are the archive's to check."""
    chunks = archive.chunks(member)
    head = next(chunks, b"")
    if not head.startswith(_ELF):
        return
    problem = names.problem(member.name)
    if problem:
        raise Refused(problem, member.name)
    files.make_directory(place)
    path = place / member.name.rpartition("/")[2]
    # elfdeps leaves out what a program needs that nobody can run.
    mode = 0o755 if member.executable or ".data/scripts/" in member.name else 0o644
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(head)
        for chunk in chunks:
            file.write(chunk)
    yield path


def _linkage(elfdeps: str, binaries: list[Path], whose: str) -> Linkage:
    if not binaries:
        return Linkage()
    brought = frozenset(map(soname, _ask(elfdeps, "--provides", binaries, whose)))
    requires = frozenset(_ask(elfdeps, "--requires", binaries, whose))
    return Linkage(requires, brought | {path.name for path in binaries})


def _ask(elfdeps: str, what: str, binaries: list[Path], whose: str) -> list[str]:
    """The answer of elfdeps for all binaries; it passes over damaged ones, as it does for rpm."""
    try:
        done = subprocess.run(
            [elfdeps, what],
            input="".join(f"{path}\n" for path in binaries),
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise VenvError(f"rpm's elfdeps cannot be run: {error.strerror}", subject=elfdeps) from None
    except subprocess.TimeoutExpired:
        raise WheelError(f"elfdeps took more than {_TIMEOUT} s", subject=whose) from None
    lines = done.stdout.split("\n")[:-1]
    for line in lines:
        if not _CAPABILITY.fullmatch(line):
            raise WheelError(f"a binary asks for {line[:80]!a}, which is no library", subject=whose)
    return lines
