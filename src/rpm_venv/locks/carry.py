"""Locks of other programs, carried over as they are for some Pythons and machines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rpm_venv.errors import LockError, first_line
from rpm_venv.frozen import replace
from rpm_venv.locks import exported, poetrylock, project, targets, uvlock
from rpm_venv.system.interpreter import Interpreter

_PROGRAMS = {"uv.lock": uvlock, "poetry.lock": poetrylock}


def over(
    data: bytes,
    filename: str,
    interpreters: Sequence[Interpreter],
    extras: Iterable[str],
    groups: Iterable[str],
) -> targets.Answers | None:
    """What a uv.lock or poetry.lock has for each of them; None where the file is neither, by name.

    ``LockError`` where it is not to be had from the file alone.
    """
    program = _PROGRAMS.get(filename.rpartition("/")[2])
    if program is None:
        return None
    content = project.content(data, filename)
    answers = []
    for interpreter in interpreters:
        try:
            chosen = program.pinned(content, filename, interpreter, extras, groups)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            reason = f"{type(error).__name__} {first_line(error)}"
            raise LockError(f"damaged: {reason}", subject=filename) from None
        # This machine's C library says nothing about the target's: every wheel is taken.
        machine = targets.machine_of(interpreter)
        taking = replace(interpreter, tags=targets.elsewhere(interpreter.minor, machine).tags)
        answers.append((interpreter, exported.entries(chosen, taking, filename)))
    return answers
