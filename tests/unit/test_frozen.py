"""Our ``dataclass`` is the standard library's, for all that this project does with one."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle
from typing import Any, ClassVar

import pytest

from rpm_venv import frozen


def classes(module: Any) -> tuple[Any, Any, Any]:
    """The same three classes, made by a module's decorator."""

    @module.dataclass(frozen=True)
    class Point:
        KIND: ClassVar[str] = "point"
        x: int
        y: int = 2
        names: dict[str, int] = module.field(default_factory=dict, compare=False)

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("negative")

        @functools.cached_property
        def double(self) -> int:
            return 2 * self.x

    @module.dataclass(frozen=True)
    class Named(Point):
        name: str = "p"

        def __repr__(self) -> str:
            return self.name

    @module.dataclass
    class Open:
        items: list[int] = module.field(default_factory=list)

    return Point, Named, Open


def behaviour(module: Any) -> dict[str, object]:
    """What the three classes do; the same of both modules."""
    point, named, opened = classes(module)
    one, other = point(1), point(1, names={"a": 1})
    changed = opened()
    changed.items.append(1)

    def outcome(action: Any) -> object:
        try:
            return repr(action()).replace(f"{__name__}.", "")
        except Exception as error:
            return type(error)

    return {
        "shown": (repr(one), repr(named(1)), repr(changed)),
        "equal": (one == other, one == point(2), one == named(1), one == 1, opened() == opened()),
        "hash": (hash(one) == hash(other), len({one, other, point(3)})),
        "no hash": outcome(lambda: hash(opened())),
        "own": (opened().items, point.y, point.KIND, hasattr(opened, "items")),
        "inherited": (named(1, 3, {}, "n").name, named(x=1, name="z").y),
        "frozen": (
            outcome(lambda: setattr(one, "x", 2)),
            outcome(lambda: setattr(one, "z", 2)),
            outcome(lambda: delattr(one, "x")),
        ),
        "refused": (outcome(lambda: point(-1)), outcome(point), outcome(lambda: point(1, z=1))),
        "too much": (outcome(lambda: point(1, x=1)), outcome(lambda: point(1, 2, {}, 4))),
        "kept": one.double,
        "replaced": (
            repr(dataclasses.replace(one, y=5)),
            repr(module.replace(one, y=5)),
            outcome(lambda: module.replace(one, x=-1)),
        ),
        "fields": [field.name for field in dataclasses.fields(named)],
        "as a dictionary": dataclasses.asdict(one),
        "copied": (copy.copy(one) == one, copy.deepcopy(changed) == changed),
    }


@pytest.mark.parametrize("by_hand", [0, 1, 3, 1000])
def test_a_class_behaves_as_one_of_the_standard_library(
    monkeypatch: pytest.MonkeyPatch, by_hand: int
) -> None:
    monkeypatch.setattr(frozen, "_BY_HAND", by_hand)
    assert behaviour(frozen) == behaviour(dataclasses)


@frozen.dataclass(frozen=True)
class Kept:
    value: int


def test_a_value_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1))) == Kept(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Kept(1).value = 2  # type: ignore[misc]


def test_the_names_of_fields_are_in_their_order() -> None:
    assert frozen.names(classes(frozen)[1]) == ("x", "y", "names", "name")
