"""What can go wrong, as values: one exception class, caught once, at the command's edge."""

from __future__ import annotations

from collections.abc import Iterable

from rpm_venv.frozen import dataclass

_MAX_SHOWN = 200  # problems of one input; a file that is none of ours has one in every line


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: what, where in it, and how to mend it."""

    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class VenvError(Exception):
    """A verb cannot do what it was asked; nothing was changed that anyone can see.

    ``message`` says what is wrong, ``subject`` what it is about (an environment's path, a lock, a
    wheel), ``where`` the place in it, ``hint`` the command or edit that mends it. ``problems``
    holds every problem of an input when there can be several.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        subject: str = "",
        where: str = "",
        hint: str = "",
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.where = where
        self.hint = hint
        self.problems = tuple(problems)

    def line(self) -> str:
        """The error as one line: subject, place, message, mend."""
        place = ":".join(part for part in (self.subject, self.where) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}; {self.hint}" if self.hint else text

    def lines(self) -> list[str]:
        """The error's line, then one indented line per problem, as many as somebody may read."""
        shown = [f"  {problem}" for problem in self.problems[:_MAX_SHOWN]]
        more = len(self.problems) - len(shown)
        return [self.line(), *shown, *([f"  and {more} more"] if more else [])]

    def within(self, subject: str) -> VenvError:
        """The same error, told of ``subject``, which is what the caller asked about."""
        if self.subject.startswith(subject):
            return self
        known = self.subject and subject.startswith(self.subject)
        place = ":".join(part for part in ("" if known else self.subject, self.where) if part)
        message = f"{place}: {self.message}" if place else self.message
        return type(self)(message, subject=subject, hint=self.hint, problems=self.problems)

    def __str__(self) -> str:
        return "\n".join(self.lines())


class UsageError(VenvError):
    """The command line itself is wrong (exit 2)."""

    exit_code = 2


class LockError(VenvError):
    """A lock is not exact, not readable, or does not fit the environment's Python."""


class WheelError(VenvError):
    """A wheel is refused: not what the lock names, malformed, or unsafe."""


class FetchError(VenvError):
    """A wheel that the lock names could not be had."""


class UnreachableError(FetchError):
    """An index could not be asked at all. Of a site's only one, no other wheel is to be had."""


class ReadOnlyError(VenvError):
    """Nothing of environments can be changed: they are on a filesystem that is read-only."""


class OccupiedError(VenvError):
    """Files of a package stand where an environment goes; they may go with this transaction."""


class SandboxError(VenvError):
    """A confined child could not be started, broke its protocol, or died."""


def first_line(error: BaseException | None) -> str:
    """The first line of an exception's text, for a report that has room for one."""
    return str(error).splitlines()[0] if error is not None and str(error) else ""
