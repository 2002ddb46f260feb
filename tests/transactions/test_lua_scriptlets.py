"""The Lua face of the helper, called by rpm from real ``-p <lua>`` scriptlets."""

from __future__ import annotations

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application
from tests.transactions.conftest import Build, Leftovers

_INSTALL = """\
local venv = require "venv"
venv.install{
    path = "/opt/app1/penv",
    lock = "%{_datadir}/app1/requirements.txt",
    wheels = "%{_datadir}/app1/wheels",
    offline = true,
    package = "%{name}-%{version}-%{release}.%{_target_cpu}",
}
"""

_REMOVE = """\
local venv = require "venv"
venv.remove{
    path = "/opt/app1/penv",
    package = "%{name}-%{version}-%{release}.%{_target_cpu}",
    count = arg[2],
}
"""

_VERIFY = 'require("venv").verify{path = "/opt/app1/penv"}'


def _in_lua(version: str, install: str = _INSTALL) -> Application:
    """An application with scriptlets in Lua alone, so that it needs no shell."""
    return tiny_application(
        version,
        without=("%post", "%postun", "%verifyscript"),
        ghost=False,
        sections={
            "": "%venv_requires",
            "%post -p <lua>": install,
            "%postun -p <lua>": _REMOVE,
            "%verifyscript -p <lua>": _VERIFY,
        },
    )


def test_install_upgrade_and_erase(host: Host, build: Build, leftovers: Leftovers) -> None:
    for version in ("1", "2"):
        host.publish(build(_in_lua(version)))
        host.dnf("install", f"app1-{version}")
        assert answer(host) == f"app1 {version}"
        assert host.rpm("-V", "app1").output == ""
    assert "rpm-venv" in host.rpm("-q", "--requires", "app1").stdout
    host.write("/opt/app1/penv/added", "")
    found = host.rpm("-V", "app1", check=False)
    assert found.code == 1
    assert "added    /opt/app1/penv/added" in found.output
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_a_failure_is_the_scriptlets_and_leaves_the_old_environment_live(
    host: Host, build: Build
) -> None:
    without_wheels = _INSTALL.replace("/wheels", "/nowhere")
    old, new = build(_in_lua("1")), build(_in_lua("2", without_wheels))
    host.publish(old, new)
    host.rpm("-U", host.repository_path(old))
    said = host.rpm("-U", host.repository_path(new), check=False).stderr
    assert "lua script failed: venv.install: /opt/app1/penv" in said
    assert "rpm-venv: /opt/app1/penv" in said
    assert answer(host) == "app1 1"


def test_a_wrong_argument_is_named(host: Host, build: Build) -> None:
    package = build(_in_lua("1", 'require("venv").install{path = "/opt/app1/penv", lok = "x"}'))
    host.publish(package)
    said = host.rpm("-U", host.repository_path(package), check=False).stderr
    assert "venv.install: there is no argument lok" in said
