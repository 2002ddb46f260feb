"""A minor upgrade of the system's Python, for real: /usr/bin/python3 is another one then."""

from __future__ import annotations

import json
from pathlib import Path

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application, tiny_declared
from tests.host.wheels import make_wheel
from tests.transactions.conftest import Build, Leftovers

APPLICATIONS = ("app1", "app2", "app3")
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def _python(host: Host, name: str) -> str:
    return host.run(f"/opt/{name}/penv/bin/python", "-c", _VERSION, user=65534).stdout.strip()


def _conditions(host: Host) -> dict[str, str]:
    rows = json.loads(host.run("rpm-venv", "--json", "list").stdout)["environments"]
    return {row["package"].partition("-")[0]: row["condition"] for row in rows}


def _generations(host: Host) -> list[str]:
    return [host.readlink(f"/opt/{name}/penv") for name in APPLICATIONS]


def _bound(host: Host) -> Application:
    """A package whose wheel is for the system's Python alone."""
    tag = "".join(host.python_version().split(".")[:2])
    wheel = make_wheel("app4", tag=f"cp{tag}-cp{tag}-linux_x86_64", scripts={"app4": "app4:main"})
    return Application(name="app4", path="/opt/app4/penv", wheels=(wheel,))


def test_environments_follow_the_systems_python_or_say_why_not(
    host: Host, build: Build, newer: Path
) -> None:
    old = ".".join(host.python_version().split(".")[:2])
    # By a declaration, by scriptlets, and with a wheel that is gone when it is needed again.
    applications = [
        tiny_declared(name="app1"),
        tiny_application(name="app2"),
        tiny_declared(name="app3"),
        _bound(host),
    ]
    packages = [build(application) for application in applications]
    host.publish(*packages, newer)
    host.rpm("-i", *map(host.repository_path, packages))
    assert [_python(host, name) for name in APPLICATIONS] == [old] * 3
    before = _generations(host)
    wheel = host.path("/usr/share/rpm-venv/opt-app3-penv/wheels/app3-1-py3-none-any.whl")
    content = wheel.read_bytes()
    wheel.unlink()
    upgrade = host.repository_path(newer)

    # What is for one Python alone holds it.
    held = host.rpm("-U", upgrade, check=False)
    assert held.code != 0
    assert f"python(abi) = {old} is needed by (installed) app4" in held.stderr
    assert host.python_version().startswith(f"{old}.")
    host.rpm("-e", "app4")

    done = host.rpm("-U", upgrade, check=False)
    new = ".".join(host.python_version().split(".")[:2])
    assert new != old
    assert not host.exists(f"/usr/bin/python{old}")
    assert [(_python(host, name), answer(host, f"/opt/{name}/penv", name)) for name in
            ("app1", "app2")] == [(new, "app1 1"), (new, "app2 1")]  # fmt: skip
    # What could not be made is as it was, and named in one line.
    lines = [line for line in done.output.splitlines() if line.startswith("rpm-venv:")]
    assert len(lines) == 1, done
    assert lines[0].startswith("rpm-venv: /opt/app3/penv (app3-1-1.noarch): 1 of the wheels")
    assert host.readlink("/opt/app3/penv") == before[2]
    assert _conditions(host) == {"app1": "ok", "app2": "ok", "app3": "failed"}
    assert host.rpm("-V", "app2").output == ""
    refused = host.run("rpm-venv", "rollback", "/opt/app1/penv", check=False)
    assert f"its Python /usr/bin/python{old} is not there" in refused.stderr
    wheel.write_bytes(content)
    assert host.run("rpm-venv", "sync").stdout == "installed /opt/app3/penv\n"
    assert _python(host, "app3") == new
    assert host.rpm("-V", "rpm-venv").output == ""

    # The same minor version once more, as a patch release is, changes nothing.
    after = _generations(host)
    assert host.rpm("-U", "--replacepkgs", upgrade).output == ""
    assert _generations(host) == after
    assert _conditions(host) == dict.fromkeys(APPLICATIONS, "ok")


def test_byte_code_is_made_afresh_for_what_was_packaged_with_another_python(
    host: Host, build: Build, newer: Path, leftovers: Leftovers
) -> None:
    """Python changes where the environment is, and was another one before the package came."""
    package = build(tiny_declared(name="app5", level="store"))
    host.publish(package, newer)
    installation = ("-i", host.repository_path(package))
    host.rpm(*installation)
    before, old = host.readlink("/opt/app5/penv"), _byte_code(host)
    assert host.rpm("-U", host.repository_path(newer)).output == ""
    assert host.readlink("/opt/app5/penv") != before
    new = _byte_code(host)
    assert (answer(host, "/opt/app5/penv", "app5"), new == old) == ("app5 1", False)
    assert host.rpm("-V", "app5", "rpm-venv").output == ""
    _damaged_and_mended(host, f"app5.{new}.pyc")
    refused = host.run("rpm-venv", "rollback", "/opt/app5/penv", check=False)
    assert "is not there" in refused.stderr
    ours = ("/usr/lib/rpm-venv", "/usr/share/rpm-venv", "/opt")
    for said in (host.rpm("-e", "app5"), host.rpm(*installation), host.rpm("-V", "app5")):
        assert said.output == ""
    assert (answer(host, "/opt/app5/penv", "app5"), _byte_code(host)) == ("app5 1", new)
    files = host.shell("stat -c %i $(find /usr/lib/rpm-venv -name app5.py -type f)").stdout.split()
    assert (len(files) > 1, len(set(files))) == (True, 1), "the package's own files"
    host.rpm("-e", "app5")
    assert [path for path in leftovers() if path.startswith(ours)] == []


def _damaged_and_mended(host: Host, code: str) -> None:
    """What was made afresh is like all of an environment: looked at, and made again."""
    (file,) = host.run("find", "/usr/lib/rpm-venv/store", "-name", code).stdout.split()
    host.write(file, "damaged")
    found = host.rpm("-V", "rpm-venv", check=False)
    assert found.code == 1
    assert code in found.output
    assert host.rpm("-V", "app5").output == ""
    assert host.run("rpm-venv", "repair").output == "repaired /opt/app5/penv\n"
    assert host.rpm("-V", "app5", "rpm-venv").output == ""


def _byte_code(host: Host) -> str:
    """The tag of the application's byte code, which is of use to its Python."""
    code = """if True:
        import importlib.util, pathlib, app5
        (file,) = pathlib.Path(app5.__cached__).parent.glob("app5.*")
        assert str(file) == app5.__cached__, file
        assert file.read_bytes()[:4] == importlib.util.MAGIC_NUMBER
        print(file.name.split(".")[1])
    """
    return host.run("/opt/app5/penv/bin/python", "-c", code, user=65534).stdout.strip()
