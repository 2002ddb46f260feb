"""Environments that packages declare, with no scriptlet of theirs: the runtime's file triggers.

Every way that a package comes, changes and goes; test_round_trips has the usual ones at all levels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Base, Host, Hosts
from tests.host.applications import Application, answer, tiny_application, tiny_declared
from tests.host.project import ProjectRpms
from tests.transactions.conftest import Build, Leftovers

LEVELS = ["lock", "wheels"]
LOG = "/srv/app1.log"


@pytest.fixture
def site(host: Host) -> Host:
    """The host, with a directory as the site's index, where packages ship the lock alone."""
    return _with_index(host)


@pytest.fixture
def without_runtime(hosts: Hosts, system: Base, project_rpms: ProjectRpms) -> Iterator[Host]:
    """A host on which rpm-venv is not installed yet; its repository has it."""
    host = hosts.fresh(system)
    host.publish(project_rpms.runtime)
    yield _with_index(host)
    host.close()


def _with_index(host: Host) -> Host:
    for name in ("app1", "app2", "zap"):
        for version in ("1", "2"):
            wheels = tiny_declared(version, name).wheels
            assert isinstance(wheels, tuple)
            for wheel in wheels:
                host.write(f"/srv/wheels/{wheel.filename}", wheel.content)
    host.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /srv/wheels\n")
    return host


def _install(host: Host, *packages: Path) -> None:
    """By rpm, in one transaction: dnf has another rpm than the tested one."""
    host.publish(*packages)
    host.rpm("-U", *map(host.repository_path, packages))


def _declared(version: str = "1", name: str = "app1", level: str = "wheels") -> Application:
    return tiny_declared(version, name, level=level)


def _logging(version: str) -> Application:
    """An application that uses its environment in its own scriptlets, and logs what it said."""
    call = f"/opt/app1/penv/bin/app1 >> {LOG} 2>&1 || echo not there >> {LOG}"
    scriptlets = {
        name: f"echo -n '{name[1:]}'$1' ' >> {LOG}; {call}" for name in ("%post", "%preun")
    }
    return tiny_declared(version, sections=scriptlets)


def _condition(host: Host, path: str = "/opt/app1/penv") -> tuple[str, str]:
    """The package and the condition that ``rpm-venv list`` tells of an environment."""
    rows = json.loads(host.run("rpm-venv", "--json", "list").stdout)["environments"]
    found = {row["path"]: (row["package"], row["condition"]) for row in rows}
    return found.get(path, ("", ""))


# ---- the life of a package


def test_install_upgrade_downgrade_reinstall_undo_and_erase_with_dnf(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    host.publish(*(build(_declared(version)) for version in ("1", "2")))
    host.dnf("install", "app1-1")
    assert answer(host) == "app1 1"
    assert _condition(host) == ("app1-1-1.noarch", "ok")
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    host.dnf("upgrade", "app1")
    assert answer(host) == "app1 2"
    host.dnf("downgrade", "app1")
    assert answer(host) == "app1 1"
    host.dnf("history", "undo", "last")
    assert answer(host) == "app1 2"
    host.dnf("reinstall", "app1")
    assert answer(host) == "app1 2"
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    assert host.rpm("-qf", "/opt/app1/penv", "/opt/app1").stdout == "app1-2-1.noarch\n" * 2
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_the_environment_is_there_in_post_and_in_preun(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    packages = [build(_logging(version)) for version in ("1", "2")]
    host.publish(*packages)
    host.rpm("-i", host.repository_path(packages[0]))
    host.rpm("-U", host.repository_path(packages[1]))
    host.rpm("-e", "app1")
    log = host.read(LOG).splitlines()
    assert log == ["post1 app1 1", "post2 app1 2", "preun1 app1 2", "preun0 app1 2"]
    host.path(LOG).unlink()
    assert leftovers() == {}


def test_a_command_is_on_everybodys_path(host: Host, build: Build, leftovers: Leftovers) -> None:
    host.publish(*(build(tiny_declared(version, options="-c app1")) for version in ("1", "2")))
    for version in ("1", "2"):
        host.dnf("install", f"app1-{version}")
        assert host.run("app1", user=65534).stdout == f"app1 {version}\n"
    assert host.rpm("-qf", "/usr/bin/app1").stdout == "app1-2-1.noarch\n"
    assert host.rpm("-V", "app1").output == ""
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_a_rename_by_obsoletes_keeps_the_environment(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    renamed = tiny_declared(
        "2",
        "app2",
        path="/opt/app1/penv",
        sections={"": "Obsoletes: app1 < 2\nProvides: app1 = 2"},
    )
    _install(host, build(_declared()))
    host.publish(build(renamed))
    host.dnf("upgrade")
    assert answer(host, command="app2") == "app2 2"
    assert _condition(host) == ("app2-2-1.noarch", "ok")
    assert host.rpm("-V", "app2", "rpm-venv").output == ""
    host.dnf("remove", "app2")
    assert leftovers() == {}


def test_an_environment_that_moves_in_an_upgrade_leaves_nothing_behind(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    host.publish(build(_declared()), build(tiny_declared("2", path="/srv/app1/venv")))
    host.dnf("install", "app1-1")
    host.dnf("upgrade")
    assert answer(host, "/srv/app1/venv") == "app1 2"
    assert not host.exists("/opt/app1")
    assert _condition(host) == ("", "")
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_rpm_itself_refuses_a_second_package_on_one_path(host: Host, build: Build) -> None:
    second = build(tiny_declared(name="app2", path="/opt/app1/penv"))
    host.publish(build(_declared()), second)
    host.dnf("install", "app1")
    refused = host.rpm("-i", host.repository_path(second), check=False)
    assert refused.code != 0
    assert "venv(/opt/app1/penv) conflicts with" in refused.stderr
    assert answer(host) == "app1 1"


# ---- with the runtime


def test_application_and_runtime_arrive_and_go_in_one_transaction(
    without_runtime: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    host = without_runtime
    before = host.snapshot()
    applications = [build(_declared(name=name)) for name in ("app1", "zap")]
    _install(host, applications[0], project_rpms.runtime, applications[1])
    assert (answer(host), answer(host, "/opt/zap/penv", "zap")) == ("app1 1", "zap 1")
    assert host.rpm("-V", "app1", "zap", "rpm-venv").output == ""
    host.rpm("-e", "rpm-venv", "app1", "zap")
    left = host.snapshot().keys() - before.keys()
    assert [path for path in left if "venv" in path or path.startswith("/opt")] == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_runtime_that_arrives_last_makes_what_is_declared(
    without_runtime: Host, build: Build, project_rpms: ProjectRpms, level: str
) -> None:
    host = without_runtime
    package = build(_declared(level=level))
    host.publish(package)
    host.rpm("-i", "--nodeps", host.repository_path(package))
    assert answer(host) == "nothing there"
    host.rpm("-i", host.repository_path(project_rpms.runtime))
    assert answer(host) == "app1 1"


def test_the_runtime_is_reinstalled_with_environments_on_it(
    host: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    _install(host, build(_declared()))
    generation = host.readlink("/opt/app1/penv")
    done = host.rpm("-U", "--replacepkgs", host.repository_path(project_rpms.runtime))
    assert done.output == ""
    assert (answer(host), host.readlink("/opt/app1/penv")) == ("app1 1", generation)


def test_environments_outlive_the_runtime_and_are_its_again(
    host: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    packages = build(_declared()), build(_declared(name="zap"))
    host.publish(*packages)
    before = host.snapshot().keys()
    host.rpm("-U", *map(host.repository_path, packages))
    host.rpm("-e", "--nodeps", "rpm-venv")
    assert answer(host) == "app1 1"
    host.rpm("-e", "zap")
    host.rpm("-i", host.repository_path(project_rpms.runtime))
    assert answer(host) == "app1 1"
    assert host.run("rpm-venv", "verify").output == ""
    assert _condition(host, "/opt/zap/penv") == ("", "")
    host.rpm("-e", "app1")
    owned = set(host.rpm("-ql", "rpm-venv").stdout.split())
    assert host.snapshot().keys() - before - owned == set()


def test_rpm_verify_of_the_runtime_covers_all_declared_environments(
    host: Host, build: Build
) -> None:
    _install(host, build(_declared()), build(_declared(name="zap")))
    assert host.rpm("-V", "rpm-venv").output == ""
    module = host.run("find", "/opt/zap/penv/", "-name", "zap.py").stdout.split()[0]
    host.write(module, "print('changed')\n")
    found = host.rpm("-V", "rpm-venv", check=False)
    assert found.code == 1
    assert f"content  {module}" in found.output
    assert host.run("rpm-venv", "repair").stdout == "repaired /opt/zap/penv\n"
    assert host.rpm("-V", "rpm-venv").output == ""


# ---- when it goes wrong


def test_a_failing_environment_stops_no_other_and_is_one_line(
    site: Host, build: Build, leftovers: Leftovers
) -> None:
    host = site
    host.path("/srv/wheels/app1-1-py3-none-any.whl").unlink()
    host.publish(build(_declared(level="lock")), build(_declared(name="zap")))
    done = host.dnf("install", "app1", "zap", check=False)
    lines = [line for line in done.output.splitlines() if "rpm-venv: /opt/app1/penv" in line]
    assert len(lines) == 1
    assert "app1-1-1.noarch" in lines[0]
    assert "Traceback" not in done.output
    assert answer(host, "/opt/zap/penv", "zap") == "zap 1"
    assert _condition(host) == ("app1-1-1.noarch", "failed")
    assert host.rpm("-V", "rpm-venv", check=False).code == 1
    _with_index(host)
    assert host.run("rpm-venv", "sync").stdout == "installed /opt/app1/penv\n"
    assert host.rpm("-V", "rpm-venv").output == ""
    host.dnf("remove", "app1", "zap")
    assert not host.exists("/opt/app1")


def test_the_old_environment_stays_when_the_new_one_cannot_be_made(
    site: Host, build: Build
) -> None:
    host = site
    host.publish(*(build(_declared(version, level="lock")) for version in ("1", "2")))
    host.dnf("install", "app1-1")
    host.path("/srv/wheels/app1-2-py3-none-any.whl").unlink()
    host.dnf("upgrade", check=False)
    assert answer(host) == "app1 1"
    assert _condition(host) == ("app1-2-1.noarch", "failed")


def test_a_failing_preun_keeps_package_and_environment(host: Host, build: Build) -> None:
    _install(host, build(tiny_declared(sections={"%preun": "exit 1"})))
    assert host.rpm("-e", "app1", check=False).code != 0
    assert answer(host) == "app1 1"
    assert host.rpm("-V", "rpm-venv").output == ""


def test_an_upgrade_without_triggers_is_seen(host: Host, build: Build) -> None:
    packages = [build(_declared(version)) for version in ("1", "2")]
    _install(host, packages[0])
    host.publish(packages[1])
    host.rpm("-U", "--notriggers", host.repository_path(packages[1]))
    assert answer(host) == "app1 1"
    assert _condition(host)[1] == "pending"
    found = host.rpm("-V", "rpm-venv", check=False)
    assert "it is not yet what app1-2-1.noarch declares" in found.output
    host.run("rpm-venv", "repair")
    assert answer(host) == "app1 2"
    assert host.rpm("-V", "rpm-venv").output == ""


@pytest.mark.parametrize("option", ["--notriggers", "--noscripts"])
def test_what_triggers_did_not_do_is_done_by_hand(
    host: Host, build: Build, leftovers: Leftovers, option: str
) -> None:
    package = build(_declared())
    host.publish(package)
    host.rpm("-i", "--notriggers", host.repository_path(package))
    assert answer(host) == "nothing there"
    assert _condition(host)[1] == "missing"
    assert "missing" in host.rpm("-V", "rpm-venv", check=False).output
    assert host.run("rpm-venv", "repair").stdout == "repaired /opt/app1/penv\n"
    assert host.run("rpm-venv", "sync").output == ""
    assert answer(host) == "app1 1"
    host.rpm("-e", option, "app1")
    host.run("rpm-venv", "sync")
    assert leftovers() == {}


def test_a_system_that_runs_transaction_file_triggers_alone(host: Host, build: Build) -> None:
    """As image-based systems do; here the other kind is switched off by an empty command."""
    package = build(_declared())
    host.publish(package)
    host.rpm("-i", "--notriggers", host.repository_path(package))
    files = host.rpm("-ql", "app1").stdout
    host.run("rpm-venv", "sync", "--trigger", "transaction", stdin=files)
    assert answer(host) == "app1 1"
    scripts = host.rpm("-q", "--filetriggers", "rpm-venv").stdout
    assert "transfiletriggerin scriptlet (using /bin/sh) -- /usr/share/rpm-venv" in scripts


def test_what_an_administrator_went_back_to_stays(
    host: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    host.publish(*(build(_declared(version)) for version in ("1", "2")))
    host.dnf("install", "app1-1")
    host.dnf("upgrade", "app1")
    host.run("rpm-venv", "rollback", "/opt/app1/penv")
    host.rpm("-U", "--replacepkgs", host.repository_path(project_rpms.runtime))
    assert answer(host) == "app1 1"
    assert _condition(host)[1] == "rolled back"


# ---- beside the scriptlets' shape


_HERE = "/usr/share/rpm-venv/opt-app1-penv"
_WITH_LOCK = f"-r {_HERE}/requirements.txt -w {_HERE}/wheels"  # not as declared: without -o


def _both(version: str, options: str, remove: str) -> Application:
    """A package that declares its environment and calls the scriptlet macros as well."""
    return tiny_declared(
        version,
        sections={
            "%post": f"%venv_install {options} /opt/app1/penv",
            remove: "%venv_remove /opt/app1/penv",
            "%verifyscript": "%venv_verify /opt/app1/penv",
        },
    )


@pytest.mark.parametrize("options", ["", _WITH_LOCK], ids=["as declared", "with a lock"])
@pytest.mark.parametrize("remove", ["%preun", "%postun"])
def test_scriptlets_and_declaration_of_one_path_agree(
    host: Host, build: Build, leftovers: Leftovers, options: str, remove: str
) -> None:
    host.publish(*(build(_both(version, options, remove)) for version in ("1", "2")))
    host.dnf("install", "app1-1")
    assert answer(host) == "app1 1"
    host.dnf("upgrade")
    assert answer(host) == "app1 2"
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    host.dnf("downgrade", "app1")
    assert answer(host) == "app1 1"
    host.dnf("remove", "app1")
    assert leftovers() == {}


@pytest.mark.parametrize("first", ["scriptlets", "declared"])
def test_a_package_goes_from_one_shape_to_the_other(
    host: Host, build: Build, leftovers: Leftovers, first: str
) -> None:
    if first == "scriptlets":
        packages = build(tiny_application("1")), build(_declared("2"))
    else:  # the directory above was the package's: nobody else would remove it
        own_directory = {"%install": "mkdir -p %{buildroot}/opt/app1", "%files": "%dir /opt/app1"}
        packages = build(_declared("1")), build(tiny_application("2", sections=own_directory))
    host.publish(*packages)
    host.dnf("install", "app1-1")
    host.dnf("upgrade")
    assert answer(host) == "app1 2"
    assert _condition(host) == ("app1-2-1.noarch", "ok")
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_files_of_the_old_package_at_the_path_go_first(
    host: Host, build: Build, build_host: Host, leftovers: Leftovers
) -> None:
    """The environment is made by the trigger at the transaction's end, and nothing is said."""
    (old,) = build_host.build(
        "Name: app1\nVersion: 0\nRelease: 1\nSummary: Old\nLicense: MIT\nBuildArch: noarch\n"
        "%description\nOld.\n%install\nmkdir -p %{buildroot}/opt/app1/penv/bin\n"
        "echo 'home = /usr/bin' > %{buildroot}/opt/app1/penv/pyvenv.cfg\n%files\n/opt/app1\n"
    )
    package = build(_declared())
    host.publish(old, package)
    host.rpm("-i", host.repository_path(old))
    assert host.rpm("-U", host.repository_path(package)).output == ""
    assert answer(host) == "app1 1"
    host.rpm("-e", "app1")
    assert leftovers() == {}
