"""The log: journal or bounded file, one line a text, and never a reason to fail or to wait."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpm_venv import cli, log
from rpm_venv.events import Event
from rpm_venv.paths import Layout
from tests.unit import environments

PATH = "/opt/app1/penv"
DONE = Event(PATH, "install", package="app1-2.0-1", lock="aa" * 32, generation="b" * 20)


@pytest.fixture
def machine(tmp_path: Path) -> Layout:
    """A live system, whose root is ``/``, with log and journal below a directory of the test."""

    class Machine(Layout):
        @property
        def log(self) -> Path:
            return tmp_path / "rpm-venv.log"

        @property
        def journal(self) -> Path:
            return tmp_path / "journal"

    return Machine()


@pytest.fixture
def journal(machine: Layout) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(machine.journal))
        listening.settimeout(5)
        yield listening


@pytest.fixture
def other_root(tmp_path: Path) -> Layout:
    (tmp_path / "var/log").mkdir(parents=True)
    return Layout(tmp_path)


def _fields(datagram: bytes) -> dict[str, str]:
    """What journald makes of a datagram in which no value has a line end."""
    return dict(line.split("=", 1) for line in datagram.decode().splitlines())


def test_the_journal_gets_events_and_what_was_said(machine: Layout, journal: socket.socket) -> None:
    log.tell(machine, DONE)
    log.say(machine, "install", ["warning: less confinement: no landlock", "it is so"], failed=True)
    event, warning, failure = (_fields(journal.recv(1 << 16)) for _ in range(3))
    assert event == {
        "MESSAGE": f"install done: {PATH}; for app1-2.0-1; generation none -> {'b' * 20}",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "rpm-venv",
        "RPM_VENV_VERB": "install",
        "RPM_VENV_PATH": PATH,
        "RPM_VENV_PACKAGE": "app1-2.0-1",
        "RPM_VENV_GENERATION": "b" * 20,
        "RPM_VENV_LOCK": "aa" * 32,
    }
    assert warning["MESSAGE"] == "install: warning: less confinement: no landlock"
    assert (warning["PRIORITY"], failure["PRIORITY"]) == ("4", "3")
    assert not machine.log.exists()


def test_what_failed_is_told_by_the_line_that_says_how_to_mend_it(machine: Layout) -> None:
    log.tell(machine, Event(PATH, "install", "failed", reason="no"))
    assert not machine.log.exists()


@pytest.mark.parametrize("state", ["absent", "deaf", "full"])
def test_where_the_journal_does_not_take_it_the_file_does(
    machine: Layout, state: str, request: pytest.FixtureRequest
) -> None:
    if state == "deaf":  # a socket's file that nobody listens to any more
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
            gone.bind(str(machine.journal))
    if state == "full":  # and nobody reads
        request.getfixturevalue("journal")
        for _ in range(2000):
            log.say(machine, "sync", ["busy"], failed=False)
            if machine.log.exists():
                break
    log.say(machine, "sync", ["the last line"], failed=False)
    assert machine.log.read_text().splitlines()[-1].endswith("sync: the last line")


HOSTILE = (
    "a\n2026-01-01T00:00:00Z rpm-venv[1]: install done: /opt/forged\r\0\x1b[2J\u2028\u202e\udcff"
)


def test_no_text_forges_a_line_or_a_field(machine: Layout, journal: socket.socket) -> None:
    log.say(machine, "install", [f"{HOSTILE}\nPRIORITY=0\nCODE_FILE=x"], failed=True)
    log.tell(machine, Event(PATH, "remove", package=HOSTILE, reason="x\nMESSAGE=y"))
    first, second = journal.recv(1 << 16), journal.recv(1 << 16)
    assert first.count(b"\n") == 4
    assert _fields(first)["PRIORITY"] == "3"
    assert {name for name in _fields(second) if not name.startswith("RPM_VENV_")} == {
        "MESSAGE",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
    }
    assert _fields(second)["MESSAGE"].startswith("remove done")


def test_the_file_is_roots_and_has_a_line_for_each_text(other_root: Layout) -> None:
    log.say(other_root, "install", [HOSTILE, "x" * 10_000], failed=True)
    lines = other_root.log.read_bytes().splitlines(keepends=True)
    assert len(lines) == 2
    assert max(map(len, lines)) < 5000
    assert all(32 <= byte < 127 for line in lines for byte in line[:-1])
    assert stat.S_IMODE(other_root.log.stat().st_mode) == 0o600


def test_the_file_is_bounded_and_has_one_predecessor(
    other_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_SIZE", 10_000)
    for number in range(600):
        log.say(other_root, "sync", [f"line {number} {'x' * 50}"], failed=False)
    before = other_root.log.with_name("rpm-venv.log.1")
    assert sorted(os.listdir(other_root.log.parent)) == ["rpm-venv.log", "rpm-venv.log.1"]
    assert all(0 < file.stat().st_size <= 10_000 for file in (other_root.log, before))
    numbers = [
        int(line.split()[4])
        for line in (before.read_text() + other_root.log.read_text()).splitlines()
    ]
    assert numbers == list(range(numbers[0], 600))


@pytest.mark.parametrize("kind", ["link", "pipe", "directory", "socket", "no directory"])
def test_what_is_no_file_in_its_place_is_left_alone(other_root: Layout, kind: str) -> None:
    victim = other_root.root / "victim"
    victim.write_text("as it was")
    place = other_root.log
    if kind == "link":
        place.symlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.bind(os.path.relpath(place))
    else:
        place.parent.rmdir()
    log.tell(other_root, DONE)
    assert victim.read_text() == "as it was"
    assert not place.is_file() or place.is_symlink()


def test_a_link_that_leads_out_of_another_root_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root/var").mkdir(parents=True)
    (tmp_path / "root/var/log").symlink_to(outside)
    log.tell(Layout(tmp_path / "root"), DONE)
    assert os.listdir(outside) == []


def test_another_root_has_its_own_log(other_root: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    other_root.journal.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        monkeypatch.chdir(other_root.journal.parent)
        listening.bind("socket")
        log.tell(other_root, DONE)
    assert "install done" in other_root.log.read_text()


def test_verbs_that_write_log_what_they_do_and_say(
    other_root: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(other_root.root)
    environments.make(other_root, PATH, package=None)
    assert cli.main(["--root", root, "list"]) == 0
    assert cli.main(["--root", root, "show", "/opt/none/penv"]) == 1
    assert not other_root.log.exists()

    assert cli.main(["--root", root, "rollback", PATH]) == 1
    assert cli.main(["--root", root, "remove", PATH]) == 0
    said = capsys.readouterr().err.splitlines()[-1].removeprefix("rpm-venv: ")
    failed, dropped, removed = other_root.log.read_text().splitlines()
    assert failed.endswith(f"]: rollback: {said}")
    assert f"dropped from {PATH}" in dropped
    assert f"remove done: {PATH}; for nobody, by hand" in removed

    assert cli.main(["--root", root, "remove", PATH]) == 0
    assert len(other_root.log.read_text().splitlines()) == 3
