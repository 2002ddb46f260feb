"""-b env: the environment is the package's own files, which rpm brings, verifies and removes.

And the way from each level of what a package brings to each other.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.host import Host
from tests.host.applications import Application, answer, tiny_application, tiny_declared
from tests.host.project import TREE, ProjectRpms
from tests.host.wheels import Wheel, make_wheel
from tests.transactions.conftest import Build, Leftovers

PATH = "/opt/app1/penv"
HOME = "/usr/lib/rpm-venv/envs/opt-app1-penv"
LEVELS = ["lock", "wheels", "store", "env"]


def _wheel(version: str) -> Wheel:
    return make_wheel("app1", version, scripts={"app1": "app1:main"})


def _declared(version: str = "1", level: str = "env", **fields: Any) -> Application:
    return tiny_declared(version, level=level, **fields)


def _row(host: Host) -> dict[str, Any]:
    """What ``rpm-venv list`` tells of the environment."""
    rows: list[dict[str, Any]] = json.loads(host.run("rpm-venv", "--json", "list").stdout)[
        "environments"
    ]
    return next((row for row in rows if row["path"] == PATH), {})


def _ours(host: Host) -> list[str]:
    """What is in the places where rpm-venv keeps what it makes itself, generations aside."""
    places = ("store", "state", "staging")
    return [
        name
        for place in places
        for name in host.run("ls", f"/usr/lib/rpm-venv/{place}").stdout.split()
    ]


@pytest.fixture
def site(host: Host) -> Host:
    """The host, with a directory as the site's index, for packages that ship the lock alone."""
    for version in "123":
        wheel = _wheel(version)
        host.write(f"/srv/wheels/{wheel.filename}", wheel.content)
    host.write("/etc/pip.conf", "[global]\nno-index = true\nfind-links = /srv/wheels\n")
    return host


class Upgrades:
    """Packages of one name, installed one after the other, and what rpm said."""

    def __init__(self, host: Host, build: Build) -> None:
        self._host = host
        self._build = build
        self.said = ""

    def __call__(self, application: Application) -> None:
        package = self._build(application)
        self._host.publish(package)
        self.said += self._host.rpm(
            "-U", "--oldpackage", self._host.repository_path(package)
        ).output


def test_the_life_of_a_package(host: Host, build: Build, leftovers: Leftovers) -> None:
    upgrade = Upgrades(host, build)
    for version in ("1", "2", "1"):
        upgrade(_declared(version))
        assert answer(host) == f"app1 {version}"
        row = _row(host)
        assert (row["package"], row["level"], row["condition"]) == (
            f"app1-{version}-1.noarch", "env", "ok",
        )  # fmt: skip
        assert host.rpm("-V", "app1", "rpm-venv").output == ""
        assert host.run("rpm-venv", "verify").output == ""
        assert len(host.run("ls", HOME).stdout.split()) == 2
        assert _ours(host) == []
    assert upgrade.said == ""
    module = host.run("find", HOME, "-name", "app1.py").stdout.strip()
    inside = f"{PATH}/{module.partition(row['generation'])[2]}"
    assert host.rpm("-qf", PATH, module, inside).stdout == "app1-1-1.noarch\n" * 3
    host.rpm("-e", "app1")
    assert leftovers() == {}


@pytest.mark.parametrize("level", LEVELS[:3])
def test_from_a_level_to_another_and_back(
    site: Host, build: Build, leftovers: Leftovers, level: str
) -> None:
    """With another generation each time, and then with the same one under both owners."""
    host = site
    upgrade = Upgrades(host, build)
    for version, name, wheel in (
        ("1", level, "1"), ("2", "env", "2"), ("3", level, "3"), ("4", "env", "3"),
        ("5", level, "3"), ("4", "env", "3"), ("2", "env", "2"),
    ):  # fmt: skip
        upgrade(_declared(version, name, wheels=(_wheel(wheel),)))
        assert answer(host) == f"app1 {wheel}", version
        row = _row(host)
        assert (row["package"], row["level"], row["condition"]) == (
            f"app1-{version}-1.noarch", name, "ok",
        )  # fmt: skip
        assert host.run("rpm-venv", "verify").output == ""
        assert host.rpm("-V", "app1", "rpm-venv").output == ""
        assert name != "env" or _ours(host) == []
    assert upgrade.said == ""
    host.rpm("-e", "app1")
    assert leftovers() == {}


@pytest.mark.parametrize("first", ["scriptlets", "env"])
def test_from_scriptlets_to_a_level_without_and_back(
    host: Host, build: Build, leftovers: Leftovers, first: str
) -> None:
    upgrade = Upgrades(host, build)
    own_directory = {"%install": "mkdir -p %{buildroot}/opt/app1", "%files": "%dir /opt/app1"}
    wheels = ["1", "2", "2", "3"]
    for number, wheel in enumerate(wheels):
        is_whole = (number % 2 == 0) == (first == "env")
        sections = {} if is_whole else own_directory
        made = _declared if is_whole else tiny_application
        upgrade(made(str(number), wheels=(_wheel(wheel),), sections=sections))
        assert answer(host) == f"app1 {wheel}"
        row = _row(host)
        assert (row["package"], row["condition"]) == (f"app1-{number}-1.noarch", "ok")
        assert host.run("rpm-venv", "verify").output == ""
        assert host.rpm("-V", "app1", "rpm-venv").output == ""
    assert upgrade.said == ""
    host.rpm("-e", "app1")
    assert leftovers() == {}


def test_a_system_without_the_runtime(
    bare_host: Host, build: Build, project_rpms: ProjectRpms
) -> None:
    host = bare_host
    host.publish(project_rpms.runtime)
    before = host.snapshot()
    upgrade = Upgrades(host, build)
    for version in ("1", "2"):
        upgrade(_declared(version, options="-c app1"))
        assert answer(host) == f"app1 {version}"
        assert host.run("app1", user=65534).stdout == f"app1 {version}\n"
    assert "rpm-venv >=" not in host.rpm("-q", "--requires", "app1").stdout
    assert host.rpm("-V", "app1").output == ""
    assert upgrade.said == ""
    host.rpm("-i", host.repository_path(project_rpms.runtime))
    assert (_row(host)["level"], _row(host)["condition"]) == ("env", "ok")
    host.run("rpm-venv", "gc")
    host.run("rpm-venv", "repair")
    host.rpm("-e", "rpm-venv")
    assert answer(host) == "app1 2"
    host.rpm("-e", "app1")
    left = host.snapshot().keys() - before.keys()
    assert [path for path in left if "venv" in path or path.startswith("/opt")] == []


def test_what_is_changed_is_seen_by_rpm_and_mended_by_it(host: Host, build: Build) -> None:
    host.publish(build(_declared()))
    host.dnf("install", "app1")
    module = host.run("find", HOME, "-name", "app1.py").stdout.strip()
    host.write(module, host.read(module).replace("main", "MAIN"))
    found = host.rpm("-V", "app1", check=False)
    assert (found.code, found.output) == (1, f"..5....T.    {module}\n")
    inside = module.partition("/site-packages/")[0].rpartition("/lib/")[2]
    found = host.run("rpm-venv", "verify", check=False)
    assert f"content  {PATH}/lib/{inside}/site-packages/app1.py" in found.output
    assert "dnf reinstall app1" in found.output
    refused = host.run("rpm-venv", "repair", check=False)
    assert "not as the package app1-1-1.noarch brought it" in refused.output
    assert "dnf reinstall app1" in refused.output
    host.dnf("reinstall", "app1")
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    assert host.run("rpm-venv", "repair").output == ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("rollback", PATH), "dnf downgrade"),
        (("remove", PATH), "remove its package"),
        (("install", "-r", "/srv/requirements.txt", PATH), "another version of its package"),
    ],
)
def test_verbs_that_cannot_act_say_so(
    host: Host, build: Build, words: tuple[str, ...], hint: str
) -> None:
    package = build(_declared())
    host.publish(package)
    host.rpm("-i", host.repository_path(package))
    host.write("/srv/requirements.txt", "")
    before = host.snapshot()
    refused = host.run("rpm-venv", *words, check=False)
    assert refused.code == 1
    assert (
        "the files of this environment are those of the package app1-1-1.noarch" in refused.stderr
    )
    assert hint in refused.stderr
    for verb in ("gc", "sync", "repair"):
        assert host.run("rpm-venv", verb).output == ""
    assert host.run("rpm-venv", "install", PATH).output == ""
    host.run("rpm-venv", "remove", "--package", "app1-1-1.noarch", "--count", "0", PATH)
    assert host.snapshot() == before


def test_a_link_that_is_not_the_packages(host: Host, build: Build) -> None:
    package = build(_declared())
    host.publish(package)
    host.rpm("-i", host.repository_path(package))
    host.run("ln", "-sfn", f"{HOME}/{'0' * 20}", PATH)
    assert _row(host)["condition"] == "replaced"
    assert host.run("rpm-venv", "verify", check=False).stdout.startswith(f"replaced {PATH}")
    host.run("rm", PATH)
    assert _row(host)["condition"] == "missing"
    host.run("rpm-venv", "gc")
    assert host.run("find", HOME, "-name", "app1.py").stdout.strip()
    host.rpm("--reinstall", host.repository_path(package))
    assert _row(host)["condition"] == "ok"


def test_generations_in_use_stay_until_they_are_not(
    host: Host, build: Build, leftovers: Leftovers
) -> None:
    upgrade = Upgrades(host, build)
    upgrade(_declared("1", "wheels"))
    running = host.start(
        f"{PATH}/bin/python", "-c", "import time; print(flush=True); time.sleep(99)"
    )
    assert running.stdout and running.stdout.readline() == "\n"
    upgrade(_declared("2"))
    assert len(host.run("ls", HOME).stdout.split()) == 3
    upgrade(_declared("1"))  # whose generation has another name: rpm never unpacks into ours
    assert len(host.run("ls", HOME).stdout.split()) == 3
    upgrade(_declared("2", "wheels"))
    upgrade(_declared("3"))
    running.kill()
    running.communicate()
    host.run("rpm-venv", "gc")
    assert len(host.run("ls", HOME).stdout.split()) == 2
    assert _ours(host) == []
    host.rpm("-e", "app1")
    assert leftovers() == {}


# ---- what rpm does, as it is


def test_a_directory_in_the_way_of_the_link(host: Host, build: Build) -> None:
    """rpm replaces no directory by a link. A package can move it away first, in %pretrans."""
    package = build(_declared())
    document = (TREE / "docs" / "macros.md").read_text()
    _, _, rest = document.partition("```spec\n%pretrans -p <lua>\n")
    move = rest.partition("```")[0]
    assert PATH in move
    moving = build(_declared(sections={"%pretrans -p <lua>": move}))
    host.publish(package)
    host.write(f"{PATH}/pyvenv.cfg", "home = /usr/bin\n")
    refused = host.rpm("-i", host.repository_path(package), check=False)
    assert refused.code != 0
    assert f"unpacking of archive failed on file {PATH}" in refused.stderr
    assert host.rpm("-q", "app1", check=False).code == 1
    assert host.read(f"{PATH}/pyvenv.cfg") == "home = /usr/bin\n"
    host.publish(moving)
    host.rpm("-i", host.repository_path(moving))
    assert answer(host) == "app1 1"
    assert host.read(f"{PATH}.rpmmoved/pyvenv.cfg") == "home = /usr/bin\n"


def test_the_link_is_switched_when_the_generation_is_there_and_before_the_old_one_goes(
    host: Host, build: Build
) -> None:
    """A kill at %post, after the one and before the other; the same command then finishes it."""
    killing = "[ ! -e /srv/kill ] || kill -9 $PPID"
    packages = [build(_declared("1")), build(_declared("2", sections={"%post": killing}))]
    host.publish(*packages)
    host.rpm("-i", host.repository_path(packages[0]))
    host.write("/srv/kill", "")
    host.rpm("-U", host.repository_path(packages[1]), check=False)
    assert answer(host) == "app1 2"
    assert len(host.run("ls", HOME).stdout.split()) == 3
    host.path("/srv/kill").unlink()
    host.rpm("-U", "--replacepkgs", host.repository_path(packages[1]))
    assert answer(host) == "app1 2"
    assert host.rpm("-q", "app1").stdout == "app1-2-1.noarch\n"
    assert host.rpm("-V", "app1").output == ""
    assert len(host.run("ls", HOME).stdout.split()) == 2


def test_the_order_in_which_rpm_replaces_what_the_path_leads_to(host: Host, build: Build) -> None:
    names = [build(_declared("1")), build(_declared("2"))]
    host.publish(*names)
    listed = host.rpm("-qpl", host.repository_path(names[1])).stdout.split()
    inside = [path.removeprefix(f"{HOME}/") for path in listed if path.startswith(f"{HOME}/")]
    assert inside[-1] == "live"
    assert all(name.startswith(inside[0]) for name in inside[:-1])


# ---- one environment at all levels


def _tree(host: Host) -> list[str]:
    """Every path of the environment with its mode and target, and the digest of each file."""
    return host.shell(
        "cd -P /opt/app1/penv/ && find . -printf '%P %M %l\\n' | sort && "
        "find . -type f | sort | xargs sha256sum"
    ).stdout.splitlines()


def _resolved(host: Host) -> list[str]:
    """The same with all links followed and the generation's name left out: what a process finds."""
    return host.shell(
        "cd -P /opt/app1/penv/ && name=$(basename $PWD) && "
        "find -L . -path ./.rpm-venv -prune -o -printf '%P %M\\n' | sort && "
        "find -L . -path ./.rpm-venv -prune -o -type f ! -name RECORD -print | sort | "
        'while read file; do echo "$file $(sed s/$name/NAME/g $file | sha256sum)"; done'
    ).stdout.splitlines()


def test_it_is_the_same_environment_at_all_levels(site: Host, build: Build) -> None:
    host = site
    trees, resolved, manifests = {}, {}, {}
    wheels = (
        make_wheel(
            "app1", "1", scripts={"app1": "app1:main"},
            data={"scripts/tool": "#!python\nprint('tool')\n", "headers/a.h": "int a;\n"},
        ),
        make_wheel("zap", "2", {"zap/__init__.py": "", "zap/data.txt": "text"}),
    )  # fmt: skip
    for wheel in wheels:
        host.write(f"/srv/wheels/{wheel.filename}", wheel.content)
    for level in LEVELS:
        package = build(_declared(level=level, wheels=wheels))
        host.publish(package)
        host.rpm("-i", host.repository_path(package))
        trees[level] = _tree(host)
        resolved[level] = _resolved(host)
        manifests[level] = host.shell(f"sha256sum {PATH}/.rpm-venv/*").stdout
        found = host.shell(f"grep -rl BUILDROOT {HOME}/ /usr/lib/rpm-venv/packaged/", check=False)
        assert found.output == "", level
        host.rpm("-e", "app1")
    assert len(trees["lock"]) > 40
    for level in LEVELS[1:]:
        assert resolved[level] == resolved["lock"]
        if level != "env":
            assert trees[level] == trees["lock"]
            assert manifests[level] == manifests["lock"]
    # What rpm owns are real files: nothing in it leads to this machine's store.
    assert any("/store/" in line for line in trees["lock"])
    assert not any("/store/" in line for line in trees["env"])
