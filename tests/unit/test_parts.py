"""A wheel of many sources is compiled by several children: the same object, the same refusals."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.confined import protocol
from rpm_venv.errors import SandboxError, VenvError, WheelError
from rpm_venv.paths import Layout
from rpm_venv.system import sandbox
from rpm_venv.wheels import queue
from rpm_venv.wheels.objects import Source
from tests.hostile.building import build, leftovers, only_object
from tests.hostile.wheels import Wheel

WORKERS = 4
_MODULES = {f"demo/m{n:02}/{name}.py": b"def f():\n    return %d\n" % n * 20
            for n in range(20) for name in ("__init__", "more")}  # fmt: skip
WHEEL = replace(Wheel(), files={"demo/__init__.py": b"", "demo/data": b"x" * 999, **_MODULES})

_ZYGOTE = """
import os, sys
sys.path[0] = {source!r}
from rpm_venv.confined import protocol, wheel_stream, zygote
protocol.PART_BYTES = 4000
{change}
zygote.main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])
"""


class Parts:
    """Which parts were made, and what their children do."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[int, int]] = []
        self._script = place / "zygote.py"
        self.children()
        monkeypatch.setattr(sandbox, "ZYGOTE", str(self._script))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(WORKERS)))
        monkeypatch.setattr(queue, "_PACKED_PART", 1)
        child = sandbox.Zygote.child

        @contextmanager
        def noting(
            self_: sandbox.Zygote, worker: int, wheel: int, part: tuple[int, int]
        ) -> Iterator[sandbox.Child]:
            self.made.append(part)
            with child(self_, worker, wheel, part) as one:
                yield one

        monkeypatch.setattr(sandbox.Zygote, "child", noting)

    def children(self, change: str = "") -> None:
        source = str(Path(sandbox.__file__).parents[2])
        self._script.write_text(_ZYGOTE.format(source=source, change=change))


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    return Parts(tmp_path, monkeypatch)


def contents(layout: Layout) -> dict[str, tuple[int, int, bytes]]:
    top = layout.object(only_object(layout).id)
    return {
        str(path.relative_to(top)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in top.rglob("*")
        if path.is_file()
    }


def test_the_object_is_the_same_in_however_many_parts(tmp_path: Path, parts: Parts) -> None:
    wheel = WHEEL.write(tmp_path)
    whole = contents(build(tmp_path / "many", wheel))
    assert sorted(parts.made) == [(0, WORKERS), *((n, WORKERS) for n in range(1, WORKERS))]
    parts.children("protocol.PART_BYTES = 1 << 30")
    parts.made.clear()
    assert contents(build(tmp_path / "one", wheel)) == whole
    assert parts.made == [(0, WORKERS)]  # as many as there may be; it was one
    assert sum(name.endswith(".pyc") for name in whole) == len(_MODULES) + 1


def test_wheels_in_parts_beside_others(tmp_path: Path, parts: Parts) -> None:
    (tmp_path / "wheels").mkdir()
    others = [
        replace(Wheel(), version=f"1.{n}", dist_info=f"demo-1.{n}.dist-info",
                metadata=f"Metadata-Version: 2.1\nName: demo\nVersion: 1.{n}\n\n".encode())
        for n in range(1, 7)
    ]  # fmt: skip
    wheels = [wheel.write(tmp_path / "wheels") for wheel in (WHEEL, *others)]
    layout = build(tmp_path / "root", *wheels)
    assert len(os.listdir(layout.store)) == len(wheels)
    assert {number for number, _ in parts.made} == set(range(WORKERS))


DIES = "    if path == 'demo/m07/more.py': os.abort()\n"
WHOSE_PART = """
compiled = wheel_stream.byte_code
def byte_code(source, path):
{action}    return compiled(source, path)
wheel_stream.byte_code = byte_code
"""


def test_a_part_that_dies_takes_its_wheel_with_it(tmp_path: Path, parts: Parts) -> None:
    parts.children(WHOSE_PART.format(action=DIES))
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(VenvError, match=r"died while it compiled demo/m07/more\.py: killed by"):
        build(tmp_path / "root", WHEEL.write(tmp_path))
    assert leftovers(Layout(tmp_path / "root")) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


SAYS = """
class Attacker(wheel_stream.Sender):
    def send(self, wheel):
        if self._number != 1:
            return super().send(wheel)
        place = wheel_stream.Place(protocol.SITE, {path!r})
        self._output.file(place, {flags}, 4, b'', b'evil')
        self._output.frame(protocol.END)
        self._output.flush()
wheel_stream.Sender = Attacker
"""
ATTACKS = {
    "a file": ("demo/evil.py", 0, "more than its part"),
    "a program": ("demo/evil", protocol.EXECUTABLE, "more than its part"),
    "no source": ("demo/__pycache__/evil.{tag}.pyc", protocol.BYTE_CODE, "without its source"),
    "no __pycache__": ("demo__pycache__/m00/more.{tag}.pyc", protocol.BYTE_CODE, "without its s"),
    "below one": ("__pycache__/demo/m00/more.{tag}.pyc", protocol.BYTE_CODE, "without its source"),
    "another's": ("demo/__pycache__/__init__.{tag}.pyc", protocol.BYTE_CODE, "two files of one"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_part_says_its_byte_code_and_nothing_else(
    tmp_path: Path, parts: Parts, attack: str
) -> None:
    path, flags, message = ATTACKS[attack]
    path = path.format(tag=sys.implementation.cache_tag)
    parts.children(SAYS.format(path=path, flags=flags))
    with pytest.raises(SandboxError, match=f"broke the protocol: .*{message}"):
        build(tmp_path / "root", WHEEL.write(tmp_path))
    assert leftovers(Layout(tmp_path / "root")) == []


STAYS = """
class Attacker(wheel_stream.Sender):
    def _byte_code(self, source, path):
        self._output.flush()
        while self._number == 0:
            pass
    def send(self, wheel):
        super().send(wheel)
        while True:
            pass
wheel_stream.Sender = Attacker
"""


def test_what_is_wrong_is_told_once(tmp_path: Path, parts: Parts) -> None:
    wheel = replace(WHEEL, files={**WHEEL.files, "demo/\u202eevil.py": b""})
    with pytest.raises(WheelError) as caught:
        build(tmp_path / "root", wheel.write(tmp_path))
    assert len(caught.value.problems) == 1
    assert leftovers(Layout(tmp_path / "root")) == []


def test_the_reason_is_told_where_a_part_takes_all_children_with_it(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only that they are gone, which is all that the wheel's first worker sees."""
    parts.children(STAYS)
    monkeypatch.setattr(sandbox, "_PARTING", 1)
    with pytest.raises(SandboxError, match="did not end"):
        build(tmp_path / "root", WHEEL.write(tmp_path))
    assert leftovers(Layout(tmp_path / "root")) == []


def sources(*sizes: int) -> tuple[list[Source], dict[str, int]]:
    names = [f"demo-1.{n}-py3-none-any.whl" for n in range(len(sizes))]
    return [Source(Path(name), name, name) for name in names], dict(zip(names, sizes))


def test_the_largest_wheel_is_first_and_no_more_are_begun_than_memory_takes() -> None:
    wheels, sizes = sources(600 << 20, 5, 700 << 20)
    waiting = queue.Queue(wheels, lambda source: sizes[source.filename])
    assert waiting.workers(8) == 8
    first = waiting.take()
    assert first is not None
    assert (first.number, first.wheel.source) == (0, wheels[2])
    taken: list[queue.Part | None] = []
    other = threading.Thread(target=lambda: taken.append(waiting.take()))
    other.start()
    other.join(0.2)
    assert taken == []  # 600 MB beside 700 are too many
    waiting.done(first.wheel)
    other.join(10)
    assert taken[0] is not None
    assert taken[0].wheel.source == wheels[0]


def test_after_a_failure_no_part_is_begun() -> None:
    wheels, sizes = sources(50 << 20)
    waiting = queue.Queue(wheels, lambda source: sizes[source.filename])
    assert waiting.workers(3) == 3
    part = waiting.take()
    assert part is not None
    assert not waiting.counted(part.wheel, 4)
    assert waiting.counted(part.wheel, 3)
    assert not waiting.counted(part.wheel, 3)  # said twice
    assert waiting.take() in {queue.Part(part.wheel, 1), queue.Part(part.wheel, 2)}
    waiting.stop()
    assert (waiting.rest(part.wheel), waiting.take()) == (None, None)
    waiting.helped(part.wheel)
    waiting.alone(part.wheel)  # and does not wait
