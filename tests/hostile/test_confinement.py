"""What a confined child cannot do, layer by layer, and where the layers are to be had."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rpm_venv.errors import SandboxError
from rpm_venv.paths import Layout
from rpm_venv.system import sandbox, stranger
from tests.hostile import probe
from tests.hostile.building import leftovers, open_to_others, running_interpreter, source
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

TREE = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

#: Builds an object and prints the layers that were missing; run in places of every kind.
BUILD = """
import sys, json
from pathlib import Path
from tests.hostile.building import running_interpreter, source
from rpm_venv.wheels import store
from rpm_venv.paths import Layout
layout = Layout(Path(sys.argv[2]))
missing = store.build(layout, [source(Path(sys.argv[1]))], running_interpreter(), lambda _: None)
print(json.dumps([missing, [len(store.read(layout, name).files) for name in store.ids(layout)]]))
"""


def environment() -> dict[str, str]:
    vendor = [path for path in sys.path if path.endswith("-packages")]
    return {"PYTHONPATH": os.pathsep.join([str(TREE / "src"), str(TREE), *vendor])}


def probed(tmp_path: Path, kind: str) -> tuple[list[str], dict[str, str]]:
    """The layers missing, and what became of each attempt."""
    (tmp_path / "empty").mkdir()
    root = os.open(tmp_path / "empty", os.O_RDONLY | os.O_DIRECTORY)
    try:
        done = subprocess.run(
            [running_interpreter().path, probe.__file__, str(root), kind, str(os.getpid())],
            env=environment(),
            pass_fds=[root],
            capture_output=True,
            check=True,
        )
    finally:
        os.close(root)
    found = json.loads(done.stdout)
    return found["missing"], found["found"]


@needs_root
def test_nothing_can_be_done_with_all_layers(tmp_path: Path, tally: Tally) -> None:
    missing, found = probed(tmp_path, "filtered")
    assert missing == []
    assert {name for name, result in found.items() if result == "done"} == set()
    assert found.keys() == probe.ATTEMPTS.keys()
    for _ in found:
        tally("a child that was taken over", "refused")


@needs_root
def test_the_other_layers_hold_without_the_filter(tmp_path: Path, tally: Tally) -> None:
    _, found = probed(tmp_path, "unfiltered")
    harmless = {"executable memory", "shared memory", "fork", "be root elsewhere"}
    assert {name for name, result in found.items() if result == "done"} <= harmless
    for _ in found.keys() - harmless:
        tally("the same without a filter", "refused")


def built(tmp_path: Path, prefix: Sequence[str], python: str = "") -> list[object]:
    """What a build says that is started behind ``prefix``: missing layers, files per object."""
    wheel = Wheel().write(tmp_path)
    (tmp_path / "root").mkdir(exist_ok=True)
    (tmp_path / "root").chmod(0o777)
    command = [
        python or running_interpreter().path,
        "-c",
        BUILD,
        str(wheel),
        str(tmp_path / "root"),
    ]
    done = subprocess.run(
        [*prefix, *command],
        env={**environment(), "PATH": os.environ["PATH"]},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer: list[object] = json.loads(done.stdout)
    return answer


FILES = [7]  # two files, their dist-info of four, one byte code


@needs_root
def test_as_an_ordinary_user(tmp_path: Path) -> None:
    pythons = [running_interpreter().path, "/usr/bin/python3"]
    python = next((each for each in pythons if _others_can_read(Path(each))), None)
    if python is None:
        pytest.skip("needs an interpreter that others can run")
    open_to_others(tmp_path)
    user = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"]
    missing, files = built(tmp_path, user, python)
    assert "user" in missing  # type: ignore[operator]
    assert "seccomp" not in missing  # type: ignore[operator]
    assert files == FILES


def _others_can_read(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in [path, *path.parents])


def bare(top: Path) -> list[str]:
    """A prefix for a bare root: this system by bind mounts, but for /proc, /dev and /sys."""
    script = ["mount -t tmpfs none ."]
    for name in sorted(os.listdir("/")):
        if (Path("/") / name).is_symlink():
            script.append(f"cp -P /{name} .")
        elif name not in ("proc", "dev", "sys", "run", "lost+found") and os.path.isdir(f"/{name}"):
            script.append(f"mkdir {name}; mount --rbind /{name} {name}")
    script.append('exec chroot . "$@"')
    (top / "bare").mkdir()
    text = f"cd {top}/bare; " + "\n".join(script)
    return ["unshare", "--mount", "sh", "-c", text, "sh"]


#: As rpm-ostree runs scriptlets when it composes an image: /var cannot be written to, there is no
#: network, and the rpm database is an empty one.
IMAGE = """
mount --bind /var /var && mount -o remount,bind,ro /var && ! touch /var/x 2>/dev/null && exec "$@"
"""
NO_ADMIN = ["setpriv", "--bounding-set=-sys_admin"]
#: Places, how to get there, and the layers that are missing there.
PLACES: dict[str, tuple[Callable[[Path], list[str]], tuple[str, ...]]] = {
    "a host": (lambda top: [], ()),
    "a chroot with neither /proc nor /dev": (bare, ()),
    "a user namespace with one id": (
        lambda top: ["unshare", "--user", "--map-root-user"],
        ("user",),
    ),
    "without CAP_SYS_ADMIN": (lambda top: NO_ADMIN, ("network", "namespaces", "processes")),
    "an image build": (
        lambda top: ["unshare", "--mount", "--net", "sh", "-c", IMAGE, "sh"],
        (),
    ),
    "an image build in a container": (
        lambda top: ["unshare", "--mount", "--net", "sh", "-c", IMAGE, "sh", *NO_ADMIN],
        ("network", "namespaces", "processes"),
    ),
}


@needs_root
@pytest.mark.parametrize("place", PLACES)
def test_an_install_works_and_names_what_is_missing_once(
    tmp_path: Path, tally: Tally, place: str
) -> None:
    """By the whole command, as a scriptlet calls it."""
    prefix, missing = PLACES[place]
    root = tmp_path / "root"
    root.mkdir()
    wheel = source(Wheel().write(root))
    (root / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{wheel.sha256}\n")
    if shutil.which("rpm"):
        database = ["rpm", "--dbpath", f"{root}/usr/lib/sysimage/rpm", "--initdb"]
        subprocess.run(database, check=True, capture_output=True)
    python = running_interpreter().path
    words = ["install", "-o", "-w", "/", "-p", python, "-r", "/lock.txt", "/opt/app/penv"]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix(Path(tempfile.mkdtemp(dir=tmp_path))), python, "-m", "rpm_venv",
             "--root", str(root), *words],
            env={**environment(), "PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == (1 if missing else 0), done.stderr
    for layer, in_words in sandbox.LAYERS.items():
        assert done.stderr.count(in_words) == (layer in missing), (layer, done.stderr)
    again = [call(*words), call("verify"), call("remove", "/opt/app/penv")]
    assert [(done.returncode, done.stderr) for done in again] == [(0, "")] * 3
    assert not os.path.lexists(root / "opt")
    tally("where the command runs", "accepted")


@needs_root
def test_with_no_filter_in_the_kernel_it_is_an_error_if_asked_for(tmp_path: Path) -> None:
    code = BUILD.replace("lambda _: None)", "lambda _: None, require_sandbox=True)")
    wheel = Wheel().write(tmp_path)
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", running_interpreter().path, "-c", code,
         str(wheel), str(tmp_path / "root")],
        env=environment(), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "SandboxError" in done.stderr
    assert "no network namespace" in done.stderr
    assert "require-sandbox" in done.stderr


def test_every_layer_has_its_words() -> None:
    assert sandbox.lacking(["user", "seccomp"]) == (
        "no user id of its own, no filter of system calls (seccomp)"
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that a program confined as nobody can reach."""
    if os.geteuid() == 0:
        open_to_others(tmp_path)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def run(place: Path, script: str, **options: object) -> stranger.CompletedChild:
    settings: dict[str, object] = {"network": False, "timeout": 20, **options}
    return stranger.run(
        ["/bin/sh", "-c", script],
        env={"PATH": "/usr/bin:/bin"},
        cwd=place,
        **settings,  # type: ignore[arg-type]
    )


def test_a_program_gets_its_directory_and_says_what_it_says(place: Path) -> None:
    done = run(place, "pwd; echo made > file; echo talk >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{place}\n", "talk\n")
    assert (place / "file").read_text() == "made\n"
    assert done.ending == "exit code 3"
    assert stranger.CompletedChild(-9, "", "").ending == "killed by SIGKILL"


@needs_root
def test_a_program_is_nobody_and_writes_nowhere_else(place: Path) -> None:
    done = run(place, "id -u; id -G; touch /tmp/x /var/tmp/x /dev/shm/x; : > /dev/null; echo $?")
    user, groups, made = done.stdout.split()
    assert (user, made) == (groups, "0")
    assert int(user) >= 0x70000000  # nobody's, and not that of the services which run as nobody
    assert done.stderr.count("touch:") == 3
    assert done.missing == ()
    assert run(place, "cat /etc/shadow").returncode != 0
    assert run(place, "sudo -n id || su -c id || ls /root").returncode != 0


@needs_root
def test_a_program_has_the_network_only_where_it_may(place: Path) -> None:
    count = "grep -c : /proc/self/net/dev"
    alone, shared = (run(place, count, network=network) for network in (False, True))
    assert int(alone.stdout) < int(shared.stdout) or "eth" not in Path("/proc/net/dev").read_text()


def test_a_program_that_does_not_end_is_ended_with_its_children(place: Path) -> None:
    with pytest.raises(SandboxError, match="took too long"):
        run(place, "sleep 987 & sleep 987", timeout=0.5)
    listed = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True).stdout
    assert b"sleep 987" not in listed.splitlines()


def test_a_program_that_is_not_there_does_not_start(place: Path) -> None:
    with pytest.raises(SandboxError, match="does not start"):
        stranger.run(["/nowhere"], env={}, cwd=place, network=False, timeout=1)


def test_a_talkative_program_does_not_fill_memory(place: Path) -> None:
    done = run(place, "head -c 5000000 /dev/zero; echo end")
    assert len(done.stdout) == 1 << 20
    assert done.stdout.endswith("end\n")


#: Builds with a reader that never comes to an end, and says so when it has begun.
ENDLESS = """
import signal, sys
from pathlib import Path
# Who runs the tests in the background ignores Ctrl-C for all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.hostile.building import build
from rpm_venv.system import sandbox
sandbox.ZYGOTE = sys.argv[3]
build(Path(sys.argv[2]), Path(sys.argv[1]))
"""


def endless(tmp_path: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A build whose confined child loops for ever, and the session of that child."""
    script = tmp_path / "zygote.py"
    script.write_text(
        "import os, sys\n"
        f"open({str(tmp_path / 'session')!r}, 'w').write(str(os.getsid(0)))\n"
        f"sys.path[0] = {str(TREE / 'src')!r}\n"
        "from rpm_venv.confined import wheel_stream, zygote\n"
        "def loop(source, path):\n    while True: pass\n"
        "wheel_stream.byte_code = loop\n"
        "zygote.main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])\n"
    )
    wheel = Wheel().write(tmp_path)
    command = [sys.executable, "-c", ENDLESS, str(wheel), str(tmp_path / "root"), str(script)]
    process = subprocess.Popen(
        command, env=environment(), stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while len(_processes_of(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)  # the zygote, its worker and the child
    assert len(_processes_of(tmp_path)) == 3
    return process, int((tmp_path / "session").read_text())


def _processes_of(tmp_path: Path) -> list[str]:
    """The processes of the session that a zygote began."""
    if not (tmp_path / "session").exists() or not (tmp_path / "session").read_text():
        return []
    session = (tmp_path / "session").read_text()
    listed = subprocess.run(["ps", "-s", session, "-o", "pid,stat"], capture_output=True, text=True,
                            check=False).stdout.splitlines()[1:]  # fmt: skip
    return [line for line in listed if "Z" not in line.split()[1]]


def _wait_until_gone(tmp_path: Path) -> None:
    deadline = time.monotonic() + 10
    while _processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize("whom", ["process", "group"])
def test_an_interrupted_build_leaves_no_process_and_no_file(tmp_path: Path, whom: str) -> None:
    process, _ = endless(tmp_path)
    (os.kill if whom == "process" else os.killpg)(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode != 0
    assert said.strip().endswith(b"KeyboardInterrupt")
    _wait_until_gone(tmp_path)
    assert leftovers(Layout(tmp_path / "root")) == []


def test_a_killed_build_takes_its_children_with_it(tmp_path: Path) -> None:
    process, _ = endless(tmp_path)
    process.kill()
    process.communicate(timeout=20)
    _wait_until_gone(tmp_path)


def test_a_killed_zygote_ends_the_build(tmp_path: Path) -> None:
    process, session = endless(tmp_path)
    os.kill(session, signal.SIGKILL)
    _, said = process.communicate(timeout=20)
    assert b"the process that makes confined children is gone" in said
    _wait_until_gone(tmp_path)
    assert leftovers(Layout(tmp_path / "root")) == []
