"""The history of environments: lines that stay, are bounded, and survive what a kill leaves."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv import apply, cli, history
from rpm_venv.events import Event
from rpm_venv.paths import Layout
from rpm_venv.report import Context
from rpm_venv.steps import Tell
from tests.unit import environments

PATH, OTHER = "/opt/app1/penv", "/opt/app2/penv"
INSTALLED = Event(PATH, "install", package="app1-1-1.noarch", lock="a" * 64, generation="1" * 20)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.home.mkdir(parents=True)
    return layout


def _events(layout: Layout) -> list[Event]:
    return [line.event for line in history.read(layout)]


def test_what_was_told_is_read_in_its_order(layout: Layout) -> None:
    assert history.read(layout) == ()
    assert history.last(layout, PATH) is None
    events = [INSTALLED, replace(INSTALLED, path=OTHER), replace(INSTALLED, action="repair")]
    for event in events:
        history.tell(layout, event)
    assert _events(layout) == events
    assert history.last(layout, PATH) == events[2]
    assert history.last(layout, OTHER) == events[1]
    assert history.last(layout, "/opt/app1/pen") is None
    assert oct(layout.history.stat().st_mode) == "0o100644"


def test_what_is_known_is_not_told_again(layout: Layout) -> None:
    for event in (
        INSTALLED,
        INSTALLED,
        replace(INSTALLED, before="2" * 20, action="repair"),
        replace(INSTALLED, package="app1-2-1.noarch"),
        replace(INSTALLED, outcome="failed", reason="x" * 9_999),
        replace(INSTALLED, outcome="failed", reason="x" * 9_999),
        replace(INSTALLED, outcome="failed", reason="another"),
    ):
        history.tell(layout, event, once=True)
    assert [event.package[:6] for event in _events(layout)] == [
        "app1-1",
        "app1-2",
        "app1-1",
        "app1-1",
    ]
    assert [len(event.reason) for event in _events(layout)] == [0, 0, 500, 7]


@pytest.mark.parametrize(
    "torn", ['{"time":"2026', '{"path":"/opt/app1/penv"}\n', "\n\0\xff\n[1]\n"]
)
def test_what_a_kill_or_a_full_disk_left_is_passed_over(layout: Layout, torn: str) -> None:
    history.tell(layout, INSTALLED)
    with layout.history.open("a", encoding="latin-1") as file:
        file.write(torn)
    assert history.last(layout, PATH) == INSTALLED
    again = replace(INSTALLED, action="repair")
    history.tell(layout, again)
    assert _events(layout) == [INSTALLED, again]


def test_the_file_stays_bounded_and_keeps_the_newest(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_SIZE", 4_000)
    sizes = []
    for number in range(100):
        history.tell(layout, replace(INSTALLED, generation=f"{number:020}"))
        sizes.append(layout.history.stat().st_size)
    assert max(sizes) <= 4_000
    kept = [int(event.generation) for event in _events(layout)]
    assert kept == list(range(kept[0], 100))
    assert len(kept) >= 5


def test_a_line_costs_one_fsync(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    history.tell(layout, INSTALLED)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    history.tell(layout, replace(INSTALLED, action="repair"))
    assert len(synced) == 1
    history.tell(layout, INSTALLED, once=True)
    assert len(synced) == 1


def test_a_link_in_its_place_is_not_followed_and_nothing_fails(layout: Layout) -> None:
    layout.history.symlink_to(layout.root / "elsewhere")
    (said,) = apply.apply(Context(layout), (Tell(INSTALLED),))
    assert said.startswith("warning: the history could not be written")
    assert not (layout.root / "elsewhere").exists()


def test_the_verb(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    generation = environments.make(layout, PATH, {"app": "1"})
    for event in (
        replace(INSTALLED, generation=generation.name),
        replace(INSTALLED, path=OTHER, outcome="failed", generation="", reason="no \x1b[2J wheel"),
        replace(INSTALLED, path=OTHER, action="remove", package="", generation=""),
    ):
        history.tell(layout, event)
    root = ("--root", str(layout.root))
    assert cli.main([*root, "history"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert f"{PATH}  install done  app1-1-1.noarch  lock aaaaaaaaaaaa  {generation.name}" in first
    assert "install failed  app1-1-1.noarch" in second
    assert second.endswith("no \\x1b[2J wheel")
    assert "remove done  by hand" in third
    assert cli.main([*root, "--json", "history", OTHER]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [event["action"] for event in told["events"]] == ["install", "remove"]
    assert told["untold"] == {}


def test_a_change_that_no_line_tells_of_is_seen(layout: Layout) -> None:
    generation = environments.make(layout, PATH, {"app": "1"})
    history.tell(layout, INSTALLED)
    report = cli.call(["--root", str(layout.root), "history"])
    assert report.data["untold"] == {PATH: generation.name}
    assert "a call was killed" in report.talk[0]
    history.tell(layout, replace(INSTALLED, outcome="failed", before=generation.name))
    assert cli.call(["--root", str(layout.root), "history"]).data["untold"] == {}
