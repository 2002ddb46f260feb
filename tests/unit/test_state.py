"""The state of environments: read as written, damaged ones named, one writer at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv import state
from rpm_venv.declaration import Declaration, Package
from rpm_venv.environment import Environment, condition
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.paths import Layout
from rpm_venv.trees.generation import Live

PATH = "/opt/app1/penv"
PACKAGE = Package("app1", "1.0", "1.el9", "noarch", 2)
DECLARATION = Declaration(
    PATH, "/usr/share/app1/requirements.txt", ("/w",), offline=True, package=PACKAGE
)
STATE = Environment(
    DECLARATION, "d" * 64, "i" * 64, "1" * 20, kept=("1" * 20,), parents=("/opt/app1",)
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_what_was_written_is_read(layout: Layout) -> None:
    assert state.read(layout, PATH) is None
    state.write(layout, STATE)
    assert state.read(layout, PATH) == STATE
    assert state.paths(layout) == (PATH,)
    state.forget(layout, PATH)
    state.forget(layout, PATH)
    assert state.read(layout, PATH) is None
    assert os.listdir(layout.state) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 9}', "null", "\x00"])
def test_a_damaged_state_is_named_with_its_file_and_the_mend(layout: Layout, text: str) -> None:
    state.write(layout, STATE)
    layout.state_file(PATH).write_text(text)
    with pytest.raises(VenvError) as caught:
        state.read(layout, PATH)
    line = caught.value.line()
    assert PATH in line and "/usr/lib/rpm-venv/state/opt-app1-penv.json" in line
    assert "rpm-venv install" in line


def test_a_path_that_lies_in_the_state_is_damage(layout: Layout) -> None:
    state.write(layout, STATE)
    data = json.loads(layout.state_file(PATH).read_text())
    data["declaration"]["path"] = "/etc/passwd"
    layout.state_file(PATH).write_text(json.dumps(data))
    with pytest.raises(VenvError):
        state.read(layout, PATH)


@pytest.mark.parametrize(
    ("live", "environment", "word"),
    [
        (Live("ours", "1" * 20), STATE, "ok"),
        (Live("ours", "1" * 20), replace(STATE, left="2" * 20), "rolled back"),
        (Live("ours", "2" * 20), STATE, "pending"),
        (Live("nothing"), STATE, "missing"),
        (Live("handmade"), STATE, "replaced"),
        (Live("foreign"), STATE, "replaced"),
        (Live("ours", "1" * 20), STATE.failed("no wheel"), "failed"),
        (Live("ours", "1" * 20), None, "unknown"),
        (Live("nothing"), None, "missing"),
    ],
)
def test_how_an_environment_stands(live: Live, environment: Environment, word: str) -> None:
    assert condition(environment, live)[0] == word


def test_an_environment_whose_package_is_gone() -> None:
    live = Live("ours", "1" * 20)
    assert condition(STATE, live, orphaned=True)[0] == "orphaned"
    gone = f"its package {PACKAGE} is not installed any more"
    failed = STATE.failed("no wheel")
    assert condition(STATE, live, orphaned=True) == ("orphaned", gone)
    why = f"{gone}, and the last install failed: no wheel"
    assert condition(failed, live, orphaned=True) == ("orphaned", why)
    why = f"{gone}, and the path is not there"
    assert condition(STATE, Live("nothing"), orphaned=True) == ("orphaned", why)
    other = replace(DECLARATION, offline=True, package=Package.parse("app2-1-1.noarch"))
    assert condition(failed, live, other, orphaned=True)[0] == "failed", "it is another's by now"


def test_a_declaration_that_nothing_came_of_is_named() -> None:
    word, reason = condition(None, Live("nothing"), DECLARATION)
    assert (word, reason) == ("missing", f"{PACKAGE} declares it, and it was never made")


@pytest.mark.parametrize(
    "nevra", ["app1-1.0-1.noarch", "app1-2:1.0-1.el9.noarch", "my-app-1.0~rc1-0.1^git.x86_64"]
)
def test_a_package_is_told_by_its_nevra(nevra: str) -> None:
    assert str(Package.parse(nevra)) == nevra


@pytest.mark.parametrize("bad", ["", "app1", "app1-1.0-1", "%{name}-1-1.noarch", "a b-1-1.noarch"])
def test_what_is_no_nevra_is_refused(bad: str) -> None:
    with pytest.raises(UsageError):
        Package.parse(bad)


def _count(root: str, times: int) -> None:
    layout = Layout(Path(root))
    for _ in range(times):
        with state.locked(layout):
            counter = Path(root, "counter")
            value = int(counter.read_text())
            counter.write_text(str(value + 1))


def test_one_writer_at_a_time(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count, args=(str(tmp_path), 50)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (tmp_path / "counter").read_text() == "200"
