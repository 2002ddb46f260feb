"""Power loss on a disk that keeps no more than it must; and every fsync is needed.

What a verb does is recorded once, call by call. The model then loses power after each change of a
name, and at the end. A recording without one of its fsyncs must fail there: an fsync that nothing
misses is not a safeguard but a habit.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence

import pytest

from tests.faults import durable, systems, table
from tests.faults.laboratories import Laboratories
from tests.faults.scenarios import SCENARIOS
from tests.faults.strict_disk import StrictDisk
from tests.faults.supervised import Call
from tests.faults.systems import PATH

Tree = dict[str, tuple[str, str]]
_STAGING = "usr/lib/rpm-venv/staging/"
#: What is to be a file of trust: such a one is cleared away by sync.
_UNTRUSTED = "etc/fapolicyd/.rpm-venv-"
#: Writes back early what another line makes durable: nothing is lost without it.
_AHEAD = "system/flushing.py:"
NAMES = tuple(scenario.name for scenario in SCENARIOS)
#: The verb that drops both, objects and generations, is also tried where they cannot be renamed:
#: in the lower layer of an overlay.
LAYERED = ("gc",)
IN_LAYERS = " in layers"
RECORDINGS = (*NAMES, *(name + IN_LAYERS for name in LAYERED))


def public(tree: Tree) -> Tree | None:
    """What the public path leads to in a tree; None for nothing."""
    path = PATH[1:]
    if path not in tree:
        return None
    kind, leads_to = tree[path]
    top = leads_to[1:] if kind == "link" else path
    if top not in tree:
        return {"": ("leads to nothing", leads_to)}
    found = {name: entry for name, entry in tree.items() if name.startswith(f"{top}/")}
    for link in systems.behind_links(found):
        start = os.path.normpath(f"{os.path.dirname(link)}/{tree[link][1]}")
        behind = {name: entry for name, entry in tree.items() if name.startswith(f"{start}/")}
        found.update({link + name[len(start) :]: entry for name, entry in behind.items()})
    return found


def settled(tree: Tree) -> Tree:
    """A tree without what the next call clears away: staging, and remains without description."""
    whole = made(tree)
    return {
        name: entry
        for name, entry in tree.items()
        if not name.startswith((_STAGING, _UNTRUSTED))
        and not systems.is_kept(name)
        and not _is_remains(name, whole)
    }


def _is_remains(name: str, whole: dict[str, Tree]) -> bool:
    match = _OBJECT.fullmatch(name)
    return match is not None and match[1] not in whole


_OBJECT = re.compile(r"usr/lib/rpm-venv/(store/[^/]+|envs/[^/]+/[^/]+)(/.*)?")


def made(tree: Tree) -> dict[str, Tree]:
    """The objects and generations of a tree, by their places; what is one has its description."""
    found: dict[str, Tree] = defaultdict(dict)
    for name, entry in tree.items():
        match = _OBJECT.fullmatch(name)
        if match and not systems.is_kept(name):
            found[match[1]][name] = entry
    described = ("object.json", ".rpm-venv/manifest")
    return {
        place: entries
        for place, entries in found.items()
        if any(f"usr/lib/rpm-venv/{place}/{name}" in entries for name in described)
    }


def half_made(tree: Tree, whole: tuple[dict[str, Tree], dict[str, Tree]]) -> str:
    """The first object or generation of a tree that has its name and is neither old nor new."""
    for place, entries in made(tree).items():
        known = [each[place] for each in whole if place in each]
        if entries not in known:
            return f"{place} is not whole: {difference(known[-1], entries)}"
    return ""


def losses(laboratories: Laboratories, scenario: str, recording: Sequence[Call]) -> tuple[int, str]:
    """How many power losses were tried, and the first after which something is wrong."""
    name = scenario.partition(IN_LAYERS)[0]
    disk = StrictDisk(laboratories.template(name, "before"))
    final = StrictDisk(laboratories.template(name, "after")).tree()
    known = (public(disk.tree()), public(final))
    good = (*known, systems.mending(*known))
    whole = (made(disk.tree()), made(final))
    tried = 0
    for call in recording:
        place = call.paths[-1]
        if not disk.do(call) or place.startswith(_STAGING) or systems.is_kept(place):
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


@pytest.fixture(scope="module")
def recordings(laboratories: Laboratories) -> dict[str, list[Call]]:
    plain = {name: laboratories.record(name) for name in NAMES}
    layered = {name + IN_LAYERS: laboratories.record(name, in_layers=True) for name in LAYERED}
    return {**plain, **layered}


@pytest.mark.parametrize("scenario", NAMES)
def test_the_model_ends_where_the_disk_ends(
    laboratories: Laboratories, recordings: dict[str, list[Call]], scenario: str
) -> None:
    disk = StrictDisk(laboratories.template(scenario, "before"))
    for call in recordings[scenario]:
        disk.do(call)
    after = StrictDisk(laboratories.template(scenario, "after"))
    assert not difference(after.tree(), disk.tree())


@pytest.mark.parametrize("scenario", RECORDINGS)
def test_nothing_is_lost_or_half_there(
    laboratories: Laboratories, recordings: dict[str, list[Call]], scenario: str
) -> None:
    tried, wrong = losses(laboratories, scenario, recordings[scenario])
    table.survived(f"{scenario}: power loss, strict disk", tried, tried - bool(wrong))
    assert not wrong


def test_every_fsync_is_needed(
    laboratories: Laboratories, recordings: dict[str, list[Call]]
) -> None:
    """Take any one line out of the source that makes something durable: power loss tells."""
    runs: dict[durable.Place, list[str]] = defaultdict(list)
    for scenario, recording in recordings.items():
        for call in recording:
            if call.lines and scenario not in runs[durable.place(call.lines)]:
                runs[durable.place(call.lines)].append(scenario)
    assert runs
    needless = []
    for place, scenarios in sorted(runs.items()):
        missed = [name for name in scenarios if _is_missed(laboratories, recordings, name, place)]
        table.note(f"without {' < '.join(place)}: {len(missed)} of {len(scenarios)} verbs fail")
        if not missed:
            needless.append(place)
    assert not needless


def _is_missed(
    laboratories: Laboratories,
    recordings: dict[str, list[Call]],
    scenario: str,
    place: durable.Place,
) -> bool:
    recording = recordings[scenario]
    without = [call for call in recording if not call.lines or durable.place(call.lines) != place]
    assert len(without) < len(recording)
    return bool(losses(laboratories, scenario, without)[1])


def test_every_line_that_makes_durable_is_tried(recordings: dict[str, list[Call]]) -> None:
    tried = {line for recording in recordings.values() for call in recording for line in call.lines}
    source = systems.TREE / "src/rpm_venv"
    lines = list(durable.in_source(source))
    assert len(lines) > 15
    untried = {line for line in lines if line not in tried}
    assert {line for line in untried if not line.startswith(_AHEAD)} == set()
