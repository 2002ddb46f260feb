"""A command as another user: whose it is, what it sees, how its end is told."""

from __future__ import annotations

import json
import os
import pwd
import time
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError
from rpm_venv.system import run_as

_TELL = """\
import errno, json, os, stat, sys
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
    terminal = True
except OSError:
    terminal = False
mask = os.umask(0)
print(json.dumps({
    "environment": dict(os.environ), "ids": os.getresuid() + os.getresgid(),
    "groups": sorted(os.getgroups()), "directory": os.getcwd(), "umask": mask,
    "arguments": sys.argv[1:], "input": sys.stdin.read(), "terminal": terminal,
    "descriptors": sorted(int(n) for n in os.listdir("/proc/self/fd") if int(n) > 2)[:-1],
    "leader": os.getsid(0) == os.getpid(),
}))
"""


@pytest.fixture
def who() -> run_as.User:
    """Somebody who is not root: this user, or who stands for nobody."""
    return run_as.user("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)


def program(directory: Path, text: str) -> Path:
    file = directory / "program"
    file.write_text(f"#!{os.path.realpath('/usr/bin/python3')} -IS\n{text}")
    file.chmod(0o755)
    return file


def test_a_command_sees_nothing_of_its_caller(
    who: run_as.User, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "LD_LIBRARY_PATH", "SECRET"):
        monkeypatch.setenv(name, "/evil")
    kept = os.open("/", os.O_RDONLY)
    os.set_inheritable(kept, True)
    arguments = ["--to", "a b", "$(id)", "'", ""]
    ended = run_as.run(who, program(directory, _TELL), arguments, "/opt/app1/penv/bin")
    os.close(kept)
    assert ended.failure == "", ended.said
    seen = json.loads(ended.said[-1])
    path = seen["environment"].pop("PATH")
    assert path.startswith("/opt/app1/penv/bin:/usr/local/bin:/usr/bin")
    assert seen["environment"].pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own
    assert seen["environment"] == {
        "HOME": who.home, "USER": who.name, "LOGNAME": who.name, "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
    }  # fmt: skip
    assert seen["ids"] == [who.uid] * 3 + [who.gid] * 3
    assert set(seen["groups"]) <= set(who.groups)
    assert (seen["directory"], seen["umask"]) == (os.path.realpath(who.home), 0o022)
    assert (seen["arguments"], seen["input"]) == (arguments, "")
    assert (seen["terminal"], seen["leader"], seen["descriptors"]) == (False, True, [])


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ],
)
def test_how_it_ended(who: run_as.User, directory: Path, text: str, failure: str) -> None:
    file = program(directory, f"print('to the end', flush=True)\n{text}\n")
    assert run_as.run(who, file, [], "/x") == run_as.Ended(failure, ("to the end",))


def test_the_last_of_much_output_is_kept(who: run_as.User, directory: Path) -> None:
    file = program(directory, "for n in range(100000): print('line', n)\n")
    said = run_as.run(who, file, [], "/x").said
    assert said[-1] == "line 99999"
    assert 1000 < len(said) < 10000


def test_what_is_left_in_the_background_is_not_waited_for(
    who: run_as.User, directory: Path
) -> None:
    file = program(directory, "import os, time\nif os.fork() == 0: time.sleep(20)\nprint('done')\n")
    start = time.monotonic()
    assert run_as.run(who, file, [], "/x").said == ("done",)
    assert time.monotonic() - start < 15


def test_what_cannot_be_started_is_an_error(who: run_as.User, directory: Path) -> None:
    file = directory / "program"
    file.write_text("#!/nowhere/python\n")
    file.chmod(0o755)
    with pytest.raises(VenvError, match="it cannot be run as"):
        run_as.run(who, file, [], "/x")


@pytest.mark.parametrize("name", ["root", "no-such-user", "0", "", "a\0b"])
def test_who_runs_nothing(name: str) -> None:
    with pytest.raises(VenvError, match=r"this is root|there is no such user"):
        run_as.user(name)


def test_root_by_another_name_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    toor = pwd.struct_passwd(("toor", "x", 0, 100, "", "/root", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: toor)
    with pytest.raises(VenvError, match="this is root"):
        run_as.user("toor")


def test_only_root_becomes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(VenvError, match="only root can run"):
        run_as.user("nobody")
