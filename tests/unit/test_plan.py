"""The plan: which steps, in which order, and who may have an environment removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rpm_venv import plan
from rpm_venv.declaration import Declaration, Package
from rpm_venv.environment import Environment
from rpm_venv.fetching.shelf import Found
from rpm_venv.locks.amended import APPLIED, Outcome
from rpm_venv.steps import DropGenerations, MakeBoth, Switch, WriteState
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees.generation import Distribution, Live, name
from rpm_venv.wheels.store import Source

if TYPE_CHECKING:
    from rpm_venv.steps import Step

OLD = Package("app1", "1.0", "1", "noarch")
NEW = Package("app1", "2.0", "1", "noarch")
OTHER = Package("app2", "1.0", "1", "noarch")
PATH = "/opt/app1/penv"
DECLARATION = Declaration(PATH, "/usr/share/app1/requirements.txt", package=NEW)
PYTHON = Interpreter("/usr/bin/python3.11", (3, 11, 2), "cpython-311", {}, ("py3-none-any",))
WISH = plan.Wish(DECLARATION, "d" * 64, PYTHON)
WHEEL = Distribution("six", "1.16.0", "six-1.16.0-py2.py3-none-any.whl", "a" * 64)
CHOICE = Found(WHEEL, Source(Path("/w") / WHEEL.filename, WHEEL.filename, WHEEL.sha256))
WANTED = name(DECLARATION, PYTHON, [WHEEL.sha256])
BEFORE = "0" * 20
NOTHING = plan.Facts(Live("nothing"), missing_parents=("/opt/app1",))


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [type(step).__name__ for step in steps]


def installed(**more: Any) -> plan.Facts:
    """The facts after WISH came true."""
    state = Environment(DECLARATION, "d" * 64, WISH.inputs, WANTED, kept=(WANTED,))
    facts = plan.Facts(Live("ours", WANTED), state, (WANTED,), frozenset({WANTED}))
    return replace(facts, **more)


def test_a_first_install_makes_everything_before_anything_points_to_it() -> None:
    steps = plan.install(WISH, [CHOICE], NOTHING)
    assert kinds(steps) == ["MakeObjects", "MakeGeneration", "WriteState", "Switch", "Tell"]
    state = next(step for step in steps if isinstance(step, WriteState)).environment
    assert (state.wanted, state.kept, state.parents) == (WANTED, (WANTED,), ("/opt/app1",))


def test_the_same_again_changes_nothing() -> None:
    assert plan.unchanged(WISH, installed()) == installed().before


def test_a_new_version_with_the_same_lock_only_changes_the_owner() -> None:
    facts = installed()
    assert facts.before is not None
    old = replace(facts.before, declaration=replace(DECLARATION, package=OLD))
    assert plan.unchanged(WISH, replace(facts, before=old)) == facts.before


@pytest.mark.parametrize(
    "facts",
    [
        NOTHING,
        installed(live=Live("nothing")),
        installed(live=Live("ours", BEFORE)),
        installed(whole=frozenset()),
        installed(before=None),
    ],
)
def test_anything_missing_is_a_change(facts: plan.Facts) -> None:
    assert plan.unchanged(WISH, facts) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(DECLARATION, system_site=True),
        replace(DECLARATION, extras=("tests",)),
        replace(DECLARATION, wheels=("/elsewhere",)),
    ],
)
def test_another_declaration_is_a_change(other: Declaration) -> None:
    assert plan.unchanged(replace(WISH, declaration=other), installed()) is None


def test_another_python_is_a_change_another_name_for_it_is_not() -> None:
    renamed = replace(WISH, declaration=replace(DECLARATION, python="/usr/bin/python3.11"))
    assert plan.unchanged(renamed, installed()) is not None
    newer = replace(PYTHON, path="/usr/bin/python3.12", tag="cpython-312")
    assert plan.unchanged(replace(WISH, interpreter=newer), installed()) is None


def test_a_generation_that_is_there_is_only_switched_to() -> None:
    facts = installed(live=Live("ours", BEFORE), generations=(BEFORE, WANTED))
    assert kinds(plan.install(WISH, [CHOICE], facts)) == ["WriteState", "Switch", "Tell"]


def test_objects_in_the_store_are_not_made_again() -> None:
    steps = plan.install(WISH, [Found(WHEEL)], NOTHING)
    assert kinds(steps) == ["MakeGeneration", "WriteState", "Switch", "Tell"]


def test_what_is_there_is_begun_with_while_little_is_made() -> None:
    here = [Found(replace(WHEEL, name=f"here{n}", sha256=f"{n}" * 64)) for n in range(2)]
    making, *rest = plan.install(WISH, [CHOICE, *here], NOTHING)
    assert isinstance(making, MakeBoth)
    assert kinds(tuple(rest)) == ["WriteState", "Switch", "Tell"]
    assert making.there == tuple(f"{n * 64}-cpython-311" for n in "01")
    assert making.objects.sources == (CHOICE.source,)
    assert set(making.generation.generation.objects) > set(making.there)
    # Amended wheels are looked at before there is a generation of them; and one that is there is
    # not worth it where two are made.
    told = Outcome("override", "here0", "1.0", "file", "", APPLIED)
    other = replace(WHEEL, name="a", sha256="b" * 64)
    source = Source(Path("/w") / other.filename, other.filename, other.sha256)
    others = [Found(other, source), here[0]]
    for steps in (
        plan.install(WISH, [CHOICE, *here], NOTHING, (told,)),
        plan.install(WISH, [CHOICE, *others], NOTHING),
    ):
        assert kinds(steps)[:2] == ["MakeObjects", "MakeGeneration"]


def test_the_one_before_stays_older_ones_go_but_not_under_a_process() -> None:
    oldest, used = "1" * 20, "2" * 20
    facts = plan.Facts(
        Live("ours", BEFORE),
        Environment(DECLARATION, kept=(BEFORE, oldest), wanted=BEFORE),
        (BEFORE, oldest, used),
        frozenset({BEFORE, oldest, used}),
        in_use=frozenset({used}),
    )
    steps = plan.install(WISH, [CHOICE], facts)
    assert DropGenerations(PATH, (oldest,)) in steps
    assert kinds(steps)[-1] == "SweepStore"


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
def test_as_many_stay_as_the_administrator_says_and_those_in_use(keep: int) -> None:
    """After an install, after a call that changes nothing, and after gc."""
    older = tuple(str(number) * 20 for number in range(1, 5))
    used = older[-1]
    facts = plan.Facts(
        Live("ours", older[0]),
        Environment(DECLARATION, kept=older, wanted=older[0], inputs=WISH.inputs),
        older,
        frozenset(older),
        in_use=frozenset({used}),
    )
    wish = replace(WISH, keep=keep)
    after = next(
        step.environment
        for step in plan.install(wish, [CHOICE], facts)
        if isinstance(step, WriteState)
    )
    assert after.kept == (WANTED, *older)[: 1 + keep]
    same = plan.unchanged(wish, facts)
    assert same is not None
    stay = {*older[: 1 + keep], used}
    for steps in (plan.tidy(same, facts), plan.garbage(PATH, facts, keep)):
        dropped = [name for step in steps if isinstance(step, DropGenerations)
                   for name in step.names]  # fmt: skip
        assert {*older} - {*dropped} == stay


def test_what_is_dropped_goes_after_the_switch() -> None:
    facts = installed(generations=(WANTED, "1" * 20), live=Live("nothing"))
    order = kinds(plan.install(WISH, [CHOICE], facts))
    assert order.index("Switch") < order.index("DropGenerations") < order.index("SweepStore")


def test_a_rollback_is_a_switch_and_the_next_install_goes_forward() -> None:
    facts = installed(generations=(WANTED, BEFORE), whole=frozenset({WANTED, BEFORE}))
    assert facts.before is not None
    steps = plan.rollback(facts, BEFORE, replace(facts.before, kept=(WANTED, BEFORE)))
    assert kinds(steps) == ["WriteState", "Switch", "Tell"]
    state = next(step for step in steps if isinstance(step, WriteState)).environment
    assert (state.wanted, state.left, state.kept) == (BEFORE, WANTED, (BEFORE, WANTED))
    back = replace(facts, before=state, live=Live("ours", BEFORE))
    assert plan.unchanged(WISH, back) is None
    forward = plan.install(WISH, [CHOICE], back)
    assert kinds(forward) == ["WriteState", "Switch", "Tell"]


def test_a_removal_takes_the_path_first_and_its_state_last() -> None:
    order = kinds(plan.remove(PATH, installed()))
    assert order == ["Unlink", "DropGenerations", "SweepStore", "RemoveParents", "Tell", "Forget"]


def test_a_refused_declaration_is_remembered_with_the_reason_and_what_was_live() -> None:
    other = replace(DECLARATION, lock="/other")
    state = plan.refused(other, installed(), "no wheel")
    assert (state.declaration, state.failure, state.wanted) == (other, "no wheel", WANTED)
    assert plan.unchanged(WISH, installed(before=state)) is None


OWNED_BY_OLD = installed(before=Environment(replace(DECLARATION, package=OLD), wanted=WANTED))


@pytest.mark.parametrize(
    ("what", "caller", "facts", "may"),
    [
        ("by hand", plan.Caller(), installed(), True),
        ("erase by the owner", plan.Caller(NEW, 0), installed(), True),
        ("erase by another", plan.Caller(OTHER, 0), installed(), False),
        ("erase of a state that is lost", plan.Caller(NEW, 0), installed(before=None), True),
        ("upgrade, new claimed", plan.Caller(OLD, 1, (OLD, NEW), (OLD, NEW)), installed(), False),
        ("upgrade, new claimed, rpm blind", plan.Caller(OLD, 1), installed(), False),
        ("new moved away", plan.Caller(OLD, 1, (OLD, NEW), (OLD,)), OWNED_BY_OLD, True),
        ("new moved away, old gone", plan.Caller(OLD, 1, (NEW,), ()), OWNED_BY_OLD, True),
        ("new failed early", plan.Caller(OLD, 1, (OLD, NEW), (OLD, NEW)), OWNED_BY_OLD, False),
        ("reinstall", plan.Caller(OLD, 1, (OLD, OLD), (OLD, OLD)), OWNED_BY_OLD, False),
        ("reinstall, one entry", plan.Caller(OLD, 1, (OLD,), (OLD,)), OWNED_BY_OLD, False),
        ("rpm blind", plan.Caller(OLD, 1, None, None), OWNED_BY_OLD, False),
    ],
)
def test_who_may_remove(what: str, caller: plan.Caller, facts: plan.Facts, may: bool) -> None:
    assert plan.may_remove(caller, facts) is may, what


def test_a_path_that_left_with_a_ghost_comes_back() -> None:
    assert plan.heal(installed(live=Live("nothing"))) == (Switch(PATH, WANTED),)


@pytest.mark.parametrize(
    "facts", [installed(), NOTHING, installed(live=Live("nothing"), whole=frozenset())]
)
def test_only_a_missing_path_with_a_whole_generation_is_healed(facts: plan.Facts) -> None:
    assert plan.heal(facts) == ()


# ---- what a file trigger does


SHIPPED = replace(
    DECLARATION, lock="/usr/share/rpm-venv/opt-app1-penv/requirements.txt", offline=True
)


def declared(**more: Any) -> plan.Facts:
    """The facts after SHIPPED, which a package declares, came true."""
    facts = installed()
    assert facts.before is not None
    return replace(facts, before=replace(facts.before, declaration=SHIPPED, **more))


@pytest.mark.parametrize(
    ("found", "facts", "again", "errand"),
    [
        (SHIPPED, NOTHING, False, "install"),
        (SHIPPED, NOTHING, True, "install"),
        (SHIPPED, declared(), False, "install"),  # which sees that nothing changed, or Python did
        (SHIPPED, declared(failure="no wheel"), False, "install"),
        (SHIPPED, declared(failure="no wheel"), True, "heal"),  # said once is enough
        (SHIPPED, declared(left=BEFORE), False, "heal"),  # an administrator went back
        (replace(SHIPPED, package=OLD), declared(left=BEFORE), False, "install"),
        (SHIPPED, installed(), True, "install"),  # a scriptlet said otherwise
        (None, declared(), False, "remove"),
        (None, declared(failure="no wheel"), True, "remove"),
        (None, installed(), False, "heal"),  # a scriptlet's, or made by hand
        (None, NOTHING, False, "heal"),
    ],
)
def test_what_a_file_trigger_has_to_do(
    found: Declaration | None, facts: plan.Facts, again: bool, errand: str
) -> None:
    assert plan.errand(found, facts, again=again) == errand


# ---- environments that are a package's own files

WHOLE = replace(DECLARATION, level="env", generation=WANTED)


def test_nothing_is_handed_over_where_there_was_nothing_of_ours() -> None:
    facts = plan.Facts(Live("ours", WANTED), generations=(BEFORE, WANTED))
    assert plan.hand_over(WHOLE, facts) == ()


def test_all_that_was_made_goes_but_not_the_package_s_generation_of_that_name() -> None:
    steps = plan.hand_over(WHOLE, installed(generations=(BEFORE, "1" * 20, WANTED)))
    assert kinds(steps) == ["DropGenerations", "SweepStore", "Forget"]
    assert steps[0] == DropGenerations(PATH, (BEFORE, "1" * 20))


def test_what_a_process_runs_from_is_remembered_as_ours() -> None:
    facts = installed(generations=(BEFORE, WANTED), in_use=frozenset({BEFORE, WANTED}))
    steps = plan.hand_over(WHOLE, facts)
    assert kinds(steps) == ["DropGenerations", "SweepStore", "WriteState"]
    state = next(step for step in steps if isinstance(step, WriteState)).environment
    assert (state.declaration, state.wanted, state.kept) == (WHOLE, WANTED, (BEFORE,))
    again = replace(facts, before=state)
    assert plan.hand_over(WHOLE, again) == ()
    # The next version's generation is there; the one before is rpm's, which removes it later.
    later = replace(WHOLE, generation="3" * 20, package=OTHER)
    there = replace(again, generations=(BEFORE, WANTED, "3" * 20), in_use=frozenset())
    steps = plan.hand_over(later, there)
    assert kinds(steps) == ["DropGenerations", "SweepStore", "Forget"]
    assert steps[0] == DropGenerations(PATH, (BEFORE,))


def test_what_rpm_removed_from_under_a_scriptlets_environment_is_made_again() -> None:
    assert plan.errand(None, installed(), again=False) == "heal"
    assert plan.errand(None, installed(whole=frozenset()), again=False) == "install"
    failed = replace(Environment(DECLARATION), failure="no wheel")
    assert plan.errand(None, installed(before=failed, whole=frozenset()), again=False) == "heal"
