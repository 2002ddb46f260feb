"""A day in the life of a host, and its history telling it back.

Three applications that share wheels; an upgrade that fails, another Python, a fix for all of them,
a rollback, an erase. What ``history`` says afterwards is compared with what was done, line by line.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application, tiny_declared
from tests.host.wheels import Wheel, make_lock, make_wheel
from tests.transactions.conftest import Build, Leftovers
from tests.unit.advisories import fixed, introduced, record

NAMES = ("app1", "app2", "app3")
TLS, WEB, FIXED = make_wheel("tls", "2.0"), make_wheel("web"), make_wheel("tls", "2.1")
SHARED = {"app1": (TLS, WEB), "app2": (TLS, WEB), "app3": (TLS,)}
_FIX = "/etc/rpm-venv/overrides.d/PYSEC-1.txt"
_DATABASE = "/srv/advisories"


def _application(name: str, version: str = "1", **fields: object) -> Application:
    """Those of odd numbers are declared, the other one has scriptlets."""
    own = make_wheel(name, version, requires=["tls"], scripts={name: f"{name}:main"})
    make = tiny_application if name == "app2" else tiny_declared
    return make(version, name, wheels=(own, *SHARED[name]), **fields)


def _path(name: str) -> str:
    return f"/opt/{name}/penv"


@dataclass(frozen=True)
class Told:
    """What the history is to say of one thing that happened."""

    path: str
    action: str
    outcome: str
    package: str
    lock: str
    generation: str
    before: str


@dataclass
class Day:
    """A host, what was done on it, and what is live where."""

    host: Host
    done: list[Told] = field(default_factory=list)
    live: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, action: str, version: str, outcome: str = "done") -> None:
        """Note what was done for a version of an application, and what is live now."""
        before = self.live.get(name, "")
        gone = action == "remove"
        now = "" if gone else self.host.readlink(_path(name)).rpartition("/")[2]
        told = "" if outcome == "failed" else now
        wheels = _application(name, version).wheels
        assert isinstance(wheels, tuple)
        lock = hashlib.sha256(make_lock(wheels).encode()).hexdigest()
        self.done.append(
            Told(
                _path(name),
                action,
                outcome,
                f"{name}-{version}-1.noarch",
                "" if action == "rollback" else lock,
                told,
                before,
            )
        )
        assert (now == before) == (outcome == "failed"), (name, now, before)
        self.live[name] = now

    def conditions(self) -> dict[str, str]:
        rows = json.loads(self.host.run("rpm-venv", "--json", "list").stdout)["environments"]
        return {row["path"].split("/")[2]: row["condition"] for row in rows}

    def vulnerable(self) -> list[str]:
        """The applications that ``audit`` finds something in, and its exit code says so."""
        words = ("rpm-venv", "--json", "audit", "--all", "--db", _DATABASE)
        done = self.host.run(*words, check=False)
        found = json.loads(done.stdout)["environments"]
        named = [each["path"].split("/")[2] for each in found if each["vulnerabilities"]]
        assert done.code == (3 if named else 0), done
        return named

    def tls(self) -> list[str]:
        code = "import tls; print(tls.__version__)"
        pythons = (f"{_path(name)}/bin/python" for name in NAMES if self.live[name])
        return [self.host.run(each, "-c", code, user=65534).stdout.strip() for each in pythons]


def test_a_day_and_what_the_history_tells_of_it(
    host: Host, build: Build, newer: Path, leftovers: Leftovers
) -> None:
    day = Day(host)
    _arrive(day, build)
    _upgrade_fails(day, build)
    _another_python(day, newer)
    _patch_once(day)
    _go_back_and_forward(day)
    host.rpm("-e", "app3")
    day.note("app3", "remove", "1")
    assert day.conditions() == {"app1": "ok", "app2": "ok"}
    assert host.rpm("-V", "app1", "app2", "rpm-venv").output == ""
    _told(day)
    _use_what_is_old(day)
    host.rpm("-e", "app1", "app2")
    ours = ("/usr/lib/rpm-venv", "/usr/share/rpm-venv", "/opt")
    assert [path for path in leftovers() if path.startswith(ours)] == []


def _arrive(day: Day, build: Build) -> None:
    host = day.host
    packages = [build(_application(name)) for name in NAMES]
    host.publish(*packages)
    for name, package in zip(NAMES, packages):
        assert host.rpm("-i", host.repository_path(package)).output == ""
        day.note(name, "install", "1")
    wheels = {wheel.sha256 for name in NAMES for wheel in _wheels(_application(name))}
    stored = host.shell("ls /usr/lib/rpm-venv/store").stdout.split()
    assert {each.partition("-")[0] for each in stored} == wheels
    files = " ".join(f"{_path(name)}/lib/python3*/site-packages/tls.py" for name in NAMES)
    inodes = host.shell(f"stat -L -c %i {files}").stdout.split()
    assert (len(inodes), len(set(inodes))) == (3, 1), "one file for all three"


def _wheels(application: Application) -> tuple[Wheel, ...]:
    assert isinstance(application.wheels, tuple)
    return application.wheels


def _upgrade_fails(day: Day, build: Build) -> None:
    host = day.host
    broken = build(_application("app2", "2", before={"%post": "rm %{_datadir}/app2/wheels/app2*"}))
    host.publish(broken)
    said = host.rpm("-U", host.repository_path(broken), check=False).stderr
    assert f"rpm-venv: {_path('app2')} (app2-2-1.noarch): 1 of the wheels" in said
    day.note("app2", "install", "2", "failed")
    assert (answer(host, _path("app2"), "app2"), day.conditions()["app2"]) == ("app2 1", "failed")
    assert "the last install failed" in host.rpm("-V", "app2", check=False).output
    better = build(_application("app2", "3"))
    host.publish(better)
    assert "rpm-venv" not in host.rpm("-U", host.repository_path(better)).output
    day.note("app2", "install", "3")


def _another_python(day: Day, newer: Path) -> None:
    host, old = day.host, day.host.python_version()
    host.publish(newer)
    host.rpm("-U", host.repository_path(newer))
    assert host.python_version() != old
    for name in NAMES:
        day.note(name, "install", "3" if name == "app2" else "1")
    assert answer(host, _path("app2"), "app2") == "app2 3"


def _patch_once(day: Day) -> None:
    host = day.host
    one = record("PYSEC-1", "tls", introduced("0"), fixed("2.1"), aliases=["CVE-2026-1"])
    host.write(f"{_DATABASE}/PYSEC-1.json", json.dumps(one))
    assert day.vulnerable() == list(NAMES)
    host.write(_FIX, make_lock([FIXED]))
    host.write(f"/etc/rpm-venv/wheels/{FIXED.filename}", FIXED.content)
    done = host.run("rpm-venv", "sync")
    assert done.output == "".join(f"installed {_path(name)}\n" for name in NAMES)
    for name in NAMES:
        day.note(name, "install", "3" if name == "app2" else "1")
    assert (day.vulnerable(), day.tls()) == ([], ["2.1"] * 3)


def _go_back_and_forward(day: Day) -> None:
    """The rollback takes the fix away, and everybody says so; ``repair`` goes forward again."""
    host = day.host
    kept = next(each.before for each in reversed(day.done) if each.path == _path("app1"))
    settings = host.path(f"/usr/lib/rpm-venv/envs/opt-app1-penv/{kept}/pyvenv.cfg")
    sound = settings.read_bytes()
    settings.write_bytes(sound + b"# damaged\n")
    refused = host.run("rpm-venv", "rollback", _path("app1"), check=False)
    assert refused.code == 1
    assert f"generation {kept} is not as it was made, and stays out of the way" in refused.stderr
    assert host.readlink(_path("app1")).endswith(day.live["app1"])
    settings.write_bytes(sound)
    host.run("rpm-venv", "rollback", _path("app1"))
    day.note("app1", "rollback", "1")
    assert (day.conditions()["app1"], day.vulnerable()) == ("rolled back", ["app1"])
    host.run("rpm-venv", "repair", _path("app1"))
    day.note("app1", "install", "1")
    assert day.vulnerable() == []


def _use_what_is_old(day: Day) -> None:
    """A generation that a process runs from stays, however few are to be kept."""
    host, environments = day.host, "/usr/lib/rpm-venv/envs/opt-app1-penv"
    (old,) = set(host.shell(f"ls {environments}").stdout.split()) - {day.live["app1"]}
    code = "import time; print(flush=True); time.sleep(99)"
    running = host.start(f"{environments}/{old}/bin/python", "-c", code)
    assert running.stdout
    running.stdout.readline()
    host.write("/etc/rpm-venv.conf", "keep = 0\n")
    assert f"{_path('app1')} " not in host.run("rpm-venv", "gc").stdout
    assert host.exists(f"{environments}/{old}")
    running.kill()
    running.communicate()
    assert f"dropped {_path('app1')} {old}\n" in host.run("rpm-venv", "gc").stdout


def _told(day: Day) -> None:
    """The history, as JSON and as text, is what was done: no line more, and none less."""
    host = day.host
    told = json.loads(host.run("rpm-venv", "--json", "history").stdout)
    assert told["untold"] == {}
    events = told["events"]
    names = asdict(day.done[0])
    assert [{name: event[name] for name in names} for event in events] == [
        asdict(each) for each in day.done
    ]
    assert sorted(event["time"] for event in events) == [event["time"] for event in events]
    reasons = [event["reason"] for event in events]
    why = f"{_FIX}: line 1: tls 2.1 is applied in place of 2.0"
    # The failure, the fix in all three, and going forward to it.
    assert [bool(reason) for reason in reasons] == [False] * 3 + [True] + [False] * 4 + [
        *([True] * 3), False, True, False,
    ]  # fmt: skip
    assert reasons[8:11] == [why] * 3
    assert reasons[12] == why
    lines = host.run("rpm-venv", "history").stdout.splitlines()
    assert len(lines) == len(day.done)
    for line, each, event in zip(lines, day.done, events):
        words = [event["time"], each.path, f"{each.action} {each.outcome}", each.package]
        words += [f"lock {each.lock[:12]}"] if each.lock else []
        if each.generation:
            was = each.before and f"{each.before} → "
            words.append(f"{was}{each.generation}")
        words += [event["reason"]] if event["reason"] else []
        assert line == "  ".join(words)
