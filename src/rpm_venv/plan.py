"""What is to be done: declaration, lock and what exists, turned into steps. Pure.

``apply.py`` executes the steps in their order. They are ordered so that a stop after any of them
leaves the environment old or new, and the same verb called again does the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rpm_venv import events
from rpm_venv.declaration import Declaration, Package
from rpm_venv.digest import sha256
from rpm_venv.environment import Environment
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks.amended import NONE as NO_AMENDMENTS
from rpm_venv.locks.amended import Amendments, Outcome
from rpm_venv.steps import (
    BringObjects,
    DropGenerations,
    Forget,
    MakeBoth,
    MakeGeneration,
    MakeObjects,
    RemoveParents,
    SweepStore,
    Switch,
    Tell,
    Unlink,
    WriteState,
)
from rpm_venv.trees.generation import Generation, Live

TYPE_CHECKING = False
if TYPE_CHECKING:  # types of what the edges found; a plan calls none of them
    from rpm_venv.fetching.shelf import Found
    from rpm_venv.steps import Step
    from rpm_venv.system.interpreter import Interpreter
    from rpm_venv.wheels.store import Source


@dataclass(frozen=True)
class Wish:
    """A declaration with all that it leads to on this machine.

    ``keep`` is how many generations stay beside the live one, so that a rollback has somewhere to
    go (docs/commands.md, "Configuration"). ``amendments`` are all of this machine,
    ``followed`` what came of them when the environment was last made.
    """

    declaration: Declaration
    lock_digest: str
    interpreter: Interpreter
    keep: int = 1
    amendments: Amendments = NO_AMENDMENTS
    followed: tuple[Outcome, ...] = ()

    @property
    def inputs(self) -> str:
        """The digest of all that decides the outcome and can be known without reading wheels."""
        decides = self.declaration.to_json()
        del decides["package"]
        decides["lock_digest"] = self.lock_digest
        decides["python"] = [self.interpreter.path, self.interpreter.tag]
        text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Facts:
    """What exists: the environment's state, what stands at its path, what is on disk.

    ``generations`` are all on disk, ``whole`` those of them with a sound manifest, ``in_use`` those
    that a process runs from. ``missing_parents`` are the directories above the path that are not
    there, deepest first. ``names`` are the distributions of the wanted generation, which are looked
    up where amendments may concern them.
    """

    live: Live
    before: Environment | None = None
    generations: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()
    in_use: frozenset[str] = frozenset()
    missing_parents: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


def unchanged(wish: Wish, facts: Facts) -> Environment | None:
    """The environment's next state when the wish is what is live already; None when it is not."""
    before = facts.before
    if before is None or before.inputs != wish.inputs:
        return None
    if facts.live.generation != before.wanted or before.wanted not in facts.whole:
        return None
    if before.pending or before.amended != wished_amendments(wish.amendments, facts):
        return None
    kept = before.kept[: 1 + wish.keep]
    return replace(before, declaration=wish.declaration, failure="", kept=kept)


def wished_amendments(amendments: Amendments, facts: Facts) -> str:
    """The digest of the amendments that concern an environment as it is."""
    before = facts.before
    return amendments.digest(before.path, facts.names, before.outcomes) if before else ""


def errand(declared: Declaration | None, facts: Facts, *, again: bool) -> str:
    """What a file trigger has to do for an environment: ``install``, ``remove`` or ``heal``.

    ``declared`` is what a package's declaration asks for, None where no package has one any more.
    ``again`` says that this transaction's other trigger may have tried already. A generation that
    an administrator went back to stays until a package asks for something else.
    """
    before = facts.before
    if declared is None:
        if before is None or before.is_declared:
            return "remove" if before else "heal"
        # A scriptlet took over from a package's own files, which have gone by now.
        is_there = before.failure or before.wanted in facts.whole
        return "heal" if is_there else "install"
    if before is None or before.declaration != declared:
        return "install"
    if before.left or (again and (before.failure or before.pending)):
        return "heal"
    return "install"


def refused(declaration: Declaration, facts: Facts, reason: str) -> Environment:
    """The state after a declaration that could not be followed: it is claimed, and why not."""
    before = facts.before or Environment(declaration)
    return replace(before, declaration=declaration, inputs="", failure=reason)


def install(
    wish: Wish, wheels: Sequence[Found], facts: Facts, outcomes: Sequence[Outcome] = ()
) -> tuple[Step, ...]:
    """The steps that make the wish come true; ``outcomes`` are what came of each amendment."""
    declaration, interpreter = wish.declaration, wish.interpreter
    generation = Generation.decided(
        declaration, interpreter, (wheel.distribution for wheel in wheels)
    )
    wanted = generation.name
    steps: list[Step] = []
    if wanted not in facts.whole:
        brought = tuple(wheel.packaged for wheel in wheels if wheel.packaged)
        if brought:
            steps.append(BringObjects(brought, interpreter))
        sources = tuple(wheel.source for wheel in wheels if wheel.source)
        steps += _made(sources, MakeGeneration(generation, declaration, interpreter), outcomes)
    names = [wheel.name for wheel in generation.distributions]
    after = replace(
        _after_install(wish, facts, wanted),
        amended=wish.amendments.digest(declaration.path, names, outcomes),
        outcomes=tuple(outcomes),
    )
    live = facts.live.generation
    is_same, is_whole = wanted == live, wanted in facts.whole
    event = events.installed(after, live, repaired=is_same and not is_whole)
    if is_same and not is_whole:  # the state says until then that a repair was interrupted
        return (*steps, Tell(event), WriteState(after), *tidy(after, facts))
    steps.append(WriteState(after))
    if not is_same:
        steps.append(Switch(declaration.path, wanted))
    return (*steps, Tell(event, once=is_same), *tidy(after, facts))


def _made(
    sources: tuple[Source, ...], making: MakeGeneration, outcomes: Sequence[Outcome]
) -> tuple[Step, ...]:
    """The steps that make a generation, of whose wheels these are not in the store.

    Amended wheels are looked at when they are objects: there may be no generation of them.
    """
    if not sources:
        return (making,)
    objects = MakeObjects(sources, making.interpreter)
    made = {source.sha256 for source in sources}
    wheels = zip(making.generation.objects, making.generation.distributions)
    there = tuple(name for name, wheel in wheels if wheel.sha256 not in made)
    # Little that is there is not worth a second look at it all.
    if outcomes or len(there) < len(made):
        return (objects, making)
    return (MakeBoth(objects, making, there),)


def _after_install(wish: Wish, facts: Facts, wanted: str) -> Environment:
    before = facts.before or Environment(wish.declaration)
    order = _distinct([wanted, facts.live.generation, *before.kept])
    return replace(
        before,
        declaration=wish.declaration,
        lock_digest=wish.lock_digest,
        wanted=wanted,
        inputs=wish.inputs,
        failure="",
        left="",
        kept=order[: 1 + wish.keep],
        parents=_distinct([*facts.missing_parents, *before.parents]),
    )


def untidy(after: Environment, facts: Facts) -> bool:
    """Whether there are generations beside the kept ones: in use, or of a call that was killed."""
    return not set(facts.generations) <= set(after.kept)


def tidy(after: Environment, facts: Facts) -> tuple[Step, ...]:
    """The steps that leave the kept generations, and those in use."""
    stay = {*after.kept, *facts.in_use}
    gone = tuple(name for name in facts.generations if name not in stay)
    return (DropGenerations(after.path, gone), SweepStore()) if gone else ()


def hand_over(declared: Declaration, facts: Facts) -> tuple[Step, ...]:
    """The steps after which nothing of ours is beside an environment that is a package's files.

    Generations that a process runs from stay, and a state that says that they are ours. All others
    are rpm's, but where the last state was of an environment that we made: then they are ours.
    """
    before = facts.before
    if before is None:
        return ()
    ours = before.kept if before.declaration.is_whole else facts.generations
    there = [n for n in ours if n in facts.generations and n != declared.generation]
    left = tuple(name for name in there if name in facts.in_use)
    gone = tuple(name for name in there if name not in facts.in_use)
    if before.declaration == declared and not gone and left == before.kept:
        return ()
    after = Environment(declared, wanted=declared.generation, kept=left)
    return (
        DropGenerations(declared.path, gone),
        SweepStore(),
        WriteState(after) if left else Forget(declared.path),
    )


def garbage(path: str, facts: Facts, keep: int) -> tuple[DropGenerations, ...]:
    """The step that drops the generations of an environment which nothing needs, if any.

    ``keep`` of those that were live stay beside the one that is.
    """
    live = facts.live.generation
    if facts.before is None and live:
        return ()
    kept = facts.before.kept[: 1 + keep] if facts.before else ()
    wanted = facts.before.wanted if facts.before else ""
    stay = {live, wanted, *kept, *facts.in_use}
    gone = tuple(name for name in facts.generations if name not in stay)
    return (DropGenerations(path, gone),) if gone else ()


@dataclass(frozen=True)
class Caller:
    """Who asks for a removal: the package and its scriptlet's ``$1``; both None by hand.

    ``installed`` are the installed packages of that name, ``claimers`` those that provide
    ``venv(PATH)``; None where the rpm database cannot tell.
    """

    package: Package | None = None
    count: int | None = None
    installed: tuple[Package, ...] | None = None
    claimers: tuple[Package, ...] | None = None


def may_remove(caller: Caller, facts: Facts) -> bool:
    """Whether a removal is the caller's to ask for.

    On erase it is the recorded owner's. On upgrade (``$1`` of at least 1) it is the leaving
    version's, where another version is installed that claims the path neither by an ``install`` in
    this transaction nor by ``Provides: venv(PATH)``. Where the rpm database cannot tell, nothing is
    removed.
    """
    owner = facts.before.owner if facts.before else None
    package = caller.package
    if package is None:
        return True
    if owner is not None and owner.name != package.name:
        return False
    if not caller.count:
        return True
    if owner is not None and not owner.same_version(package):
        return False
    if caller.installed is None or caller.claimers is None:
        return False
    upgraded = any(not other.same_version(package) for other in caller.installed)
    claimed = any(not claimer.same_version(package) for claimer in caller.claimers)
    return upgraded and not claimed


def heal(facts: Facts) -> tuple[Step, ...]:
    """The steps that bring back a public path which rpm took away with a leaving ``%ghost``."""
    before = facts.before
    if before is None or facts.live.kind != "nothing" or before.wanted not in facts.whole:
        return ()
    return (Switch(before.path, before.wanted),)


def relink(facts: Facts) -> tuple[Step, ...]:
    """The steps that lead a public path to what is wanted, where no more than that can be done.

    Of an image that runs, /usr is the next one's after an upgrade, and /opt may be in /var: the
    link there still leads to what the image before it had.
    """
    before = facts.before
    is_ours = facts.live.kind in ("nothing", "ours")
    if before is None or not is_ours or before.wanted not in facts.whole:
        return ()
    same = facts.live.generation == before.wanted
    return () if same else (Switch(before.path, before.wanted),)


def rollback(facts: Facts, wanted: str, before: Environment) -> tuple[Step, ...]:
    """The steps that make a kept generation the live one. The next ``install`` goes forward."""
    event = events.rolled_back(before, wanted, facts.live.generation)
    if wanted == facts.live.generation:  # a call that was killed may not have come to tell
        return (Tell(event, once=True),) if before.left else ()
    after = replace(
        before,
        wanted=wanted,
        inputs="",
        failure="",
        left=facts.live.generation,
        kept=_distinct([wanted, *before.kept]),
    )
    return (WriteState(after), Switch(before.path, wanted), Tell(event))


def remove(
    path: str, facts: Facts, emptied: Iterable[str] = (), *, room: bool = False
) -> tuple[Step, ...]:
    """The steps after which nothing of the environment is left.

    ``emptied`` are directories above it that go as well where they are empty, as those do that were
    made for it. With ``room``, there is an empty directory at the path for a package's own files:
    a later version of it that declares the path finds by that whose it is.
    """
    before = facts.before
    made = before.parents if before else ()
    parents = tuple(sorted({*made, *emptied}, key=len, reverse=True))  # the deepest first
    # rpm has taken the link of a %ghost away by now; it led to what was wanted.
    wanted = before.wanted if before and before.wanted in facts.generations else ""
    live = wanted if facts.live.kind == "nothing" else facts.live.generation
    return (
        Unlink(path, room),
        DropGenerations(path, facts.generations),
        SweepStore(),
        RemoveParents(parents),
        Tell(events.removed(path, before, live), once=True),
        Forget(path),
    )


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))
