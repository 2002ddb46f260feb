"""A confined child that was taken over, and inputs that reach root's own code."""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase

import pytest

from rpm_venv.confined import protocol
from rpm_venv.errors import LockError, SandboxError, VenvError, WheelError
from rpm_venv.locks import fit, lock
from rpm_venv.locks.fit import Needs
from rpm_venv.paths import Layout
from rpm_venv.system import sandbox
from rpm_venv.wheels import unpack
from rpm_venv.wheels.stream import Broken, Stream
from rpm_venv.wheels.unpack import Unpacking
from rpm_venv.wheels.wheel import WheelName, check_claims
from tests.hostile.building import build, cpu_limited, leftovers
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel
from tests.unit.said import reading

CLAIMS = {
    "dist_info": "demo-1.0.dist-info",
    "name": "demo",
    "version": "1.0",
    "wheel_version": "1.0",
    "tags": ["py3-none-any"],
    "commands": [],
}
NAME = WheelName.parse("demo-1.0-py3-none-any.whl")

#: A zygote whose children confine themselves as ever, and then do what an attacker would.
TAKEN_OVER = """
import os, sys, threading, time
sys.path[0] = {source!r}
from rpm_venv.confined import protocol, wheel_stream, zygote
def taken_over(output, tag, shared, part):
    class Attacker:
        def send(self, wheel):
            pipe = output._descriptor
            frame = lambda kind, data=b"": protocol.FRAME.pack(kind, len(data)) + data
            {action}
    return Attacker()
wheel_stream.Sender = taken_over
zygote.main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])
"""
SLEEP = "threading.Event().wait(999)"
CLAIM = f"os.write(pipe, frame(b'M', {json.dumps(CLAIMS)!r}.encode()))"
ATTACKS = {
    "never begins": (SLEEP, "silent for too long"),
    "never ends": (f"{CLAIM}; os.write(pipe, frame(b'E')); {SLEEP}", "did not end"),
    "holds on to the pipe": (f"os.close(pipe); {SLEEP}", "ended too soon"),
    "dribbles": (
        f"{CLAIM}\n            while True: os.write(pipe, b'F'); threading.Event().wait(0.3)",
        "silent for too long|malformed|broke the protocol",
    ),
    "has parts for workers that there are not": (
        f"{CLAIM}; os.write(pipe, frame(b'N', bytes([9])))",
        "other parts than agreed",
    ),
    "dribbles a frame": (
        "os.write(pipe, protocol.FRAME.pack(b'M', 1 << 20))\n"
        "            while True: os.write(pipe, b' '); threading.Event().wait(0.3)",
        "silent for too long",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_child_cannot_keep_root_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally, attack: str
) -> None:
    action, message = ATTACKS[attack]
    script = tmp_path / "zygote.py"
    source = str(Path(sandbox.__file__).parents[2])
    script.write_text(TAKEN_OVER.format(source=source, action=action))
    monkeypatch.setattr(sandbox, "ZYGOTE", str(script))
    for name, seconds in (("_SILENCE", 1), ("_PATIENCE", 2), ("_PARTING", 1)):
        monkeypatch.setattr(sandbox, name, seconds)
    since = time.monotonic()
    with pytest.raises(SandboxError, match=message) as caught:
        build(tmp_path / "root", Wheel().write(tmp_path))
    assert "demo-1.0-py3-none-any.whl" in caught.value.line()
    assert time.monotonic() - since < 60  # of 999; machines may be slow
    assert leftovers(Layout(tmp_path / "root")) == []
    listed = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True).stdout
    assert str(script).encode() not in listed
    tally("a child that was taken over", "refused")


#: What a child that was taken over tries from the inside, and the last that is heard of it.
REACHES = {
    "import mmap; kept = [mmap.mmap(-1, 16 << 20) for _ in range(60)]": "PermissionError",
    "kept = [bytearray(16 << 20) for _ in range(60)]": "MemoryError",
    "import os; os.fork()": "PermissionError|BlockingIOError",
    "import os; os.kill(-1, 9)": "PermissionError",
    "import os; os.kill(os.getppid(), 9)": "PermissionError",
    "import os; os.open('/', 0)": "PermissionError",
    "import os; os.write(wheel, b'x')": "PermissionError|OSError",
    "import os; os.ftruncate(wheel, 0)": "PermissionError",
    "import os; os.memfd_create('x')": "PermissionError",
    "import socket; socket.socket()": "PermissionError",
    "import socket; socket.socketpair()": "PermissionError",
    "import os; os.setresuid(0, 0, 0)": "PermissionError",
    "import os; os.dup2(0, 9)": "PermissionError|OSError",
    "[os.write(n, b'x') for n in range(3, 64) if n not in (wheel, pipe)]": "OSError",
}


@pytest.mark.parametrize("reach", REACHES)
def test_a_child_reaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally, reach: str
) -> None:
    script = tmp_path / "zygote.py"
    source = str(Path(sandbox.__file__).parents[2])
    # Modules are there before there are no files any more, as those of the reader are.
    loaded = "import mmap, os, signal, socket\n" + TAKEN_OVER
    script.write_text(loaded.format(source=source, action=reach))
    monkeypatch.setattr(sandbox, "ZYGOTE", str(script))
    with pytest.raises(VenvError, match=REACHES[reach]):
        build(tmp_path / "root", Wheel().write(tmp_path))
    assert leftovers(Layout(tmp_path / "root")) == []
    tally("a child that was taken over", "refused")


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    return protocol.FRAME.pack(kind, len(payload)) + payload


def file(name: str, size: int = 0, data: bytes = b"", digest: bytes = bytes(32)) -> bytes:
    encoded = name.encode()
    header = protocol.HEADER.pack(0, 0, size, len(encoded), len(digest))
    return frame(protocol.FILE, header + encoded + digest + data)


def numbered() -> Iterator[bytes]:
    for number in range(1 << 40):
        yield file(f"demo/{number}")


#: JSON of as many names as one frame may have, which takes root some 30 ms.
NAMES = json.dumps(["a"] * (protocol.MAX_PAYLOAD // 5)).encode()

#: What follows the claims, for ever.
ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "bad names": lambda: iter(lambda: file("../" + "\U0001f600" * 16_000), b""),
    "problems": lambda: iter(lambda: frame(protocol.PROBLEM, b'["%s", "y"]' % (b"x" * 500)), b""),
    "long names": lambda: (file("d/" * 30 + f"{n:0900}"[-200:] * 4) for n in range(1 << 40)),
    "empty files after a problem": lambda: (
        piece for piece in (file("../x"), *(file("demo/x"),) * 900_000)
    ),
    "crumbs": lambda: iter([file("demo/x", 1 << 33), *[frame(protocol.MORE, b"x")] * 300_000]),
    "nothing at all": lambda: iter([file("demo/x", 9), *[frame(protocol.MORE)] * 300_000]),
    "a megabyte of names, again and again": lambda: iter(lambda: frame(protocol.BEARS, NAMES), b""),
    "files for the whole disk": lambda: (file(f"../{n}", 1 << 33) for n in range(1 << 40)),
}  # fmt: skip

CHILD = """
import resource, sys
from pathlib import Path
from tests.hostile.test_attacks import unpack_endless
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
unpack_endless(Path(sys.argv[1]), sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def unpack_endless(place: Path, kind: str) -> None:
    """What root does with a stream without an end; raises what it raises, but for ``Broken``."""
    pieces = ENDLESS[kind]()

    def batches() -> Iterator[bytes]:
        yield frame(protocol.META, json.dumps(CLAIMS).encode())
        while batch := b"".join(piece for piece, _ in zip(pieces, range(64))):
            yield batch

    unpacking = Unpacking(place / "object", "id", NAME, "cpython-399", packed=1000)
    try:
        unpacking.take(Stream(reading(batches())).events())
        unpacking.finish()
    except Broken:
        return
    raise AssertionError("it was believed")


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_stream_without_an_end_fills_neither_memory_nor_time(
    tmp_path: Path, tally: Tally, kind: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), kind],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 200 << 10  # kilobytes
    tally("a child that was taken over", "refused")


def test_names_are_counted_by_what_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """A letter takes up to four bytes of memory, and twelve of an object's description."""
    monkeypatch.setattr(unpack, "_MAX_NAMES", 100)
    claims = frame(protocol.META, json.dumps(CLAIMS).encode())
    for name, said in (("x" * 90, "ended too soon"), ("\U00020000" * 30, "more bytes than agreed")):
        unpacking = Unpacking(tmp_path / name[:1], "id", NAME, "cpython-311")
        with pytest.raises(Broken, match=said):
            unpacking.take(Stream(reading([claims, file(f"demo/{name}")])).events())
    tally("a child that was taken over", "refused")


def test_byte_code_that_is_not_made_here_is_not_taken(tmp_path: Path, tally: Tally) -> None:
    stream = [
        frame(protocol.META, json.dumps(CLAIMS).encode()),
        file("other/__pycache__/x.cpython-311.pyc"),
    ]
    unpacking = Unpacking(tmp_path / "object", "id", NAME, "cpython-311")
    with pytest.raises(Broken, match="claims to be the wheel's"):
        unpacking.take(Stream(reading(stream)).events())
        unpacking.finish()
    tally("a child that was taken over", "refused")


HUNDREDS = ".".join(f"a{n}" for n in range(80))
EXPLOSION = "-".join([HUNDREDS] * 3)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_tag_that_means_a_million_is_none(tmp_path: Path, tally: Tally) -> None:
    before = _peak()
    text = EXPLOSION.encode()
    wheel = replace(Wheel(), wheel=Wheel.wheel + b"Tag: " + text + b"\n")  # type: ignore[operator]
    with cpu_limited(10), pytest.raises(WheelError, match="is not a tag"):
        build(tmp_path / "root", wheel.write(tmp_path))
    with cpu_limited(10), pytest.raises(WheelError, match="not the file name of a wheel"):
        WheelName.parse(f"demo-1.0-{EXPLOSION}.whl")
    assert _peak() - before < 50 << 10
    tally("tags", "refused")


def _claiming(pairs: int) -> list[str]:
    """A megabyte of tags, of which each stands for hundreds and none is like another."""
    names = ["".join(letters) for letters in itertools.product(ascii_lowercase, repeat=3)]
    halves = (names[at : at + 25] for at in itertools.cycle(range(0, 17_000, 25)))
    return ["-".join([*map(".".join, (next(halves), next(halves))), "x"]) for _ in range(pairs)]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tags", _claiming(4800), "more than 1000 tags"),
        ("tags", ["a"] * 200_000, "is not a tag"),
        ("commands", [["gui", "a", "b"]] * 60_000, "is not module:attribute"),
    ],
)
def test_a_megabyte_of_claims_takes_no_time(
    tally: Tally, field: str, value: list[object], said: str
) -> None:
    before = _peak()
    with cpu_limited(3):
        _, problems = check_claims(NAME, {**CLAIMS, field: value})
    assert said in problems[0].message
    assert len(problems) <= protocol.MAX_PROBLEMS
    assert _peak() - before < 20 << 10
    tally("tags", "refused")


PACKAGE = f"""lock-version = "1.0"
created-by = "x"
[[packages]]
name = "demo"
version = "1.0"
MARKER
[[packages.wheels]]
PLACE
hashes = {{sha256 = "{"0" * 64}"}}
"""
NESTED = "(" * 9000 + "os_name == 'x'" + ")" * 9000
LOCKS = {
    "name": ("", f'name = "demo-1.0-{EXPLOSION}.whl"\nurl = "https://x.invalid/y"'),
    "path": ("", f'path = "wheels/demo-1.0-{EXPLOSION}.whl"'),
    "url": ("", f'url = "https://x.invalid/demo-1.0-{EXPLOSION.replace(".", "%2E")}.whl"'),
    "marker": (f'marker = "{NESTED}"', 'path = "demo-1.0-py3-none-any.whl"'),
}  # fmt: skip


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_that_would_fill_memory_is_refused(tally: Tally, kind: str) -> None:
    marker, place = LOCKS[kind]
    text = PACKAGE.replace("MARKER", marker).replace("PLACE", place)
    before = _peak()
    with pytest.raises(LockError) as caught:
        lock.parse(text.encode(), "pylock.toml")
    assert len("".join(caught.value.lines())) < 2000
    assert _peak() - before < 50 << 10
    tally("locks", "refused")


def test_markers_of_the_whole_lock_may_not_be_nested_without_end(tally: Tally) -> None:
    text = f'lock-version = "1.0"\ncreated-by = "x"\nenvironments = ["{NESTED}"]\npackages = []\n'
    with pytest.raises(LockError, match="not an exact lock"):
        lock.parse(text.encode(), "pylock.toml")
    tally("locks", "refused")


#: Lines of METADATA of which each is asked for by the next.
CHAIN = (*(f"demo[e{n}]; extra == 'e{n + 1}'" for n in range(499)), "demo[e499]")


def test_what_wheels_need_is_found_out_in_time(tally: Tally) -> None:
    demo = Needs("demo", "1.0", CHAIN, ">=" + "0" * 900_000 + "4")
    with cpu_limited(10):
        found = fit.misfits([demo], {"demo": ""}, {"python_full_version": "3.11.2"})
    assert found == {}
    tally("locks", "refused")


@pytest.mark.parametrize("tag", ["-none-any", "py3--any", "py3-none-", "a b-none-any", "..-.-."])
def test_a_tag_that_is_none_is_the_wheels_fault(tmp_path: Path, tally: Tally, tag: str) -> None:
    wheel = replace(Wheel(), wheel=Wheel.wheel + f"Tag: {tag}\n".encode())  # type: ignore[operator]
    with pytest.raises(WheelError, match="is not a tag"):
        build(tmp_path / "root", wheel.write(tmp_path))
    tally("tags", "refused")


@pytest.mark.parametrize("field", ["wheel_version", "name", "version", "dist_info", "tags"])
def test_what_a_wheel_claims_cannot_speak_to_a_terminal(tally: Tally, field: str) -> None:
    evil = "\x1b]0;owned\x07\r\n\u202e2"
    claims = {**CLAIMS, field: [evil] if field == "tags" else evil}
    _, problems = check_claims(NAME, claims)
    assert problems
    assert all(str(problem).isprintable() for problem in problems)
    tally("terminals", "made safe")


EVIL = "\x1b]0;owned\x07\x1b[2J\rrpm-venv: all is well\n\u202edone\x9b1m\udc9b"


def test_no_name_speaks_to_a_terminal(tmp_path: Path, tally: Tally) -> None:
    """Whatever is printed, by whomever it was said, is a line of printable characters."""
    filename = f"demo-1.0-py3-none-any{EVIL}.whl".encode("utf-8", "surrogateescape")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / os.fsdecode(filename).replace("/", "")).write_bytes(b"")
    (tmp_path / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{'0' * 64}\n")
    calls = [
        ["install", "-o", "-w", "/wheels", "-r", "/lock.txt", "/opt/app1/penv"],
        ["install", "-o", "-r", f"/{EVIL}", "/opt/app1/penv"],
        ["check", "-o", "-r", f"/{EVIL}", "/opt/app1/penv"],
        ["show", f"/opt/{EVIL}"],
        ["verify"],
        ["list"],
        [EVIL],
        ["list", f"--{EVIL}"],
    ]
    for words in calls:
        done = subprocess.run(
            [sys.executable, "-m", "rpm_venv", "--root", str(tmp_path), *words],
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            capture_output=True, check=False,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr
        said = (done.stdout + done.stderr).decode().splitlines()
        assert all(line.isprintable() for line in said), said
        assert all(line.startswith("rpm-venv: ") for line in done.stderr.decode().split("\n")[:-1])
        tally("terminals", "made safe")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_locale_without_a_letter_is_no_failure(tmp_path: Path, encoding: str) -> None:
    code = (
        "import io, sys; from rpm_venv import cli, report; "
        f"sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding={encoding!r}); "
        "cli.call = lambda _: report.Report(text=('…\\u0142\\udc80',)); sys.exit(cli.main([]))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip() == b"\\u2026\\u0142\\udc80"


LETTERS = "-".join([".".join(ascii_lowercase[:10])] * 3)
SLOW = {
    "pylock.tags.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "a"\n'
    + "".join(
        f"[[packages.wheels]]\npath = 'a-1-{n}-{LETTERS}.whl'\nhashes = {{sha256 = '{n:064}'}}\n"
        for n in range(4000)
    ),
    "pylock.toml": 'lock-version = "1.0"\npackages = []\n' + "a." * 100_000 + "b = 1\n",
    "pylock.inline.toml": 'lock-version = "1.0"\nx = {' + "a." * 100_000 + "b = 1}\n",
    "pylock.table.toml": 'lock-version = "1.0"\npackages = []\n[' + "a." * 100_000 + "b]\n",
    "pylock.many.toml": 'lock-version = "1.0"\ncreated-by = "x"\n' + "[[packages]]\n" * 20_000,
    "pylock.digits.toml": PACKAGE.replace("[[pa", f'requires-python = ">={"1" * 5000}"\n[[pa', 1)
    .replace("MARKER", f'requires-python = ">={"1" * 5000}"')
    .replace("PLACE", 'path = "demo-1.0-py3-none-any.whl"'),
    "brackets.txt": "a[" + "a," * (1 << 19),
    "equals.txt": "a" + "=" * (1 << 20),
    "blanks.txt": "a[a" + " " * (1 << 20) + "b",
    "hashes.txt": "a==1 " + "--hash=sha256:x " * (1 << 16),
    "continued.txt": "a==1 \\\n" * (1 << 18),
    "version.txt": "a==" + "1." * (1 << 19) + "1",
    "lines.txt": "x\n" * (1 << 16),
    "same.txt": "".join(f"a=={n} --hash=sha256:{0:064}\n" for n in range(6000)),
}  # fmt: skip


@pytest.mark.parametrize("filename", SLOW)
def test_no_lock_takes_long_or_is_told_at_length(tally: Tally, filename: str) -> None:
    with cpu_limited(10), pytest.raises(LockError) as caught:
        lock.parse(SLOW[filename].encode(), filename)
    assert len(caught.value.lines()) <= 202
    assert max(map(len, caught.value.lines())) < 1000
    tally("locks", "refused")
