"""Which wheels satisfy requirements: asked of uv or pip, never decided here. An edge.

One wheel is chosen per distribution, the one that the asked Python takes on this system.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from rpm_venv.errors import LockError, Problem, VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.locks import pip, uv
from rpm_venv.locks.lock import HOW_TO_BUILD, SOURCES
from rpm_venv.locks.locked import Entry
from rpm_venv.locks.question import Question

_INCLUDE = re.compile(r"^(\s*(?:-[rc]|--requirement|--constraint)[\s=]*)([^\s#]+)")
_HASH = re.compile(r"(?:\\\r?\n)?[ \t]*--hash[= ]\S+")


@dataclass(frozen=True)
class Answer:
    """The distributions that were chosen, each with its one wheel, and by whom."""

    entries: tuple[Entry, ...]
    resolver: str


def resolve(question: Question) -> Answer:
    """The wheels that satisfy the question; ``LockError`` with the resolver's reason if none do.

    ``FetchError`` where an index did not answer: ``UnreachableError`` where it cannot be reached.
    """
    by_uv = uv.command()
    # Beside uv, pip is asked how it is configured: uv does not read that.
    by_pip = None if by_uv and question.wheels else next(pip.commands(question.interpreter), None)
    if not by_uv and not by_pip:
        raise VenvError(
            "neither uv nor pip is here to resolve requirements",
            subject=str(question.source),
            hint="install one: dnf install python3-pip, or uv 0.7 or newer",
        )
    with tempfile.TemporaryDirectory(prefix="rpm-venv-lock-") as scratch:
        files = _files(question, Path(scratch))
        if by_uv:
            entries = uv.ask(by_uv, by_pip, question, files, Path(scratch))
        else:
            entries = pip.ask(by_pip or [], question, files, Path(scratch))
    sources = [entry for entry in entries if entry.source]
    if sources:
        raise LockError(
            "it names what has no wheel",
            subject=str(question.source),
            problems=[Problem(f"{e.name} is {SOURCES[e.source]}") for e in sources],
            hint=HOW_TO_BUILD,
        )
    return Answer(entries, "uv" if by_uv else "pip")


def _files(question: Question, scratch: Path) -> list[str]:
    """The requirement files to give to a resolver."""
    files = [str(question.source)]
    if question.text is not None:
        files = [str(scratch / "requirements.txt")]
        text = without_hashes(question.text, question.source.parent)
        Path(files[0]).write_text(text, encoding="utf-8")
    if question.lines:
        files.append(str(scratch / "added.txt"))
        Path(files[-1]).write_text("\n".join(question.lines) + "\n", encoding="utf-8")
    return files


def without_hashes(text: str, directory: Path) -> str:
    """Requirements that mean the same in another directory, without hashes.

    A file in which some lines have hashes is all or nothing to pip; the caller holds the answer
    against the hashes that were there.
    """

    def moved(match: re.Match[str]) -> str:
        prefix, path = match.groups()
        return f"{prefix}{path if '://' in path else directory.absolute() / path}"

    lines = _HASH.sub("", text).splitlines()
    return "\n".join(_INCLUDE.sub(moved, line) for line in lines) + "\n"
