"""Old packages that made their environment in other ways come over without loss."""

from __future__ import annotations

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application
from tests.transactions.conftest import Build, Leftovers

_OLD = """\
Name:           app1
Version:        0
Release:        1
Summary:        The application before it used venv-rpm-macros
License:        MIT
BuildArch:      noarch
%description
%{summary}.
"""

_OWNS_FILES = f"""{_OLD}
%install
mkdir -p %{{buildroot}}/opt/app1/penv/bin
echo 'home = /usr/bin' > %{{buildroot}}/opt/app1/penv/pyvenv.cfg
printf '#!/bin/sh\\necho app1 0\\n' > %{{buildroot}}/opt/app1/penv/bin/app1
chmod 755 %{{buildroot}}/opt/app1/penv/bin/app1
%files
/opt/app1
"""

_REMOVES_UNGUARDED = f"""{_OLD}
%post
python3 -m venv --without-pip /opt/app1/penv
printf '#!/bin/sh\\necho app1 0\\n' > /opt/app1/penv/bin/app1
chmod 755 /opt/app1/penv/bin/app1
%postun
rm -rf /opt/app1/penv
%install
mkdir -p %{{buildroot}}/opt/app1
%files
%dir /opt/app1
"""


def _in_posttrans(application: Application) -> Application:
    """The application with its environment made in ``%posttrans`` in place of ``%post``.

    It owns the directory above, as its old version did: nobody else would remove it.
    """
    post = next(
        line for line in application.spec().splitlines() if line.startswith("%venv_install")
    )
    return application.but(
        sections={
            "%install": "mkdir -p %{buildroot}/opt/app1",
            "%posttrans": post,
            "%files": "%dir /opt/app1",
        },
        without=("%post",),
    )


def _migrate(host: Host, build_host: Host, build: Build, old: str) -> None:
    (package,) = build_host.build(old)
    host.publish(package)
    host.dnf("install", "app1")
    assert answer(host) == "app1 0"
    host.publish(build(_in_posttrans(tiny_application("1"))))
    host.dnf("upgrade")


def test_an_old_package_that_owned_the_files(
    host: Host, build: Build, build_host: Host, leftovers: Leftovers
) -> None:
    _migrate(host, build_host, build, _OWNS_FILES)
    assert answer(host) == "app1 1"
    assert host.rpm("-V", "app1").output == ""
    # Back: the new version's %postun takes what rpm has unpacked through the link.
    said = host.dnf("downgrade", "app1", check=False).output
    assert "files of app1-0-1.noarch were unpacked into the environment" in said
    host.dnf("reinstall", "app1")
    assert answer(host) == "app1 0"
    host.dnf("upgrade")
    assert answer(host) == "app1 1"
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_an_old_package_that_removed_the_path_unguarded(
    host: Host, build: Build, build_host: Host, leftovers: Leftovers
) -> None:
    _migrate(host, build_host, build, _REMOVES_UNGUARDED)
    assert answer(host) == "app1 1"
    assert host.rpm("-V", "app1").output == ""
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_in_post_a_path_under_which_rpm_owns_files_is_refused(
    host: Host, build: Build, build_host: Host
) -> None:
    (old,) = build_host.build(_OWNS_FILES)
    host.publish(old)
    host.dnf("install", "app1")
    new = build(tiny_application("1", ghost=False))
    host.publish(new)
    said = host.rpm("-U", host.repository_path(new), check=False).stderr
    assert "/opt/app1/penv" in said
    assert "%posttrans" in said


def test_check_in_pre_lets_the_old_package_be_where_the_install_comes_too_early(
    host: Host, build: Build, build_host: Host
) -> None:
    """After ``%post`` has refused, rpm would remove the old version's files all the same."""
    (old,) = build_host.build(_OWNS_FILES)
    host.publish(old)
    host.dnf("install", "app1")
    in_post = build(tiny_application("1", check=True))
    in_posttrans = build(_in_posttrans(tiny_application("2", check=True)))
    host.publish(in_post, in_posttrans)
    refused = host.rpm("-U", host.repository_path(in_post), check=False)
    assert refused.code != 0
    assert "call %venv_install in %posttrans" in refused.stderr
    assert answer(host) == "app1 0"
    host.rpm("-U", host.repository_path(in_posttrans))
    assert answer(host) == "app1 2"


def test_a_hand_made_environment_is_taken_over_and_kept_aside(host: Host, build: Build) -> None:
    host.run("python3", "-m", "venv", "--without-pip", "/opt/app1/penv")
    host.write("/opt/app1/penv/notes", "of the administrator")
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    assert answer(host) == "app1 1"
    assert host.read("/opt/app1/penv.rpmorig/notes") == "of the administrator"
    host.dnf("remove", "app1")
    assert host.read("/opt/app1/penv.rpmorig/notes") == "of the administrator"
    assert not host.exists("/opt/app1/penv")


def test_anything_else_at_the_path_is_left_alone(host: Host, build: Build) -> None:
    host.write("/opt/app1/penv/notes", "no environment")
    package = build(tiny_application())
    host.publish(package)
    said = host.rpm("-i", host.repository_path(package), check=False).stderr
    assert "/opt/app1/penv" in said
    assert host.read("/opt/app1/penv/notes") == "no environment"
    host.rpm("-e", "app1")
    assert host.read("/opt/app1/penv/notes") == "no environment"
