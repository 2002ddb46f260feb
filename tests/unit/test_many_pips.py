"""Many wheels are asked for at once, by several pips; what keeps each of them is told together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpm_venv.errors import FetchError, UnreachableError
from rpm_venv.fetching import fetch, pips
from rpm_venv.fetching.pips import Pip
from rpm_venv.locks import lock
from rpm_venv.locks.lock import Entry
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.system.interpreter import Interpreter
from tests.host.simple_index import Index, configure, reachable_directory, serving
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
    with reachable_directory() as top:
        (top / "fetch").mkdir(mode=0o700)
        yield top / "fetch"


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


def taken_over(layout: Layout, place: Path, does: str) -> pips.Done:
    """Eight shares whose pips do this, in the place of pip: they know FIRST and COUNT."""
    program = place.parent / "pip"
    start = "#!/usr/bin/python3\nimport os, sys\nfirst, count = map(int, sys.argv[5:7])\n"
    program.write_text(f"{start}{does}\nsys.exit(1)\n")
    program.chmod(0o755)
    return pips.run(layout, place, [str(number) for number in range(24)], [Pip(str(program))])


@pytest.mark.parametrize(
    ("make", "end"),
    [
        ("open(name, 'x')", "MemoryError"),
        ("os.symlink('/etc/passwd', name)", "MemoryError"),
        # So Python says it where there is no memory for the exception.
        ("open(name, 'x')", "SystemError: error return without exception set"),
        ("open(name, 'x')", "SystemError: <function f> returned NULL without setting an exception"),
    ],
)
def test_the_list_of_those_that_starved_goes_over_no_file_of_theirs(
    layout: Layout, place: Path, make: str, end: str
) -> None:
    starve = f"open('said-0', 'w').write('{end}\\n')\nprint(0)"
    with pytest.raises(FetchError, match="pip left files that it has no reason to make"):
        taken_over(layout, place, f"name = f'wheels-{{count}}.txt'\n{make}\n{starve}")


def test_what_all_of_them_say_is_bounded_together(
    layout: Layout, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and however much of it; the end of a log has the reason."""
    monkeypatch.setattr(pips, "_MAX_SAID", 1 << 16)
    monkeypatch.setattr(pips, "_shared", lambda lines: [lines[n::8] for n in range(8)])
    flood = (
        "for number in range(count):\n"
        " for kind in ('said', 'log'):\n"
        "  with open(f'{kind}-{number}', 'w') as file:\n"
        "   file.write(('x' * 99 + '\\n') * 1000 + f'the end of {kind}-{number}\\n')\n"
        " print(number)"
    )
    done = taken_over(layout, place, flood)
    assert len(done.said) == 8
    assert sum(map(len, done.said)) <= 1 << 16
    assert all(said.endswith(f"the end of log-{n}") for n, said in enumerate(done.said))


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
