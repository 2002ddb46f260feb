"""What is disturbed: a verb, the system that it is called on, and what it is about."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.systems import HOME, OTHER, PATH, THIRD, install, wheels
from tests.host.wheels import make_lock, make_wheel

#: Steps before a verb that are no calls of the command: a package with a declaration comes or goes,
#: and an administrator drops in an override.
_SHIP, _UNSHIP, _OVERRIDE = "SHIP", "UNSHIP", "OVERRIDE"
_SHARE = "usr/share/rpm-venv"
_PACKAGED = f"{HOME}/packaged"
#: The place for fapolicyd's files of trust, with one of somebody else's.
_FAPOLICYD = {"/etc/fapolicyd/trust.d/site": ""}


@dataclass(frozen=True)
class Scenario:
    """A verb on a system: its name, the words, and the words that make the system before it.

    ``paths`` are the environments that it is about. ``prepare`` are calls made one after the other,
    or steps of ``ships`` and the like; ``spoil`` are files below the live generation
    that are damaged then, in the environment and in the store alike; with ``drop_kept`` the state
    no longer asks for the generations before. ``OTHER`` in the words is the one that is not live.
    """

    name: str
    words: tuple[str, ...]
    prepare: Sequence[tuple[str, ...]] = ()
    spoil: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    drop_kept: bool = False
    paths: Sequence[str] = (PATH,)


def ships(version: int, path: str = PATH, level: str = "wheels") -> tuple[str, ...]:
    """The step with which a package brings a declaration of a version of the application."""
    return (_SHIP, str(version), path, level)


SCENARIOS = (
    Scenario("fresh", install(1)),
    Scenario(
        "fetch",
        ("install", "-r", "/usr/share/app/1/requirements.txt", PATH),
        files={"/etc/pip.conf": "[global]\nindex-url = INDEX\n"},
    ),
    # The third generation: the first has to go. fapolicyd is there.
    Scenario("upgrade", install(3), (install(1), install(2)), files=_FAPOLICYD),
    # Wheels, objects and generation are there: only the link and the state change.
    Scenario("back", install(1), (install(1), install(2))),
    Scenario("takeover", install(2), files={f"{PATH}/pyvenv.cfg": "", f"{PATH}/lib/x.py": "1"}),
    Scenario("beside", install(2), (install(1, OTHER),), files=_FAPOLICYD),
    Scenario("remove", ("remove", PATH), (install(1), install(2)), files=_FAPOLICYD),
    Scenario("remove-beside", ("remove", PATH), (install(1), install(1, OTHER))),
    Scenario("rollback", ("rollback", PATH, "OTHER"), (install(1), install(2))),
    Scenario("gc", ("gc",), (install(1), install(2)), drop_kept=True),
    Scenario(
        "repair",
        ("repair", PATH),
        (install(1),),
        spoil=("lib/python3.*/site-packages/app/part.py", "pyvenv.cfg"),
    ),
)

#: Several environments in one call: each of them is old or new, whatever became of the others.
MANY = (
    # Two levels are upgraded, one environment goes with its package, and one arrives with it.
    Scenario(
        "sync",
        ("sync",),
        (
            *(ships(1), ships(1, OTHER, "store"), ships(1, THIRD)),
            ("sync",),
            *(ships(2), ships(2, OTHER, "store"), (_UNSHIP, THIRD)),
        ),
        paths=(PATH, OTHER, THIRD),
    ),
    Scenario(
        "override",
        ("sync",),
        (install(1), install(2, OTHER), (_OVERRIDE,)),
        paths=(PATH, OTHER),
    ),
    Scenario("bring", ("sync",), (ships(1, OTHER, "store"),), paths=(OTHER,)),
)


def prepare(scenario: Scenario, root: Path, index: str) -> None:
    """What a scenario finds that is not made by calls: wheels, and files of its own.

    ``INDEX`` in those is the address of an index that has the wheels of version 1.
    """
    for version in (1, 2, 3):
        wheels(root, version)
    for name, content in scenario.files.items():
        file = root / name[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.replace("INDEX", index))


def step(words: Sequence[str], root: Path, call: Callable[..., None]) -> None:
    """One step before a scenario's verb; ``call`` calls the command, with a root and its words."""
    what, *about = words
    if what == _SHIP:
        _ship(root, call, *about)
    elif what == _UNSHIP:
        shutil.rmtree(root / _SHARE / _id(about[0]))
    elif what == _OVERRIDE:
        _override(root)
    else:
        call(root, *words)


def _id(path: str) -> str:
    return path[1:].replace("/", "-")


def _ship(root: Path, call: Callable[..., None], version: str, path: str, level: str) -> None:
    """Bring what %venv_declare puts into a package, as rpm does; it takes an old version away."""
    buildroot = root.with_name("buildroot")
    place = root / "usr/share/app" / version
    lock = str(place / "requirements.txt")
    call(buildroot, "declare", "-r", lock, "-w", str(place), "-o", "-b", level, path)
    shutil.rmtree(root / _SHARE / _id(path), ignore_errors=True)
    for directory in (f"{_SHARE}/{_id(path)}", _PACKAGED):
        if (buildroot / directory).exists():
            shutil.copytree(buildroot / directory, root / directory, dirs_exist_ok=True)
    shutil.rmtree(buildroot)


def _override(root: Path) -> None:
    """A fix of what all applications have."""
    fixed = make_wheel("dep", "1.1")
    for directory in ("overrides.d", "wheels"):
        (root / "etc/rpm-venv" / directory).mkdir(parents=True)
    fixed.save(root / "etc/rpm-venv/wheels")
    (root / "etc/rpm-venv/overrides.d/fix.txt").write_text(make_lock([fixed]))


def spoil(scenario: Scenario, root: Path) -> None:
    """Damage files in place, as root's editor would: in the object they are linked from too."""
    for pattern in scenario.spoil:
        top = root / os.readlink(root / PATH[1:])[1:]
        (found,) = top.glob(pattern)
        with found.open("a") as file:
            file.write("# damaged\n")
    if scenario.drop_kept:
        (state,) = (root / HOME / "state").iterdir()
        known = json.loads(state.read_text())
        state.write_text(json.dumps({**known, "kept": [known["wanted"]]}))


def words(scenario: Scenario, root: Path) -> tuple[str, ...]:
    """The words of a scenario's call on a system that is prepared for it."""
    if "OTHER" not in scenario.words:
        return scenario.words
    link = Path(os.readlink(root / PATH[1:]))
    (other,) = set(os.listdir(root / str(link.parent)[1:])) - {link.name}
    return tuple(other if word == "OTHER" else word for word in scenario.words)


def named(name: str) -> Scenario:
    """The scenario of a name."""
    return next(scenario for scenario in (*SCENARIOS, *MANY) if scenario.name == name)
