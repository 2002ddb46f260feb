"""Where a reader of shell text stands: in which branches, and behind what. Pure."""

from __future__ import annotations

from rpm_venv.frozen import dataclass, field
from rpm_venv.linting import values
from rpm_venv.linting.values import ALL, Outcome, Values

_MOST_TESTS = 64  # that a command is known to stand behind: the nearest


@dataclass(frozen=True)
class Test:
    """A test that a command stands behind: its words, and whether it succeeded."""

    words: tuple[str, ...]
    succeeded: bool


@dataclass
class Context:
    """Where the reader stands: for which ``$1`` it gets there at all, and for which surely."""

    may: Values = ALL
    must: Values = ALL
    tests: tuple[Test, ...] = ()

    def behind(self, outcome: Outcome, tests: tuple[Test, ...] = ()) -> Context:
        together = (self.tests + tests)[-_MOST_TESTS:]
        return Context(self.may & outcome.success, self.must & (ALL - outcome.failure), together)


@dataclass
class Frame:
    """A compound command that is open."""

    kind: str
    outside: Context
    first: int  # the number of commands before it
    outcome: Outcome = values.UNKNOWN  # of the condition
    tests: tuple[Test, ...] = ()
    left: Outcome = values.SURE  # success: what no earlier branch surely took
    subject: str = ""

    def taken(self, outcome: Outcome) -> Outcome:
        """Whether the branch with this condition is taken, after those before it."""
        return Outcome(self.left.success & outcome.success, self.left.failure | outcome.failure)

    def not_taken(self, outcome: Outcome) -> Outcome:
        """Whether the branches after the one with this condition are reached."""
        return Outcome(self.left.success & outcome.failure, self.left.failure | outcome.success)


@dataclass
class AndOrList:
    """The and-or list being read: what is known after its last element, and where that began."""

    outcome: Outcome | None = None
    joint: str = ""
    tests: list[Test] = field(default_factory=list)
    part: int = 0  # the number of commands before its last element
