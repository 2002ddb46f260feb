"""The project's own spec file, as each distribution that it is for reads it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.host import RpmTools

FEDORA = Path(__file__).resolve().parents[2] / "fedora"
SPEC = FEDORA / "venv-rpm-macros.spec"
BUNDLED = {"packaging": "26.3", "tomli": "2.5"}


@dataclass(frozen=True)
class Distribution:
    """What a distribution tells rpm of itself, and what it has to get."""

    defines: tuple[str, ...]
    python: str = "python3"
    bundled: tuple[str, ...] = ("packaging",)
    systemd: str = "systemd-rpm-macros"


DISTRIBUTIONS = {
    "el8": Distribution(("rhel 8", "dist .el8"), "python3.12", systemd="systemd"),
    "el9": Distribution(("rhel 9", "dist .el9"), bundled=("packaging", "tomli")),
    "el10": Distribution(("rhel 10", "dist .el10")),
    "fc43": Distribution(("fedora 43", "dist .fc43")),
}


def rpmspec(distribution: Distribution, *arguments: str) -> list[str]:
    """The lines that rpmspec prints of the spec file on this distribution."""
    tools = RpmTools.from_environment()
    beside = Path(tools.rpm).with_name("rpmspec")  # "rpm" alone: looked for on PATH
    words = [word for define in distribution.defines for word in ("--define", define)]
    done = subprocess.run(
        [str(beside), *words, "--define", f"_sourcedir {FEDORA}", *arguments, str(SPEC)],
        env={**os.environ, **tools.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_each_distribution_gets_its_own_packages(name: str) -> None:
    distribution = DISTRIBUTIONS[name]
    python = distribution.python

    lists = "[R:%{requirenevrs};][P:%{providenevrs};][W:%{recommendnevrs};]"
    form = f"%{{name}} %{{release}} %{{license}} {lists}\n"
    macros, runtime = rpmspec(distribution, "-q", "--qf", form)
    requires, provides, wanted = (
        set(re.findall(rf"{letter}:([^;]*);", runtime)) for letter in "RPW"
    )
    licence = f"1.{name} MIT AND (Apache-2.0 OR BSD-2-Clause)"
    assert macros.startswith(f"venv-rpm-macros {licence} R:rpm-build;R:rpm-venv = 0.1.0-1.{name};")
    assert runtime.startswith(f"rpm-venv {licence} ")
    assert {need for need in requires if need != "/bin/sh"} == {f"{python} >= 3.9"}
    assert wanted == {f"{python}-pip", f"{python}-rpm"}
    assert {offer for offer in provides if offer.startswith("bundled")} == {
        f"bundled(python3dist({library})) = {BUNDLED[library]}" for library in distribution.bundled
    }

    build = rpmspec(distribution, "-q", "--srpm", "--qf", "[%{requirenevrs}\n]")
    assert set(build) == {
        "/usr/bin/go-md2man",
        f"{python} >= 3.9",
        f"{python}-pytest",
        "rpm-build",
        distribution.systemd,
    }

    text = "\n".join(rpmspec(distribution, "-P"))
    assert f"'1s,/usr/bin/python3,/usr/bin/{python},'" in text
    assert set(re.findall(r"^(?:PYTHONHASHSEED=0 )?\s*(/usr/bin/python\S*) -m", text, re.M)) == {
        f"/usr/bin/{python}"
    }
    assert f"export PYTHONPATH=src:{FEDORA}/packaging-26.3-py3-none-any.whl:" in text
    licences = {f"LICENSES-{library}" for library in distribution.bundled}
    assert set(re.findall(r"LICENSES-[a-z]+", text)) == licences
    assert text.endswith((FEDORA / "changelog").read_text().strip())


def test_the_sources_are_those_that_are_pinned() -> None:
    lines = (FEDORA / "sources").read_text().splitlines()
    named = [re.fullmatch(r"SHA512 \((\S+)\) = ([0-9a-f]{128})", line) for line in lines]
    wheels = {match[1]: match[2] for match in named if match}
    assert len(wheels) == len(lines)

    pinned = re.findall(r"^(\w+)==([\d.]+)", (FEDORA / "bundled.txt").read_text(), re.M)
    assert set(wheels) == {f"{name}-{version}-py3-none-any.whl" for name, version in pinned}
    text = "\n".join(rpmspec(DISTRIBUTIONS["fc43"], "-P"))
    assert set(re.findall(r"^Source\d+: +(\S+\.whl)", text, re.M)) == set(wheels)
    for library, version in BUNDLED.items():
        assert any(name == library and held.startswith(version) for name, held in pinned)
