"""The command without a package: every verb of it below a root directory, and as data."""

from __future__ import annotations

import json
from typing import Any

from tests.host import Host
from tests.host.applications import answer, tiny_application
from tests.host.wheels import make_wheel
from tests.transactions.conftest import Build

SYSTEM = "/srv/system"
PATH = "/opt/app1/penv"
LOCKED = ("-r", "/usr/share/app1/requirements.txt", "-o")


def _call(host: Host, *words: str, code: int = 0) -> dict[str, Any]:
    result = host.run("rpm-venv", "--root", SYSTEM, "--json", *words, check=False)
    assert result.code == code, result
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def test_every_verb_works_below_a_root_and_gives_data(host: Host) -> None:
    for name, content in tiny_application().all_sources().items():
        host.write(f"{SYSTEM}/usr/share/app1/{name}", content)
    before = host.snapshot()
    assert _call(host, "check", *LOCKED, PATH) == {"path": PATH, "problems": []}
    assert host.snapshot() == before
    install = ("install", *LOCKED, "-w", "/usr/share/app1/wheels", PATH)
    made = _call(host, *install)
    assert made["changed"]
    assert not _call(host, *install)["changed"]
    link = host.readlink(f"{SYSTEM}{PATH}")
    assert link == f"/usr/lib/rpm-venv/envs/opt-app1-penv/{made['generation']}"
    (listed,) = _call(host, "list")["environments"]
    assert (listed["path"], listed["condition"], listed["wheels"]) == (PATH, "ok", 1)
    assert _call(host, "show", PATH)["generation"] == made["generation"]
    assert _call(host, "verify") == {"environments": [PATH], "findings": []}
    host.write(f"{SYSTEM}{link}/added", "")
    assert _call(host, "verify", PATH, code=3)["findings"] == [
        {"kind": "added", "path": f"{PATH}/added", "reason": ""}
    ]
    assert _call(host, "remove", PATH)["removed"]
    assert _call(host, "list") == {"environments": []}
    assert not host.exists(f"{SYSTEM}/opt/app1")
    assert host.run("rpm-venv", "list").stdout == ""


def test_text_and_data_say_the_same(host: Host, build: Build) -> None:
    host.publish(build(tiny_application()))
    host.dnf("install", "app1")
    data = json.loads(host.run("rpm-venv", "--json", "show", PATH).stdout)
    text = host.run("rpm-venv", "show", PATH).stdout
    for name in ("path", "package", "lock", "lock_sha256", "generation", "python", "condition"):
        assert str(data[name]) in text
    assert data["distributions"][0]["sha256"] in text


def test_a_graphical_command_is_there_as_well(host: Host, build: Build) -> None:
    wheel = make_wheel(
        "app1", "1", scripts={"app1": "app1:main"}, gui_scripts={"app1-window": "app1:main"}
    )
    host.publish(build(tiny_application(wheels=(wheel,))))
    host.dnf("install", "app1")
    assert answer(host) == answer(host, command="app1-window") == "app1 1"
