"""An environment as this machine knows it: who asked for what, and what came of it. Pure."""

from __future__ import annotations

from rpm_venv import shapes
from rpm_venv.declaration import Declaration, Package
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks.amended import PENDING, Outcome
from rpm_venv.paths import declared_at
from rpm_venv.trees.generation import Live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
_SHAPE = {
    "format": int,
    "declaration": dict,
    **dict.fromkeys(("lock_digest", "inputs", "wanted", "failure", "left"), str),
    "kept": [str],
    "parents": [str],
    "amended": str,
    "amendments": [Outcome.SHAPE],
}


@dataclass(frozen=True)
class Environment:
    """The state of one environment.

    ``declaration`` is the last one asked for, by ``owner``; ``wanted`` the generation it leads to
    ("" while that is not known), ``inputs`` the digest that lets the next ``install`` see that
    nothing changed, ``failure`` why the last one did not get there ("" when it did). ``left`` is
    the generation that an administrator went back from. ``kept`` are the generations that were
    live, newest first. ``parents`` are the directories above the path
    that were made for it, deepest first. ``amended`` is the digest of the administrator's
    amendments that concern it, ``outcomes`` what came of each.
    """

    declaration: Declaration
    lock_digest: str = ""
    inputs: str = ""
    wanted: str = ""
    failure: str = ""
    left: str = ""
    kept: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    amended: str = ""
    outcomes: tuple[Outcome, ...] = ()

    @property
    def path(self) -> str:
        return self.declaration.path

    @property
    def owner(self) -> Package | None:
        return self.declaration.package

    @property
    def pending(self) -> tuple[Outcome, ...]:
        """The amendments that could not be followed."""
        return tuple(each for each in self.outcomes if each.outcome == PENDING)

    @property
    def waits(self) -> bool:
        """Whether there is something that another try may bring about."""
        return bool(self.failure or self.pending)

    @property
    def is_declared(self) -> bool:
        """Whether it was asked for by a declaration that a package ships, not by a scriptlet."""
        return self.declaration.lock.startswith(f"{declared_at(self.path)}/")

    def failed(self, reason: str) -> Environment:
        """The same environment after an attempt that did not get there."""
        return replace(self, failure=reason)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "declaration": self.declaration.to_json(),
            "lock_digest": self.lock_digest,
            "inputs": self.inputs,
            "wanted": self.wanted,
            "failure": self.failure,
            "left": self.left,
            "kept": list(self.kept),
            "parents": list(self.parents),
            "amended": self.amended,
            "amendments": [outcome.to_json() for outcome in self.outcomes],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Environment:
        """What ``to_json`` gave; ``ValueError`` and ``VenvError`` where it is not that."""
        shapes.checked(data, _SHAPE)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, this rpm-venv reads {FORMAT}")
        return cls(
            declaration=Declaration.from_json(data["declaration"]),
            lock_digest=data["lock_digest"],
            inputs=data["inputs"],
            wanted=data["wanted"],
            failure=data["failure"],
            left=data["left"],
            kept=tuple(data["kept"]),
            parents=tuple(data["parents"]),
            amended=data["amended"],
            outcomes=tuple(map(Outcome.from_json, data["amendments"])),
        )


def condition(
    environment: Environment | None,
    live: Live,
    declared: Declaration | None = None,
    amended: str | None = None,
    *,
    orphaned: bool = False,
) -> tuple[str, str]:
    """A word for how an environment stands, and why: ``ok``, ``rolled back``, ``failed``,
    ``pending``, ``missing``, ``orphaned``, ``replaced`` or ``unknown``. Nothing of its contents is
    looked at.

    ``declared`` is what an installed package declares for it, if one does; ``amended`` the digest
    of the amendments that concern it now, where that is known; ``orphaned`` says that the
    package it belongs to is not installed: whatever else there is to say, comes after that.
    """
    if environment is None:
        return _without_state(live, declared)
    if environment.declaration.is_whole:
        return _of_whole(environment, live, amended)
    is_others = declared is not None and environment.declaration != declared
    word, reason = _amiss(environment, live, declared)
    if orphaned and not is_others:
        gone = f"its package {environment.owner} is not installed any more"
        return "orphaned", f"{gone}, and {reason}" if word else gone
    if word:
        return word, reason
    if environment.left:
        return "rolled back", f"from generation {environment.left}"
    if amended is not None and amended != environment.amended:
        return "pending", "overrides or extras have changed since; run: rpm-venv sync"
    if environment.pending:
        return "pending", environment.pending[0].line()
    return "ok", ""


def _amiss(environment: Environment, live: Live, declared: Declaration | None) -> tuple[str, str]:
    """The condition of one that is not what was asked for; "" twice for one that is."""
    if environment.failure == INTERRUPTED:
        return "failed", INTERRUPTED
    if environment.failure:
        return "failed", f"the last install failed: {environment.failure}"
    if live.kind == "nothing":
        return "missing", "the path is not there"
    if live.kind != "ours":
        return "replaced", "what stands at the path is not this environment"
    if live.generation != environment.wanted:
        return "pending", f"generation {environment.wanted} is wanted, {live.generation} is live"
    if declared is not None and environment.declaration != declared:
        return "pending", f"it is not yet what {declared.package or 'its package'} declares"
    return "", ""


def _without_state(live: Live, declared: Declaration | None) -> tuple[str, str]:
    if live.kind == "ours":
        return "unknown", "the state of this environment is lost"
    if declared is not None and live.kind == "nothing":
        return (
            "missing",
            f"{declared.package or 'a package'} declares it, and it was never made",
        )
    return "missing", "there is no environment at this path"


def _of_whole(environment: Environment, live: Live, amended: str | None) -> tuple[str, str]:
    """The condition of one that is a package's own files."""
    if live.kind == "nothing":
        return "missing", "the path is not there"
    if live.generation != environment.wanted:
        return "replaced", "the path does not lead to the generation that its package brings"
    if amended:
        return "pending", "overrides and extras are not for what a package brings whole"
    return "ok", ""


#: The failure of an environment while damage of it is repaired: every file is looked at then.
INTERRUPTED = "a repair of it was interrupted"

#: The conditions that need no mending.
SOUND = ("ok", "rolled back")
