"""The counted form of the bench: a slow-down shows, however busy the machine is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.bench import counted, disk, goals, show
from tests.bench.measured import Cost
from tests.faults import systems
from tests.faults.systems import Command

#: What a call with nothing to do must not import: each costs as much as the call itself may.
FORBIDDEN = {
    *(
        "argparse",
        "ctypes",
        "dataclasses",
        "datetime",
        "inspect",
        "packaging",
        "shutil",
        "socket",
        "subprocess",
    ),
    *(
        "_hashlib",
        "hashlib",
        "tempfile",
        "typing",
        "zipfile",
        "rpm",
        "rpm_venv.system.rpmdb",
        "rpm_venv.system.sandbox",
    ),
    *("rpm_venv.choose", "rpm_venv.locks.lock", "rpm_venv.trees.assemble", "rpm_venv.wheels.batch"),
}
#: What a second environment of wheels whose versions and tags are plain must not; nor who looks.
LITTLE = {
    *("argparse", "dataclasses", "inspect", "packaging", "shlex", "socket", "subprocess"),
    *("tempfile", "threading", "typing", "zipfile", "rpm", "rpm_venv.system.sandbox"),
    *("rpm_venv.wheels.batch", "rpm_venv.wheels.unpack"),
}
#: What the calls of every build before its passes, and for conflicts, must not.
SHORT = {
    *("packaging", "subprocess", "tempfile", "zipfile", "rpm_venv.linting.mistakes"),
    *("rpm_venv.building.payload", "rpm_venv.building.libraries", "rpm_venv.fetching.shelf"),
}
MODULES = """
import json, os, sys
from rpm_venv import cli
code = cli.main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counted")


@pytest.fixture(scope="module")
def found(scratch: Path) -> dict[str, dict[str, int]]:
    return counted.measured(scratch)


def test_no_work_takes_more_than_was_recorded(found: dict[str, dict[str, int]]) -> None:
    recorded = json.loads(counted.RECORDED.read_text())
    assert found.keys() == recorded.keys()
    worse = counted.slower(recorded, found)
    assert not worse, f"if it is meant: python -m tests.bench.counted --record\n{worse}"


def test_what_has_nothing_to_do_writes_nothing(found: dict[str, dict[str, int]]) -> None:
    idle = found["install with nothing to do"]
    assert not {"bytes written", "durable", "processes", "writes"} & idle.keys()
    assert not {"bytes written", "changes", "creates", "processes"} & found["verify"].keys()


def test_other_environments_cost_nothing(found: dict[str, dict[str, int]]) -> None:
    alone = found["install with nothing to do"]
    assert found["nothing to do beside another environment"] == alone


def test_more_than_was_recorded_is_found() -> None:
    recorded = {"work": {"opens": 100, "durable": 2}}
    assert counted.slower(recorded, {"work": {"opens": 110, "durable": 7}}) == []
    assert counted.slower(recorded, {"work": {"opens": 111}}) == ["work: opens 111, recorded 100"]
    assert counted.slower(recorded, {"work": {"durable": 8}}) == ["work: durable 8, recorded 2"]
    assert counted.slower(recorded, {"new": {"opens": 6}}) == ["new: opens 6, recorded 0"]


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        (systems.install(2), FORBIDDEN),  # the last that was installed
        (systems.install(2, systems.THIRD), LITTLE),
        (("list",), LITTLE),
        (("show", systems.PATH), LITTLE),
        (("deps", "--set-aside", "--buildroot", "/nowhere"), SHORT),
        (("deps", "--conflicts", "--buildroot", "/nowhere", "-d", "-n x -r /x /opt/x"), SHORT),
    ],
)
def test_no_more_is_imported_than_a_call_needs(
    scratch: Path, words: tuple[str, ...], forbidden: set[str]
) -> None:
    argv = Command(scratch / "src").python(MODULES, "--root", str(scratch / "root"), *words)
    said = subprocess.run(argv, input="/x", capture_output=True, text=True, check=True).stdout
    code, modules = json.loads(said.splitlines()[-1])
    assert code == 0
    assert not forbidden & set(modules)


# ---- what the bench makes of its measurements


MEASURED = {
    ("cold", "ours"): [Cost(4, 3, 90), Cost(6, 3, 80), Cost(5, 3, 85)],
    ("cold", "uv with byte code"): [Cost(8, 6, 40), Cost(10, 6, 40), Cost(10, 6, 40)],
    ("nothing to do", "ours"): [Cost(0.2, 0.07, 20)],
}


def test_goals_are_ratios_of_the_same_round() -> None:
    verdicts = {verdict.goal: verdict for verdict in goals.verdicts(MEASURED, 1.05)}
    cold = verdicts["cold / uv with byte code"]
    assert (cold.found, cold.cpu, cold.met) == (0.5, 0.5, True)
    assert not verdicts["nothing to do, CPU seconds"].met
    assert verdicts["megabytes of any process"].found == 90
    assert verdicts["disk of ten environments / one"].met
    assert "remove / rm -rf" not in verdicts


def test_the_table_says_what_is_missed() -> None:
    text = show.table({"ten": MEASURED}, {"ten": goals.verdicts(MEASURED, None)})
    assert "| cold: ours | 5.00 |" in text
    assert "| nothing to do, CPU seconds | 0.06 | 0.07 (missed) |" in text
    document = f"before\n{show.BEGIN}\nold\n{show.END}\nafter\n"
    assert show.with_table(document, text) == f"before\n{show.BEGIN}\n{text}\n{show.END}\nafter\n"
    with pytest.raises(ValueError, match="no place"):
        show.with_table("", text)


def test_the_plot_has_a_bar_for_each_contender() -> None:
    plot = show.plot({"a<b": MEASURED})
    assert plot.count("<rect") == 1 + len(MEASURED)
    assert "a&lt;b" in plot


def test_what_a_killed_run_left_mounted_is_found(tmp_path: Path) -> None:
    here = tmp_path / "a b"
    text = "".join(
        f"{number} 1 0:{number} / {place} rw - ext4 /dev/loop0 rw\n"
        for number, place in enumerate(
            ["/", f"{tmp_path}/a\\040b", f"{tmp_path}/a\\040b/disk", f"{tmp_path}/a\\040b/disk/x",
             f"{tmp_path}/a\\040bc/disk"]
        )
    )  # fmt: skip
    assert disk.mounts_below(here, text) == [here / "disk/x", here / "disk"]


def test_one_run_at_a_time_has_an_empty_directory(tmp_path: Path) -> None:
    place = tmp_path / "scratch"
    (place / "left").mkdir(parents=True)
    with disk.scratch(place), pytest.raises(SystemExit, match="another run"), disk.scratch(place):
        pass
    with disk.scratch(place) as empty:
        assert os.listdir(empty) == []
    assert not place.exists()
