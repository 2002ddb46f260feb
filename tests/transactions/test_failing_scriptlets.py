"""What is live when a scriptlet fails, and what rpm and dnf say: rpm's own rules, row by row.

Every application here installs its environment in ``%post`` and removes it in ``%postun``. One more
line in one scriptlet of the old or the new version fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host import Host, Result
from tests.host.applications import answer, tiny_application
from tests.transactions.conftest import Build, Leftovers

ALWAYS = (0,)  #: the first rpm that says with its exit code that this failed
SIX = (6,)


def _rpm(host: Host, verb: str, package: Path) -> Result:
    if verb == "remove":
        return host.rpm("-e", "app1", check=False)
    return host.rpm("-U", host.repository_path(package), check=False)


def _dnf(host: Host, verb: str, package: Path) -> Result:
    return host.dnf(verb, "app1", check=False)


Transaction = Callable[[Host, str, Path], Result]
by_rpm_and_dnf = pytest.mark.parametrize(
    "transaction", [pytest.param(_rpm, id="rpm"), pytest.param(_dnf, id="dnf")]
)


def _is_error(host: Host, since: tuple[int, ...]) -> bool:
    """Whether a failure counts for the rpm that is tested."""
    return host.tools.version() >= since


def _versions(host: Host) -> list[str]:
    """The versions of app1 in the rpm database."""
    said = host.rpm("-q", "--qf", "%{VERSION}\n", "app1", check=False)
    return sorted(said.stdout.split()) if said.code == 0 else []


def _install_first(host: Host, build: Build, **scriptlet: str) -> Path:
    package = build(tiny_application("1", sections=scriptlet))
    host.publish(package)
    host.rpm("-i", host.repository_path(package))
    assert answer(host) == "app1 1"
    return package


@by_rpm_and_dnf
@pytest.mark.parametrize(
    ("version", "scriptlet", "error_since", "installed", "live"),
    [
        ("2", "%pretrans", ALWAYS, ["1"], "app1 1"),
        ("2", "%pre", ALWAYS, ["1"], "app1 1"),
        ("2", "%post", SIX, ["2"], "app1 2"),
        ("1", "%preun", ALWAYS, ["1", "2"], "app1 2"),
        ("1", "%postun", SIX, ["2"], "app1 2"),
        ("2", "%posttrans", SIX, ["2"], "app1 2"),
    ],
)
def test_on_upgrade(
    host: Host,
    build: Build,
    transaction: Transaction,
    version: str,
    scriptlet: str,
    error_since: tuple[int, ...],
    installed: list[str],
    live: str,
) -> None:
    failing = {scriptlet: "exit 1"}
    _install_first(host, build, **(failing if version == "1" else {}))
    package = build(tiny_application("2", sections=failing if version == "2" else {}))
    host.publish(package)
    result = transaction(host, "upgrade", package)
    assert (result.code != 0) == _is_error(host, error_since)
    assert _versions(host) == installed
    assert answer(host) == live


@by_rpm_and_dnf
@pytest.mark.parametrize(
    ("scriptlet", "error_since", "installed", "live"),
    [("%preun", ALWAYS, ["1"], "app1 1"), ("%postun", SIX, [], "nothing there")],
)
def test_on_erase(
    host: Host,
    build: Build,
    leftovers: Leftovers,
    transaction: Transaction,
    scriptlet: str,
    error_since: tuple[int, ...],
    installed: list[str],
    live: str,
) -> None:
    package = _install_first(host, build, **{scriptlet: "exit 1"})
    result = transaction(host, "remove", package)
    assert (result.code != 0) == _is_error(host, error_since)
    assert _versions(host) == installed
    assert answer(host) == live
    assert bool(leftovers()) == bool(installed)


def test_an_old_version_that_would_not_leave_leaves_the_environment_when_it_goes(
    host: Host, build: Build
) -> None:
    """Both versions are in the database; the administrator erases the old one by force."""
    _install_first(host, build, **{"%preun": "exit 1"})
    package = build(tiny_application("2"))
    host.publish(package)
    host.rpm("-U", host.repository_path(package), check=False)
    assert _versions(host) == ["1", "2"]
    host.rpm("-e", "--nopreun", "app1-1-1")
    assert (_versions(host), answer(host)) == (["2"], "app1 2")
    assert host.rpm("-V", "app1").output == ""


@pytest.mark.parametrize("scriptlet", ["%pretrans", "%pre"])
def test_a_package_that_is_refused_does_not_hold_others_up(
    host: Host, build: Build, scriptlet: str
) -> None:
    broken = build(tiny_application("1", sections={scriptlet: "exit 1"}))
    sound = build(tiny_application("1", name="app2"))
    host.publish(broken, sound)
    result = host.rpm("-i", *map(host.repository_path, (broken, sound)), check=False)
    assert result.code != 0
    assert answer(host) == "nothing there"
    assert answer(host, "/opt/app2/penv", "app2") == "app2 1"


_TRIGGERS = [
    f"%{transaction}filetrigger{moment}"
    for transaction in ("", "trans")
    for moment in ("in", "un", "postun")
]


def _trigger_package(trigger: str) -> str:
    return (
        "Name: triggers\nVersion: 1\nRelease: 1\nSummary: One failing file trigger\n"
        "License: MIT\nBuildArch: noarch\n\n%description\n%{summary}.\n\n"
        f"{trigger} -- /usr/share/app1\ntouch /var/lib/triggered\nexit 1\n\n%files\n"
    )


@by_rpm_and_dnf
@pytest.mark.parametrize("trigger", _TRIGGERS)
def test_in_a_file_trigger(
    host: Host, build: Build, build_host: Host, transaction: Transaction, trigger: str
) -> None:
    (triggers,) = build_host.build(_trigger_package(trigger))
    _install_first(host, build)
    package = build(tiny_application("2"))
    host.publish(triggers, package)
    host.rpm("-i", host.repository_path(triggers), check=False)
    host.path("/var/lib/triggered").unlink(missing_ok=True)
    result = transaction(host, "upgrade", package)
    assert host.exists("/var/lib/triggered")
    assert (result.code != 0) == _is_error(host, SIX)
    assert (_versions(host), answer(host)) == (["2"], "app1 2")
    result = transaction(host, "remove", package)
    assert (result.code != 0) == _is_error(host, SIX) * (not trigger.endswith("in"))
    assert (_versions(host), answer(host)) == ([], "nothing there")


@by_rpm_and_dnf
def test_an_environment_that_cannot_be_made_leaves_the_old_one_live(
    host: Host, build: Build, transaction: Transaction
) -> None:
    """``%post`` itself fails, in our line: the wheels are not in the package, nor to be fetched."""
    _install_first(host, build)
    package = build(tiny_application("2", ship=False, options=""))
    host.publish(package)
    result = transaction(host, "upgrade", package)
    said = [line for line in result.output.splitlines() if "rpm-venv:" in line]
    assert len(said) == 1
    assert "/opt/app1/penv" in said[0]
    assert (result.code != 0) == _is_error(host, SIX)
    assert _versions(host) == ["2"]
    assert answer(host) == "app1 1"
    verified = host.rpm("-V", "app1", check=False)
    assert verified.code == 1
    assert "/opt/app1/penv" in verified.output


def test_the_lines_after_a_failing_macro_run_and_the_scriptlet_fails_at_its_end(
    host: Host, build: Build
) -> None:
    package = build(
        tiny_application(ship=False, options="", sections={"%post": "echo done > /opt/line-after"})
    )
    host.publish(package)
    result = host.rpm("-i", host.repository_path(package), check=False)
    assert host.read("/opt/line-after") == "done\n"
    assert "%post(app1-1-1.noarch) scriptlet failed" in result.stderr


def test_nothing_is_made_where_others_may_write_to_the_store(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    store = "/usr/lib/rpm-venv/store"
    host.shell(f"mkdir -p {store} && chmod 0777 {store}")
    host.publish(build(tiny_application()))
    said = host.dnf("install", "app1", check=False).output
    mend = f"{store}: others may write to it: its mode is 0777; mend it with: chmod 0755 {store}"
    assert f"rpm-venv: /opt/app1/penv: {mend}" in said
    assert answer(host) == "nothing there"
    assert mend in host.rpm("-V", "app1", check=False).output
    host.run("chmod", "0755", store)
    host.dnf("reinstall", "app1")
    assert answer(host) == "app1 1"
    host.dnf("remove", "app1")
    assert leftovers() == {}
