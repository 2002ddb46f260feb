"""Where in the source things are made durable: each fsync and syncfs, and what led to it."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

#: The functions that make something durable, as the source calls them.
NAMES = frozenset(("fsync", "fdatasync", "fsync_dir", "syncfs"))
#: Lines of the source, the innermost first: ``system/files.py:121``.
Place = tuple[str, ...]


def traced(command: Callable[[], int], say: Path) -> Callable[[], int]:
    """A command that writes to ``say`` a line for each call with which it makes something durable.

    The calls of its own process alone, in their order. For a process that does nothing after it.
    """

    def call() -> int:
        from rpm_venv.system import files

        descriptor = os.open(say, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        fsync, syncfs = os.fsync, files.syncfs

        def told_fsync(number: int) -> None:
            os.write(descriptor, _line())
            fsync(number)

        def told_syncfs(path: Path) -> None:
            os.write(descriptor, _line())
            syncfs(path)

        os.fsync, files.syncfs = told_fsync, told_syncfs  # type: ignore[assignment]
        return command()

    return call


def _line() -> bytes:
    """The lines of the source that a call comes from."""
    found = []
    frame = sys._getframe(2)
    while frame:
        _, mine, name = frame.f_code.co_filename.rpartition("/rpm_venv/")
        if mine:
            found.append(f"{name}:{frame.f_lineno}")
        frame = frame.f_back  # type: ignore[assignment]
    return " ".join(found).encode() + b"\n"


def place(lines: Place) -> Place:
    """What tells one place from another: the lines of ``files``, and the one that called it."""
    outside = next(number for number, line in enumerate(lines) if "system/files.py" not in line)
    return lines[: outside + 1]


def in_source(source: Path) -> Iterator[str]:
    """Every line of the source below a directory that makes something durable."""
    for file in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _called(node) in NAMES:
                yield f"{file.relative_to(source)}:{node.lineno}"


def _called(node: ast.Call) -> str:
    called = node.func
    return getattr(called, "attr", "") or getattr(called, "id", "")
