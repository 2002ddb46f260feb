"""What strangers leave in directories, and what a program that ran as nobody leaves behind."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli
from rpm_venv.confined import protocol
from rpm_venv.errors import FetchError, VenvError, WheelError
from rpm_venv.fetching import complaint, index, pips, shelf
from rpm_venv.locks import lock
from rpm_venv.paths import Layout
from rpm_venv.system import copying, files, interpreter, stranger
from rpm_venv.system.sealed import sealed
from rpm_venv.trees import generations
from tests.hostile.building import build, cpu_limited, only_object, open_to_others
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NAME = "demo-1.0-py3-none-any.whl"
LOCK = f"demo==1.0 --hash=sha256:{'0' * 64}\n".encode()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that nobody can come to."""
    with tempfile.TemporaryDirectory(prefix="rpm-venv-test-", dir="/var/tmp") as name:
        os.chmod(name, 0o755)
        (Path(name) / "own").mkdir()
        yield Path(name) / "own"
        files.remove_tree(Path(name) / "own")


def run(place: Path, script: str) -> stranger.CompletedChild:
    return stranger.run(
        ["/bin/sh", "-c", script],
        env={"PATH": "/usr/bin:/bin"}, cwd=place, network=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["device", "pipe", "endless", "directory"])
def test_what_is_no_wheel_in_a_directory_of_wheels_does_not_hold_root_up(
    tmp_path: Path, tally: Tally, kind: str
) -> None:
    wheel = tmp_path / NAME
    if kind == "device":
        wheel.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(wheel)
    elif kind == "directory":
        wheel.mkdir()
    else:
        wheel.touch()
        try:
            os.truncate(wheel, protocol.MAX_WHEEL + 1)
        except OSError:
            pytest.skip("needs a filesystem that takes large files")
    entries = lock.parse(LOCK, "requirements.txt").entries
    python = interpreter.inspect(Layout(), os.path.realpath(sys.executable))
    since = time.monotonic()
    with pytest.raises(WheelError, match=r"not a file|larger than a wheel may be"):
        shelf.at_hand(Layout(tmp_path), entries, python, ["/"])
    with pytest.raises(WheelError), sealed(wheel, "0" * 64):
        pass
    assert time.monotonic() - since < 10
    tally("directories of wheels", "refused")


def test_a_lock_without_an_end_does_not_fill_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Tally
) -> None:
    (tmp_path / "lock.txt").touch()
    os.truncate(tmp_path / "lock.txt", 1 << 40)
    words = ["install", "-o", "-r", "/lock.txt", "/opt/app1/penv"]
    assert cli.main(["--root", str(tmp_path), *words]) == 1
    assert "larger than 8 MiB" in capsys.readouterr().err
    tally("locks", "refused")


def nested(top: Path, depth: int) -> None:
    """Directories in each other, more of them than descriptors, calls or a path can be."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 100, dir_fd=here)
        inside = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def test_no_depth_keeps_staging_from_being_cleared(tmp_path: Path, tally: Tally) -> None:
    layout = Layout(tmp_path)
    left = layout.staging / "fetch-killed"
    left.mkdir(parents=True)
    nested(left, 3000)
    assert cli.main(["--root", str(tmp_path), "gc"]) == 0
    assert os.listdir(layout.staging) == []
    tally("what nobody leaves behind", "made safe")


@needs_root
def test_a_tree_that_is_removed_keeps_what_its_links_mean(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    top = tmp_path / "top"
    top.mkdir()
    nested(top, 70)
    deep = top / "/".join(["d" * 100] * 30)
    (deep / "link").symlink_to(tmp_path / "kept")
    files.remove_tree(top)
    assert not top.exists()
    assert (tmp_path / "kept/file").exists()


@needs_root
def test_nothing_that_a_program_started_outlives_it(place: Path, tally: Tally) -> None:
    """A daemon would keep its descriptors of directories that root is about to trust."""
    script = (
        "setsid sh -c 'exec >/dev/null 2>&1; while :; do echo >> alive; sleep 0.05; done' & "
        "sleep 0.5"
    )
    assert run(place, script).returncode == 0
    size = (place / "alive").stat().st_size
    time.sleep(0.5)
    assert (place / "alive").stat().st_size == size > 0
    tally("what nobody leaves behind", "refused")


@needs_root
@pytest.mark.parametrize("code", [0, 7, "KILL", "TERM"])
def test_how_a_program_ended_is_told(place: Path, code: int | str) -> None:
    script = f"exit {code}" if isinstance(code, int) else f"(exec sh -c 'kill -{code} $$'); exit 9"
    assert run(place, script).returncode == (code if isinstance(code, int) else 9)


PLANTED = {
    "link": "ln -s /etc/shadow wheels/" + NAME,
    "pipe": "mkfifo wheels/" + NAME,
    "directory": "mkdir wheels/" + NAME,
    "no wheel": "touch wheels/x.txt",
    "escape": r"touch 'wheels/a" + "\x1b" + "[2Jb'",
    "many": "for n in 1 2 3; do touch wheels/demo-1.0-$n-py3-none-any.whl; done",
    "another directory": "rmdir wheels; ln -s /etc wheels",
    "set-user-id": f"cp /bin/sh wheels/{NAME}; chmod 6755 wheels/{NAME}",
}


@needs_root
@pytest.mark.parametrize("kind", PLANTED)
def test_what_pip_may_leave_in_place_of_wheels(
    place: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally, kind: str
) -> None:
    def taken_over(layout: Layout, where: Path, lines: object, choice: object) -> pips.Done:
        del lines, choice
        pips._prepare(layout, where)
        assert run(where, PLANTED[kind]).returncode == 0
        return pips.Done()

    monkeypatch.setattr(pips, "run", taken_over)
    python = interpreter.inspect(Layout(), os.path.realpath(sys.executable))
    entries = lock.parse(LOCK, "requirements.txt").entries
    with pytest.raises((FetchError, OSError)) as caught:
        index.download(Layout(place / "root"), entries, python, place)
    if isinstance(caught.value, VenvError):
        assert all(line.isprintable() for line in caught.value.lines())
    assert (place / "wheels").lstat().st_uid == place.lstat().st_uid == 0
    os.chown(place, 0, 0)
    assert stranger.run(
        ["/bin/sh", "-c", "touch wheels/y"], env={}, cwd=place, network=True, timeout=60, user=65534
    ).returncode
    tally("what nobody leaves behind", "refused")


@needs_root
def test_a_users_program_does_not_become_roots(tmp_path: Path, tally: Tally) -> None:
    """Where a hand-made environment has to be copied aside, its owner's programs stay theirs."""
    made = tmp_path / "penv"
    made.mkdir()
    (made / "program").write_text("#!/bin/sh\nid\n")
    os.chown(made / "program", 1234, 1234)
    (made / "program").chmod(0o6755)
    (made / "link").symlink_to("program")
    (made / "lib/inner").mkdir(parents=True)
    (made / "lib/inner").chmod(0o2770)
    for directory in (made / "lib/inner", made):
        os.chown(directory, 1234, 5678)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        aside = Path(other) / "penv.rpmorig"
        if os.stat(other).st_dev == tmp_path.stat().st_dev:
            pytest.skip("needs another filesystem")
        generations._move_aside(made, str(aside))
        status = (aside / "program").stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (1234, 0o755)
        assert os.readlink(aside / "link") == "program"
        found = [(path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode))
                 for path in (aside, aside / "lib", aside / "lib/inner")]  # fmt: skip
        assert found == [(1234, 5678, 0o755), (0, 0, 0o755), (1234, 5678, 0o770)]
    tally("environments made by hand", "made safe")


@needs_root
@pytest.mark.parametrize("swapped", ["lib", "program"])
def test_a_name_that_becomes_a_link_while_it_is_copied_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally, swapped: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "secret").write_text("secret")
    made = tmp_path / "penv"
    (made / "lib").mkdir(parents=True)
    (made / "program").write_text("mine")
    os.mkfifo(made / "pipe")
    looked = os.stat

    def swapping(name: str | int | Path, **how: Any) -> os.stat_result:
        status = looked(name, **how)
        if name == swapped and not (made / swapped).is_symlink():
            files.remove_tree(made / swapped)
            (made / swapped).symlink_to(outside / "secret" if swapped == "program" else outside)
        return status

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", swapping)
        copying.copy_tree(made, tmp_path / "aside")
    assert (made / swapped).is_symlink()
    assert sorted(os.listdir(tmp_path / "aside")) == sorted({"lib", "program"} - {swapped})
    assert stat.S_IMODE(outside.stat().st_mode) == 0o700
    assert (outside / "secret").read_text() == "secret"
    tally("environments made by hand", "refused")


def test_scripts_fill_no_memory(tmp_path: Path, tally: Tally) -> None:
    from tests.hostile.wheels import Member, with_member

    large = b"#!python\n" + bytes(9 << 20)
    name = b"demo-1.0.data/scripts/demo"
    path = Wheel().write(tmp_path, with_member(Member(name, large, mode=0o100644)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{digest}\n")
    words = ["install", "-o", "-w", "/", "-p", os.path.realpath(sys.executable)]
    done = subprocess.run(
        [sys.executable, "-m", "rpm_venv", "--root", str(tmp_path), *words, "-r", "/lock.txt",
         "/opt/app1/penv"],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the script demo asks for Python" in done.stderr
    tally("scripts", "refused")


def test_a_script_is_one_that_can_be_run_whatever_its_wheel_says(tmp_path: Path) -> None:
    wheel = Wheel()
    wheel = replace(wheel, files={**wheel.files, "demo-1.0.data/scripts/demo": b"#!/bin/sh\n"})
    stored = only_object(build(tmp_path / "root", wheel.write(tmp_path)))
    assert [file.mode for file in stored.files if file.scheme == "scripts"] == [0o755]


def test_passwords_are_not_told(tally: Tally) -> None:
    for password in ("secret", "s3cr@t", "a:b@c@d"):
        for text in (
            f"ERROR: HTTP error 401 while getting https://user:{password}@index.invalid/x.whl",
            f"Could not fetch URL https://user:{password}@index.invalid/demo/: 500 Server Error",
            f"ERROR: what is this https://user:{password}@index.invalid/?",
        ):
            line = " ".join(complaint.diagnose(text)[:2])
            assert "index.invalid" in line
            assert not any(part in line for part in (password, password.rpartition("@")[2] + "@"))
    tally("terminals", "made safe")


def test_a_long_complaint_is_read_in_time() -> None:
    with cpu_limited(10):
        complaint.diagnose("\n".join(["=" * 500] * 4000 + ["=" * 4000] * 200))


@needs_root
@pytest.mark.parametrize(
    "words",
    [
        ["install", "-o", "-r", "/etc/passwd", "/opt/app1/penv"],
        ["remove", "/opt/app1/penv"], ["gc"], ["repair", "/opt/app1/penv"],
        ["rollback", "/opt/app1/penv"],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_an_ordinary_user_is_told_that_it_is_not_to_be(
    tmp_path: Path, words: list[str], tally: Tally
) -> None:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    open_to_others(tmp_path)
    code = (
        f"import os, sys; os.setgid(1234); os.setuid(1234); sys.path[:] = {sys.path!r}; "
        f"from rpm_venv import cli; sys.exit(cli.main(['--root', {str(root)!r}, *{words!r}]))"
    )
    import_all = (
        "import argparse, json, importlib, locale; import rpm_venv.cli, rpm_venv.verbs."
        + words[0]
        + "; "
    )
    done = subprocess.run(
        [sys.executable, "-c", import_all + code],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Permission denied; call it as root\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in root.rglob("*")] == ["usr", "lib"]
    tally("ordinary users", "refused")


@needs_root
def test_nobody_does_not_see_what_pip_is_told(place: Path, tally: Tally) -> None:
    """Services run as nobody; the site's configuration has passwords."""
    (place / "pip.conf").touch(mode=0o600)
    user = stranger.give(place)
    assert user >= 0x70000000
    spy = f"cat {place}/pip.conf || ls {place}"
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", spy],
                          capture_output=True, check=False)  # fmt: skip
    assert (done.returncode == 0) is (place.stat().st_mode & 0o005 == 0o005)
    assert b"Permission denied" in done.stderr
    again = stranger.run(["/bin/sh", "-c", "id -u; cat pip.conf"], env={"PATH": "/usr/bin"},
                        cwd=place, network=True, timeout=60, user=user)  # fmt: skip
    assert again.stdout == f"{user}\n"
    assert again.returncode == 0
    assert stranger.give(place) != user
    tally("what nobody leaves behind", "refused")


@needs_root
def test_pip_is_not_run_with_less_confinement_than_asked_for(tmp_path: Path, tally: Tally) -> None:
    code = (
        "import sys; from pathlib import Path; from rpm_venv.system import stranger\n"
        "done = stranger.run(['/bin/touch', 'run'], env={}, cwd=Path(sys.argv[1]), network=True,"
        " timeout=60, require_all=True)"
    )
    (tmp_path / "own").mkdir()
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", code, str(tmp_path / "own")],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "SandboxError" in done.stderr
    assert "no mount and IPC namespaces, no process namespace" in done.stderr
    assert "require-sandbox" in done.stderr
    assert os.listdir(tmp_path / "own") == []
    tally("what nobody leaves behind", "refused")
