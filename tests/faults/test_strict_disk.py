"""Power loss on a disk that keeps no more than it must; and every fsync is needed.

What a verb does is recorded once, call by call. The model then loses power after each change of a
name, and at the end. A recording without one of its fsyncs must fail there: an fsync that nothing
misses is not a safeguard but a habit.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest

from tests.faults import calls, table
from tests.faults.laboratories import Laboratories
from tests.faults.scenarios import SCENARIOS
from tests.faults.strict_disk import StrictDisk
from tests.faults.supervised import Call
from tests.faults.systems import PATH

Tree = dict[str, tuple[str, str]]
_STAGING = "usr/lib/rpm-venv/staging/"
NAMES = tuple(scenario.name for scenario in SCENARIOS)


def public(tree: Tree) -> Tree | None:
    """What the public path leads to in a tree; None for nothing."""
    path = PATH[1:]
    if path not in tree:
        return None
    kind, leads_to = tree[path]
    top = leads_to[1:] if kind == "link" else path
    if top not in tree:
        return {"": ("leads to nothing", leads_to)}
    return {name: entry for name, entry in tree.items() if name.startswith(f"{top}/")}


def settled(tree: Tree) -> Tree:
    """A tree without what the next call clears away: staging, and times of the lock."""
    return {name: entry for name, entry in tree.items() if not name.startswith(_STAGING)}


_OBJECT = re.compile(r"usr/lib/rpm-venv/(store/[^/]+|envs/[^/]+/[^/]+)(/.*)?")


def made(tree: Tree) -> dict[str, Tree]:
    """The objects and generations of a tree, by their places."""
    found: dict[str, Tree] = defaultdict(dict)
    for name, entry in tree.items():
        match = _OBJECT.fullmatch(name)
        if match:
            found[match[1]][name] = entry
    return found


def half_made(tree: Tree, whole: dict[str, Tree]) -> str:
    """The first object or generation of a tree that has its name and is not whole."""
    for place, entries in made(tree).items():
        if entries != whole[place]:
            return f"{place} is not whole: {difference(whole[place], entries)}"
    return ""


def losses(laboratories: Laboratories, scenario: str, recording: Sequence[Call]) -> tuple[int, str]:
    """How many power losses were tried, and the first after which something is wrong."""
    disk = StrictDisk(laboratories.template(scenario, "before"))
    final = StrictDisk(laboratories.template(scenario, "after")).tree()
    good = (public(disk.tree()), public(final))
    whole = {**made(disk.tree()), **made(final)}
    tried = 0
    for call in recording:
        if not disk.do(call) or call.paths[-1].startswith(_STAGING):
            continue
        for names in disk.after_power_loss():
            tried += 1
            tree = disk.tree(names)
            found = public(tree)
            if found not in good:
                wrong = difference(good[1] or good[0] or {}, found or {})
                return tried, f"neither old nor new after {call}: {wrong}"
            wrong = half_made(tree, whole)
            if wrong:
                return tried, f"after {call}: {wrong}"
    for names in disk.after_power_loss():
        tried += 1
        wrong = difference(settled(final), settled(disk.tree(names)))
        if wrong:
            return tried, f"reported done, and not there: {wrong}"
    return tried, ""


def difference(wanted: Tree, found: Tree) -> str:
    names = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    return ", ".join(f"{name} {found.get(name, ('gone',))[0]}" for name in names[:4])


def site(call: Call) -> str:
    """Where a call makes something durable, without the names that are different each time."""
    path = re.sub(r"[0-9a-f]{16,}", "…", call.paths[0])
    return f"{call.name} {path}"


@pytest.fixture(scope="module")
def recordings(laboratories: Laboratories) -> dict[str, list[Call]]:
    return {name: laboratories.record(name) for name in NAMES}


@pytest.mark.parametrize("scenario", NAMES)
def test_the_model_ends_where_the_disk_ends(
    laboratories: Laboratories, recordings: dict[str, list[Call]], scenario: str
) -> None:
    disk = StrictDisk(laboratories.template(scenario, "before"))
    for call in recordings[scenario]:
        disk.do(call)
    after = StrictDisk(laboratories.template(scenario, "after"))
    assert not difference(after.tree(), disk.tree())


@pytest.mark.parametrize("scenario", NAMES)
def test_nothing_is_lost_or_half_there(
    laboratories: Laboratories, recordings: dict[str, list[Call]], scenario: str
) -> None:
    tried, wrong = losses(laboratories, scenario, recordings[scenario])
    table.survived(f"{scenario}: power loss, strict disk", tried, tried - bool(wrong))
    assert not wrong


def test_every_fsync_is_needed(
    laboratories: Laboratories, recordings: dict[str, list[Call]]
) -> None:
    missed: dict[str, list[str]] = defaultdict(list)
    for scenario, recording in recordings.items():
        for number, call in enumerate(recording):
            if call.name in calls.DURABLE:
                without = recording[:number] + recording[number + 1 :]
                _, wrong = losses(laboratories, scenario, without)
                missed[site(call)].append(wrong)
    found = Counter({place: sum(map(bool, wrongs)) for place, wrongs in missed.items()})
    for place, wrongs in sorted(missed.items()):
        table.note(f"without {place}: {found[place]} of {len(wrongs)} runs fail")
    assert missed
    assert not [place for place in missed if not found[place]]
