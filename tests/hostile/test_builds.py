"""What a build reads of strangers: buildroots, spec files, projects, locks, records.

Each answer comes within processor time that is in proportion to what was read.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.advisories import findings, index, osv
from rpm_venv.advisories.osv import RecordError
from rpm_venv.building import buildroot, vendored
from rpm_venv.errors import LockError, VenvError
from rpm_venv.linting import mistakes
from rpm_venv.linting.commands import commands
from rpm_venv.linting.spec_file import Line
from rpm_venv.locks import carry, project
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from tests.hostile.building import cpu_limited, running_interpreter, source
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

PYTHON = running_interpreter().path
SHARE = "usr/share/app"
LOCAL = f"-n app -r /{SHARE}/requirements.txt -w /{SHARE}/wheels -o -p {PYTHON} /opt/app/penv"


class Build:
    """A buildroot, and a directory beside it that no build has to do with."""

    def __init__(self, place: Path) -> None:
        self.root = place / "buildroot"
        self.outside = place / "outside"
        self.lock = place / "requirements.txt"
        self.wheels = place / "wheels"
        for each in (self.root, self.outside, self.wheels):
            each.mkdir()
        (self.outside / "rpm-venv").mkdir()
        self.wheel = source(Wheel().write(self.wheels))
        self.lock.write_text(f"demo==1.0 --hash=sha256:{self.wheel.sha256}\n")

    def link(self, name: str, target: Path) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).symlink_to(target)

    def declare(self) -> int:
        words = ["-r", str(self.lock), "-w", str(self.wheels), "-o", "-p", PYTHON]
        words += ["-b", "lock", "/opt/app/penv"]
        return cli.main(["--root", str(self.root), "declare", *words])

    def deps(self, *words: str) -> int:
        return cli.main(["deps", *words, "--buildroot", str(self.root)])

    def seen_outside(self) -> list[str]:
        return sorted(str(path.relative_to(self.outside)) for path in self.outside.rglob("*"))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


@pytest.mark.parametrize(
    "name", ["opt", "opt/app", "usr", "usr/share", "usr/share/rpm-venv", "usr/lib/rpm-venv"]
)
def test_a_link_in_the_buildroot_does_not_lead_a_build_out_of_it(
    build: Build, tally: Tally, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    build.link(name, build.outside)
    assert build.declare() == 1
    said = capsys.readouterr().err
    assert "leads out of" in said
    assert "make that link relative" in said
    if name in ("usr", "usr/share"):
        assert build.deps("--set-aside") == build.deps("--check") == 1
    assert build.seen_outside() == ["rpm-venv"]
    assert sorted(build.root.iterdir()) == [build.root / name.partition("/")[0]]
    tally("buildroots", "refused")


@pytest.mark.parametrize(
    "linked", ["requirements.txt", "wheels", "wheels/demo-1.0-py3-none-any.whl"]
)
def test_a_package_ships_no_link_to_a_file_of_the_builder(
    build: Build, tally: Tally, capsys: pytest.CaptureFixture[str], linked: str
) -> None:
    place = build.root / SHARE
    shutil.copytree(build.wheels, place / "wheels")
    shutil.copy(build.lock, place)
    assert build.deps("--check", "-d", LOCAL) == 0
    there = place / linked
    shutil.rmtree(there) if there.is_dir() else there.unlink()
    there.symlink_to(build.lock.parent / linked)
    assert build.deps("--check", "-d", LOCAL) == 1
    assert "leads out of" in capsys.readouterr().err
    tally("buildroots", "refused")


def test_an_archive_of_wheels_does_not_fill_the_disk(build: Build, tally: Tally) -> None:
    large = build.outside / "demo-2.0-py3-none-any.whl"
    large.touch()
    os.truncate(large, 64 << 20)
    archive = build.outside / "wheels.tar"
    command = ["tar", "--sparse", "-cf", str(archive), "-C", str(build.outside), large.name]
    subprocess.run(command, check=True)
    assert archive.stat().st_size < 1 << 20
    with pytest.raises(VenvError, match="is a sparse file"):
        vendored.unpack(archive, build.wheels)
    assert os.listdir(build.wheels) == [build.wheel.path.name]
    tally("buildroots", "refused")


def test_a_lock_that_is_a_device_does_not_hold_a_build_up(build: Build, tally: Tally) -> None:
    build.lock = Path("/dev/zero")
    with cpu_limited(10):
        assert build.declare() == 1
    tally("buildroots", "refused")


def test_a_list_of_files_may_have_an_authors_lines(tmp_path: Path, tally: Tally) -> None:
    listed = tmp_path / "files"
    listed.write_text("\n%license LICENSE\n%doc ../x\n/gone\n")
    buildroot.add_to_list(Layout(tmp_path), listed, ["/own"])
    assert listed.read_text() == "\n%license LICENSE\n%doc ../x\n/own\n"
    tally("buildroots", "made safe")


POST = "%post\n"
SIZE = 1 << 15
SPECS = {
    "definitions that double": "%global a %{a}%{a}\n" + POST + "%{a}\n" * (SIZE // 8),
    "conditions in conditions": POST + "if [ $1 = 0 ]; then\n" * (SIZE // 21),
    "brackets": POST + "(" * SIZE,
    "negations": POST + "[ " + "! " * (SIZE // 2) + "b ]",
    "alternatives": POST + "[ " + "a -o " * (SIZE // 5) + "b ]",
    "removals": POST
    + "".join(f"python3 -m venv /opt/a{n}/b\nrm -rf /opt/a{n}/b\n" for n in range(SIZE // 50)),
    "files": "%files\n"
    + "".join(f"/opt/f{n}\n" for n in range(SIZE // 20))
    + "%install\n"
    + "".join(f"python3 -m venv /opt/a{n}/b\n" for n in range(SIZE // 60)),
    "documents": "%files\n"
    + "".join(f"%doc /a/r{n}.txt\n" for n in range(SIZE // 40))
    + POST
    + "".join(f"%venv_install -r /a/r{n}.txt /opt/a{n}/b\n" for n in range(SIZE // 80)),
}


@pytest.mark.parametrize("kind", SPECS)
def test_no_spec_file_takes_long_to_lint(kind: str, tally: Tally) -> None:
    with cpu_limited(5):
        mistakes.find(SPECS[kind])
    tally("spec files", "made safe")


def test_what_a_command_stands_behind_is_not_the_square_of_its_depth(tally: Tally) -> None:
    text = "if [ $1 = 0 ]; then\n" * 500 + "pip install x\n"
    found = commands([Line(1, text)])
    assert sum(len(command.tests) for command in found) < 65 * len(found)
    tally("spec files", "made safe")


def test_a_spec_file_without_an_end_does_not_fill_memory(tmp_path: Path, tally: Tally) -> None:
    spec = tmp_path / "a.spec"
    spec.touch()
    os.truncate(spec, 1 << 36)
    assert cli.main(["lint", str(spec)]) == 2
    tally("spec files", "refused")


PACKAGES = "".join(f'[[package]]\nname="a"\nversion="{n}"\n' for n in range(3000))
EDGES = ",".join(f'{{name="a",version="{n}"}}' for n in range(3000))
TAGS = "-".join([".".join(["a"] * 150)] * 3)
ROOT = '[[package]]\nname="r"\nversion="1"\nsource={editable="."}\n'
UV_LOCKS = {
    "many of one name": f"version = 1\n{ROOT}dependencies=[{EDGES}]\n{PACKAGES}",
    "a million tags": f'version = 1\n{ROOT}dependencies=[{{name="a"}}]\n[[package]]\nname="a"\n'
    f'version="1"\nwheels=[{{url="https://x/a-1-{TAGS}.whl"}}]\n',
    "a deep key": "version = 1\n" + "a." * 50_000 + "b = 1\n",
    "a deep marker": f'version = 1\n{ROOT}dependencies=[{{name="a",marker="'
    + "(" * 9000 + "os_name=='x'" + ")" * 9000 + '"}]\n',
}  # fmt: skip


@pytest.mark.parametrize("kind", UV_LOCKS)
def test_no_lock_of_another_program_takes_long(kind: str, tally: Tally) -> None:
    here = interpreter.inspect(Layout(), os.path.realpath(sys.executable))
    with cpu_limited(10), pytest.raises(LockError):
        carry.over(UV_LOCKS[kind].encode(), "uv.lock", [here], [], [])
    tally("locks", "refused")


def test_groups_that_include_others_twice_are_read_once(tally: Tally) -> None:
    text = '[project]\nname = "p"\n[dependency-groups]\n'
    text += "".join(f'g{n} = [{{include-group = "g{n + 1}"}}, {{include-group = "g{n + 1}"}}]\n'
                    for n in range(50))  # fmt: skip
    with cpu_limited(10):
        assert project.lines(f'{text}g50 = ["a>1"]\n'.encode(), "p", (), ["g0"]) == ("a>1",)
    tally("locks", "made safe")


def record(number: int = 0, affected: object = ()) -> bytes:
    return json.dumps(
        {"id": f"A-{number}", "modified": "2026-01-01", "affected": affected}
    ).encode()


def events(count: int) -> list[dict[str, str]]:
    return [{"introduced": "0"}, *({"fixed": f"{n}.0"} for n in range(2, count))]


DEMO = {"ecosystem": "PyPI", "name": "demo"}


@pytest.mark.parametrize(
    "affected",
    [
        [{"package": DEMO, "ranges": [{"type": "ECOSYSTEM", "events": events(3000)}]}],
        [{"package": {**DEMO, "name": f"d{n}"}, "versions": ["1"]} for n in range(3000)],
    ],
    ids=["events", "projects"],
)
def test_a_record_that_would_take_the_square_of_its_size_is_none(
    affected: object, tally: Tally
) -> None:
    with pytest.raises(RecordError, match="more than 500 projects or 2000 events"):
        osv.loads(record(0, affected))
    tally("advisories", "refused")


def _everything_fixed_is_affected() -> int:
    ranges = [{"type": "ECOSYSTEM", "events": events(1500)},
              {"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]  # fmt: skip
    versions = [f"{n}.1" for n in range(20_000)]
    advisory = osv.loads(record(0, [{"package": DEMO, "ranges": ranges, "versions": versions}]))
    return len(findings.vulnerabilities("demo", "1.0", [advisory]))


def _many_records_of_one_project() -> int:
    affected = [{"package": DEMO, "versions": ["1.0"]}]
    advisories = [osv.loads(record(n, affected)) for n in range(10_000)]
    return len(findings.vulnerabilities("demo", "1.0", advisories))


@pytest.mark.parametrize(
    ("work", "found"), [(_everything_fixed_is_affected, 1), (_many_records_of_one_project, 10_000)]
)
def test_what_records_say_is_found_in_time(
    work: Callable[[], int], found: int, tally: Tally
) -> None:
    with cpu_limited(4):
        assert work() == found
    tally("advisories", "made safe")


@pytest.mark.parametrize(
    "damage", [{"places": {"demo": [10**30, 5]}}, {"records": float("inf")}, {"newest": 5}]
)
def test_an_index_of_advisories_that_lies_is_none(damage: dict[str, object], tally: Tally) -> None:
    head: dict[str, object] = {
        "rpm-venv advisories": 1,
        "records": 1,
        "withdrawn": 0,
        "unreadable": 0,
    }
    head |= {"newest": None, "skipped": [], "places": {}}
    assert index.head(json.dumps(head).encode()).summary.records == 1
    with pytest.raises(RecordError):
        index.head(json.dumps({**head, **damage}).encode())
    tally("advisories", "refused")


def test_names_of_environments_are_completed_and_not_expanded(tmp_path: Path, tally: Tally) -> None:
    """Whatever ``list`` should print one day: root's shell completes it, and runs none of it."""
    text = Path(__file__).parents[2].joinpath("fedora/completions.py").read_text()
    (preamble,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PREAMBLE"
    )
    program = tmp_path / "rpm-venv"
    evil = f"/opt/$(touch {tmp_path}/run)/penv a b\n/opt/`touch {tmp_path}/run`/penv a\n"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{evil}/opt/app1/penv ok\nno path\nE\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", preamble["bash"] + '\n_rpm_venv_environments "/opt/"'],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "/opt/app1/penv"
    assert not (tmp_path / "run").exists()
    tally("terminals", "made safe")
