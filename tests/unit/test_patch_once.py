"""Patch once: overrides and extras on a system below ``--root``, through the command."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.host.wheels import Wheel, make_lock, make_wheel
from tests.unit import called

PATH = "/opt/app1/penv"
WEB = make_wheel("web", "1.0", requires=["tls>=2,<3"], scripts={"web": "web:main"})
TLS, FIXED, NEWER, NEXT = (make_wheel("tls", version) for version in ("2.0", "2.1", "2.2", "3.0"))
PLUGIN = make_wheel("plugin", "1.0", requires=["tls"])


class System(called.System):
    """With files by their target paths."""

    def write(self, name: str, content: str | bytes) -> None:
        file = self.root / name[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def remove(self, name: str) -> None:
        (self.root / name[1:]).unlink()

    def ship(self, *wheels: Wheel, name: str = "app1") -> None:
        """A package's lock and wheels."""
        self.write(f"/usr/share/{name}/requirements.txt", make_lock(wheels))
        for wheel in wheels:
            self.write(f"/usr/share/{name}/wheels/{wheel.filename}", wheel.content)

    def override(self, *wheels: Wheel, at_hand: bool = True, name: str = "cve.txt") -> None:
        self.write(f"/etc/rpm-venv/overrides.d/{name}", make_lock(wheels))
        for wheel in wheels if at_hand else ():
            self.write(f"/etc/rpm-venv/wheels/{wheel.filename}", wheel.content)

    def extra(self, *wheels: Wheel) -> None:
        self.write("/etc/rpm-venv/extras.d/opt-app1-penv.txt", make_lock(wheels))
        for wheel in wheels:
            self.write(f"/etc/rpm-venv/wheels/{wheel.filename}", wheel.content)

    def install(self, name: str = "app1", code: int = 0) -> str:
        share = f"/usr/share/{name}"
        options = ["-r", f"{share}/requirements.txt", "-w", f"{share}/wheels", "-o"]
        return self.call(
            "install", *options, "--package", f"{name}-1-1.noarch", f"/opt/{name}/penv", code=code
        )

    def contents(self, path: str = PATH) -> Sequence[str]:
        """The distributions of what is live."""
        shown = self.data("show", path)["distributions"]
        return [f"{each['name']} {each['version']}" for each in shown]

    def condition(self, path: str = PATH) -> str:
        rows = self.data("list")["environments"]
        return next(f"{row['condition']} {row['reason']}" for row in rows if row["path"] == path)


@pytest.fixture
def system(capsys: pytest.CaptureFixture[str]) -> Iterator[System]:
    with tempfile.TemporaryDirectory(prefix="rpm-venv-") as directory:  # pip gets at it
        os.chmod(directory, 0o755)
        yield _system(Path(directory), capsys)


def _system(root: Path, capsys: pytest.CaptureFixture[str]) -> System:
    system = System(root, capsys)
    # No index, at once.
    system.write("/etc/pip.conf", "[global]\nno-index = true\n")
    system.ship(WEB, TLS)
    return system


def test_a_fix_reaches_every_environment_survives_and_goes_back(system: System) -> None:
    system.ship(TLS, name="app2")
    for name in ("app1", "app2"):
        system.install(name)
    before = system.data("show", PATH)["generation"]
    system.override(FIXED)
    assert "pending overrides or extras have changed since" in system.condition()
    assert "pending" in system.call("verify", code=3)
    assert system.call("sync") == "installed /opt/app1/penv\ninstalled /opt/app2/penv\n"
    assert system.call("sync") == "" == system.call("verify")
    assert system.contents() == ["tls 2.1", "web 1.0"]
    assert system.contents("/opt/app2/penv") == ["tls 2.1"]
    shown = system.data("show", PATH)
    assert (shown["condition"], shown["distributions"][0]["locked"]) == ("ok", "2.0")
    assert shown["distributions"][0]["override"] == "/etc/rpm-venv/overrides.d/cve.txt"
    assert "tls 2.1 is applied in place of 2.0" in system.call("show", PATH)
    (row,) = (row for row in system.data("list")["environments"] if row["path"] == PATH)
    assert [(each["name"], each["outcome"]) for each in row["amendments"]] == [("tls", "applied")]
    # What is there is neither made again by its package nor lost in a repair or an upgrade.
    assert system.install() == ""
    live = system.data("show", PATH)["generation"]
    (module,) = system.root.glob(f"usr/lib/rpm-venv/envs/opt-app1-penv/{live}/lib/*/*/web.py")
    module.write_text("changed")
    assert "repaired" in system.call("repair")
    assert system.contents() == ["tls 2.1", "web 1.0"]
    system.ship(make_wheel("web", "1.1", requires=["tls<3"]), TLS)
    assert system.install() == ""
    assert system.contents() == ["tls 2.1", "web 1.1"]
    # A rollback stays, and is said to be without what came later.
    system.call("rollback", PATH)
    assert system.contents() == ["tls 2.1", "web 1.0"]
    system.remove("/etc/rpm-venv/overrides.d/cve.txt")
    assert "overrides and extras wait" in system.call("sync", code=1)
    system.call("repair", PATH)
    assert system.contents() == ["tls 2.0", "web 1.1"]
    assert system.call("sync") == "" == system.call("verify")
    assert system.contents("/opt/app2/penv") == ["tls 2.0"]
    system.ship(WEB, TLS)
    system.install()
    assert system.data("show", PATH)["generation"] == before
    assert system.data("show", PATH)["amendments"] == []


def test_a_package_that_brings_a_newer_version_keeps_it(system: System) -> None:
    system.override(FIXED)
    system.install()
    assert system.contents() == ["tls 2.1", "web 1.0"]
    system.ship(WEB, NEWER)
    assert system.install() == ""
    assert system.contents() == ["tls 2.2", "web 1.0"]
    shown = system.call("show", PATH)
    assert "/etc/rpm-venv/overrides.d/cve.txt: line 1: tls 2.1 is superseded by 2.2" in shown
    assert "locked" not in system.data("show", PATH)["distributions"][0]
    assert system.call("sync") == ""


@pytest.mark.parametrize(
    ("wheel", "at_hand", "reason"),
    [
        (NEXT, True, "web 1.0 needs tls<3,>=2"),
        (FIXED, False, "there is no wheel of that version, but of 2.0, and"),
        (make_wheel("tls", "2.1", tag="cp27-cp27m-linux_x86_64"), True, "which is not for cpython"),
        (make_wheel("tls", "2.1", requires_python=">=3.99"), True, "it is for Python >=3.99"),
        (make_wheel("tls", "2.1", requires=["more"]), True, "it needs more, which"),
        (make_wheel("tls", "2.1", record=""), True, "the wheel is refused"),
        (make_wheel("tls", "2.1", scripts={"web": "tls:x"}), True, "do not fit into one"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_with_its_reason(
    system: System, wheel: Wheel, at_hand: bool, reason: str
) -> None:
    system.install()
    system.override(wheel, at_hand=at_hand)
    said = system.call("sync", code=1)
    assert f"{PATH}: /etc/rpm-venv/overrides.d/cve.txt: line 1: tls {wheel.version} is not" in said
    assert reason in said
    assert system.contents() == ["tls 2.0", "web 1.0"]
    assert system.condition().startswith("pending /etc/rpm-venv/overrides.d/cve.txt: line 1: tls")
    assert "pending" in system.call("verify", code=3)


def test_an_application_is_installed_without_what_does_not_fit_and_says_so(
    system: System,
) -> None:
    system.override(NEXT)
    assert "tls 3.0 is not applied: web 1.0 needs tls<3,>=2" in system.install()
    assert system.contents() == ["tls 2.0", "web 1.0"]
    system.ship(make_wheel("web", "1.1", requires=["tls<3"]), TLS)
    assert "is not applied" in system.install()
    assert system.contents() == ["tls 2.0", "web 1.1"]
    assert "is not applied" in system.call("sync", code=1), "it is tried again"
    assert "installed" not in system.call("sync", code=1)


def test_a_wrong_file_is_an_error_where_it_concerns_an_environment(system: System) -> None:
    system.ship(make_wheel("other"), name="app2")
    for name in ("app1", "app2"):
        system.install(name)
    system.override(FIXED)
    system.call("sync")
    system.write("/etc/rpm-venv/overrides.d/cve.txt", "tls>=2.1\n")
    lock = "/usr/share/app1/requirements.txt"
    assert "cve.txt: this file of overrides" in system.call("check", "-o", "-r", lock, PATH, code=1)
    system.call("check", "-o", "-r", lock.replace("app1", "app2"), "/opt/app2/penv")
    said = system.install(code=1)
    assert "cve.txt: this file of overrides is wrong" in said and "line 1" in said
    assert system.contents() == ["tls 2.1", "web 1.0"], "what was patched stays patched"
    assert "warning: /etc/rpm-venv/overrides.d/cve.txt" in system.install("app2")
    assert "this file of overrides is wrong" in system.call("sync", code=1)
    system.override(FIXED)
    system.call("sync")
    assert system.condition() == "ok "


def test_extras_join_one_environment_and_stay_through_upgrades(system: System) -> None:
    system.install()
    system.extra(PLUGIN)
    assert system.call("sync") == "installed /opt/app1/penv\n"
    assert system.contents() == ["plugin 1.0", "tls 2.0", "web 1.0"]
    assert system.data("show", PATH)["distributions"][0]["locked"] == ""
    system.ship(make_wheel("web", "1.1"), NEWER)
    assert system.install() == ""
    assert system.contents() == ["plugin 1.0", "tls 2.2", "web 1.1"]
    # An upgrade that the plugin does not bear is installed without it.
    system.ship(make_wheel("web", "1.2"))
    assert "plugin 1.0 is not applied: it needs tls, which" in system.install()
    assert system.contents() == ["web 1.2"]
    assert system.condition().startswith("pending")
    system.remove("/etc/rpm-venv/extras.d/opt-app1-penv.txt")
    assert system.call("sync") == ""
    assert (system.condition(), system.contents()) == ("ok ", ["web 1.2"])


def test_extras_for_no_environment_are_named_and_no_failure(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.ship(TLS, name="my-app")
    assert system.install("my-app") == ""
    place = "/etc/rpm-venv/extras.d"
    slip, early = f"{place}/opt-my-app-penv.txt", f"{place}/opt-later-penv.txt"
    for file in (slip, early):
        system.write(file, make_lock([PLUGIN]))
    waits = f"rpm-venv: {early}: there is no environment at /opt/later/penv\n"
    meant = "that of /opt/my-app/penv is opt-my_2dapp-penv.txt"
    named = f"rpm-venv: {slip}: there is no environment at /opt/my/app/penv; {meant}\n"
    assert system.call("list").endswith(waits + named)
    assert system.call("sync") == waits + named
    assert system.install("my-app") == system.call("verify") == ""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert system.call("sync", "--trigger", "system") == named
    # One whose name is that of no path at all has its line as well.
    system.write(f"{place}/my_app.txt", make_lock([PLUGIN]))
    assert f"escaped (for example {meant[-21:]} for /opt" in system.call("sync", code=1)


def test_packages_bring_extras_each_in_a_file_of_its_own(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As their triggers call it: with the files of a package that came, or that went."""

    def transaction(*files: str, code: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(files)))
        return system.call("sync", "--trigger", "file", code=code)

    system.install()
    place = "/usr/share/rpm-venv/extras.d/opt-app1-penv"
    one, two = f"{place}/one.txt", f"{place}/two.txt"
    for file, wheel in ((one, PLUGIN), (two, make_wheel("other", "1.0"))):
        system.write(file, make_lock([wheel]))
        system.write(f"{place}/{wheel.filename}", wheel.content)
    assert transaction("/usr/share/rpm-venv/extras.d/opt-other-penv/x.txt") == ""
    assert system.contents() == ["tls 2.0", "web 1.0"]
    assert transaction(one, two, f"{place}/{PLUGIN.filename}") == ""
    assert system.contents() == ["other 1.0", "plugin 1.0", "tls 2.0", "web 1.0"]
    shown = {each["file"]: each["outcome"] for each in system.data("show", PATH)["amendments"]}
    assert shown == {one: "applied", two: "applied"}
    # The administrator's word comes first.
    system.extra(make_wheel("other", "2.0"))
    assert "other 1.0 is not applied: the environment has other 2.0" in system.call("sync", code=1)
    system.remove("/etc/rpm-venv/extras.d/opt-app1-penv.txt")
    system.remove(one)
    assert transaction(one) == ""
    assert system.contents() == ["other 1.0", "tls 2.0", "web 1.0"]
    system.write(two, "other")
    assert "two.txt is not applied: line 1: 'other'" in transaction(two, code=1)
    assert "reinstall its package" in system.call("sync", code=1)
    assert system.contents() == ["tls 2.0", "web 1.0"]


def test_extras_that_the_lock_has_in_another_version_are_refused(system: System) -> None:
    system.install()
    system.extra(PLUGIN, NEWER)
    said = system.call("sync", code=1)
    assert "tls 2.2 is not applied: the environment has tls 2.0; an override can raise it" in said
    assert system.contents() == ["plugin 1.0", "tls 2.0", "web 1.0"]
