"""What one environment found out about the index, others do not ask again in the same call."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.laboratories import scratch
from tests.faults.systems import Command
from tests.growth.hosts import APP, SHARED, System, path_of
from tests.host.wheels import make_lock, make_wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: environments belong to it")


@dataclass
class Index:
    """An index that answers everything with this, or hangs up; and what it was asked for."""

    answer: bytes = b""
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/simple"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                words = connection.recv(4096).split()
                self.asked.append(words[1].decode() if words else "")
                connection.sendall(self.answer)


@pytest.fixture
def system() -> Iterator[System]:
    top = scratch()
    (top / "root/etc").mkdir(parents=True)
    yield System(Command.copied(top / "src"), top / "root")
    shutil.rmtree(top)


def _sync(system: System, index: Index) -> list[str]:
    """What is said of each environment by a call that has to fail."""
    configuration = f"[global]\nindex-url = {index.url}\nretries = 0\ntimeout = 5\n"
    (system.root / "etc/pip.conf").write_text(configuration)
    argv = system.command(system.root, "sync")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()


def _forget(system: System, *numbers: int) -> None:
    """Have wheels of an application each that are nowhere."""
    for number in numbers:
        (place,) = system.root.glob(f"usr/share/rpm-venv/opt-app{number}-penv")
        shutil.rmtree(place / "wheels")
        text = (place / "declaration.json").read_text()
        (place / "declaration.json").write_text(text.replace('"offline": true', '"offline": false'))
        lost = make_wheel(f"lost{number}")
        (place / "requirements.txt").write_text(make_lock([lost]))


def test_an_index_that_does_not_answer_is_waited_for_once(system: System) -> None:
    system.ship(range(3))
    _forget(system, 0, 1, 2)
    index = Index()
    said = _sync(system, index)
    assert len(index.asked) == 1, index.asked
    for number, line in enumerate(said):
        assert line.startswith(f"rpm-venv: {path_of(number)}")
        assert "cannot be reached" in line
    assert len(said) == 3


def test_a_wheel_that_an_index_does_not_have_is_asked_for_once(system: System) -> None:
    system.ship(range(3), (APP, SHARED))
    system.call("sync")
    fixed = make_wheel("tls", "2.1")
    system.fix(fixed)
    Path(system.root, "etc/rpm-venv/wheels", fixed.filename).unlink()
    index = Index(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    said = _sync(system, index)
    assert index.asked == ["/simple/tls/"]
    lines = [line for line in said if "tls 2.1 is not applied" in line]
    assert [line.split(": ")[1] for line in lines] == [path_of(number) for number in range(3)]
    assert all("the index has no wheel of it for this Python" in line for line in lines)
    # Another call asks again.
    _sync(system, index)
    assert index.asked == ["/simple/tls/"] * 2
