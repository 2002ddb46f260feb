"""The administrator's side on a host: patch once, extras, and what had to wait."""

from __future__ import annotations

import json
from pathlib import Path

from tests.host import Host
from tests.host.applications import answer, tiny_application, tiny_declared
from tests.host.wheels import Wheel, make_lock, make_wheel
from tests.transactions.conftest import Build, Leftovers

PLACE = "/etc/rpm-venv"
TLS, FIXED = make_wheel("tls", "2.0"), make_wheel("tls", "2.1")
PENDING = "/usr/lib/rpm-venv/pending"


def _application(name: str, version: str = "1") -> Wheel:
    requires = ["tls>=2"]
    return make_wheel(name, version, requires=requires, scripts={name: f"{name}:main"})


def _tls(host: Host, name: str) -> str:
    code = "import tls; print(tls.__version__)"
    return host.run(f"/opt/{name}/penv/bin/python", "-c", code, user=65534).stdout.strip()


def _state(host: Host, name: str) -> tuple[str, list[str]]:
    """The condition of an environment, and what came of each override and extra."""
    rows = json.loads(host.run("rpm-venv", "--json", "list").stdout)["environments"]
    (row,) = (row for row in rows if row["path"] == f"/opt/{name}/penv")
    return row["condition"], [f"{each['name']} {each['outcome']}" for each in row["amendments"]]


def _put(host: Host, place: str, *wheels: Wheel) -> None:
    host.write(f"{PLACE}/{place}", make_lock(wheels))
    for wheel in wheels:
        host.write(f"{PLACE}/wheels/{wheel.filename}", wheel.content)


def test_a_fix_once_for_all_through_upgrades_and_back(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    def packages(version: str) -> list[Path]:
        return [
            build(make(version, name, wheels=(_application(name, version), TLS)))
            for name, make in (("app1", tiny_declared), ("app2", tiny_application))
        ]

    old, new = packages("1"), packages("2")
    host.publish(*old, *new)
    host.rpm("-i", *map(host.repository_path, old))
    first = [host.readlink(f"/opt/{name}/penv") for name in ("app1", "app2")]
    _put(host, "overrides.d/CVE-1.txt", FIXED)
    assert "overrides or extras have changed since" in host.rpm("-V", "app2", check=False).output
    done = host.run("rpm-venv", "sync")
    assert done.output == "installed /opt/app1/penv\ninstalled /opt/app2/penv\n"
    for name in ("app1", "app2"):
        assert (_tls(host, name), _state(host, name)) == ("2.1", ("ok", ["tls applied"]))
    assert host.rpm("-V", "app1", "app2", "rpm-venv").output == ""
    # The wheel was needed once: what is there is enough for upgrades and repairs.
    host.path(f"{PLACE}/wheels/{FIXED.filename}").unlink()
    _put(host, "extras.d/opt-app1-penv.txt", make_wheel("plugin", requires=["tls"]))
    assert host.run("rpm-venv", "sync").output == "installed /opt/app1/penv\n"
    assert host.rpm("-U", *map(host.repository_path, new)).output == ""
    assert [answer(host), answer(host, "/opt/app2/penv", "app2")] == ["app1 2", "app2 2"]
    assert _state(host, "app1") == ("ok", ["plugin applied", "tls applied"])
    assert host.run("/opt/app1/penv/bin/python", "-m", "plugin").stdout == "plugin 1.0\n"
    host.run("rpm-venv", "rollback", "/opt/app2/penv")
    assert answer(host, "/opt/app2/penv", "app2") == "app2 1"
    host.run("rpm-venv", "repair", "/opt/app2/penv")
    assert (answer(host, "/opt/app2/penv", "app2"), _tls(host, "app2")) == ("app2 2", "2.1")
    # Without the files, the locks of the packages are what there is.
    host.path(f"{PLACE}/overrides.d/CVE-1.txt").unlink()
    host.path(f"{PLACE}/extras.d/opt-app1-penv.txt").unlink()
    host.run("rpm-venv", "sync")
    downgraded = ["-U", "--oldpackage", *map(host.repository_path, old)]
    assert host.rpm(*downgraded).output == ""
    assert [host.readlink(f"/opt/{name}/penv") for name in ("app1", "app2")] == first
    host.rpm("-e", "app1", "app2")
    assert [path for path in leftovers() if not path.startswith(PLACE)] == []


def test_a_site_brings_its_fixes_as_a_package(
    host: Host, build: Build, build_host: Host, leftovers: Leftovers
) -> None:
    application = build(tiny_declared(wheels=(_application("app1"), TLS)))
    (fixes,) = build_host.build(
        "Name: site-fixes\nVersion: 1\nRelease: 1\nSummary: Fixes\nLicense: MIT\n"
        "BuildArch: noarch\n"
        "%description\n%{summary}.\n%install\n"
        f"install -D -m 0644 %{{_sourcedir}}/fixes.txt %{{buildroot}}{PLACE}/overrides.d/site.txt\n"
        f"install -D -m 0644 %{{_sourcedir}}/{FIXED.filename} -t %{{buildroot}}{PLACE}/wheels\n"
        f"%files\n{PLACE}/overrides.d/site.txt\n{PLACE}/wheels/*.whl\n",
        {"fixes.txt": make_lock([FIXED]), FIXED.filename: FIXED.content},
    )
    host.publish(application, fixes)
    host.rpm("-i", host.repository_path(application))
    assert host.rpm("-i", host.repository_path(fixes)).output == ""
    assert (_tls(host, "app1"), _state(host, "app1")[0]) == ("2.1", "ok")
    assert host.rpm("-e", "site-fixes").output == ""
    assert (_tls(host, "app1"), _state(host, "app1")[0]) == ("2.0", "ok")
    host.rpm("-e", "app1")
    assert leftovers() == {}


def test_what_had_to_wait_is_said_everywhere_and_done_by_the_unit(host: Host, build: Build) -> None:
    """Without a network in scriptlet and trigger; the unit's command and condition are its own."""
    wheels = [make_wheel(name, scripts={name: f"{name}:main"}) for name in ("app1", "app2")]
    packages = [
        build(tiny_application(wheels=wheels[:1], ship=False, options="")),
        build(tiny_declared(name="app2", wheels=wheels[1:], ship=False, level="lock")),
    ]
    host.publish(*packages)
    host.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /srv/wheels\n")
    unit = host.read("/usr/lib/systemd/system/rpm-venv-sync.service")
    assert f"ConditionPathExists={PENDING}\n" in unit
    (command,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    assert not host.exists(PENDING)
    host.rpm("-i", *map(host.repository_path, packages), check=False)
    listed = host.run("rpm-venv", "list")
    for name in ("app1", "app2"):
        path = f"/opt/{name}/penv"
        mended = f"mend it with: rpm-venv repair {path}\n"
        (row,) = (line for line in listed.stdout.splitlines() if line.startswith(f"{path} "))
        assert row.endswith("  failed")
        assert f"{path}: the last install failed: " in listed.stderr
        assert mended in listed.stderr
        found = host.run("rpm-venv", "verify", path, check=False)
        assert (found.code, found.stdout.split()[:2]) == (3, ["failed", path])
        # The package of one has %venv_verify, and rpm-venv speaks for the other.
        said = host.rpm("-V", "app1" if name == "app1" else "rpm-venv", check=False)
        assert said.code != 0
        assert f"failed   {path}  the last install failed" in said.output
        assert mended in said.output
    unit_runs = command.removeprefix("ExecStart=").split()
    assert (host.run(*unit_runs, check=False).code, host.exists(PENDING)) == (1, True)
    for wheel in wheels:
        host.write(f"/srv/wheels/{wheel.filename}", wheel.content)
    host.run(*unit_runs)
    assert [answer(host), answer(host, "/opt/app2/penv", "app2")] == ["app1 1.0", "app2 1.0"]
    assert not host.exists(PENDING)
    assert host.rpm("-V", "app1", "app2", "rpm-venv").output == ""
    assert host.run("rpm-venv", "list").stderr == ""
