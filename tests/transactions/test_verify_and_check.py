"""``rpm -V`` sees every change, and ``%venv_check`` refuses before anything changes.

What a ``%verifyscript`` says on stderr, rpm prints to its own stdout; the rest with ``-v`` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.host import Host
from tests.host.applications import answer, tiny_application
from tests.host.host import REPOSITORY
from tests.transactions.conftest import Build, Leftovers

_HAS_FILES_BELOW = """\
Name:           app1-data
Version:        0
Release:        1
Summary:        Another package with files below the path
License:        MIT
BuildArch:      noarch
%description
%{summary}.
%install
mkdir -p %{buildroot}/opt/app1/penv
touch %{buildroot}/opt/app1/penv/pyvenv.cfg
%files
/opt/app1
"""
_MODULE = "/opt/app1/penv/lib/python{minor}/site-packages/app1.py"


def _module(host: Host) -> str:
    return _MODULE.format(minor=".".join(host.python_version().split(".")[:2]))


def _byte_code(host: Host) -> str:
    pattern = _module(host).replace("app1.py", "__pycache__/app1.*.pyc")
    return host.shell(f"ls {pattern}").stdout.strip()


def _change_content(host: Host) -> str:
    host.shell(f"echo '# tampered' >> {_module(host)}")
    return _module(host)


def _change_byte_code(host: Host) -> str:
    host.shell(f"printf x >> {_byte_code(host)}")
    return _byte_code(host)


def _change_mode(host: Host) -> str:
    host.run("chmod", "0666", _module(host))
    return _module(host)


def _change_owner(host: Host) -> str:
    host.run("chown", "nobody", _module(host))
    return _module(host)


def _remove(host: Host) -> str:
    host.path(_module(host)).unlink()
    return _module(host)


def _add(host: Host) -> str:
    added = _module(host).replace("app1.py", "added.py")
    host.write(added, "import app1\n")
    return added


def _redirect(host: Host) -> str:
    host.shell("ln -sfn /bin/sh /opt/app1/penv/bin/python3")
    return "/opt/app1/penv/bin/python3"


def _hide(host: Host) -> str:
    host.write("/opt/app1/penv/.rpm-venv/hidden", "beside the manifest")
    return "/opt/app1/penv/.rpm-venv/hidden"


def _forget(host: Host) -> str:
    host.path("/opt/app1/penv/.rpm-venv/generation.json").unlink()
    return "/opt/app1/penv/.rpm-venv/generation.json"


def _mislead(host: Host) -> str:
    host.shell("sed -i 's/false/true/' /opt/app1/penv/.rpm-venv/generation.json")
    return "/opt/app1/penv/.rpm-venv/generation.json"


def _open_to_all(host: Host) -> str:
    host.shell("chmod 0777 $(readlink /opt/app1/penv)")
    return "mode     /opt/app1/penv/"


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(_change_content, id="content"),
        pytest.param(_change_byte_code, id="byte code"),
        pytest.param(_change_mode, id="mode"),
        pytest.param(_change_owner, id="owner"),
        pytest.param(_remove, id="missing"),
        pytest.param(_add, id="added"),
        pytest.param(_redirect, id="link"),
        pytest.param(_hide, id="beside the manifest"),
        pytest.param(_forget, id="no description"),
        pytest.param(_mislead, id="another description"),
        pytest.param(_open_to_all, id="the directory itself"),
    ],
)
def test_rpm_verify_finds_what_was_tampered_with_and_repair_mends_it(
    host: Host, build: Build, tamper: Callable[[Host], str]
) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    assert host.rpm("-V", "app1").output == ""
    path = tamper(host)
    found = host.rpm("-V", "app1", check=False)
    assert found.code == 1
    assert path in found.output
    host.run("rpm-venv", "repair", "/opt/app1/penv")
    assert host.rpm("-V", "app1").output == ""
    assert answer(host) == "app1 1"


def test_an_environment_that_is_gone_is_found_missing(host: Host, build: Build) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    host.path("/opt/app1/penv", follow=False).unlink()
    found = host.rpm("-V", "app1", check=False)
    assert found.code == 1
    assert "/opt/app1/penv" in found.output


def _lose_state(host: Host) -> str:
    host.shell("rm /usr/lib/rpm-venv/state/opt-app1-penv.json")
    return "reinstall the package it belongs to"


def _damage_state(host: Host) -> str:
    host.shell("truncate -s 5 /usr/lib/rpm-venv/state/opt-app1-penv.json")
    return "remove /usr/lib/rpm-venv/state/opt-app1-penv.json and reinstall the package"


def _replace(host: Host) -> str:
    host.shell("ln -sfn /usr /opt/app1/penv")
    return "move away what stands there, and mend it with: rpm-venv repair /opt/app1/penv"


@pytest.mark.parametrize("damage", [_lose_state, _damage_state, _replace])
def test_rpm_verify_says_what_mends_what_repair_alone_cannot(
    host: Host, build: Build, damage: Callable[[Host], str]
) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    mend = damage(host)
    found = host.rpm("-V", "app1", check=False)
    assert found.code == 1
    assert f"rpm-venv: /opt/app1/penv: not as installed; {mend}" in found.stdout
    if "remove " in mend:
        host.shell("rm /usr/lib/rpm-venv/state/opt-app1-penv.json")
    if "reinstall" in mend:
        host.dnf("reinstall", "app1")
    else:
        host.shell("rm /opt/app1/penv && rpm-venv repair /opt/app1/penv")
    assert host.rpm("-V", "app1").output == ""
    assert answer(host) == "app1 1"


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param({"path": "/srv/taken/venv"}, id="something else is at the path"),
        pytest.param({"ship": False, "options": ""}, id="the index is needed and not there"),
    ],
)
def test_check_in_pre_keeps_the_old_version_and_writes_nothing(
    host: Host, build: Build, refused: dict[str, Any]
) -> None:
    host.write("/srv/taken/venv/notes", "no environment")
    host.publish(build(tiny_application("1")))
    host.dnf("install", "app1")
    before = host.snapshot()
    package = build(tiny_application("2", check=True, **refused))
    host.publish(package)
    result = host.rpm("-U", host.repository_path(package), check=False)
    assert result.code != 0
    said = [line for line in result.stderr.splitlines() if line.startswith("rpm-venv:")]
    assert refused.get("path", "/opt/app1/penv") in said[0]
    assert answer(host) == "app1 1"
    assert host.rpm("-q", "app1").stdout == "app1-1-1.noarch\n"
    assert host.snapshot() == before


def _fill(host: Host, kilobytes: int) -> None:
    """Put rpm-venv's own directory on a small disk, and leave this much of it free."""
    home = "/usr/lib/rpm-venv"
    host.shell(
        f"cp -a {home} /opt/home && mount -t tmpfs -o size=24m none {home} && "
        f"cp -a /opt/home/. {home} && rm -r /opt/home && "
        f"fallocate -l $(($(df -k --output=avail {home} | tail -n 1) - {kilobytes}))K {home}/full"
    )


def test_check_in_pre_refuses_where_there_is_no_room(host: Host, build: Build) -> None:
    host.publish(build(tiny_application("1", check=True)))
    host.dnf("install", "app1")
    _fill(host, 300)
    host.rpm("--reinstall", f"{REPOSITORY}/app1-1-1.noarch.rpm")  # all of it is there
    package = build(tiny_application("2", check=True))
    host.publish(package)
    refused = host.rpm("-U", host.repository_path(package), check=False)
    assert refused.code != 0
    assert "at least 640 KiB are needed" in refused.stderr
    assert answer(host) == "app1 1"


def test_files_of_a_package_with_a_longer_name_are_not_the_packages_own(
    host: Host, build: Build, build_host: Host
) -> None:
    (other,) = build_host.build(_HAS_FILES_BELOW)
    package = build(tiny_application("1", check=True))
    host.publish(other, package)
    host.dnf("install", "app1-data")
    refused = host.rpm("-i", host.repository_path(package), check=False)
    assert refused.code != 0
    assert "belongs to the package app1-data-0-1.noarch" in refused.stderr


def test_check_in_pre_lets_a_sound_package_pass(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    for version in ("1", "2"):
        host.publish(build(tiny_application(version, check=True)))
        host.dnf("install", f"app1-{version}")
        assert answer(host) == f"app1 {version}"
    host.dnf("remove", "app1")
    assert leftovers() == {}
