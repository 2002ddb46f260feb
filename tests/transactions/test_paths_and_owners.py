"""Which package an environment belongs to, and what happens when paths and packages move."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application
from tests.host.hosts import without_bindings
from tests.transactions.conftest import Build, Leftovers


def _environments(host: Host) -> dict[str, Any]:
    """What ``rpm-venv list`` says, by path."""
    said = json.loads(host.run("rpm-venv", "--json", "list").stdout)
    return {environment["path"]: environment for environment in said["environments"]}


def test_the_package_that_owns_an_environment_is_known(host: Host, build: Build) -> None:
    host.publish(build(tiny_application("1")))
    host.dnf("install", "app1")
    assert _environments(host)["/opt/app1/penv"]["package"] == "app1-1-1.noarch"
    assert "app1-1-1.noarch" in host.run("rpm-venv", "list").stdout
    assert "app1-1-1.noarch" in host.run("rpm-venv", "show", "/opt/app1/penv").stdout
    assert host.rpm("-qf", "/opt/app1/penv").stdout == "app1-1-1.noarch\n"


def test_one_package_has_several_environments(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    lock = "-r %{_datadir}/app1/requirements.txt -w %{_datadir}/app1/wheels -o"
    application = tiny_application(
        sections={
            "%post": f"%venv_install {lock} /opt/app1/second",
            "%postun": "%venv_remove /opt/app1/second",
            "%verifyscript": "%venv_verify /opt/app1/second",
            "%files": "%ghost /opt/app1/second",
        }
    )
    host.publish(build(application))
    host.dnf("install", "app1")
    assert answer(host) == answer(host, "/opt/app1/second") == "app1 1"
    assert sorted(_environments(host)) == ["/opt/app1/penv", "/opt/app1/second"]
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_an_environment_that_a_new_version_drops_goes(host: Host, build: Build) -> None:
    lock = "-r %{_datadir}/app1/requirements.txt -w %{_datadir}/app1/wheels -o"
    two = {
        "%post": f"%venv_install {lock} /opt/app1/second",
        "%postun": "%venv_remove /opt/app1/second",
    }
    host.publish(build(tiny_application("1", sections=two)), build(tiny_application("2")))
    host.dnf("install", "app1-1")
    assert answer(host, "/opt/app1/second") == "app1 1"
    host.dnf("upgrade")
    assert answer(host) == "app1 2"
    assert sorted(_environments(host)) == ["/opt/app1/penv"]
    assert not host.exists("/opt/app1/second")


def _in_subpackage(application: Application) -> str:
    """The spec file with everything of the environment in the subpackage ``web``."""
    spec = application.but(
        sections={
            **application.sections,
            "": "%package web\nSummary: A part\n%description web\n%{summary}.\n",
        }
    ).spec()
    for section in ("%post", "%postun", "%verifyscript", "%files"):
        spec = spec.replace(f"\n{section}\n", f"\n{section} web\n")
    for macro in ("%venv_install", "%venv_remove"):
        spec = spec.replace(macro, f"{macro} -n {application.name}-web")
    return spec


def test_the_environment_of_a_subpackage(
    host: Host, build_host: Host, leftovers: Leftovers
) -> None:
    application = tiny_application()
    host.publish(*build_host.build(_in_subpackage(application), application.all_sources()))
    host.dnf("install", "app1-web")
    assert answer(host) == "app1 1"
    assert _environments(host)["/opt/app1/penv"]["package"] == "app1-web-1-1.noarch"
    host.dnf("remove", "app1-web")
    assert leftovers() == {}


def test_an_environment_that_a_subpackage_takes_over_is_kept(
    host: Host, build: Build, build_host: Host, leftovers: Leftovers
) -> None:
    host.publish(build(tiny_application("1")))
    host.dnf("install", "app1")
    application = tiny_application("2")
    spec = f"{_in_subpackage(application)}\n%files\n"
    spec = spec.replace("%package web\n", "Requires: app1-web = %{version}\n\n%package web\n")
    host.publish(*build_host.build(spec, application.all_sources()))
    host.dnf("upgrade")
    assert answer(host) == "app1 2"
    assert _environments(host)["/opt/app1/penv"]["package"] == "app1-web-2-1.noarch"
    host.dnf("remove", "app1", "app1-web")
    assert leftovers() == {}


def test_rpm_itself_refuses_a_second_package_on_one_path(host: Host, build: Build) -> None:
    first = build(tiny_application())
    second = build(tiny_application(name="app2", path="/opt/app1/penv"))
    host.publish(first, second)
    host.dnf("install", "app1")
    by_rpm = host.rpm("-i", host.repository_path(second), check=False)
    assert by_rpm.code != 0
    assert "venv(/opt/app1/penv) conflicts with" in by_rpm.stderr
    by_dnf = host.dnf("install", "app2", check=False)
    assert by_dnf.code != 0
    assert re.search(r"venv\(/opt/app1/penv\) .*conflicts|conflicts with venv\(", by_dnf.stderr)
    assert answer(host) == "app1 1"


@pytest.mark.parametrize("ghost", [True, False], ids=["ghost", "no ghost"])
def test_a_rename_by_obsoletes_keeps_the_environment(
    host: Host, build: Build, leftovers: Leftovers, ghost: bool
) -> None:
    host.publish(build(tiny_application("1", ghost=ghost)))
    host.dnf("install", "app1")
    renamed = tiny_application(
        "2",
        name="app2",
        path="/opt/app1/penv",
        ghost=ghost,
        sections={"": "Obsoletes: app1 < 2\nProvides: app1 = 2"},
    )
    host.publish(build(renamed))
    host.dnf("upgrade")
    assert answer(host, command="app2") == "app2 2"
    assert _environments(host)["/opt/app1/penv"]["package"] == "app2-2-1.noarch"
    assert host.rpm("-V", "app2").output == ""
    host.dnf("remove", "app2")
    assert leftovers() == {}


@pytest.mark.parametrize("ghost", [True, False], ids=["ghost", "no ghost"])
def test_an_environment_that_moves_in_an_upgrade_leaves_nothing_behind(
    host: Host, build: Build, leftovers: Leftovers, ghost: bool
) -> None:
    host.publish(build(tiny_application("1", ghost=ghost)))
    host.dnf("install", "app1")
    host.publish(build(tiny_application("2", path="/srv/app1/venv", ghost=ghost)))
    host.dnf("upgrade")
    assert answer(host, "/srv/app1/venv") == "app1 2"
    assert "/opt/app1" not in leftovers()
    assert sorted(_environments(host)) == ["/srv/app1/venv"]
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_an_environment_inside_another_is_refused(host: Host, build: Build) -> None:
    inside = build(tiny_application(name="app2", path="/opt/app1/penv/lib/env", check=True))
    host.publish(build(tiny_application()), inside)
    host.dnf("install", "app1")
    said = host.rpm("-i", host.repository_path(inside), check=False)
    assert said.code != 0
    assert "it would be inside /usr/lib/rpm-venv/envs/opt-app1-penv/" in said.stderr
    assert host.rpm("-V", "app1").output == ""


def test_the_name_of_a_package_may_begin_with_an_underscore(host: Host, build_host: Host) -> None:
    application = tiny_application()
    spec = application.spec().replace("Name: app1", "Name: _app1")
    (package,) = build_host.build(spec, application.all_sources())
    host.publish(package)
    host.dnf("install", "_app1")
    assert answer(host) == "app1 1"


def test_without_rpms_python_bindings_its_command_is_asked(host: Host, build: Build) -> None:
    """As on EL8, whose bindings are for a Python that is too old for the runtime."""
    old = build(tiny_application("1", ghost=False))
    new = build(tiny_application("2", path="/srv/app1/venv", ghost=False))
    host.publish(old, new)
    without_bindings(host)
    host.rpm("-U", host.repository_path(old))
    by_hand = host.run("rpm-venv", "remove", "/opt/app1/penv", check=False)
    assert "belongs to the installed package app1-1-1.noarch" in by_hand.stderr
    host.rpm("-U", host.repository_path(new))
    assert answer(host, "/srv/app1/venv") == "app1 2"
    assert sorted(_environments(host)) == ["/srv/app1/venv"]


def test_an_install_by_hand_leaves_the_environment_its_packages(host: Host, build: Build) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    share = "/usr/share/app1"
    host.run(
        "rpm-venv", "install", "-r", f"{share}/requirements.txt", "-w", f"{share}/wheels",
        "-s", "/opt/app1/penv",
    )  # fmt: skip
    assert _environments(host)["/opt/app1/penv"]["package"] == "app1-1-1.noarch"
    assert host.run("rpm-venv", "remove", "/opt/app1/penv", check=False).code == 1
    assert answer(host) == "app1 1"


_IN_PREUN = {"%preun": "%venv_remove /opt/app1/penv"}


def test_an_environment_may_be_removed_in_preun(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    for version in ("1", "2"):
        package = build(tiny_application(version, without=("%postun",), sections=_IN_PREUN))
        host.publish(package)
        host.dnf("install", f"app1-{version}")
        assert answer(host) == f"app1 {version}"
    said = host.dnf("remove", "app1")
    assert "warning" not in said.output.lower()
    assert leftovers() == {}


def test_the_ghost_may_come_and_go(host: Host, build: Build, leftovers: Leftovers) -> None:
    """rpm takes the path away with a leaving ``%ghost``; it is put back in the same transaction."""
    packages = [build(tiny_application(str(n), ghost=n % 2 == 1)) for n in range(4)]
    host.publish(*packages)
    for number in (0, 1, 2, 3, 2, 1, 0):
        host.rpm("-U", "--oldpackage", host.repository_path(packages[number]))
        assert answer(host) == f"app1 {number}"
        assert host.rpm("-V", "app1").output == ""
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_packages_may_be_swapped(host: Host, build: Build, leftovers: Leftovers) -> None:
    host.publish(
        build(tiny_application()), build(tiny_application(name="app2", path="/opt/app1/penv"))
    )
    host.dnf("install", "app1")
    host.dnf("swap", "app1", "app2")
    assert answer(host, command="app2") == "app2 1"
    assert _environments(host)["/opt/app1/penv"]["package"] == "app2-1-1.noarch"
    host.dnf("history", "undo", "last")
    assert answer(host) == "app1 1"
    host.dnf("remove", "app1")
    assert leftovers() == {}


@pytest.mark.parametrize("ghost", [True, False], ids=["ghost", "no ghost"])
def test_empty_parent_directories_of_the_package_go_with_it(
    host: Host, build: Build, leftovers: Leftovers, ghost: bool
) -> None:
    """rpm itself leaves a directory that is not empty when it comes to it: before ``%postun``."""
    owns = {
        "%install": "mkdir -p %{buildroot}/opt/app1/parts",
        "%files": "%dir /opt/app1\n%dir /opt/app1/parts",
    }
    path = "/opt/app1/parts/penv"
    host.publish(build(tiny_application("1", path=path, ghost=ghost, sections=owns)))
    host.dnf("install", "app1")
    host.publish(build(tiny_application("2", path="/srv/app1/penv", ghost=ghost)))
    host.dnf("upgrade")
    assert "/opt/app1" not in leftovers()
    host.dnf("downgrade", "app1")
    assert answer(host, path) == "app1 1"
    said = host.dnf("remove", "app1")
    assert "warning" not in said.output.lower()
    assert leftovers() == {}


def test_a_directory_that_another_package_has_as_well_stays(host: Host, build: Build) -> None:
    owns = {"%install": "mkdir -p %{buildroot}/opt/both", "%files": "%dir /opt/both"}
    first = tiny_application(path="/opt/both/penv", ghost=False, sections=owns)
    second = tiny_application(name="app2", sections=owns)
    host.publish(build(first), build(second))
    host.dnf("install", "app1", "app2")
    host.dnf("remove", "app1")
    assert host.exists("/opt/both")
    host.dnf("remove", "app2")
    assert not host.exists("/opt/both")


def test_empty_parent_directories_go_and_others_stay(host: Host, build: Build) -> None:
    host.write("/opt/theirs/file", "kept")
    host.mkdir("/opt/existed")
    host.publish(
        build(tiny_application(path="/opt/a/b/c/penv")),
        build(tiny_application(name="app2", path="/opt/theirs/penv")),
        build(tiny_application(name="app3", path="/opt/existed/penv")),
    )
    host.dnf("install", "app1", "app2", "app3")
    host.dnf("remove", "app1", "app2", "app3")
    # rpm 4.14 makes what is above a %ghost, and leaves it there: docs/rpm-versions.md.
    assert host.exists("/opt/a") == (host.tools.version() < (4, 15))
    assert host.read("/opt/theirs/file") == "kept"
    assert not host.exists("/opt/theirs/penv")
    assert host.exists("/opt/existed")
    assert not host.exists("/opt/existed/penv")


def test_erase_without_scriptlets_takes_the_path_and_the_rest_can_be_asked_for(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    host.rpm("-e", "--noscripts", "app1")
    assert not host.exists("/opt/app1/penv")
    assert sorted(_environments(host)) == ["/opt/app1/penv"]
    said = host.run("rpm-venv", "list").stderr
    assert (
        "its package app1-1-1.noarch is not installed any more, and the path is not there" in said
    )
    mend = "remove /opt/app1/penv\n"
    assert said.endswith(f"or remove it with: rpm-venv {mend}")
    repaired = host.run("rpm-venv", "repair", check=False)
    assert (repaired.code, repaired.stderr.endswith(f"the environment with: rpm-venv {mend}")) == (
        1,
        True,
    )
    assert host.run("rpm-venv", "list").stderr == said
    host.run("rpm-venv", "remove", "/opt/app1/penv")
    assert leftovers() == {}


def test_a_package_that_rpm_does_not_see_works_the_same(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    """The two lines of the opt-in alone: no ``%ghost`` and no ``%verifyscript``."""
    for version in ("1", "2"):
        host.publish(build(tiny_application(version, ghost=False, verify=False)))
        host.dnf("install", f"app1-{version}")
        assert answer(host) == f"app1 {version}"
    host.dnf("remove", "app1")
    assert leftovers() == {}
