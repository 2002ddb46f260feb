"""One lock for several Pythons and machines: markers that tell them apart. Pure."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.version import Version

from rpm_venv.errors import LockError, UsageError
from rpm_venv.locks import exact, lock, pylock, requirements, targets
from rpm_venv.locks.locked import Entry, Lock, LockedFile
from rpm_venv.system.interpreter import Interpreter

MINORS = ("3.9", "3.10", "3.11", "3.13")
MACHINES = ("aarch64", "s390x", "x86_64")
ALL = [targets.elsewhere(m, machine) for m in MINORS for machine in MACHINES]


def everybody(minors: int, machines: int) -> list[Interpreter]:
    pairs = itertools.product(MINORS[:minors], MACHINES[:machines])
    return [targets.elsewhere(minor, machine) for minor, machine in pairs]


@given(st.integers(1, 4), st.integers(1, 3), st.sets(st.integers(0, 11), min_size=1))
@settings(max_examples=50, deadline=None)
def test_a_condition_holds_for_those_and_for_no_others(
    minors: int, machines: int, chosen: set[int]
) -> None:
    known = everybody(minors, machines)
    some = [one for index, one in enumerate(known) if index in chosen] or known[:1]
    text = targets.condition(some, known)
    for one in known:
        holds = not text or Marker(text).evaluate(dict(one.markers))
        assert holds == (one in some)
    assert (text == "") == (len(some) == len(known))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (["3.9"], 'python_version < "3.10"'),
        (["3.11", "3.13"], 'python_version >= "3.11"'),
        (["3.10"], 'python_version == "3.10"'),
        (["3.9", "3.11"], 'python_version == "3.9" or python_version == "3.11"'),
    ],
)
def test_a_condition_on_pythons_is_short(chosen: list[str], expected: str) -> None:
    some = [one for one in ALL if one.minor in chosen]
    assert str(Marker(targets.condition(some, ALL))) == expected


ENTRIES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), unique_by=lambda pair: pair[0]
)


@given(st.lists(ENTRIES, min_size=4, max_size=4), st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_merged_lock_has_for_each_what_each_was_answered(
    answers: list[list[tuple[str, int]]], as_pylock: bool
) -> None:
    """Written, read by the strict grammar, and selected: the same names and versions."""
    known = everybody(2, 2)

    def entry(name: str, version: int) -> Entry:
        file = LockedFile(f"{name}-{version}-py3-none-any.whl", f"{version:064x}")
        return Entry(name, Version(str(version)), (file.sha256,), files=(file,))

    made = exact.answered(
        [(one, [entry(*pair) for pair in pairs]) for one, pairs in zip(known, answers)],
        Lock("x", "", (), pylock=as_pylock),
        [],
    )
    text = pylock.render(made) if as_pylock else requirements.render(made.entries)
    found, problems = lock.read(text.encode(), "pylock.toml" if as_pylock else "x.txt")
    assert problems == []
    for one, pairs in zip(known, answers):
        held = [(e.name, int(str(e.version))) for e in lock.select(found, one.markers)]
        assert held == sorted(pairs)
    if as_pylock:
        with pytest.raises(LockError, match="does not fit"):
            lock.select(found, targets.elsewhere("3.13", "x86_64").markers)


def test_wheels_of_all_are_one_entry() -> None:
    def answer(tag: str) -> list[Entry]:
        file = LockedFile(f"a-1-{tag}.whl", f"{len(tag):064x}")
        return [Entry("a", Version("1"), (file.sha256,), files=(file,))]

    known = everybody(1, 2)
    tags = ("cp39-cp39-manylinux_2_28_aarch64", "cp39-abi3-manylinux_2_28_x86_64")
    (entry,) = targets.merged([(one, answer(tag)) for one, tag in zip(known, tags)])
    assert entry.marker is None
    assert [file.filename for file in entry.files] == [f"a-1-{tags[1]}.whl", f"a-1-{tags[0]}.whl"]
    assert len(entry.hashes) == 2


def test_a_python_that_is_not_here_takes_its_wheels() -> None:
    tags = targets.elsewhere("3.9", "aarch64").tags
    assert {"cp39-cp39-manylinux_2_28_aarch64", "cp39-cp39-manylinux2014_aarch64"} < set(tags)
    assert {"cp38-abi3-linux_aarch64", "py3-none-any"} < set(tags)
    assert not [tag for tag in tags if "x86_64" in tag or "musl" in tag]
    assert targets.described(everybody(3, 2)) == "Python 3.9, 3.10 and 3.11 on aarch64 and s390x"


def test_what_is_no_python_or_machine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"for Python 3\.9 or newer, not 3\.6"):
        targets.elsewhere("3.6", "x86_64")
    with pytest.raises(UsageError, match="not the name of a machine"):
        targets.check_machine("x86 64")
