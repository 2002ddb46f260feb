"""What is really there: an environment's facts for a plan, and every path below a generation.

An edge that only reads.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path as RealPath
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
from rpm_venv.trees.generation import Live
from rpm_venv.trees.manifest import Finding, Path, compare
from rpm_venv.wheels import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.trees.processes import Held

_CHUNK = 1 << 20
_ABOUT_JSON = f"{generations.ABOUT}/generation.json"
#: What every generation has and no manifest lists: itself, and its own description.
_DESCRIPTION = {
    path.path: path
    for path in (
        Path("", "dir", 0o755),
        Path(generations.ABOUT, "dir", 0o755),
        Path(_ABOUT_JSON, "file", 0o644),
        Path(f"{generations.ABOUT}/manifest", "file", 0o644),
    )
}


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
    return next(differences(layout, path, generation), None) is None


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


def damaged_objects(layout: Layout, path: str) -> tuple[str, ...]:
    """The objects behind an environment's generations whose files are not what they were."""
    names: set[str] = set()
    for generation in generations.names(layout, path):
        described = generations.read(layout, path, generation)
        names.update(described.objects if described else store.ids(layout))
    return tuple(sorted(name for name in names if store.has(layout, name) and _bad(layout, name)))


def _bad(layout: Layout, object_id: str) -> bool:
    try:
        stored = store.read(layout, object_id)
    except VenvError:
        return True
    top, owner = layout.object(object_id), os.stat(layout.store)
    return any(_differs(top / file.scheme / file.path, file, owner) for file in stored.files)


def _differs(real: RealPath, file: store.StoredFile, owner: os.stat_result) -> bool:
    """Whether a file of an object is not as it was; its links share content, mode and owner."""
    try:
        status = real.lstat()
        is_same = (status.st_uid, status.st_gid) == (owner.st_uid, owner.st_gid)
        return (
            not is_same or stat.S_IMODE(status.st_mode) != file.mode or _digest(real) != file.sha256
        )
    except OSError:
        return True


def lock(layout: Layout, declaration: Declaration) -> bytes:
    """The lock that a declaration names, unread; ``LockError`` where there is none."""
    try:
        real = layout.real(declaration.lock)
        trust.refuse_outside(real, layout.root)
        with os.fdopen(reading.regular(real), "rb") as file:
            return file.read(MAX_SIZE + 1)  # one byte too many is what the lock's reader refuses
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
    seen = with_names(Facts(live, environment), layout, path, around.amendments)
    amended = wished_amendments(around.amendments, seen)
    asked, orphaned = declared.read(layout, path), path in around.orphaned
    word, reason = condition(environment, live, asked, amended, orphaned=orphaned)
    gone = python_gone(layout, path, live.generation) if word in SOUND else ""
    return ("pending", f"{gone}; run: rpm-venv sync") if gone else (word, reason)


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
    return replace(facts, in_use=known.of(path, facts.generations))


def _missing_parents(layout: Layout, path: str) -> tuple[str, ...]:
    parents = PurePosixPath(path).parents
    return tuple(str(parent) for parent in parents if not layout.real(parent).exists())


def differences(layout: Layout, path: str, generation: str) -> Iterator[Finding]:
    """Every way in which a generation on disk differs from its manifest, in the order of paths.

    Each file is read and hashed. Everything belongs to the owner of the directory ``envs/``:
    root, where rpm runs. The generation's directory itself has the path "".
    """
    top = generations.directory(layout, path, generation)
    owner = os.stat(layout.envs)
    expected = {entry.path: entry for entry in generations.manifest(layout, path, generation).paths}
    expected.update(_DESCRIPTION)
    seen = set()
    findings = []
    for name, status in itertools.chain([("", top.lstat())], _walk(top)):
        seen.add(name)
        entry = expected.get(name)
        if entry is None:
            findings.append(Finding("added", name))
            continue
        findings.extend(compare(entry, _on_disk(top, name, status)))
        if (status.st_uid, status.st_gid) != (owner.st_uid, owner.st_gid):
            findings.append(Finding("owner", name))
    findings.extend(Finding("missing", name) for name in expected.keys() - seen)
    if _ABOUT_JSON in seen and not _describes_itself(layout, path, generation):
        findings.append(Finding("content", _ABOUT_JSON))
    yield from sorted(findings, key=lambda finding: finding.path)


def _describes_itself(layout: Layout, path: str, generation: str) -> bool:
    described = generations.read(layout, path, generation)
    return described is not None and described.name == generation == described.decided_name


def _walk(top: RealPath) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below ``top``, with its status; however deep somebody made it."""
    left = [""]
    while left:
        below = left.pop()
        with os.scandir(top / below) as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                yield name, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{name}/")


def _on_disk(top: RealPath, name: str, status: os.stat_result) -> Path:
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Path(name, "link", digest=os.readlink(top / name))
    if stat.S_ISDIR(status.st_mode):
        return Path(name, "dir", mode)
    if stat.S_ISREG(status.st_mode) and name in _DESCRIPTION:
        return Path(name, "file", mode)
    if stat.S_ISREG(status.st_mode):
        return Path(name, "file", mode, status.st_size, _digest(top / name))
    return Path(name, "other", mode)


def _digest(file: RealPath) -> str:
    digest = hashlib.sha256()
    descriptor = reading.regular(file, follow=False)
    try:
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
