"""What is really there: an environment's facts for a plan. An edge that only reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath

from rpm_venv import state
from rpm_venv.declaration import Declaration
from rpm_venv.environment import INTERRUPTED, SOUND, Environment, condition
from rpm_venv.errors import LockError, VenvError
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks.amended import NONE, Amendments
from rpm_venv.locks.locked import MAX_SIZE
from rpm_venv.paths import Layout
from rpm_venv.plan import Facts, wished_amendments
from rpm_venv.system import amendments as administrator
from rpm_venv.system import declared, reading, trust
from rpm_venv.trees import generations
from rpm_venv.trees.generation import LINKS, Live
from rpm_venv.wheels import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.trees.processes import Held


def paths(layout: Layout) -> tuple[str, ...]:
    """The paths of all environments, sorted: those that packages declare, those with a state, and
    those whose state is lost, where the path leads to a generation.
    """
    known = {*declared.paths(layout), *state.paths(layout)}
    others = set(generations.environments(layout)) - known
    lost = {path for path in others if generations.live(layout, path).generation}
    return tuple(sorted(known | lost))


def facts(layout: Layout, path: str, *, thorough: bool = False) -> Facts:
    """What exists of the environment at ``path``.

    A generation counts as whole with a manifest that has its end; ``thorough``, when the manifest
    is sound and every file of it is as that says.
    """
    before = state.read(layout, path)
    names = generations.names(layout, path)
    thorough = thorough or (before is not None and before.failure == INTERRUPTED)
    return Facts(
        live=generations.live(layout, path),
        before=before,
        generations=names,
        whole=frozenset(name for name in names if _whole(layout, path, name, thorough)),
        missing_parents=_missing_parents(layout, path),
    )


def _whole(layout: Layout, path: str, generation: str, thorough: bool) -> bool:
    if not thorough:
        return generations.finished(layout, path, generation)
    if not generations.whole(layout, path, generation):
        return False
    from rpm_venv.trees import differences  # not where only names are looked at

    return next(differences.of(layout, path, generation), None) is None


def with_manifests(facts: Facts, layout: Layout, path: str) -> Facts:
    """The facts, with those generations alone for whole whose manifests are sound: all are read."""
    sound = (name for name in facts.whole if generations.whole(layout, path, name))
    return replace(facts, whole=frozenset(sound))


def orphaned(layout: Layout, paths: Iterable[str]) -> frozenset[str]:
    """Those of the environments whose package is not installed; none where nothing is known."""
    owners: dict[str, str] = {}
    for path in paths:
        try:
            known = state.read(layout, path)
        except VenvError:
            continue  # whose it is cannot be known
        if known is not None and known.owner is not None:
            owners[path] = known.owner.name
    from rpm_venv.system import rpmdb  # not for a call about one environment

    there = rpmdb.installed(layout, set(owners.values())) if owners else None
    if there is None:
        return frozenset()
    return frozenset(path for path, name in owners.items() if name not in there)


def damaged_objects(layout: Layout, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with the objects behind an environment's generations.

    The objects whose files are not what they were; and in others the paths, below the store, of
    what somebody added to them.
    """
    names: set[str] = set()
    for generation in generations.names(layout, path):
        described = generations.read(layout, path, generation)
        names.update(described.objects if described else store.ids(layout))
    from rpm_venv.trees import differences  # as in _whole

    damaged: list[str] = []
    added: list[str] = []
    there = sorted(name for name in names if store.has(layout, name))
    for name, found in differences.of_objects(layout, there):
        if any(finding.kind != "added" for finding in found):
            damaged.append(name)
        else:
            added.extend(f"{name}/{finding.path}" for finding in found)
    return tuple(damaged), tuple(added)


def lock(layout: Layout, declaration: Declaration) -> bytes:
    """The lock that a declaration names, unread; ``LockError`` where there is none."""
    try:
        real = layout.real(declaration.lock)
        trust.refuse_outside(real, layout.root)
        # One byte too many is what the lock's reader refuses.
        return reading.beginning(real, MAX_SIZE + 1)
    except OSError as error:
        raise LockError(
            f"the lock cannot be read: {error.strerror}",
            subject=declaration.lock,
            hint="is it in the package's %files?",
        ) from error


def amendments(layout: Layout) -> Amendments:
    """The administrator's overrides and extras; what is wrong with a file is said in it."""
    texts = administrator.read(layout)
    if not texts:
        return NONE
    from rpm_venv.locks import amendments as lines  # parses; most machines have none

    return lines.parse(texts)


def with_names(facts: Facts, layout: Layout, path: str, amendments: Amendments) -> Facts:
    """The facts, and the names of what is in the wanted generation, where amendments ask for it."""
    before = facts.before
    if before is None or not (amendments or before.amended):
        return facts
    generation = generations.read(layout, path, before.wanted)
    names = (wheel.name for wheel in generation.distributions) if generation else ()
    return replace(facts, names=frozenset(names))


@dataclass(frozen=True)
class Surroundings:
    """What bears on how environments stand, and is read once for all of them.

    ``orphaned`` are the paths of those whose package is not installed.
    """

    amendments: Amendments
    orphaned: frozenset[str]


def surroundings(layout: Layout, paths: Iterable[str]) -> Surroundings:
    """What bears on how these environments stand."""
    return Surroundings(amendments(layout), orphaned(layout, paths))


def standing(
    layout: Layout, path: str, environment: Environment | None, live: Live, around: Surroundings
) -> tuple[str, str]:
    """A word for how an environment stands, and why (``environment.condition``)."""
    amended = concerning(layout, path, environment, live, around.amendments)
    asked, orphaned = declared.read(layout, path), path in around.orphaned
    word, reason = condition(environment, live, asked, amended, orphaned=orphaned)
    gone = python_gone(layout, path, live.generation) if word in SOUND else ""
    return ("pending", f"{gone}; run: rpm-venv sync") if gone else (word, reason)


def concerning(
    layout: Layout, path: str, environment: Environment | None, live: Live, lines: Amendments
) -> str:
    """What of the amendments concerns an environment now (``plan.wished_amendments``); it is behind
    where it was made with others (``Environment.amended``)."""
    return wished_amendments(lines, with_names(Facts(live, environment), layout, path, lines))


def python_gone(layout: Layout, path: str, generation: str) -> str:
    """That a generation's interpreter is not there, in words; "" where it is."""
    try:
        python = os.readlink(generations.directory(layout, path, generation) / "bin/python")
        # Below --root, this system's file of that path may be meant.
        there = os.path.exists(layout.real(python)) or os.path.exists(python)
    except (OSError, ValueError, VenvError):
        return ""  # verify says what is wrong
    return "" if there else f"its Python {python} is not there"


def with_processes(facts: Facts, layout: Layout, path: str, held: Held | None = None) -> Facts:
    """The facts, and which generations running processes hold: every process is looked at, where
    that was not done already.
    """
    if not facts.generations:
        return replace(facts, in_use=frozenset())
    from rpm_venv.trees import processes  # not where nothing is to be dropped

    known = held or processes.held(layout)
    described = {name: generations.read(layout, path, name) for name in facts.generations}
    there = {
        name: each.objects if each and each.layout == LINKS else ()
        for name, each in described.items()
    }
    return replace(facts, in_use=known.of(path, there))


def _missing_parents(layout: Layout, path: str) -> tuple[str, ...]:
    parents = PurePosixPath(path).parents
    return tuple(str(parent) for parent in parents if not layout.real(parent).exists())
