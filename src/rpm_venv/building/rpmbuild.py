"""A spec file as rpm reads it, and the source package of it. An edge: runs rpmspec and rpmbuild.

As the author, who trusts the spec file: reading it runs what is in it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from rpm_venv.errors import Problem, VenvError
from rpm_venv.frozen import dataclass

_TAG = re.compile(r"^(Name|Version|Source\d*)[ \t]*:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)
_WROTE = re.compile(r"^Wrote: (.+\.src\.rpm)$", re.MULTILINE)
_SHOWN = 20  # lines of rpm's complaint


@dataclass(frozen=True)
class SpecFile:
    """What a spec file comes to: its text with all macros expanded."""

    path: Path
    text: str

    def tag(self, name: str) -> str:
        """The first value of a tag of the preamble, such as ``Name``."""
        return next((v for n, v in _TAG.findall(self.text) if n.lower() == name.lower()), "")

    @property
    def sources(self) -> dict[str, str]:
        """Every source tag by its name, ``Source1``, with the file name that it ends in."""
        tags = ((n, v) for n, v in _TAG.findall(self.text) if n.lower().startswith("source"))
        return {name: value.rpartition("/")[2] for name, value in tags}

    def calls(self, verb: str) -> Iterator[list[str]]:
        """The arguments of each call of a verb of rpm-venv, as a macro makes it."""
        for line in self.text.splitlines():
            if "rpm-venv" not in line or verb not in line:
                continue
            try:
                words = shlex.split(line)
            except ValueError:
                continue
            if words and words[0].endswith("rpm-venv") and verb in words:
                yield words[words.index(verb) + 1 :]


def read(path: Path, sources: Path) -> SpecFile:
    """A spec file whose sources are in a directory; ``VenvError`` with rpm's complaint."""
    done = _run(["rpmspec", *_defines(sources), "-P", str(path)], path)
    return SpecFile(path, done)


def source_package(spec: SpecFile, sources: Path, place: Path) -> Path:
    """Make the source package of a spec file in ``place``; its path."""
    defines = [*_defines(sources), "--define", f"_srcrpmdir {place.absolute()}"]
    said = _run(["rpmbuild", *defines, "--nodeps", "-bs", str(spec.path)], spec.path)
    wrote = _WROTE.search(said)
    if wrote is None:
        raise VenvError("rpmbuild made no source package", subject=str(spec.path))
    return Path(wrote[1])


def _defines(sources: Path) -> list[str]:
    return ["--define", f"_sourcedir {sources.absolute()}"]


def _run(command: Sequence[str], spec: Path) -> str:
    """What the program prints; ``VenvError`` where it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        hint = "install it: dnf install rpm-build"
        raise VenvError(f"there is no {command[0]}", subject=str(spec), hint=hint) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        problems = [Problem(line) for line in lines[-_SHOWN:]]
        raise VenvError(f"{command[0]} fails", subject=str(spec), problems=problems)
    return done.stdout
