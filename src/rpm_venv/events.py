"""What the history of an environment tells: an event for each thing done or tried. Pure."""

from __future__ import annotations

from rpm_venv.declaration import Declaration
from rpm_venv.environment import Environment
from rpm_venv.frozen import dataclass, replace


@dataclass(frozen=True)
class Event:
    """Something that happened to an environment, or was tried: a line of its history.

    ``action`` is ``install``, ``repair``, ``rollback`` or ``remove``, ``outcome`` ``done`` or
    ``failed``; ``reason`` is why it failed, or what came of the administrator's amendments.
    ``package`` is who it was done for, ``lock`` the sha256 of its lock. ``generation`` is live
    since ("" after a removal or a failure), ``before`` was until then.
    """

    path: str
    action: str
    outcome: str = "done"
    package: str = ""
    lock: str = ""
    generation: str = ""
    before: str = ""
    reason: str = ""

    def says_what(self, other: Event | None) -> bool:
        """Whether another event tells the same, whatever was done to get there."""
        return other is not None and (
            replace(other, action=self.action, before=self.before) == self
        )


def installed(after: Environment, live: str, *, repaired: bool = False) -> Event:
    """An install that led to this state, or a repair of it; ``live`` is what was live before."""
    return Event(
        after.path,
        "repair" if repaired else "install",
        package=str(after.owner or ""),
        lock=after.lock_digest,
        generation=after.wanted,
        before=live,
        reason="; ".join(outcome.line() for outcome in after.outcomes),
    )


def failed(declaration: Declaration, lock: str, live: str, reason: str) -> Event:
    """An install that did not get there; what was live still is."""
    return Event(
        declaration.path,
        "install",
        "failed",
        package=str(declaration.package or ""),
        lock=lock,
        before=live,
        reason=reason,
    )


def rolled_back(before: Environment, wanted: str, live: str) -> Event:
    """A kept generation became the live one again."""
    package = str(before.owner or "")
    return Event(before.path, "rollback", package=package, generation=wanted, before=live)


def removed(path: str, before: Environment | None, live: str) -> Event:
    """Nothing is left of the environment."""
    if before is None:
        return Event(path, "remove", before=live)
    package = str(before.owner or "")
    return Event(path, "remove", package=package, lock=before.lock_digest, before=live)
