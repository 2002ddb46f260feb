"""The examples and the README, as a newcomer would take them: word for word, on a fresh host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo import STEPS, Demo, Narrator
from examples.example import SALES_REPORT, Example, wheels
from tests.host import Host, Hosts
from tests.host.project import TREE, ProjectRpms, builder

WORK = "/srv/sales-report"


def _blocks(document: str, language: str) -> list[str]:
    text = (TREE / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def workshop(hosts: Hosts, project_rpms: ProjectRpms) -> Iterator[Host]:
    """A host on which packages can be built, and installed: one for all, as wheels are unpacked
    and compiled once, and each way comes upon what the one before has left."""
    host = hosts.fresh(builder(hosts, project_rpms))
    yield host
    host.close()


def _copy(example: Example, place: Path) -> None:
    """The files of an example but the wheels, which are for the author to get."""
    for name, path in example.sources().items():
        if isinstance(path, Path) and not name.endswith(".tar"):
            (place / name).write_bytes(path.read_bytes())


def _as_author(block: str, place: Path) -> None:
    """Run shell lines where the author works: rpm-venv and pip are there, and an index that has
    the wheels of the example alone."""
    command = place / "bin" / "rpm-venv"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rpm_venv "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(TREE / "src"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels(SALES_REPORT.lock) / "wheels"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    subprocess.run(["sh", "-euc", block], cwd=place, env=environment, check=True)


def test_the_demo_does_what_it_says(hosts: Hosts, project_rpms: ProjectRpms) -> None:
    said: list[str] = []
    # It builds both examples as they are, installs, runs, verifies and removes them, and looks.
    Demo(hosts, project_rpms, Narrator(said.append)).run()
    titles = [line[4:].rsplit("  ", 1)[0].rstrip() for line in said if line[2:4] == ". "]
    assert [title for title, _ in STEPS] == [re.sub(r" +[\d.]+ s$", "", title) for title in titles]


def test_the_readme_can_be_followed(workshop: Host, tmp_path: Path) -> None:
    _, lock_and_fetch, build_and_install = _blocks("README.md", "sh")
    _copy(SALES_REPORT, tmp_path)
    (tmp_path / "requirements.txt").unlink()
    _as_author(lock_and_fetch, tmp_path)
    workshop.write(WORK, tmp_path)
    result = workshop.run("sh", "-euc", build_and_install, cwd=WORK)
    assert "(pandas " in result.stdout
    (look,) = _blocks("README.md", "console")
    for line in look.splitlines():
        said = workshop.shell(line.removeprefix("# "))
        assert "/opt/sales-report/penv" in said.stdout or "verify" in line or "repair" in line


def test_the_readmes_other_shape_is_the_same_application(workshop: Host) -> None:
    *_, declared = _blocks("README.md", "spec")
    spec = re.sub(r"^%install\n.*(?=^%changelog)", lambda _: f"{declared}\n", SALES_REPORT.spec,
                  flags=re.DOTALL | re.MULTILINE)  # fmt: skip
    spec = spec.replace("Version:        1.0\n", "Version:        2.0\n")
    assert "%post" not in spec
    (package,) = workshop.build(spec, SALES_REPORT.sources("2.0"))
    workshop.publish(package)
    workshop.dnf("install", "sales-report-2.0")
    said = workshop.run("sales-report", "/usr/share/sales-report/sales.csv", user=65534)
    assert "(pandas " in said.stdout
    assert workshop.rpm("-V", "sales-report", "rpm-venv").output == ""


def test_the_readmes_packages_can_be_installed(
    hosts: Hosts, project_rpms: ProjectRpms, bare_host: Host
) -> None:
    make_and_install, *_ = _blocks("README.md", "sh")
    make, install = make_and_install.splitlines()
    assert make == "make rpms"
    for package in (project_rpms.runtime, project_rpms.macros):
        bare_host.write(f"/srv/tree/dist/{package.name}", package)
    bare_host.run("sh", "-euc", install, cwd="/srv/tree")
    assert bare_host.run("rpm-venv", "--version").stdout.startswith("rpm-venv ")


def test_an_examples_source_package_holds_the_wheels(workshop: Host, tmp_path: Path) -> None:
    (fetch_and_pack,) = _blocks("examples/README.md", "sh")
    *fetch, pack = fetch_and_pack.splitlines()
    _copy(SALES_REPORT, tmp_path)
    _as_author("\n".join(fetch), tmp_path)
    workshop.write(WORK, tmp_path)
    workshop.run("sh", "-euc", pack, cwd=WORK)
    listed = workshop.shell(f"rpm -qpl {WORK}/sales-report-1.0-1*.src.rpm").stdout.split()
    assert "sales-report-1.0-wheels.tar" in listed
