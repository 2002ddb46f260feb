"""The system's libraries that bundled binaries need become the package's requirements."""

from __future__ import annotations

import pytest

from tests.generators.conftest import Build, Built, reads_binaries
from tests.generators.specs import PATH, sources, spec
from tests.generators.test_declared_dependencies import DECLARE, declaring
from tests.host.binaries import SYSTEM_LIBRARY, VENDORED, native_wheels
from tests.host.wheels import make_wheel

SHAPES = ["%venv_install", "%venv_declare"]


@pytest.fixture(autouse=True)
def elfdeps() -> None:
    if not reads_binaries():
        pytest.skip("needs an rpm that was built with libelf")


def _build(build: Build, shape: str, *wheels: object, lines: str = "") -> Built:
    text = declaring(DECLARE) if shape == "%venv_declare" else spec()
    text = text.replace("BuildArch: noarch\n", lines)
    built = build(text, sources(*wheels))  # type: ignore[arg-type]
    assert built.code == 0, built.output
    return built


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_wheels_do_not_bring_is_required_and_the_rest_is_nobodys(
    build: Build, shape: str
) -> None:
    built = _build(build, shape, *native_wheels())
    requires = built.query("--requires")
    libraries = [line for line in requires if ".so" in line and not line.startswith("libm.so.6")]
    assert libraries == SYSTEM_LIBRARY
    assert "libm.so.6()(64bit)" in requires
    assert any(line.startswith("libm.so.6(GLIBC_") for line in requires)
    assert "rtld(GNU_HASH)" in requires
    assert built.query("--provides") == [
        "bundled(python3dist(beside)) = 1",
        "bundled(python3dist(native)) = 1",
        f"venv({PATH})",
    ]


def test_a_library_that_no_wheel_brings_and_one_that_the_author_filters(build: Build) -> None:
    filtered = "%global __requires_exclude ^libvenvtest[.]so\n"
    built = _build(build, "%venv_declare", native_wheels()[0], lines=filtered)
    requires = built.query("--requires")
    assert "libbeside.so.2()(64bit)" in requires
    assert not {*SYSTEM_LIBRARY, f"{VENDORED}()(64bit)"} & set(requires)


def test_a_wheel_that_is_no_wheel_fails_the_build_with_the_reason(build: Build) -> None:
    wheel = make_wheel("alpha")
    broken = type(wheel)(wheel.name, wheel.version, wheel.filename, wheel.content + b"more")
    built = build(spec(), sources(broken))
    assert built.code != 0
    assert f"{wheel.filename}: not a zip archive" in built.output
