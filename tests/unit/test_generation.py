"""A generation's name depends on what decides it and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from rpm_venv.declaration import Declaration, Package
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees.generation import Distribution, Generation, is_name, name

DECLARATION = Declaration("/opt/app1/penv", "/usr/share/app1/requirements.txt")
PYTHON = Interpreter("/usr/bin/python3.11", (3, 11, 2), "cpython-311", {}, ())
WHEELS = ("a" * 64, "b" * 64, "c" * 64)
NAME = name(DECLARATION, PYTHON, WHEELS)


def test_a_name_is_twenty_hex_digits() -> None:
    assert is_name(NAME)
    assert not is_name(NAME[:-1]) and not is_name(NAME[:-1] + "x") and not is_name(".." + NAME[2:])


@pytest.mark.parametrize("order", list(permutations(WHEELS)))
def test_the_order_of_wheels_does_not_matter(order: tuple[str, ...]) -> None:
    assert name(DECLARATION, PYTHON, order) == NAME


@pytest.mark.parametrize(
    "same",
    [
        replace(DECLARATION, package=Package("app1", "2", "1", "noarch")),
        replace(DECLARATION, lock="/elsewhere"),
        replace(DECLARATION, wheels=("/w",)),
        replace(DECLARATION, offline=True),
    ],
)
def test_where_the_wheels_come_from_does_not_matter(same: Declaration) -> None:
    assert name(same, PYTHON, WHEELS) == NAME


def test_a_patch_release_does_not_matter() -> None:
    assert name(DECLARATION, replace(PYTHON, version=(3, 11, 7)), WHEELS) == NAME


@pytest.mark.parametrize(
    "other",
    [
        name(DECLARATION, PYTHON, WHEELS[:2]),
        name(replace(DECLARATION, path="/opt/app2/penv"), PYTHON, WHEELS),
        name(replace(DECLARATION, system_site=True), PYTHON, WHEELS),
        name(DECLARATION, replace(PYTHON, tag="cpython-312"), WHEELS),
        name(DECLARATION, replace(PYTHON, path="/opt/python/bin/python3.11"), WHEELS),
    ],
)
def test_what_decides_gives_another_name(other: str) -> None:
    assert other != NAME


def test_a_generation_reads_back_what_it_wrote() -> None:
    wheel = Distribution("six", "1.16.0", "six-1.16.0-py2.py3-none-any.whl", "a" * 64)
    made = Generation(NAME, "/opt/app1/penv", PYTHON.path, PYTHON.tag, False, (wheel,), ("a note",))
    assert Generation.loads(made.dumps()) == made
    assert made.objects == (f"{'a' * 64}-cpython-311",)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": 2}'])
def test_what_is_no_generation_is_refused(text: bytes) -> None:
    with pytest.raises((ValueError, KeyError, AttributeError, TypeError)):
        Generation.loads(text)
