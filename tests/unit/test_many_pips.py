"""Many wheels are asked for at once, by several pips; what keeps each of them is told together."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpm_venv.errors import FetchError, UnreachableError
from rpm_venv.fetching import fetch, pips
from rpm_venv.locks import lock
from rpm_venv.locks.lock import Entry
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.system.interpreter import Interpreter
from tests.host.simple_index import Index, configure, serving
from tests.host.wheels import Wheel, make_lock, make_wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")

WHEELS = [make_wheel(f"alpha{number}") for number in range(9)]


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return interpreter.inspect(Layout(), "/usr/bin/python3")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def site(tmp_path: Path, layout: Layout) -> Iterator[Index]:
    with serving(tmp_path / "index") as index:
        configure(layout, index.url)
        yield index


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that a stranger can reach: pytest's own are closed to others."""
    top = Path(tempfile.mkdtemp(prefix="rpm-venv-test-", dir="/var/tmp"))
    top.chmod(0o755)
    (top / "fetch").mkdir(mode=0o700)
    yield top / "fetch"
    shutil.rmtree(top)


def entries(*wheels: Wheel) -> tuple[Entry, ...]:
    return lock.parse(make_lock(list(wheels)).encode(), "requirements.txt").entries


def test_many_are_asked_for_at_once(
    layout: Layout, python: Interpreter, place: Path, site: Index
) -> None:
    site.add(*WHEELS)
    site.delay = 0.05
    found = fetch.from_index(layout, entries(*WHEELS), python, place)
    assert [each.distribution.sha256 for each in found] == [wheel.sha256 for wheel in WHEELS]
    assert site.most > 1
    assert sorted(site.asked) == sorted(
        path for wheel in WHEELS for path in (f"/{wheel.name}/", f"/{wheel.name}/{wheel.filename}")
    )


def test_what_keeps_each_of_them_is_told_at_once(
    layout: Layout, python: Interpreter, place: Path, site: Index
) -> None:
    """The shares of the others are fetched meanwhile, and no share is asked for twice."""
    changed = make_wheel(WHEELS[1].name, files={"alpha.py": "as it is now"})
    site.add(WHEELS[0], changed, *WHEELS[3:])
    with pytest.raises(FetchError) as caught:
        fetch.from_index(layout, entries(*WHEELS), python, place)
    error = caught.value
    assert not isinstance(error, UnreachableError)
    assert error.message == "the index does not give every wheel"
    told = [problem.message for problem in error.problems]
    assert told == [
        f"{changed.name}==1.0: the index has {changed.filename} with the sha256 {changed.sha256}, "
        "not the lock's",
        f"{WHEELS[2].name}==1.0: the index has no wheel of it for this Python",
    ]
    assert all(problem.hint for problem in error.problems)
    came = {path.name for path in (place / "wheels").iterdir()}
    assert came == {WHEELS[number].filename for number in (0, 3, 6)}
    assert len(site.asked) == len(set(site.asked))


def test_an_index_that_does_not_answer_is_told_once(
    layout: Layout, python: Interpreter, place: Path
) -> None:
    configure(layout, "http://127.0.0.1:9/")
    with pytest.raises(UnreachableError) as caught:
        fetch.from_index(layout, entries(*WHEELS), python, place)
    assert "127.0.0.1:9 cannot be reached: [Errno 111]" in caught.value.message
    assert not caught.value.problems


def test_those_with_too_little_memory_are_asked_again_alone(
    layout: Layout,
    python: Interpreter,
    place: Path,
    site: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Together they have no more than one alone would have; a page may need all of it."""
    site.add(*WHEELS)
    monkeypatch.setattr(pips, "_MEMORY", 1 << 20)
    found = fetch.from_index(layout, entries(*WHEELS), python, place)
    assert [each.distribution.sha256 for each in found] == [wheel.sha256 for wheel in WHEELS]
    assert {path.name for path in place.glob("log-*")} >= {"log-3"}  # after three that failed


@pytest.mark.parametrize(("count", "cpus", "expected"), [(1, 2, 1), (8, 2, 2), (138, 2, 8)])
def test_shares_are_worth_their_start(
    count: int, cpus: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cpus)))
    lines = [str(number) for number in range(count)]
    shares = pips._shared(lines)
    assert sorted(line for share in shares for line in share) == sorted(lines)
    assert len(shares) == expected
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
