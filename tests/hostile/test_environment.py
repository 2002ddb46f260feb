"""The caller's environment, working directory and umask reach nothing that root runs."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import packaging
import pytest

from rpm_venv.paths import Layout
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

TREE = Path(__file__).resolve().parents[2]
MODULES = (
    "sitecustomize", "usercustomize", "json", "argparse", "encodings", "os", "site", "packaging",
    "_manylinux", "ctypes", "rpm_venv", "rpm", "random", "hashlib", "zlib", "warnings", "struct",
)  # fmt: skip
PROGRAMS = ("python3", "python", "sh", "uname", "ldconfig", "ldd", "gcc", "pip", "uv", "rpm", "env")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory of modules and programs that leave a trace when they are run."""
    place = tmp_path / "trap"
    place.mkdir()
    for module in MODULES:
        (place / f"{module}.py").write_text(
            f"open({str(place / 'owned')!r}, 'a').write(__name__)\n"
        )
    for program in PROGRAMS:
        (place / program).write_text(f"#!/bin/sh\necho {program} >> {place}/owned\n")
        (place / program).chmod(0o755)
    (place / "evil.pth").write_text(f"import sys; open({str(place / 'owned')!r}, 'a')\n")
    (place / "python3.11").mkdir()
    os.mkfifo(place / "openssl.cnf")  # who opens it waits for ever
    return place


def environment(trap: Path) -> dict[str, str]:
    names = {
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "PYTHONPLATLIBDIR"),
        *("HOME", "TMPDIR", "TEMP", "XDG_CONFIG_HOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"),
        *("PIP_TARGET", "PIP_PREFIX", "PIP_CACHE_DIR", "PATH"),
    }
    return {
        **{name: str(trap) for name in names},
        "OPENSSL_CONF": str(trap / "openssl.cnf"),
        "PYTHONSTARTUP": str(trap / "sitecustomize.py"),
        "PYTHONINSPECT": "1",
        "PYTHONBREAKPOINT": "sitecustomize.x",
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "utf-16",
        "PYTHONHASHSEED": "77",
        "PYTHONDEVMODE": "1",
        "PYTHONEXECUTABLE": str(trap / "python3"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_NO_INDEX": "1",
        "UV_INDEX_URL": "http://127.0.0.1:9/",
        "IFS": "/",
        "ENV": str(trap / "sh"),
        "BASH_ENV": str(trap / "sh"),
        "POSIXLY_CORRECT": "1",
    }


def command(tmp_path: Path) -> Path:
    """The command as it is installed: bin/rpm-venv, with this tree as its runtime."""
    places = [str(TREE / "src"), str(Path(packaging.__file__).parents[1])]
    text = (TREE / "bin" / "rpm-venv").read_text()
    text = text.replace("#!/usr/bin/python3 ", f"#!{os.path.realpath(sys.executable)} ", 1)
    for place in ("/usr/lib/rpm-venv/runtime/vendor", "/usr/lib/rpm-venv/runtime"):
        text = text.replace(f'"{place}"', repr(places.pop()))
    path = tmp_path / "rpm-venv"
    path.write_text(text)
    path.chmod(0o755)
    return path


def _tree(root: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        is_file = stat.S_ISREG(status.st_mode)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else ""
        found[str(path.relative_to(root))] = (status.st_mode, content)
    return found


@pytest.mark.parametrize("python", ["its own", "another"])
def test_an_install_in_a_hostile_environment_is_as_any(
    tmp_path: Path, trap: Path, tally: Tally, python: str
) -> None:
    other = "/usr/bin/python3"
    if python == "another" and not os.path.exists(other):
        pytest.skip("needs another Python")
    asked = os.path.realpath(sys.executable if python == "its own" else other)
    rpm_venv = command(tmp_path)
    wheel = Wheel()
    trees = []
    for name in ("plain", "hostile"):
        root = tmp_path / name
        (root / "wheels").mkdir(parents=True)
        path = wheel.write(root / "wheels")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (root / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{digest}\n")
        hostile = name == "hostile"
        done = subprocess.run(
            [str(rpm_venv), "--root", str(root), "install", "-o", "-w", "/wheels", "-p", asked,
             "-r", "/lock.txt", "/opt/app1/penv"],
            env=environment(trap) if hostile else {"PATH": "/usr/bin:/bin"},
            cwd=trap if hostile else "/",
            umask=0o777 if hostile else 0o022,
            preexec_fn=_spoil if hostile else None,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        layout = Layout(root)
        trees.append([_tree(layout.store), _tree(layout.envs), _tree(layout.staging)])
    assert not (trap / "owned").exists()
    assert trees[0] == trees[1]
    assert not list(trap.glob("*.pyc")) + list(trap.glob("__pycache__"))
    tally("the caller's environment", "made safe")


def _spoil() -> None:
    """What a process inherits beside its environment."""
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))  # as in Lua scriptlets
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody is told how a child ended
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.close(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_interpreter_that_a_user_can_change_is_not_run(
    tmp_path: Path, trap: Path, tally: Tally
) -> None:
    program = trap / "python3"
    os.chown(program, 1234, 1234)
    (tmp_path / "root").mkdir()
    (tmp_path / "root/lock.txt").write_text(f"demo==1.0 --hash=sha256:{'0' * 64}\n")
    done = subprocess.run(
        [str(command(tmp_path)), "--root", str(tmp_path / "root"), "install", "-o", "-p",
         str(program), "-r", "/lock.txt", "/opt/app1/penv"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is not to be trusted" in done.stderr
    assert not (trap / "owned").exists()
    tally("the caller's environment", "refused")
