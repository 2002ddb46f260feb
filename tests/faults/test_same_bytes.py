"""The same lock and the same Python give the same bytes, wherever and however it is installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import systems, table
from tests.host.wheels import make_lock, make_wheel

PATH = "/opt/app/penv"
PYTHON = os.path.realpath(sys.executable)
NAMES = ("alpha", "beta", "gamma", "delta", "shared")
#: What differs from the plain call: umask, environment, and whether there is one worker or many,
#: another environment before, the lock upside down, files of another time.
PLACES: dict[str, tuple[int, dict[str, str], frozenset[str]]] = {
    "umask": (0o077, {}, frozenset()),
    "locale and zone": (0o022, {"LC_ALL": "C", "TZ": "Asia/Tokyo", "LANG": "tr_TR"}, frozenset()),
    "hash seed": (0o022, {"PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "2"}, frozenset()),
    "time": (0o022, {"SOURCE_DATE_EPOCH": "1"}, frozenset({"old"})),
    "parallelism": (0o022, {}, frozenset({"one CPU"})),
    "install order": (0o022, {}, frozenset({"after another", "upside down"})),
    "all of it": (
        0o000,
        {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "99"},
        frozenset({"old", "one CPU", "after another", "upside down"}),
    ),
}


def tree(top: Path) -> dict[str, tuple[int, int, str]]:
    """Every path below a directory: mode, time, and content or where it leads."""
    found = {}
    for path in sorted(top.rglob("*")):
        if systems.is_kept(str(path)):
            continue  # by those that were needed first
        status = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(top))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def made(
    root: Path, umask: int, environment: dict[str, str], how: frozenset[str]
) -> dict[str, object]:
    """Everything of an environment and its objects, installed like this."""
    wheels = [
        make_wheel(
            name,
            files={
                f"{name}/__init__.py": "x = {'a', 'b', 'c', 'd', frozenset({'e', 'f'})}\n" * 20,
                "common/one.py": f"OWNER = {name!r}\n",
            },
            scripts={f"run-{name}": f"{name}:main"},
        )
        for name in NAMES
    ]
    (root / "wheels").mkdir(parents=True)
    for wheel in wheels:
        (root / "wheels" / wheel.filename).write_bytes(wheel.content)
        if "old" in how:
            os.utime(root / "wheels" / wheel.filename, (86400 * 365 * 10, 86400 * 365 * 80))
    order = wheels[::-1] if "upside down" in how else wheels
    (root / "lock.txt").write_text(make_lock(order))
    (root / "other.txt").write_text(make_lock(wheels[1:3]))

    def call(*words: str) -> None:
        subprocess.run(
            [PYTHON, "-m", "rpm_venv", "--root", str(root), *words],
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
            umask=umask, check=True, capture_output=True,
            preexec_fn=_on_one_cpu if "one CPU" in how else None,
        )  # fmt: skip

    options = ("-o", "-w", "/wheels", "-p", PYTHON)
    if "after another" in how:
        call("install", *options, "-r", "/other.txt", PATH)
        call("install", *options, "-r", "/other.txt", "/srv/other/penv")
    call("install", *options, "-r", "/lock.txt", PATH)
    link = os.readlink(root / PATH[1:])
    objects = {path.name: tree(path) for path in (root / "usr/lib/rpm-venv/store").iterdir()}
    return {"link": link, "generation": tree(root / link[1:]), **objects}


def _on_one_cpu() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return made(tmp_path_factory.mktemp("plain") / "root", 0o022, {}, frozenset())


@pytest.mark.parametrize("place", PLACES)
def test_the_same_lock_gives_the_same_bytes(
    tmp_path: Path, plain: dict[str, object], place: str
) -> None:
    found = made(tmp_path / "elsewhere" / "root", *PLACES[place])
    assert {name: found[name] for name in plain} == plain
    table.survived("the same bytes, whatever differs", 1, 1)
