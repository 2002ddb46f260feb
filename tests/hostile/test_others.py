"""What users leave for root who runs a step as them, and packages that lie about their objects."""

from __future__ import annotations

import io
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli
from rpm_venv.declaration import Declaration
from rpm_venv.events import Event
from rpm_venv.paths import Layout, declared_at
from rpm_venv.system import declared, run_as
from rpm_venv.wheels import packaged
from tests.hostile.building import cpu_limited, only_packaged, running_interpreter, source
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def program(directory: Path, text: str) -> Path:
    file = directory / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@needs_root
def test_a_home_that_is_a_link_does_not_take_a_user_where_only_root_goes(
    directory: Path, tally: Tally
) -> None:
    """The user owns what is above the home, and root followed the link with root's rights."""
    nobody = run_as.user("nobody")
    inside = directory / "closed/inside"
    inside.mkdir(parents=True)
    (inside / "file").write_text("secret")
    inside.parent.chmod(0o700)
    (directory / "app").mkdir()
    os.chown(directory / "app", nobody.uid, nobody.gid)
    (directory / "app/home").symlink_to(inside)
    who = replace(nobody, home=str(directory / "app/home"))
    ended = run_as.run(who, program(directory, "pwd; cat file 2>/dev/null"), [], "/x")
    assert ended.said == ("/",)
    tally("other users", "refused")


#: Root as a manager of services may have made it: capabilities stay when the ids change.
KEEPING = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
header, data = struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
assert libc.capget(header, data) == 0
low, high = struct.unpack_from("=4xI4x4xI4x", data)
assert libc.capset(header, struct.pack("=6I", low, low, low, high, high, high)) == 0
for capability in range(41):
    libc.prctl(47, 2, capability, 0, 0)  # PR_CAP_AMBIENT_RAISE
assert libc.prctl(28, 0xC, 0, 0, 0) == 0  # PR_SET_SECUREBITS: SECBIT_NO_SETUID_FIXUP and its lock
from pathlib import Path
from rpm_venv.system import run_as
ended = run_as.run(run_as.user("nobody"), Path(sys.argv[1]), [], "/x")
print(*ended.said, sep="\\n")
"""


@needs_root
def test_no_capability_of_root_reaches_a_users_command(directory: Path, tally: Tally) -> None:
    file = program(directory, "grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status")
    done = subprocess.run(
        [sys.executable, "-c", KEEPING, str(file)],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = dict(line.split() for line in done.stdout.splitlines())
    assert set(found) == {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"}
    assert set(found.values()) == {"0" * 16}
    tally("other users", "made safe")


def test_what_a_command_leaves_behind_cannot_talk_for_ever(tally: Tally) -> None:
    with Path("/dev/zero").open("rb") as endless:
        process = subprocess.Popen(["/bin/true"])
        process.wait()
        process.stdout = endless
        with cpu_limited(5):
            said = run_as._until_its_end(process)
    assert len("".join(said)) <= run_as._KEPT
    tally("other users", "made safe")


@pytest.mark.parametrize("name", ["-x", "+0", " root", "root\n", "../root", "\udcff", "65534"])
def test_names_that_are_no_users(name: str, tally: Tally) -> None:
    assert not any(entry.pw_name == name for entry in pwd.getpwall())
    assert cli.main(["run", f"-u{name}", "/opt/app/penv", "id"]) == 1
    tally("other users", "refused")


# ---- packaged objects


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system with a package that has brought an object, and nothing made of it."""
    place = tmp_path_factory.mktemp("shipped")
    wheel = source(Wheel().write(place))
    (place / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{wheel.sha256}\n")
    words = ["declare", "-r", str(place / "lock.txt"), "-w", str(place), "-o", "-b", "store"]
    words += ["-p", running_interpreter().path, "--package", "app-1-1.noarch", "/opt/app/penv"]
    assert cli.main(["--root", str(place / "root"), *words]) == 0
    (place / "root/opt/app/penv").unlink()
    return place / "root"


Row = list[Any]
LIES: dict[str, Callable[[Row], Any]] = {
    "a number for a path": lambda row: [row[0], 5, *row[2:], ".pyc"],
    "nothing for a path": lambda row: [row[0], None, *row[2:4], ".pyc"],
    "a list for a path": lambda row: [row[0], [".pyc"], *row[2:]],
    "an object": lambda row: {"1": ".pyc"},
    "text": lambda row: ".pyc",
    "a path that leads out": lambda row: [row[0], f"../../../{row[1]}", *row[2:]],
    "set-user-id": lambda row: [*row[:2], 0o4755, *row[3:]],
}


def described(root: Path, description: bytes) -> None:
    """Give the package's object this description, the name that goes with it, and declare that."""
    before = only_packaged(Layout(root))
    (before / "object.json").write_bytes(description)
    digest = packaged.content_digest(description)
    before.rename(before.parent / digest)
    declaration = root / "usr/share/rpm-venv/opt-app-penv/declaration.json"
    text = json.loads(declaration.read_text())
    declaration.write_text(json.dumps({**text, "packaged": [digest]}))


@pytest.mark.parametrize("lie", [*LIES, "too many files"])
def test_a_description_that_lies_is_one_packages_fault(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tally, lie: str
) -> None:
    root = tmp_path / "root"
    shutil.copytree(shipped, root, symlinks=True)
    place = only_packaged(Layout(root))
    head, *rows = (place / "object.json").read_bytes().splitlines()
    if lie in LIES:
        lying = [LIES[lie](json.loads(row)) if b".pyc" in row else json.loads(row) for row in rows]
        rows = [json.dumps(row).encode() for row in lying]
    else:
        rows = [b"[]"] * 200_001
    described(root, b"\n".join([head, *rows]) + b"\n")
    with cpu_limited(10):
        assert cli.main(["--root", str(root), "sync"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("rpm-venv: /opt/app/penv (app-1-1.noarch): ")
    assert lie in LIES or "more than 200000 files" in said
    assert not (root / "opt/app/penv").is_symlink()
    tally("packaged objects", "refused")


def test_a_description_without_an_end_is_not_read(
    shipped: Path, tmp_path: Path, tally: Tally
) -> None:
    root = tmp_path / "root"
    shutil.copytree(shipped, root, symlinks=True)
    place = only_packaged(Layout(root))
    (place / "object.json").write_bytes(b'{"x":"')
    os.truncate(place / "object.json", 3 << 30)
    with cpu_limited(5):
        assert cli.main(["--root", str(root), "sync"]) == 1
    tally("packaged objects", "refused")


# ---- the history


@pytest.mark.parametrize("kind", ["pipe", "device", "another path"])
def test_a_forged_history_holds_nobody_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tally, kind: str
) -> None:
    """A file of another system below ``--root``, or of whoever could write there for a moment."""
    history = Layout(tmp_path).history
    history.parent.mkdir(parents=True)
    event = {"time": "now", **asdict(Event("/opt/app/penv", "install", reason="\x1b[2J"))}
    lines = [{**event, "path": path} for path in ("../../etc", "/opt/app/penv", "/", "\n/a/b")]
    if kind == "pipe":
        os.mkfifo(history)
    elif kind == "device":
        history.symlink_to("/dev/zero")
    else:
        history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code = cli.main(["--root", str(tmp_path), "history"])
    said = capsys.readouterr()
    assert code == (0 if kind == "another path" else 1)
    assert said.out.count("\n") == (code == 0)
    assert (said.out + said.err).replace("\n", "").isprintable()
    assert cli.main(["--root", str(tmp_path), "remove", "/opt/app/penv"]) == 0
    tally("forged histories", "made safe" if code == 0 else "refused")


def test_a_file_name_that_is_no_text_is_one_packages_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """rpm hands on the names of files as they are; most locales have Python refuse some."""
    names = io.BytesIO(b"/usr/share/rpm-venv/a\xff\n/usr/share/rpm-venv/opt-app1-penv/x\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(names, encoding="utf-8"))
    assert cli.main(["--root", str(tmp_path), "sync", "--trigger", "transaction"]) == 0
    tally("packaged objects", "made safe")


@pytest.mark.parametrize(
    "lie",
    [{"lock": "requirements.txt"}, {"lock": ""}, {"wheels": ["wheels"]}, {"wheels": ["/x"] * 9999}],
)
def test_a_declaration_that_lies_keeps_no_other_from_its_environment(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], lie: dict[str, Any]
) -> None:
    layout = Layout(tmp_path)
    for path, said in (("/opt/app1/penv", lie), ("/opt/app2/penv", {})):
        place = layout.real(declared_at(path))
        (place / "wheels").mkdir(parents=True)
        digest = source(Wheel().write(place / "wheels")).sha256
        (place / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{digest}\n")
        declaration = Declaration(
            path, layout.target(place / "lock.txt"), (layout.target(place / "wheels"),),
            os.path.realpath(sys.executable), offline=True, level="wheels",
        )  # fmt: skip
        (place / declared.NAME).write_bytes(declared.dumps(replace(declaration, **said)))
    assert cli.main(["--root", str(tmp_path), "sync"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("rpm-venv: /opt/app1/penv: ")
    assert len(told) < 2000
    assert [os.path.lexists(tmp_path / f"opt/app{n}/penv") for n in (1, 2)] == [False, True]
    tally("packages that lie", "refused")
