"""A service that imports lazily, across many upgrades: it runs on with the version it began with.

Its generation stays while it runs, however it was started, and goes when it has ended.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.laboratories import scratch
from tests.faults.systems import PATH, PYTHON, Command, install
from tests.host import Host
from tests.host.wheels import make_lock, make_wheel

UPGRADES = 50 if os.environ.get("VENV_TORTURE") else 6

SERVICE = """
import importlib, sys
VERSION = {version}

def main():
    for line in sys.stdin:
        print(VERSION, importlib.import_module("app.part" + line.strip()).VERSION, flush=True)
"""

#: How a service is started: the program that is executed, and its arguments, the name first.
STARTS = {
    "its script": (f"{PATH}/bin/app", [f"{PATH}/bin/app"]),
    "python -m": (f"{PATH}/bin/python", [f"{PATH}/bin/python", "-m", "app"]),
    # As mod_wsgi with python-home and uWSGI with home do: the interpreter is in the server, and is
    # told that its name is that of the environment's.
    "an embedding server": (
        PYTHON,
        [f"{PATH}/bin/python", "-c", "import app; app.main()"],
    ),
}
#: Starts a program by another name than its own, with a pipe of that name as its stdin.
START = "import os, sys; os.dup2(os.open(sys.argv[1], 0), 0); os.execv(sys.argv[2], sys.argv[3:])"


def put(host: Host, version: int) -> None:
    """A version of the service as a package's wheels and lock."""
    parts = {f"app/part{n}.py": f"VERSION = {version}\n" for n in range(UPGRADES + 1)}
    service = {
        "app/__init__.py": SERVICE.format(version=version),
        "app/__main__.py": "import app\napp.main()\n",
    }
    wheel = make_wheel("app", f"{version}.0", {**service, **parts}, scripts={"app": "app:main"})
    place = f"/usr/share/app/{version}"
    host.mkdir(place)
    host.write(f"{place}/{wheel.filename}", wheel.content)
    host.write(f"{place}/requirements.txt", make_lock([wheel]))


class Service:
    """The service, running on a host until it is closed."""

    def __init__(self, host: Host, how: str, pipe: Path) -> None:
        os.mkfifo(pipe)
        program, argv = STARTS[how]
        self._process = host.start(PYTHON, "-IS", "-c", START, str(pipe), program, *argv)
        self._questions = pipe.open("w")

    def ask(self, part: int) -> str:
        """The versions of the service and of a part that it imports now."""
        self._questions.write(f"{part}\n")
        self._questions.flush()
        assert self._process.stdout and self._process.stderr
        return self._process.stdout.readline().strip() or self._process.stderr.read()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self._questions.close()
        self._process.communicate()


def generations(host: Host) -> set[str]:
    return set(os.listdir(host.path("/usr/lib/rpm-venv/envs/opt-app-penv")))


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that the test and its host both see."""
    path = scratch()
    yield path
    shutil.rmtree(path)


def test_a_service_keeps_its_version(bare_host: Host, shared: Path) -> None:
    host = bare_host
    source = Command.copied(shared / "src")

    def upgrade(version: int) -> None:
        put(host, version)
        host.run(*source(Path("/"), *install(version)))

    upgrade(0)
    first = generations(host)
    with ExitStack() as running:
        services = {
            how: running.enter_context(Service(host, how, shared / f"pipe-{number}"))
            for number, how in enumerate(STARTS)
        }
        for how, service in services.items():
            assert service.ask(0) == "0 0", how
        for version in range(1, UPGRADES + 1):
            upgrade(version)
            for how, service in services.items():
                assert service.ask(version) == "0 0", f"{how}, after {version} upgrades"
        assert first < generations(host)
    upgrade(UPGRADES + 1)
    assert not first & generations(host)
    assert len(generations(host)) == 2
    table.survived("lazy imports of a service across upgrades", 3 * UPGRADES, 3 * UPGRADES)


@pytest.mark.parametrize("how", STARTS)
def test_a_service_alone_keeps_its_generation(bare_host: Host, shared: Path, how: str) -> None:
    host = bare_host
    source = Command.copied(shared / "src")
    put(host, 0)
    host.run(*source(Path("/"), *install(0)))
    with Service(host, how, shared / "pipe") as service:
        assert service.ask(0) == "0 0"
        for version in range(1, 4):
            put(host, version)
            host.run(*source(Path("/"), *install(version)))
        assert service.ask(3) == "0 0"
