"""What stands in the place of a file that a verb reads: nothing holds root up, nothing breaks it.

The file is a pipe, a socket, a device, a directory, or a document with other things in it than it
should have. Every verb then says what is wrong, or goes on without it.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli
from rpm_venv.declaration import Declaration
from rpm_venv.paths import Layout
from rpm_venv.system import declared, files
from tests.hostile.building import limited, running_interpreter, source
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

PATH = "/opt/app/penv"
TORTURE = bool(os.environ.get("VENV_TORTURE"))
PYTHON = running_interpreter().path
SHARE = "usr/share/rpm-venv/opt-app-penv"
HOME = "usr/lib/rpm-venv"
#: Every file that verbs read, below the root.
FILES = {
    "state": f"{HOME}/state/opt-app-penv.json",
    "description": f"{HOME}/envs/opt-app-penv/*/.rpm-venv/generation.json",
    "manifest": f"{HOME}/envs/opt-app-penv/*/.rpm-venv/manifest",
    "object": f"{HOME}/store/*/object.json",
    "declaration": f"{SHARE}/declaration.json",
    "lock": f"{SHARE}/requirements.txt",
    "wheel": f"{SHARE}/wheels/*.whl",
    "configuration": "etc/rpm-venv.conf",
    "machine's lock": f"{HOME}/lock",
    "file": f"{HOME}/envs/opt-app-penv/*/lib/*/site-packages/demo/__init__.py",
    "path": "opt/app/penv",
}
LOCK = ("-o", "-p", PYTHON, "-w", f"/{SHARE}/wheels", "-r", f"/{SHARE}/requirements.txt")
READING = (("list",), ("show", PATH), ("verify",), ("check", *LOCK, PATH))
WRITING = (
    ("sync",), ("install", PATH), ("repair",), ("gc",), ("rollback", PATH), ("remove", PATH),
)  # fmt: skip


def _socket(place: Path) -> None:
    here = os.getcwd()
    os.chdir(place.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(place.name)
    finally:
        os.chdir(here)


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": _socket,
    "directory": os.mkdir,
    "link to a device": lambda place: place.symlink_to("/dev/zero"),
    "link to a pipe": lambda place: place.symlink_to("pipe"),
    "link to itself": lambda place: place.symlink_to(place.name),
    "nothing in it": lambda place: place.touch(),
    "very deep": lambda place: place.write_text("[" * 200_000),
    "no text": lambda place: place.write_bytes(b"\xff\xfe\0" * 99),
}


Verbs = tuple[tuple[str, ...], ...]
#: All of them in torture; else every file as a pipe, and every second of the others.
CASES = [
    (file, kind)
    for number, file in enumerate(FILES)
    for other, kind in enumerate(KINDS)
    if TORTURE or kind == "pipe" or (number + other) % 2
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with an environment that a package declares, twice made."""
    root = tmp_path_factory.mktemp("irregular") / "root"
    layout = Layout(root)
    (root / "etc").mkdir(parents=True)
    (root / "etc/rpm-venv.conf").write_text("require-sandbox = no\n")
    wheels = root / SHARE / "wheels"
    wheels.mkdir(parents=True)
    wheel = source(Wheel().write(wheels))
    (root / SHARE / "requirements.txt").write_text(f"demo==1.0 --hash=sha256:{wheel.sha256}\n")
    for site in (True, False):
        declaration = Declaration(
            PATH, f"/{SHARE}/requirements.txt", (f"/{SHARE}/wheels",),
            PYTHON, system_site=site, offline=True, level="wheels",
        )  # fmt: skip
        (root / SHARE / declared.NAME).write_bytes(declared.dumps(declaration))
        assert cli.main(["--root", str(layout.root), "sync"]) == 0
    assert cli.main(["--root", str(root), "verify"]) == 0
    return root


def systems(template: Path, root: Path, number: int, *, each: bool = False) -> Iterator[Verbs]:
    """The system anew, with verbs to be called there: what reads, and what writes one by one.

    Only the one of those whose turn it is by this number, unless ``each``.
    """
    turn = WRITING[number % len(WRITING)]
    for verbs in (READING, *((verb,) for verb in WRITING if each or TORTURE or verb == turn)):
        if root.exists():
            files.remove_tree(root)
        shutil.copytree(template, root, symlinks=True)
        yield verbs


def call(root: Path, verb: tuple[str, ...]) -> int:
    """The exit code of a verb, which came to an end within time."""
    with limited(20):
        return cli.main(["--root", str(root), *verb])


@pytest.mark.parametrize(("file", "kind"), CASES)
def test_what_is_no_file_holds_nobody_up(
    template: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tally: Tally,
    file: str,
    kind: str,
) -> None:
    root = tmp_path / "root"
    number = list(FILES).index(file) + list(KINDS).index(kind)
    for verbs in systems(template, root, number, each=kind == "pipe"):
        # Two generations may have one file, by links to one object.
        for place in {found.parent.resolve() / found.name for found in root.glob(FILES[file])}:
            place.unlink()
            KINDS[kind](place)
        for verb in verbs:
            code = call(root, verb)
            said = capsys.readouterr()
            assert code in (0, 1, 3), (verb, said)
            assert code == 0 or said.err, verb
    tally("in place of files", "made safe")


#: What a document's values may be instead of what they are.
VALUES: tuple[Any, ...] = (
    None, 5, -1, 10**400, True, "", "\0", "\ud800", "/", "../../..", "\x1b[2J", "x" * 5000,
    "1" * 5000, "a/b", [], {}, [[]], [None], [5], ["\0"], ["/../.."], ["a/b"], [{}], {"a": 1},
)  # fmt: skip


def places(document: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document: its keys and the first item of its lists."""
    yield here
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*here, key))
    elif isinstance(document, list) and document:
        yield from places(document[0], (*here, 0))


def changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    document = copy.deepcopy(document)
    inside = document
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return document


@pytest.mark.parametrize("file", ["state", "description", "declaration", "object"])
def test_what_a_document_says_breaks_nothing(
    template: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tally: Tally,
    file: str,
) -> None:
    found = next(template.glob(FILES[file]))
    head, *rest = found.read_text().split("\n") if file == "object" else [found.read_text()]
    document = json.loads(head)
    root = tmp_path / "root"
    cases = [(place, value) for place in places(document) for value in VALUES]
    every = 1 if TORTURE else 31
    for number, (place, value) in enumerate(cases[::every], list(FILES).index(file)):
        text = "\n".join([json.dumps(changed(document, place, value)), *rest])
        for verbs in systems(template, root, number):
            next(root.glob(FILES[file])).write_text(text)
            for verb in verbs:
                code = call(root, verb)
                assert code in (0, 1, 2, 3), (place, value, verb, capsys.readouterr())
        assert not (tmp_path / "opt").exists()
        tally("documents with other things in them", "made safe")
    assert len(cases) > 100


NAMES = ("_00", ".", "_2e_2e-x", "_ff", "a\nb", "\udcff", "a", "x" * 200)


def test_names_of_states_that_no_path_has(template: Path, tmp_path: Path, tally: Tally) -> None:
    root = tmp_path / "root"
    for verbs in systems(template, root, 0, each=True):
        for name in NAMES:
            (root / HOME / "state" / f"{name}.json").write_text("{}")
            (root / HOME / "envs" / f"{name}-").mkdir()
            (root / "usr/share/rpm-venv" / f"{name}-").mkdir()
            (root / "usr/share/rpm-venv" / f"{name}-" / declared.NAME).write_text("{}")
        for verb in verbs:
            assert call(root, verb) in (0, 1, 3), verb
        assert len(os.listdir(root / HOME / "state")) >= len(NAMES)
    tally("documents with other things in them", "made safe")


@pytest.mark.parametrize("place", ["generation", "path"])
def test_directories_without_an_end(
    template: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    tally: Tally,
    place: str,
) -> None:
    """Deeper than calls can be nested: in a generation, and where an environment is to stand."""
    root = tmp_path / "root"
    # What cleans up after tests has no way to.
    request.addfinalizer(lambda: files.remove_tree(root))
    for verbs in systems(template, root, 1 if place == "path" else 2):
        if place == "path":
            (root / PATH[1:]).unlink()
            (root / PATH[1:]).mkdir()
        inner = next(root.glob(FILES["file"])).parent
        here = os.open(root / PATH[1:] if place == "path" else inner, os.O_RDONLY)
        for _ in range(1100):
            os.mkdir("d", dir_fd=here)
            inside = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inside
        os.close(here)
        for verb in verbs:
            code = call(root, verb)
            said = capsys.readouterr()
            assert code in (0, 1, 3), (verb, said)
            assert code == 0 or said.err, verb
    tally("in place of files", "made safe")
