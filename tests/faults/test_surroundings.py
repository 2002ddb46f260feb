"""Filesystems that are read-only, full, in several pieces or in layers; and every umask."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults import scenarios, systems, table
from tests.faults.laboratories import Laboratories
from tests.faults.surroundings import Surroundings
from tests.faults.systems import PATH, Snapshot, install

READ_ONLY = 'mount --bind "$ROOT" "$ROOT"; mount -o remount,bind,ro "$ROOT"'
OPT_READ_ONLY = 'mount --bind "$ROOT/opt" "$ROOT/opt"; mount -o remount,bind,ro "$ROOT/opt"'
OVERLAY = 'mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$ROOT"'


@pytest.fixture
def root(laboratories: Laboratories, request: pytest.FixtureRequest) -> Path:
    """Where a test's system is going to be."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    path = laboratories.top / "surroundings" / name
    path.parent.mkdir(exist_ok=True)
    return path


def tried(what: str) -> None:
    table.survived(what, 1, 1)


@pytest.mark.parametrize("words", [install(3), ("remove", PATH)], ids=["install", "remove"])
def test_a_read_only_system_stays_as_it_is(
    laboratories: Laboratories, root: Path, words: tuple[str, ...]
) -> None:
    systems.copy(laboratories.template("upgrade", "before"), root)
    before = systems.snapshot(root)
    here = Surroundings(laboratories.command, root, READ_ONLY)
    done = here.call(*words)
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert systems.snapshot(root) == before
    assert here.call("verify", PATH).returncode == 0
    assert here.call("list").returncode == 0
    tried(f"read-only system, {words[0]}")


def test_a_fresh_read_only_system_says_so(laboratories: Laboratories, root: Path) -> None:
    systems.copy(laboratories.template("fresh", "before"), root)
    done = Surroundings(laboratories.command, root, READ_ONLY).call(*install(1))
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    tried("read-only fresh system, install")


def test_where_the_path_is_read_only_the_old_one_stays(
    laboratories: Laboratories, root: Path
) -> None:
    systems.copy(laboratories.template("upgrade", "before"), root)
    old = systems.live(root)
    done = Surroundings(laboratories.command, root, OPT_READ_ONLY).call(*install(3))
    assert done.returncode == 1
    assert systems.live(root) == old
    laboratories.call(root, *install(3))
    assert systems.snapshot(root) == systems.snapshot(laboratories.template("upgrade", "after"))
    tried("read-only /opt, install, then again")


@pytest.mark.parametrize("scenario", ["fresh", "upgrade", "takeover", "remove", "rollback"])
def test_the_path_is_on_another_filesystem(
    laboratories: Laboratories, root: Path, scenario: str
) -> None:
    systems.copy(laboratories.template(scenario, "before"), root)
    image = root.with_suffix(".ext4")
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    opt = root / "opt"
    had_opt = opt.is_dir()
    opt.mkdir(exist_ok=True)
    copied = 'cp -a "$ROOT/opt/." "$ROOT/opt.there"; umount "$ROOT/opt.there"'
    prepared = f'mkdir "$ROOT/opt.there"; mount "$IMAGE" "$ROOT/opt.there"; {copied}'
    variables = {"IMAGE": str(image)}
    Surroundings(laboratories.command, root, prepared, variables).call("list")
    (root / "opt.there").rmdir()
    here = Surroundings(laboratories.command, root, 'mount "$IMAGE" "$ROOT/opt"', variables)
    before = laboratories.template(scenario, "before")
    done = here.call(*scenarios.words(scenarios.named(scenario), before))
    assert done.returncode == 0, done.stderr
    found = dict(here.snapshot())
    del found["opt/lost+found"]
    wanted = dict(systems.snapshot(laboratories.template(scenario, "after")))
    if not had_opt or "opt" not in wanted:  # a mount point stays, and was not made for us
        found.pop("opt", None)
        wanted.pop("opt", None)
    assert not systems.difference(_without_parents(wanted), _without_parents(found))
    assert not here.litter()
    tried(f"/opt on another filesystem, {scenario}")


def _without_parents(snapshot: Snapshot) -> Snapshot:
    """A snapshot without the states, which name the directories that were made."""
    return {name: entry for name, entry in snapshot.items() if not name.endswith(".json")}


@pytest.mark.parametrize("scenario", [each.name for each in scenarios.SCENARIOS])
def test_everything_before_is_in_a_lower_layer(
    laboratories: Laboratories, root: Path, scenario: str
) -> None:
    """A directory of a lower layer cannot be renamed: images are built and upgraded like this."""
    above = root.with_suffix(".above")
    for directory in (root, above, above / "upper", above / "work"):
        directory.mkdir()
    lower = laboratories.template(scenario, "before")
    variables = {"LOWER": str(lower), "UPPER": f"{above}/upper", "WORK": f"{above}/work"}
    here = Surroundings(laboratories.command, root, OVERLAY, variables)
    for again in (False, True):
        done = here.call(*scenarios.words(scenarios.named(scenario), lower))
        assert done.returncode == 0, (again, done.stderr)
    wanted = systems.snapshot(laboratories.template(scenario, "after"))
    # A layer above another does not keep hardlinks.
    found = systems.without_links(here.snapshot())
    assert not systems.difference(systems.without_links(wanted), found)
    tried(f"in an overlay, {scenario}")


@pytest.mark.parametrize("umask", [0o077, 0o000])
@pytest.mark.parametrize("scenario", ["fresh", "takeover", "repair"])
def test_the_umask_has_no_say(
    laboratories: Laboratories, root: Path, scenario: str, umask: int
) -> None:
    systems.copy(laboratories.template(scenario, "before"), root)
    here = Surroundings(laboratories.command, root, f"umask {umask:o}")
    assert here.call(*scenarios.named(scenario).words).returncode == 0
    wanted = systems.snapshot(laboratories.template(scenario, "after"))
    assert not systems.difference(wanted, systems.snapshot(root))
    tried(f"umask {umask:03o}, {scenario}")


@pytest.mark.parametrize("years", [-10, 10])
def test_times_have_no_say(laboratories: Laboratories, root: Path, years: int) -> None:
    """What the package brought, and what is there already, is from another time."""
    systems.copy(laboratories.template("upgrade", "before"), root)
    then = time.time() + years * 365 * 86400
    for directory, _, names in os.walk(root):
        if "rpm-venv" not in directory:
            for name in (".", *names):
                os.utime(Path(directory, name), (then, then), follow_symlinks=False)
    laboratories.call(root, *install(3))
    wanted = systems.snapshot(laboratories.template("upgrade", "after"))
    assert not systems.difference(wanted, systems.snapshot(root))
    made = root / os.readlink(root / PATH[1:])[1:]
    times = {path.lstat().st_mtime for path in [made, *made.rglob("*")]}
    assert len(times) == 1


def test_a_clock_that_is_ten_years_off(laboratories: Laboratories, root: Path) -> None:
    """One call has a clock ten years behind, the next one ten years ahead, and so on."""
    systems.copy(laboratories.template("upgrade", "before"), root)
    old = systems.live(root)
    here = Surroundings(laboratories.command, root, "")
    words = install(3)
    for years in (-10, 10, -10):
        clock = ("faketime", "-f", f"{years:+}y")
        then = time.gmtime(time.time() + years * 365.25 * 86400).tm_year
        found = here.run(*clock, "date", "+%Y").stdout
        assert int(found) == then, "the clock is not off"
        done = here.call(*words, by=clock)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert here.call("verify", by=clock).returncode == 0
        words = ("rollback", PATH) if words[0] == "install" else install(3)
    wanted = systems.snapshot(laboratories.template("upgrade", "after"))
    assert systems.live(root) != old
    assert not systems.difference(wanted, systems.snapshot(root))
    told = here.run(*laboratories.command(root, "--json", "history"))
    events = json.loads(told.stdout)["events"][-3:]
    assert [event["action"] for event in events] == ["install", "rollback", "install"]
    assert [event["outcome"] for event in events] == ["done"] * 3
    years_told = [int(event["time"][:4]) for event in events]
    assert years_told[1] - years_told[0] == years_told[1] - years_told[2] == 20
    tried("clock ten years off")


#: As full as it gets, for root too: no block is left, and no inode.
FULL = """
    mount "$IMAGE" "$ROOT"
    if mkdir "$ROOT/filler" 2>/dev/null; then
        for name in a b c; do cat /dev/zero >"$ROOT/filler/$name" || :; sync -f "$ROOT"; done
        number=0
        while (: >"$ROOT/filler/$number"); do number=$((number + 1)); done
    fi 2>/dev/null
"""


@pytest.mark.parametrize("scenario", ["fresh", "upgrade", "remove", "repair", "gc"])
def test_a_full_disk(laboratories: Laboratories, root: Path, scenario: str) -> None:
    root.mkdir()
    image = root.with_suffix(".ext4")
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "900", image], check=True)
    variables = {"IMAGE": str(image), "BEFORE": str(laboratories.template(scenario, "before"))}
    filling = Surroundings(
        laboratories.command, root, 'mount "$IMAGE" "$ROOT"; cp -a "$BEFORE/." "$ROOT"', variables
    )
    assert filling.call("list").returncode == 0
    full = Surroundings(laboratories.command, root, FULL, variables)
    old = full.live()
    words = scenarios.words(scenarios.named(scenario), laboratories.template(scenario, "before"))
    done = full.call(*words)
    if scenario in ("remove", "gc"):  # these free space, and need none
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert full.live() == old
    mounted = 'mount "$IMAGE" "$ROOT"; rm -rf "$ROOT/filler" "$ROOT/lost+found"'
    roomy = Surroundings(laboratories.command, root, mounted, variables)
    again = roomy.call(*words)
    assert again.returncode == 0, again.stderr
    wanted = systems.snapshot(laboratories.template(scenario, "after"))
    assert not systems.difference(
        systems.without_links(wanted), systems.without_links(roomy.snapshot())
    )
    tried(f"full disk, {scenario}")
