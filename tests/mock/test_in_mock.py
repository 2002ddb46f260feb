"""This project and an application, built by mock in a chroot of local packages, offline."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, Hosts
from tests.host.applications import answer, tiny_declared
from tests.host.host import REPOSITORY, Result
from tests.host.project import ProjectRpms
from tests.mock import userland

OUT = "/srv/out"
_CONFIGURATION = f'''\
config_opts['root'] = 'local'
config_opts['target_arch'] = '{os.uname().machine}'
config_opts['legal_host_arches'] = ('{os.uname().machine}',)
config_opts['chroot_setup_cmd'] = 'install system'
config_opts['releasever'] = '1'
config_opts['package_manager'] = 'dnf'
config_opts['use_bootstrap'] = False
config_opts['isolation'] = 'simple'
config_opts['rpmbuild_networking'] = False
config_opts['macros']['%_dbpath'] = '/var/lib/rpm'
for plugin in ('root_cache', 'yum_cache', 'ccache', 'selinux', 'hw_info', 'package_state'):
    config_opts['plugin_conf'][plugin + '_enable'] = False
config_opts['dnf.conf'] = """
[main]
gpgcheck=0
assumeyes=1
install_weak_deps=0
reposdir=/dev/null
[host]
name=host
baseurl=file://{REPOSITORY}
"""
'''


@pytest.fixture(scope="module")
def builder(hosts: Hosts) -> Iterator[Host]:
    """A host of the running system, with a user who may call mock and a chroot's packages."""
    host = hosts.fresh(hosts.system())
    host.publish(userland.build(host))
    host.write("/etc/mock/local.cfg", _CONFIGURATION)
    host.shell("getent group mock || groupadd -r mock; useradd -m -G mock builder")
    host.shell(f"mkdir -p {OUT}; chown builder:mock {OUT}; chmod 2775 {OUT}")
    yield host
    host.close()


def _mock(host: Host, *words: str) -> Result:
    """Call mock as that user, who has got root's rights from sudo."""
    user, group = (host.run("id", option, "builder").stdout.strip() for option in ("-u", "-g"))
    command = [*shlex.split(os.environ["VENV_TEST_MOCK"]), "-r", "local", "--resultdir", OUT]
    done = host.run(
        *command, *words, env={"SUDO_UID": user, "SUDO_GID": group}, check=False, timeout=1800
    )
    log = host.path(f"{OUT}/build.log")
    assert done.code == 0, done.output + (log.read_text() if log.exists() else "")
    return done


def test_the_project_and_an_application(
    builder: Host, project_rpms: ProjectRpms, hosts: Hosts
) -> None:
    (source,) = project_rpms.runtime.parent.glob("*.src.rpm")
    builder.write("/srv/project.src.rpm", source)
    _mock(builder, "--rebuild", "--without", "check", "/srv/project.src.rpm")
    built = sorted(builder.path(OUT).glob("*.noarch.rpm"))
    assert [file.name.rsplit("-", 2)[0] for file in built] == ["rpm-venv", "venv-rpm-macros"]
    builder.publish(*built)

    application = tiny_declared(
        level="store",
        ship=False,
        options="-w wheels -o",
        sections={"": "Source2: app1-1-py3-none-any.whl"},
        before={"%install": "mkdir wheels; cp %{SOURCE2} wheels"},
    )
    builder.write("/srv/app1.spec", application.spec())
    for name, content in application.all_sources().items():
        builder.write(f"/srv/sources/{Path(name).name}", content)
    spec = ("--spec", "/srv/app1.spec", "--sources", "/srv/sources")
    _mock(builder, "--buildsrpm", *spec)
    _mock(builder, "--rebuild", f"{OUT}/app1-1-1.src.rpm")
    (package,) = builder.path(OUT).glob("app1*.noarch.rpm")

    host = hosts.fresh(hosts.system())
    runtime, _ = built
    host.publish(runtime, package)
    host.dnf("install", "app1")
    assert answer(host) == "app1 1"
    assert host.rpm("-V", "app1").output == ""
    host.close()
