"""Versions, Pythons and paths as rpm dependencies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from rpm_venv.building.dependencies import (
    common_minors,
    conflicts,
    provides,
    python_abi,
    requires,
    rpm_version,
)
from rpm_venv.declaration import Declaration
from rpm_venv.locks.locked import Entry
from rpm_venv.wheels.wheel import WheelName

RUNTIME = "rpm-venv >= 0.1.0"


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("1.0", "1"),
        ("0.0", "0"),
        ("2.10.0", "2.10"),
        ("1.0rc1", "1~rc1"),
        ("1.0a2", "1~a2"),
        ("1.0.dev3", "1~~dev3"),
        ("1.0.dev0", "1~~dev0"),
        ("1.0.post4", "1^post4"),
        ("1.0-4", "1^post4"),
        ("1.0.post0", "1^post0"),
        ("1.0b2.post3", "1~b2"),
        ("1.0rc1.dev2", "1~rc1"),
        ("1.0.post1.dev2", "1~~dev2"),
        ("1.0.alpha1", "1~a1"),
        ("1!2.0", "1:2"),
        ("2!0.0rc3", "2:0~rc3"),
        ("1.0+local.1", "1"),
        ("1!1.10rc1+cu121", "1:1.10~rc1"),
        ("2024.1.1", "2024.1.1"),
    ],
)
def test_versions_as_fedora_writes_them(version: str, wanted: str) -> None:
    assert rpm_version(Version(version)) == wanted


@pytest.mark.parametrize(
    ("specifiers", "wanted"),
    [
        ("", ""),
        (">=3.9", "python(abi) >= 3.9"),
        (">=3.9.2", "python(abi) >= 3.9"),
        (">3.8", "python(abi) >= 3.8"),
        (">=3.9,<4", "python(abi) >= 3.9"),
        (">=3.9,<3.12", "(python(abi) >= 3.9 with python(abi) <= 3.11)"),
        ("<3.12.1", "python(abi) <= 3.12"),
        ("<=3.11", "python(abi) <= 3.11"),
        ("==3.11.*", "(python(abi) >= 3.11 with python(abi) <= 3.11)"),
        ("~=3.9", "python(abi) >= 3.9"),
        ("!=3.9.0", ""),
        ("!=3.10.*,>=3.9", "(python(abi) >= 3.9 without python(abi) = 3.10)"),
        (
            ">=3.9,!=3.10.*,!=3.11.*,<3.14",
            "(((python(abi) >= 3.9 with python(abi) <= 3.13) without python(abi) = 3.10) "
            "without python(abi) = 3.11)",
        ),
        (">=2.7,!=3.0.*", "python(abi) >= 3.1"),
        (">=4", "python(abi) = 0"),
    ],
)
def test_requires_python_as_a_dependency(specifiers: str, wanted: str) -> None:
    assert python_abi(SpecifierSet(specifiers)) == wanted


@given(st.integers(9, 20), st.integers(9, 20))
def test_a_range_of_pythons_is_kept(low: int, high: int) -> None:
    text = python_abi(SpecifierSet(f">=3.{low},<3.{high + 1}"))
    if low > high:
        assert text == "python(abi) = 0"
    else:
        assert text == f"(python(abi) >= 3.{low} with python(abi) <= 3.{high})"


def wheel(tag: str) -> WheelName:
    return WheelName.parse(f"alpha-1.0-{tag}.whl")


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([], None),
        ([["py3-none-any"]], None),
        ([["py311-none-any"]], None),
        ([["cp39-abi3-linux_x86_64"]], None),
        ([["cp311-cp311-linux_x86_64"]], {11}),
        ([["cp311-none-linux_x86_64"]], {11}),
        ([["cp310-cp310-linux_x86_64", "cp311-cp311-linux_x86_64"]], {10, 11}),
        ([["cp310-cp310-linux_x86_64", "py3-none-any"]], None),
        ([["cp310.cp311-cp310.cp311-linux_x86_64"], ["cp311-cp311-linux_x86_64"]], {11}),
        ([["cp311-cp311-linux_x86_64"], ["py3-none-any"], []], {11}),
        ([["cp310-cp310-linux_x86_64"], ["cp311-cp311-linux_x86_64"]], set()),
        ([["pp310-pypy310_pp73-linux_x86_64", "cp311-cp311-linux_x86_64"]], {11}),
    ],
)
def test_the_pythons_that_wheels_bind_to(entries: list[list[str]], wanted: set[int] | None) -> None:
    found = common_minors([wheel(tag) for tag in tags] for tags in entries)
    assert found == wanted


def declaration(python: str = "/usr/bin/python3") -> Declaration:
    return Declaration("/opt/a/b", "/usr/share/a/requirements.txt", python=python)


def test_a_bound_python_stands_for_the_range() -> None:
    range_ = SpecifierSet(">=3.9")
    assert requires(declaration(), range_, {11}) == [RUNTIME, "python(abi) = 3.11"]
    assert requires(declaration(), range_, {10, 11}) == [RUNTIME, "python(abi) >= 3.9"]
    assert requires(declaration(), range_, None) == [RUNTIME, "python(abi) >= 3.9"]
    assert requires(declaration(), None, None) == [RUNTIME]


@pytest.mark.parametrize("python", ["python3.12", "/usr/bin/python3.12"])
def test_an_interpreter_is_required_by_its_path(python: str) -> None:
    assert requires(declaration(python), None, None) == [RUNTIME, "/usr/bin/python3.12"]


def test_provides_and_conflicts_name_the_path() -> None:
    entries = [Entry(name, Version("1.0"), ("0" * 64,)) for name in ("beta", "alpha")]
    assert provides("/opt/a/b", entries) == [
        "venv(/opt/a/b)",
        "bundled(python3dist(alpha)) = 1",
        "bundled(python3dist(beta)) = 1",
    ]
    assert conflicts("/opt/a/b") == ["venv(/opt/a/b)"]
