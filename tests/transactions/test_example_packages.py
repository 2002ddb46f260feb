"""The examples that are no demo: a service, a command with its own wheel, and a plugin of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples.example import DICE, DICE_POKER, GUESTBOOK, Example
from tests.host import Host, systemd
from tests.host.project import TREE
from tests.host.wheels import make_lock, make_wheel
from tests.transactions.conftest import Leftovers

ENV = "/opt/guestbook/penv"
UNIT = "guestbook.service"
RECIPES = (TREE / "docs" / "recipes.md").read_text()
CONFIGURATION = "/etc/guestbook.conf"
RESTART = "reload-or-restart --marked"

#: Somebody who leaves a line, as soon as the service listens.
_VISITOR = """
import time, urllib.request
for attempt in range(600):
    try:
        answer = urllib.request.urlopen("http://127.0.0.1:8080/", b"line=hello+there")
        print(answer.read().decode(), end="")
        break
    except OSError:
        time.sleep(0.1)
"""

#: What each version of the service has besides: it says which version is live.
ANSWERS = {version: make_wheel("answer", version) for version in ("1.0", "2.0")}


def _service(version: str) -> tuple[str, dict[str, str | bytes | Path]]:
    """The example in this version: spec file and sources."""
    spec = GUESTBOOK.spec.replace("Version:        1.0", f"Version:        {version}")
    answer = ANSWERS[version]
    sources = dict(GUESTBOOK.sources(version))
    sources["requirements.txt"] = GUESTBOOK.lock.read_text() + make_lock([answer])
    sources[answer.filename] = answer.content
    unpack = "mkdir wheels\ntar -C wheels -xf %{SOURCE4}\n"
    unpack += f"cp %{{_sourcedir}}/{answer.filename} wheels\n"
    return spec.replace("%venv_declare", f"{unpack}%venv_declare").replace(
        "-w %{SOURCE4}", "-w wheels"
    ), sources


def _with_scriptlets(spec: str) -> str:
    """The same package in the other shape, as docs/recipes.md writes it."""
    (scriptlets,) = re.findall(r"^```spec\n(%post\n.*?)^```$", RECIPES, re.DOTALL | re.MULTILINE)
    spec = re.sub(r"^%venv_declare .*\n", lambda _: (
        "install -D -p -m 0644 %{SOURCE3} %{buildroot}%{_datadir}/guestbook/requirements.txt\n"
        "cp -r wheels %{buildroot}%{_datadir}/guestbook/\n"
    ), spec, flags=re.MULTILINE)  # fmt: skip
    return re.sub(
        r"^# The environment is there before.*?^%files [^\n]*\n",
        lambda _: scriptlets,
        spec,
        flags=re.MULTILINE | re.DOTALL,
    )


@pytest.fixture(scope="module")
def systemd_package(author: Host) -> Path:
    return systemd.build(author, ENV, "python -m answer")


@pytest.mark.parametrize("shape", ["declared", "scriptlets"])
def test_a_service_is_restarted_into_the_new_environment(
    author: Host, systemd_package: Path, host: Host, leftovers: Leftovers, shape: str
) -> None:
    configuration = (GUESTBOOK.directory / "guestbook.conf").read_text()
    packages: list[Path] = []
    for version in ("1.0", "2.0"):
        spec, sources = _service(version)
        sources["guestbook.conf"] = f"{configuration}# {version}\n"
        spec = spec if shape == "declared" else _with_scriptlets(spec)
        packages += author.build(spec, sources)
    host.publish(systemd_package, *packages)
    host.dnf("install", "guestbook-1.0")
    preset = systemd.calls(host)[0]
    assert (preset[0], preset[2]) == (f"--no-reload preset {UNIT}", "answer 1.0")
    old = host.readlink(ENV)
    _answers(host)
    host.write(CONFIGURATION, host.read(CONFIGURATION).replace("8080", "8081"))
    host.dnf("upgrade", "guestbook")
    new = host.readlink(ENV)
    assert new != old
    # The old version's %postun marks the unit, the end of the transaction restarts it.
    assert systemd.calls(host) == [
        [f"set-property {UNIT} Markers=+needs-restart", new, "answer 2.0"],
        ["daemon-reload", new, "answer 2.0"],
        [RESTART, new, "answer 2.0"],
    ]
    assert "8081" in host.read(CONFIGURATION)
    assert host.exists(f"{CONFIGURATION}.rpmnew")
    assert host.rpm("-V", "rpm-venv", "guestbook", "--noconfig").output == ""
    scripts = host.rpm("-q", "--scripts", "guestbook").stdout
    assert ("rpm-venv" in scripts) == (shape == "scriptlets")
    assert max(map(len, scripts.splitlines())) < 200
    host.dnf("remove", "guestbook", "systemd")
    (stopped,) = systemd.calls(host)
    assert stopped == [f"--no-reload disable --now {UNIT}", new, "answer 2.0"]
    assert set(leftovers()) == {f"{CONFIGURATION}.rpmsave", f"{CONFIGURATION}.rpmnew"}


def _answers(host: Host) -> None:
    """Start the service as its unit does, leave a line, and read it."""
    unit = host.read(f"/usr/lib/systemd/system/{UNIT}")
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    host.mkdir("/var/lib/guestbook")
    host.run("ip", "link", "set", "lo", "up")
    service = host.start(*command.split())
    try:
        said = host.run("/usr/bin/python3", "-c", _VISITOR).stdout
    finally:
        service.kill()
        service.communicate()
    host.shell("rm -r /var/lib/guestbook")
    assert said == "hello there\n"


def test_a_command_with_its_own_wheel_and_a_plugin_for_it(
    author: Host, host: Host, leftovers: Leftovers
) -> None:
    (dice,) = _build(author, DICE)
    (poker,) = _build(author, DICE_POKER)
    (newer,) = author.build(
        DICE.spec.replace("Release:        1", "Release:        2"), DICE.sources()
    )
    host.publish(dice, poker, newer)
    host.dnf("install", "dice-1.0-1*")
    assert "die" in host.run("dice", user=65534).stdout
    refused = host.run("dice", "poker", user=65534, check=False)
    assert "there are the games plain" in refused.stderr
    required = host.rpm("-qp", "--requires", host.repository_path(poker)).stdout
    assert "venv(/opt/dice/penv)" in required.splitlines()
    said = host.dnf("install", "dice-poker").output
    assert "rpm-venv:" not in said
    assert "die 5" in host.run("dice", "poker", user=65534).stdout
    host.dnf("upgrade", "dice")
    assert "die 5" in host.run("dice", "poker", user=65534).stdout
    assert host.rpm("-V", "dice", "dice-poker", "rpm-venv").output == ""
    owner = host.run("rpm-venv", "owner", "/usr/bin/dice").stdout
    assert "dice-1.0-2" in owner
    host.dnf("remove", "dice-poker")
    assert host.run("dice", "poker", user=65534, check=False).code != 0
    assert "die" in host.run("dice", user=65534).stdout
    assert host.rpm("-V", "dice", "rpm-venv").output == ""
    host.dnf("install", "dice-poker")
    assert "die 5" in host.run("dice", "poker", user=65534).stdout
    host.dnf("remove", "dice", "dice-poker")
    assert leftovers() == {}


def _build(author: Host, example: Example) -> tuple[Path, ...]:
    return author.build(example.spec, example.sources())
