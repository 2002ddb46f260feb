"""The throw-away host keeps its own promises: real, fresh, fast, and gone afterwards."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.host import Base, CommandFailed, Host, Hosts, RpmTools
from tests.host.host import CONFIGURATION
from tests.host.project import ProjectRpms, builder

_SPEC = """\
Name:           app1
Version:        {version}
Release:        1
Summary:        An application with one file
License:        MIT
BuildArch:      noarch
%description
%{{summary}}.
%install
mkdir -p %{{buildroot}}/opt/app1
echo %{{version}} > %{{buildroot}}/opt/app1/version
%post
echo "%{{version}} installed as instance $1" >> /opt/app1/log
%files
/opt/app1
"""


@pytest.fixture(scope="module")
def versions(hosts: Hosts, system: Base) -> dict[str, Path]:
    """An application at two versions."""
    builder = hosts.fresh(system)
    built = {version: builder.build(_SPEC.format(version=version))[0] for version in ("1", "2")}
    builder.close()
    return built


def _version(host: Host) -> str:
    return host.read("/opt/app1/version").strip()


def test_dnf_installs_upgrades_downgrades_reinstalls_undoes_and_removes(
    bare_host: Host, versions: dict[str, Path]
) -> None:
    before = bare_host.snapshot()
    bare_host.publish(versions["1"])
    bare_host.dnf("install", "app1")
    assert _version(bare_host) == "1"
    bare_host.publish(versions["2"])
    bare_host.dnf("upgrade", "app1")
    assert _version(bare_host) == "2"
    bare_host.dnf("downgrade", "app1")
    assert _version(bare_host) == "1"
    bare_host.dnf("history", "undo", "last")
    assert _version(bare_host) == "2"
    bare_host.dnf("reinstall", "app1")
    assert bare_host.read("/opt/app1/log").splitlines() == [
        "1 installed as instance 1",
        "2 installed as instance 2",
        "1 installed as instance 2",
        "2 installed as instance 2",
        "2 installed as instance 2",
    ]
    bare_host.path("/opt/app1/log").unlink()
    bare_host.dnf("remove", "app1")
    assert bare_host.snapshot() == before


def test_rpm_finds_what_was_changed(bare_host: Host, versions: dict[str, Path]) -> None:
    bare_host.publish(versions["1"])
    bare_host.rpm("-i", bare_host.repository_path(versions["1"]))
    assert bare_host.rpm("-V", "app1").code == 0
    bare_host.write("/opt/app1/version", "tampered\n")
    result = bare_host.rpm("-V", "app1", check=False)
    assert (result.code, result.stderr) == (1, "")
    assert result.stdout == "S.5....T.    /opt/app1/version\n"


def test_the_snapshot_sees_what_appears_changes_and_goes(bare_host: Host) -> None:
    bare_host.write("/opt/new/file", "text")
    bare_host.write("/etc/hostname", "changed")
    bare_host.path("/usr/bin/env", follow=False).unlink()
    bare_host.run("ln", "-s", "/opt/new", "/usr/lib/link")
    seen = bare_host.snapshot()
    opt, changed = ["/opt/new", "/opt/new/file"], ["/etc/hostname", "/usr/bin/env"]
    assert sorted(seen) == sorted([*opt, *changed, "/usr/lib/link"])
    assert seen["/opt/new"] == "directory 755 0:0"
    assert seen["/usr/bin/env"] == "removed"
    assert seen["/usr/lib/link"] == "link → /opt/new"


def test_the_running_system_stays_as_it_is(hosts: Hosts, system: Base) -> None:
    host = hosts.fresh(system)
    for path in ("/usr/lib/of-the-host", "/etc/of-the-host", "/var/of-the-host"):
        host.write(path, "text")
        assert not Path(path).exists()
    assert not hosts.fresh(system).exists("/etc/of-the-host")


def test_links_are_followed_as_on_the_host(bare_host: Host) -> None:
    bare_host.write("/opt/app1/generation/file", "text")
    bare_host.run("ln", "-s", "/opt/app1/generation", "/opt/app1/absolute")
    bare_host.run("ln", "-s", "absolute/../generation", "/opt/app1/relative")
    assert bare_host.read("/opt/app1/absolute/file") == "text"
    assert bare_host.read("/opt/app1/relative/file") == "text"
    assert bare_host.readlink("/opt/app1/absolute") == "/opt/app1/generation"
    bare_host.path("/opt/app1/generation/file").unlink()
    assert not bare_host.exists("/opt/app1/absolute/file")
    assert bare_host.exists("/opt/app1/relative")


def test_a_host_has_a_loopback_and_no_other_network(bare_host: Host) -> None:
    devices = bare_host.run("cat", "/proc/net/dev").stdout.splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]
    connect = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    assert "unreachable" in bare_host.run("python3", "-c", connect, check=False).stderr


def test_a_command_has_a_small_environment_of_its_own(
    bare_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "of the caller")
    names = {line.split("=")[0] for line in bare_host.run("env").stdout.splitlines()}
    assert names == {"PATH", "HOME", "LANG"}
    assert "A=b" in bare_host.run("env", env={"A": "b"}).stdout.splitlines()
    assert bare_host.run("id", "-u", user=65534).stdout == "65534\n"
    assert bare_host.run("pwd", cwd="/usr/bin").stdout == "/usr/bin\n"


def test_a_failing_command_shows_all_it_said(bare_host: Host) -> None:
    with pytest.raises(CommandFailed, match=r"to stdout\nto stderr\n\(exit 7\)"):
        bare_host.shell("echo to stdout; echo to stderr >&2; exit 7")
    assert bare_host.shell("exit 7", check=False).code == 7


def test_killing_a_started_command_ends_it_on_the_host(bare_host: Host) -> None:
    sleeping = bare_host.start("sh", "-c", "echo started; exec sleep 300")
    assert sleeping.stdout
    assert sleeping.stdout.readline() == "started\n"
    sleeping.kill()
    sleeping.communicate(timeout=10)  # until nobody has the other end of its output


def test_a_fresh_host_takes_well_under_a_second(hosts: Hosts, system: Base) -> None:
    seconds = []
    for _ in range(5):
        started = time.monotonic()
        host = hosts.fresh(system)
        host.rpm("-q", "python3")
        seconds.append(time.monotonic() - started)
        host.close()
    assert statistics.median(seconds) < 0.5


def test_another_build_of_rpm_is_used_where_the_environment_names_it(
    tmp_path: Path, project_rpms: ProjectRpms
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    other = tmp_path / "rpm"
    other.write_text('#!/bin/sh\necho "other rpm, $RPM_CONFIGDIR" >&2\nexec /usr/bin/rpm "$@"\n')
    other.chmod(0o755)
    named = {"VENV_TEST_RPM": str(other), "VENV_TEST_RPM_CONFIGDIR": "/usr/lib/rpm"}
    tools = RpmTools.from_environment(named)
    assert str(other) in tools.describe()
    assert tools.version() == RpmTools().version()
    with Hosts(tools) as hosts:
        host = hosts.fresh(hosts.system())
        result = host.rpm("-q", "--qf", "%{NAME}", "python3")
        assert (result.stdout, result.stderr) == ("python3", f"other rpm, {CONFIGURATION}\n")
        # It finds our macros, though they are where the system's rpm looks.
        host = hosts.fresh(builder(hosts, project_rpms))
        found = host.run(str(other), "--eval", "%{__venv_lua}", env=host.tools.environment)
        assert found.stdout == f"{CONFIGURATION}/lua\n"


_KILLED = """
import sys
from tests.host import Hosts
hosts = Hosts()
host = hosts.fresh()
sleeping = host.start("sleep", "300")
print(host._held.pid, hosts._ground.pid, flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_when_the_test_run_is_killed() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    run = subprocess.Popen(
        [sys.executable, "-c", _KILLED],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout and run.stdin
    holders = [Path(f"/proc/{pid}") for pid in run.stdout.readline().split()]
    assert all(holder.exists() for holder in holders)
    run.send_signal(signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 10
    while any(holder.exists() for holder in holders) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(holder.exists() for holder in holders)
    run.stdin.close()
    run.stdout.close()
