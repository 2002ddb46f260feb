"""The store: whole objects or none, the same bytes everywhere, nothing left behind."""

from __future__ import annotations

import importlib.util
import marshal
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError, WheelError
from rpm_venv.paths import Layout
from rpm_venv.system import files, sandbox
from rpm_venv.wheels import store
from tests.hostile.building import build, leftovers, only_object, running_interpreter, source
from tests.hostile.wheels import Wheel, with_file

_RICH = {
    "demo/__init__.py": b"'''Doc.'''\nX = ('a', 'b', frozenset({'x', 'y', 1}), 2.5, 1j)\n",
    "demo/names.py": b"".join(b"def name_%d(a, b={}):\n    return {a}\n" % n for n in range(99)),
    "demo/tool": b"#!/bin/sh\n",
    "demo-1.0.data/scripts/demo-tool": b"#!python\nprint('hello')\n",
    "demo-1.0.data/headers/demo.h": b"int x;\n",
    "demo-1.0.data/data/share/demo.txt": b"share\n",
    "demo-1.0.data/platlib/demo/lib.so": b"\x7fELF",
}  # fmt: skip
RICH = replace(Wheel(), files=_RICH, entry_points=b"[console_scripts]\ndemo = demo.names:name_1\n")


@pytest.fixture
def rich(tmp_path: Path) -> Layout:
    return build(tmp_path / "root", RICH.write(tmp_path))


def test_an_object_has_a_directory_for_each_scheme(rich: Layout) -> None:
    stored = only_object(rich)
    by_scheme: dict[str, set[str]] = {}
    for file in stored.files:
        by_scheme.setdefault(file.scheme, set()).add(file.path)
    assert by_scheme["scripts"] == {"demo-tool"}
    assert by_scheme["headers"] == {"demo.h"}
    assert by_scheme["data"] == {"share/demo.txt"}
    assert "demo/lib.so" in by_scheme["site"]
    assert stored.entry_points == (store.EntryPoint("console", "demo", "demo.names", "name_1"),)
    assert (stored.name, stored.version, stored.dist_info) == ("demo", "1.0", "demo-1.0.dist-info")
    script = rich.object(stored.id) / "scripts/demo-tool"
    assert script.read_bytes() == b"#!python\nprint('hello')\n"


def test_byte_code_is_what_the_interpreter_would_make(rich: Layout) -> None:
    site = rich.object(only_object(rich).id) / "site"
    code_file = site / importlib.util.cache_from_source("demo/names.py")
    data = code_file.read_bytes()
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == b"\1\0\0\0"
    assert data[8:16] == importlib.util.source_hash((site / "demo/names.py").read_bytes())
    assert marshal.loads(data[16:]).co_filename == "demo/names.py"


def test_byte_code_is_used(rich: Layout) -> None:
    site = rich.object(only_object(rich).id) / "site"
    code = (
        f"import sys; sys.path[0] = {str(site)!r}\n"
        "import demo.names as m; print(m.__cached__, m.name_1.__code__.co_filename)"
    )
    done = subprocess.run(
        [sys.executable, "-v", "-S", "-B", "-c", code],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"matches {site}/demo/names.py" in done.stderr
    assert done.stdout.split()[1] == f"{site}/demo/names.py"


def test_record_lists_the_site_directory_and_nothing_else(rich: Layout) -> None:
    stored = only_object(rich)
    record = rich.object(stored.id) / "site" / stored.dist_info / "RECORD"
    listed = [line.split(",")[0] for line in record.read_text().splitlines()]
    assert sorted(listed) == sorted(f.path for f in stored.files if f.scheme == "site")


def test_building_again_changes_nothing(tmp_path: Path, rich: Layout) -> None:
    before = {path: path.stat().st_ino for path in rich.store.rglob("*")}
    assert build(rich.root, RICH.write(tmp_path)) == rich
    assert {path: path.stat().st_ino for path in rich.store.rglob("*")} == before


def _other_place(tmp_path: Path, name: str, **environment: str) -> bytes:
    """The description of the object that another process with another environment builds."""
    wheel = RICH.write(tmp_path)
    code = (
        "import os, sys; from pathlib import Path; from tests.hostile.building import *\n"
        "os.umask(int(os.environ['MASK'], 8))\n"
        "layout = build(Path(sys.argv[2]), Path(sys.argv[1]))\n"
        "sys.stdout.buffer.write(only_object(layout).dumps())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(wheel), str(tmp_path / name)],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        capture_output=True, check=True,
    ).stdout  # fmt: skip


def test_the_bytes_depend_on_nothing_else(tmp_path: Path, rich: Layout) -> None:
    here = only_object(rich).dumps()
    there = _other_place(
        tmp_path, "there", MASK="077", LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="7",
        PYTHONOPTIMIZE="2", SOURCE_DATE_EPOCH="1", PYTHONDONTWRITEBYTECODE="1",
    )  # fmt: skip
    elsewhere = _other_place(tmp_path, "elsewhere", MASK="000", LC_ALL="C.UTF-8", TZ="UTC")
    assert here == there == elsewhere


def test_modes_and_times_are_fixed(tmp_path: Path, rich: Layout) -> None:
    _other_place(tmp_path, "there", MASK="077")
    for root in (rich.root, tmp_path / "there"):
        (name,) = store.ids(Layout(root))
        place = Layout(root).object(name)
        for path in (place, *place.rglob("*")):
            assert path.stat().st_mode & 0o777 in ((0o755,) if path.is_dir() else (0o644, 0o755))
            assert path.stat().st_mtime_ns == files.MTIME_NS


def test_the_bytes_do_not_depend_on_other_wheels(tmp_path: Path, rich: Layout) -> None:
    others = []
    for number in range(5):
        wheel = replace(
            with_file(f"demo/other{number}.py", _RICH["demo/names.py"] * (number + 1)),
            version=f"2.{number}",
            dist_info=f"demo-2.{number}.dist-info",
            metadata=b"Name: demo\nVersion: 2.%d\n\n" % number,
        )
        others.append(wheel.write(tmp_path))
    together = build(tmp_path / "together", *others, RICH.write(tmp_path))
    stored = only_object(rich)
    assert store.read(together, stored.id) == stored
    assert len(store.ids(together)) == 6


def test_many_wheels_at_once(tmp_path: Path) -> None:
    wheels = []
    for number in range(12):
        wheel = replace(
            Wheel(), name=f"demo{number}", dist_info=f"demo{number}-1.0.dist-info",
            metadata=b"Name: demo%d\nVersion: 1.0\n\n" % number,
        )  # fmt: skip
        wheels.append(wheel.write(tmp_path))
    layout = build(tmp_path / "root", *wheels)
    assert len(store.ids(layout)) == 12
    assert {store.read(layout, name).name for name in store.ids(layout)} == {
        f"demo{number}" for number in range(12)
    }


def test_every_refused_wheel_is_named(tmp_path: Path) -> None:
    wheels = []
    for number, bad in enumerate([with_file("../a"), with_file("/b"), Wheel()]):
        (tmp_path / str(number)).mkdir()
        wheels.append(bad.write(tmp_path / str(number)))
    with pytest.raises(WheelError) as caught:
        build(tmp_path / "root", *wheels)
    assert caught.value.message == "2 wheels are refused"
    assert len(caught.value.problems) == 2
    assert leftovers(Layout(tmp_path / "root")) == []


def test_a_wheel_of_another_digest_is_refused(tmp_path: Path) -> None:
    wheel = Wheel().write(tmp_path)
    lying = replace(source(wheel), sha256="0" * 64)
    with pytest.raises(WheelError, match=r"its sha256 is [0-9a-f]{64}, not 0{64}"):
        store.build(Layout(tmp_path / "root"), [lying], running_interpreter(), lambda _: None)


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    wheel = store.Source(path, path.name, "0" * 64)
    with pytest.raises(WheelError, match=r"cannot be read|not a file"):
        store.build(Layout(tmp_path / "root"), [wheel], running_interpreter(), lambda _: None)
    assert leftovers(Layout(tmp_path / "root")) == []


def test_an_interpreter_that_does_not_start_is_named(tmp_path: Path) -> None:
    wheel = Wheel().write(tmp_path)
    nowhere = replace(running_interpreter(), path="/nowhere/python3")
    with pytest.raises(VenvError, match="/nowhere/python3"):
        build(tmp_path / "root", wheel, interpreter=nowhere)
    silent = replace(running_interpreter(), path="/bin/false")
    with pytest.raises(VenvError, match="did not start"):
        build(tmp_path / "root", wheel, interpreter=silent)
    assert leftovers(Layout(tmp_path / "root")) == []


#: What a child that was taken over may do while it compiles demo/names.py, and what is said of it.
MISBEHAVIOUR = {
    "os.abort()": r"died while it compiled demo/names.py: killed by SIG(ABRT|SEGV)",
    "[x for x in iter(int, 1)]": r"died while it compiled demo/names.py: (killed by|MemoryError)",
    "while True: pass": r"died while it compiled demo/names.py: killed by SIG(XCPU|KILL)",
    "raise SystemExit('evil \\033[2J')": r"died while it compiled demo/names.py: SystemExit: evil",
    "raise SystemExit(f'{sum(map(is_open, range(64)))} descriptors')": "SystemExit: 6 descriptors",
    "os._exit(0)": "broke the protocol: it ended too soon",
    "os.write(pipe, b'F' * 99)": "broke the protocol",
    "os.close(pipe)": r"died while it compiled demo/names.py",
}


@pytest.mark.parametrize("action", MISBEHAVIOUR)
def test_a_child_that_misbehaves_is_refused_with_the_file_it_was_compiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    script = tmp_path / "zygote.py"
    script.write_text(
        "import os, resource, sys\n"
        f"sys.path[0] = {str(Path(sandbox.__file__).parents[2])!r}\n"
        "from rpm_venv.confined import wheel_stream, zygote\n"
        "def is_open(descriptor):\n"
        "    try: return bool(os.fstat(descriptor))\n"
        "    except OSError: return False\n"
        "def misbehave(source, path):\n"
        f"    if path == 'demo/names.py':\n        {action}\n"
        "    return b''\n"
        "wheel_stream.byte_code = misbehave\n"
        "unpack = zygote._unpack\n"
        "def noting(part, wheel, descriptor, page):\n"
        "    global pipe\n"
        "    pipe = descriptor\n"
        "    unpack(part, wheel, descriptor, page)\n"
        "zygote._unpack = noting\n"
        "limits = dict(zygote._LIMITS)\n"
        "limits[resource.RLIMIT_CPU] = 1\n"
        "zygote._LIMITS = tuple(limits.items())\n"
        "zygote.main(int(sys.argv[1]), [int(each) for each in sys.argv[2:]])\n"
    )
    monkeypatch.setattr(sandbox, "ZYGOTE", str(script))
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(VenvError, match=MISBEHAVIOUR[action]) as caught:
        build(tmp_path / "root", RICH.write(tmp_path))
    assert all(line.isprintable() for line in caught.value.lines())
    assert leftovers(Layout(tmp_path / "root")) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_objects_are_dropped_whole(rich: Layout) -> None:
    name = only_object(rich).id
    store.drop(rich, [name, f"{'0' * 64}-cpython-399"])
    assert store.ids(rich) == ()
    assert not store.has(rich, name)
    assert os.listdir(rich.staging) == [f"drop-{name}"]  # which its next clearing deletes
    with pytest.raises(VenvError, match="not in the store"):
        store.read(rich, name)
    with pytest.raises(ValueError, match="not the name of an object"):
        store.drop(rich, ["../envs"])


def test_a_damaged_description_is_an_error_with_a_way_out(rich: Layout) -> None:
    name = only_object(rich).id
    (rich.object(name) / "object.json").write_text("{}")
    with pytest.raises(VenvError, match="rpm-venv repair"):
        store.read(rich, name)


def test_a_description_that_was_read_ahead_is_not_used_for_another(rich: Layout) -> None:
    name = only_object(rich).id
    file = rich.object(name) / "object.json"
    first = store.head(rich, name)
    assert replace(store.description(rich, name).stored(), files=()) == first
    data = file.read_bytes()
    for change in (
        lambda: file.write_bytes(data[: data.rfind(b"[")]),
        lambda: store.distrust(rich, [name]),
        lambda: store.drop(rich, [name]),
    ):
        rich.object(name).mkdir(exist_ok=True)
        file.write_bytes(data)
        assert store.head(rich, name) == first
        change()
        if file.exists():
            assert store.description(rich, name).data != data
        else:
            with pytest.raises(VenvError, match="not in the store"):
                store.description(rich, name)


def test_an_object_that_is_not_whole_is_built_again(tmp_path: Path, rich: Layout) -> None:
    stored = only_object(rich)
    (rich.object(stored.id) / "object.json").unlink()
    (rich.object(stored.id) / "site/demo/names.py").write_text("tampered with")
    build(rich.root, RICH.write(tmp_path))
    assert only_object(rich) == stored
    assert b"def name_1" in (rich.object(stored.id) / "site/demo/names.py").read_bytes()
    assert list(rich.staging.iterdir()) == []


def test_an_empty_store_has_no_objects(tmp_path: Path) -> None:
    assert store.ids(Layout(tmp_path)) == ()
    assert store.build(Layout(tmp_path), [], running_interpreter(), lambda _: None) == ()
    assert list(tmp_path.iterdir()) == []
