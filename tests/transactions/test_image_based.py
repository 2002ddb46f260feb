"""Image-based systems: built in a container and by rpm-ostree, then run with /usr read-only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpm_venv.cli import VERBS
from tests.host import Base, CommandFailed, Host, Hosts
from tests.host.applications import Application, answer, tiny_application, tiny_declared
from tests.host.images import Tree, built_in_a_container
from tests.host.index import listening, serve
from tests.host.project import TREE, ProjectRpms
from tests.host.wheels import Wheel
from tests.transactions.conftest import Build

DOCUMENT = TREE / "docs" / "image-based.md"
PATH = "/opt/app1/penv"
LOCK = "/usr/share/app1/requirements.txt"
WHEELS = "/usr/share/app1/wheels"

OWN_DIRECTORY = {"%files": "%dir /opt/app1"}
APPLICATIONS: tuple[Application, ...] = (
    tiny_application(name="app1", check=True, sections=OWN_DIRECTORY),
    tiny_declared(name="app2", level="wheels"),
    tiny_declared(name="app3", level="store"),
    tiny_declared(name="app4", level="env"),
)
FROM_INDEX = tiny_declared(name="app5", level="lock", ship=False)

#: Every verb on a system that runs from an image: its outcome there, and what is called.
TABLE = {
    "install": ("refuses", ("-r", LOCK, "-w", WHEELS, "-o", PATH)),
    "remove": ("refuses", (PATH,)),
    "verify": ("works", ()),
    "repair": ("refuses", ()),
    "sync": ("works", ()),
    "rollback": ("refuses", (PATH,)),
    "gc": ("refuses", ()),
    "check": ("works", ("-r", LOCK, "-o", PATH)),
    "list": ("works", ("--sizes",)),
    "show": ("works", (PATH,)),
    "owner": ("works", (f"{PATH}/bin/app1",)),
    "history": ("works", ()),
    "audit": ("works", ("--db", "/var/advisories")),
    "sbom": ("works", (PATH,)),
    "run": ("works", ("-u", "nobody", PATH, "app1")),
    "lock": ("works", (LOCK, "-")),
    "vendor": ("works", ("-r", LOCK, "-w", WHEELS, "-o", "--output", "/var/out", "/var/a.spec")),
    "wheel": ("works", ("--wheeldir", "/var/out", "/var/project")),
    "declare": ("works", ("-r", LOCK, "-w", WHEELS, "-o", "/opt/app9/penv")),
    "lint": ("works", ("/var/a.spec",)),
    "deps": ("works", ("--requires", "--buildroot", "/var/root")),
    "advisories": ("works", ("/var/advisories", "/var/out/advisories.index")),
}

#: What a verb of the table prints, where it "works" and prints something.
PRINTED = {
    "list": "app4-1-1.noarch",
    "show": "condition:    ok",
    "owner": "app1-1-1.noarch",
    "history": "install done",
    "audit": "TEST-1",
    "sbom": "CycloneDX",
    "run": "app1 1",
    "lock": "app1==1 --hash=sha256:",
    "vendor": "Source",
}
FOUND = {"audit": 3, "vendor": 3}

RECORD = {
    "id": "TEST-1",
    "modified": "2024-05-06T07:08:09Z",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "app1"}, "versions": ["1"]}],
}
SPEC = """\
Name: a
Version: 1
Release: 1
Summary: A
License: MIT
%description
A.
"""


@pytest.fixture(scope="module")
def packages(build: Build) -> list[Path]:
    return [build(application) for application in APPLICATIONS]


@pytest.fixture(scope="module")
def ostree(hosts: Hosts, system: Base, project_rpms: ProjectRpms) -> Base:
    """A tree of rpm-ostree that has the runtime."""
    return hosts.base("ostree", lambda host: Tree(host).layer(project_rpms.runtime), on=system)


@pytest.fixture(scope="module")
def booted(hosts: Hosts, ostree: Base, packages: list[Path]) -> Iterator[Tree]:
    """The same with all shapes and levels that it can make, running."""
    tree = Tree(hosts.fresh(ostree))
    tree.layer(*packages)
    tree.host.write("/var/advisories/TEST-1.json", json.dumps(RECORD))
    tree.host.write("/var/a.spec", SPEC)
    tree.host.write("/var/project/setup.py", "from setuptools import setup; setup(name='a')")
    for directory in ("/var/out", "/var/root"):
        tree.host.mkdir(directory)
    yield tree
    tree.host.close()


def _answers(tree: Tree) -> list[str]:
    words = "for name in app1 app2 app3 app4; do /opt/$name/penv/bin/$name; done"
    return tree.run("/bin/sh", "-c", words).stdout.splitlines()


# ---- rpm-ostree


def test_rpm_ostree_makes_every_shape_and_level_with_wheels(booted: Tree) -> None:
    assert len(booted.said) == 2  # of the wheels of app1 and app2; those of app3 were read before
    confined = "warning: wheels were read with less confinement: no network namespace, "
    assert all(confined in line for line in booted.said)
    assert _answers(booted) == [f"{each.name} 1" for each in APPLICATIONS]
    for words in (
        ("rpm-venv", "list"),
        ("rpm-venv", "verify"),
        ("rpm", "-V", "--nomtime", "rpm-venv", "app1"),
    ):
        assert booted.run(*words).stderr == ""


@pytest.mark.parametrize(
    ("application", "reason"),
    [
        (tiny_application(), "/opt/app1/penv (app1-1-1.noarch): rpm-ostree keeps nothing"),
        (tiny_application(check=True), "rpm-ostree keeps nothing that a scriptlet makes below /"),
        (FROM_INDEX, "app5-1-1.noarch): the index at pypi.org cannot be reached"),
        (
            tiny_declared(
                name="app2", sections={"%post": "%venv_run -u nobody /opt/app2/penv app2"}
            ),
            "app2 is not run: the environment is missing",
        ),
    ],
    ids=["no-directory", "no-directory-checked", "lock", "run-in-post"],
)
def test_what_rpm_ostree_cannot_make_fails_and_says_why(
    hosts: Hosts, ostree: Base, build: Build, application: Application, reason: str
) -> None:
    host = hosts.fresh(ostree)
    with pytest.raises(CommandFailed) as failed:
        Tree(host).layer(build(application))
    host.close()
    output = failed.value.result.output
    print(output)
    assert reason in output
    assert output.count("rpm-venv: ") == (2 if application.check else 1)


# ---- a container


@pytest.fixture(scope="module")
def container(hosts: Hosts, target_base: Base, packages: list[Path], build: Build) -> Base:
    """An image with all shapes and levels, the index answering while it is built."""

    def prepare(host: Host) -> None:
        wheels = FROM_INDEX.wheels
        assert isinstance(wheels, tuple)
        serve(host, *(wheel for wheel in wheels if isinstance(wheel, Wheel)))
        with listening(host):
            done = built_in_a_container(host, *packages, build(FROM_INDEX))
        print(done.output)
        others = [line for line in done.output.splitlines() if "less confinement" not in line]
        assert others == []

    return hosts.base("container", prepare, on=target_base)


def test_a_container_has_what_its_build_has_made(hosts: Hosts, container: Base) -> None:
    host = hosts.fresh(container)
    for application in (*APPLICATIONS, FROM_INDEX):
        assert answer(host, application.path, application.name) == f"{application.name} 1"
    assert host.run("rpm-venv", "list").stderr == ""
    assert host.run("rpm-venv", "verify").output == ""
    host.rpm("-e", "app1", "app3")  # a further layer
    assert not host.exists(PATH)
    assert host.run("rpm-venv", "gc").output == ""
    host.close()


# ---- the system that runs


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_where_usr_is_read_only(booted: Tree, verb: str) -> None:
    outcome, words = TABLE[verb]
    root = ("--root", "/var/root") if verb == "declare" else ()
    links = booted.host.readlink("/usr/lib/opt/app1/penv")
    done = booted.run("rpm-venv", *root, verb, *words, check=False)
    print(done)
    if outcome == "refuses":
        assert done.code == 1
        (line,) = done.output.splitlines()
        assert line.startswith("rpm-venv: /usr/lib/rpm-venv: Read-only file system: ")
        assert line.endswith("; make another image, or for this boot alone first call: "
                             "ostree admin unlock")  # fmt: skip
    else:
        assert done.code == FOUND.get(verb, 0), done
        assert PRINTED.get(verb, "") in done.stdout
        assert "Read-only" not in done.output
    assert booted.host.readlink("/usr/lib/opt/app1/penv") == links


def test_the_document_has_the_same_table() -> None:
    _, _, text = DOCUMENT.read_text().partition("## Every verb")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", text, re.MULTILINE)
    assert dict(rows) == {verb: outcome for verb, (outcome, _) in TABLE.items()}
    assert [verb for verb, _ in rows] == list(VERBS)


def test_sync_leads_old_links_in_var_to_the_new_image(booted: Tree) -> None:
    """Where /opt is in /var, what is there is of the image that was booted first."""
    host = booted.host
    wanted = host.readlink("/usr/lib/opt/app2/penv")
    host.shell("rm /var/opt/app1 /var/opt/app2; mkdir /var/opt/app2")
    host.path("/var/opt/app2/penv", follow=False).symlink_to(f"{Path(wanted).parent}/{'0' * 20}")
    listed = booted.run("rpm-venv", "list").stderr.splitlines()
    assert [line.split(":")[1] for line in listed] == [" /opt/app1/penv", " /opt/app2/penv"]
    audited = booted.run("rpm-venv", "audit", "--db", "/var/advisories", check=False)
    assert "/opt/app2/penv: not audited: generation" in audited.stderr
    done = booted.run("rpm-venv", "sync")
    assert (done.stdout, done.stderr) == ("healed /opt/app1/penv\nhealed /opt/app2/penv\n", "")
    assert _answers(booted) == [f"{each.name} 1" for each in APPLICATIONS]
    assert booted.run("rpm-venv", "sync").output == ""


def test_sync_says_in_one_line_what_takes_another_image(booted: Tree) -> None:
    path = "/etc/rpm-venv/extras.d/opt-app2-penv.txt"
    booted.host.write(path, f"other==1 --hash=sha256:{'0' * 64}\n")
    done = booted.run("rpm-venv", "sync", check=False)
    booted.host.path(path).unlink()
    assert done.code == 1
    (line,) = done.output.splitlines()
    assert "; /opt/app2/penv is pending: overrides or extras have changed since" in line
    assert line.endswith("ostree admin unlock")
