"""Packaged objects for a Python that they were not made for: byte code is made afresh."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError, WheelError
from rpm_venv.fetching import shelf
from rpm_venv.locks import lock
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.wheels import packaged, store
from rpm_venv.wheels.afresh import Compiling
from rpm_venv.wheels.bring import into_store
from rpm_venv.wheels.objects import Packaged, StoredFile, StoredObject
from rpm_venv.wheels.stream import Broken, Event, File
from tests.host.wheels import Wheel, make_wheel
from tests.hostile.building import build, only_object, only_packaged, running_interpreter
from tests.hostile.damage import change, replace_by_link, replace_by_pipe

PYTHON = running_interpreter()
FOREIGN = "cpython-399"
WHEEL = make_wheel(
    "demo",
    files={
        "demo/__init__.py": "import demo.names\n",
        "demo/names.py": "def one():\n    return 1\n",
        "demo/ünï.py": "x = 1\n",
        "demo/other.py": "print 'for another Python'\n",
        "demo/only/other.py": "exec 'the same'\n",
        "demo/legacy.pyc": b"byte code alone",
        "demo/library.so": bytes(range(256)) * 300,
        "demo/tool": "#!/bin/sh\n",
        "demo-1.0.dist-info/extra.py": "y = 2\n",
        "demo-1.0.dist-info/RECORD.jws": "{}",
        "plugin.pth": "plugin\n",
    },
    data={
        "scripts/run": "#!python\nimport demo\n",
        "data/share/demo.py": "z = 3\n",
        "headers/demo.h": "int demo;\n",
        "purelib/odd.data/module.py": "w = 4\n",
        "platlib/plain.py": "v = 5\n",
    },
    scripts={"demo": "demo.names:one"},
    executable=["demo/tool"],
)
MODULE = "site/demo/names.py"
CODE = f"site/demo/__pycache__/names.{FOREIGN}.pyc"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    place = tmp_path_factory.mktemp("built")
    return build(place / "root", WHEEL.save(place))


@pytest.fixture
def layout(built: Layout, tmp_path: Path) -> Layout:
    """A system with a packaged object for another Python, and nothing in its store."""
    layout = Layout(tmp_path / "root")
    ship(layout, built, FOREIGN)
    return layout


def ship(
    layout: Layout,
    built: Layout,
    tag: str,
    change: Callable[[Path], object] | None = None,
    bears: tuple[str, ...] | None = None,
) -> str:
    """What a package brings that was built with another Python; its content digest.

    ``change`` is done before the object is described. ``bears`` is what it says of that.
    """
    stored = only_object(built)
    made = layout.root / "made"
    shutil.copytree(built.object(stored.id), made)
    for code in made.rglob(f"*.{PYTHON.tag}.pyc"):
        code.write_bytes(b"some" + code.read_bytes()[4:])
        code.rename(code.with_name(code.name.replace(PYTHON.tag, tag)))
    if change:
        change(made)
    paths = (file for file in made.rglob("*") if file.is_file() and file.name != "object.json")
    files = sorted((described(made, path) for path in paths), key=lambda f: (f.scheme, f.path))
    name = f"{stored.id.partition('-')[0]}-{tag}"
    bears = stored.bears if bears is None else bears
    description = replace(stored, id=name, files=tuple(files), bears=bears).dumps()
    (made / "object.json").write_bytes(description)
    digest = packaged.content_digest(description)
    layout.packaged.mkdir(parents=True, exist_ok=True)
    made.rename(packaged.directory(layout, digest))
    return digest


def described(top: Path, path: Path) -> StoredFile:
    scheme, _, inside = str(path.relative_to(top)).partition("/")
    data = path.read_bytes()
    mode = path.stat().st_mode & 0o7777
    return StoredFile(scheme, inside, mode, len(data), hashlib.sha256(data).hexdigest())


def bring(layout: Layout, python: interpreter.Interpreter = PYTHON) -> None:
    offers = packaged.offers(layout, os.listdir(layout.packaged), python)
    (offer,) = offers.afresh.values()
    into_store(layout, [offer.packaged], python, lambda _: None)


def tree(layout: Layout) -> dict[str, object]:
    """All of a store: names, modes, times and bytes."""
    return {
        str(path.relative_to(layout.store)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in layout.store.rglob("*")
    }


@pytest.mark.parametrize("tag", [FOREIGN, PYTHON.tag], ids=["another Python", "another magic"])
def test_it_is_the_object_that_the_wheel_becomes(built: Layout, tmp_path: Path, tag: str) -> None:
    layout = Layout(tmp_path / "root")
    ship(layout, built, tag)
    bring(layout)
    assert tree(layout) == tree(built)
    made = layout.object(only_object(layout).id)
    for file in only_object(layout).files:
        inside = f"{file.scheme}/{file.path}"
        is_ours = file.path.endswith((f".{PYTHON.tag}.pyc", "/RECORD"))
        is_theirs = (made / inside).exists() and (only_packaged(layout) / inside).exists()
        same = is_theirs and (made / inside).samefile(only_packaged(layout) / inside)
        assert same == (not is_ours), inside
    assert os.listdir(layout.staging) == []
    shutil.rmtree(layout.packaged)
    assert store.read(layout, only_object(layout).id) == only_object(built)


def _others() -> list[str]:
    """Every Python at hand but the one that runs this; another minor version each."""
    homes = sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    found = (home / f"python3.{minor}" for home in homes for minor in range(9, 20))
    there = {path.name: str(path) for path in found if path.exists()}
    there["python3"] = "/usr/bin/python3"
    return sorted(there.values())


@pytest.mark.parametrize("python", _others(), ids=lambda path: Path(path).name)
def test_for_every_python_at_hand(layout: Layout, tmp_path: Path, python: str) -> None:
    asked = interpreter.inspect(Layout(), python)
    wheel = build(tmp_path / "wheel", WHEEL.save(tmp_path), interpreter=asked)
    bring(layout, asked)
    assert tree(layout) == tree(wheel)


def test_a_beta_of_python_has_objects_of_its_own(layout: Layout, built: Layout) -> None:
    """Another beta of the same tag may not read its byte code, whose names are the same."""
    beta = replace(PYTHON, tag=f"{PYTHON.tag}.00000d0a")
    wheel = build(layout.root / "wheel", WHEEL.save(layout.root), interpreter=beta)
    bring(layout, beta)
    assert store.ids(layout) == (f"{WHEEL.sha256}-{PYTHON.tag}.00000d0a",)
    assert tree(layout) == tree(wheel)
    assert only_object(layout) == replace(only_object(built), id=store.ids(layout)[0])


# ---- what is not as it was packaged


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a source": (MODULE, change, "it is not what it was when it was packaged"),
    "old byte code": (CODE, change, "it is not what it was when it was packaged"),
    "missing byte code": (CODE, os.unlink, "it is not there"),
    "a pipe for byte code": (CODE, replace_by_pipe, "it is no regular file"),
    "a linked directory": (
        "site/demo/__pycache__",
        replace_by_link,
        "it is no directory",
    ),
    "writable": (CODE, lambda path: path.chmod(0o666), "its mode is 0666, and not 0644"),
    "the old RECORD": ("site/demo-1.0.dist-info/RECORD", change, "when it was packaged"),
    "the description": ("object.json", change, "its sha256 is not the name of the object"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_as_it_was_packaged_is_refused(layout: Layout, damage: str) -> None:
    inside, change, reason = DAMAGE[damage]
    change(only_packaged(layout) / inside)
    with pytest.raises(VenvError, match="not as they brought it") as caught:
        bring(layout)
    assert any(reason in str(problem) for problem in caught.value.problems), caught.value.problems
    assert all("rpm -qf" in str(problem) for problem in caught.value.problems)
    assert store.ids(layout) == ()
    assert os.listdir(layout.staging) == []


def test_byte_code_that_claims_to_be_for_this_python_is_not_believed(
    built: Layout, tmp_path: Path
) -> None:
    """Of a package's object, root takes no byte code when any of it is for another Python."""

    def claim(made: Path) -> None:
        for place in made.rglob("__pycache__"):
            for source in place.parent.glob("*.py"):
                (place / f"{source.stem}.{PYTHON.tag}.pyc").write_bytes(b"evil")
        (made / "data/__pycache__").mkdir()
        (made / f"data/__pycache__/evil.{PYTHON.tag}.pyc").write_bytes(b"evil")

    layout = Layout(tmp_path / "root")
    ship(layout, built, FOREIGN, claim)
    bring(layout)
    assert tree(layout) == tree(built)


def test_a_link_to_what_was_byte_code_of_another_python_alone_is_refused(
    built: Layout, tmp_path: Path
) -> None:
    def change(made: Path) -> None:
        (made / "site/code/__pycache__").mkdir(parents=True)
        (made / f"site/code/__pycache__/x.{FOREIGN}.pyc").write_bytes(b"some")

    layout = Layout(tmp_path / "root")
    ship(layout, built, FOREIGN, change, bears=("code",))
    with pytest.raises(VenvError, match="no file is in 'code/'"):
        bring(layout)
    assert store.ids(layout) == ()


def test_another_wheels_object_is_refused(layout: Layout) -> None:
    other = Packaged(f"{'0' * 64}-{PYTHON.tag}", only_packaged(layout).name, afresh=True)
    with pytest.raises(VenvError) as caught:
        into_store(layout, [other], PYTHON, lambda _: None)
    assert f"it describes {WHEEL.sha256}-{FOREIGN}" in str(caught.value.problems[0])


def test_what_changes_while_it_is_compiled_is_refused(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rpm_venv.wheels import afresh

    begun = afresh.Compilation.build

    def late(self: afresh.Compilation, require_sandbox: bool) -> list[str]:
        change(only_packaged(layout) / MODULE)
        return begun(self, require_sandbox)

    monkeypatch.setattr(afresh.Compilation, "build", late)
    with pytest.raises(WheelError, match=r"demo/names\.py was changed just now"):
        bring(layout)
    assert store.ids(layout) == ()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_compilation_leaves_nothing_and_can_be_made_again(
    layout: Layout, built: Layout, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """At the first file or directory that gets its time, at the ninth, and so on."""
    real, number, left = os.utime, 1, 0

    def failing(*args: object, **options: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise error
        real(*args, **options)  # type: ignore[arg-type]

    while not store.ids(layout):
        left = number
        with monkeypatch.context() as patched:
            patched.setattr(os, "utime", failing)
            try:
                bring(layout)
                assert left > 0
            except VenvError as told:
                assert "No space left on device" in str(told)
            except KeyboardInterrupt:
                pass
        assert os.listdir(layout.staging) == []
        number += 8
    assert number > 17
    assert tree(layout) == tree(built)


# ---- what a child may say

SOURCE = StoredFile("site", "demo/a.py", 0o644, 4, "0" * 64)
OBJECT = StoredObject(
    f"{'1' * 64}-cpython-312", "demo-1.0-py3-none-any.whl", "demo", "1.0", "demo-1.0.dist-info",
    (SOURCE,), (),
)  # fmt: skip
PYC = "demo/__pycache__/a.cpython-312.pyc"


def said(path: str, data: bytes = b"code", **changes: object) -> File:
    words = {"scheme": "site", "size": len(data), "byte_code": True, **changes}
    return File(path=path, executable=False, digest=b"", chunks=iter([memoryview(data)]), **words)  # type: ignore[arg-type]


BROKEN: dict[str, list[Event]] = {
    "without a source": [said("demo/__pycache__/b.cpython-312.pyc")],
    "for another Python": [said("demo/__pycache__/a.cpython-311.pyc")],
    "no byte code's name": [said("demo/evil.py")],
    "out of the object": [said(f"../{PYC}")],
    "another scheme": [said(PYC, scheme="scripts")],
    "said twice": [said(PYC), said(PYC)],
    "too short": [said(PYC, size=5)],
    "without an end": [said("demo/a.py", size=1 << 40, byte_code=False)],
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_child_that_says_what_it_may_not_is_broken(tmp_path: Path, case: str) -> None:
    (tmp_path / "object/site/demo").mkdir(parents=True)
    compiling = Compiling(tmp_path / "object", OBJECT, [SOURCE], 1000)
    with pytest.raises(Broken):
        compiling.take(BROKEN[case])
    assert not (tmp_path / "object/object.json").exists()


# ---- what is chosen


def at_hand(layout: Layout, wheel: Wheel = WHEEL) -> shelf.AtHand:
    entries = lock.parse(f"{wheel.requirement()}\n".encode(), "requirements.txt").entries
    digests = os.listdir(layout.packaged)
    python = interpreter.inspect(Layout(), PYTHON.path)
    return shelf.at_hand(layout, entries, python, ["/wheels"], packaged=digests)


def test_a_wheel_beside_it_comes_first(layout: Layout) -> None:
    (found,) = at_hand(layout).found
    assert found.packaged == Packaged(
        f"{WHEEL.sha256}-{PYTHON.tag}", only_packaged(layout).name, afresh=True
    )
    (layout.root / "wheels").mkdir()
    WHEEL.save(layout.root / "wheels")
    (found,) = at_hand(layout).found
    assert found.packaged is None
    assert found.source is not None


def test_byte_code_that_is_of_use_comes_before_both(layout: Layout, built: Layout) -> None:
    ship(layout, built, PYTHON.tag, _with_magic)
    (layout.root / "wheels").mkdir()
    WHEEL.save(layout.root / "wheels")
    (found,) = at_hand(layout).found
    assert found.packaged is not None
    assert not found.packaged.afresh


def _with_magic(made: Path) -> None:
    for code in made.rglob(f"*.{PYTHON.tag}.pyc"):
        code.write_bytes(bytes.fromhex(PYTHON.magic) + code.read_bytes()[4:])


def test_a_wheel_for_another_python_alone_is_refused(tmp_path: Path) -> None:
    bound = make_wheel("bound", tag="cp399-cp399-linux_x86_64")
    built = build(tmp_path / "built", bound.save(tmp_path))
    layout = Layout(tmp_path / "root")
    ship(layout, built, FOREIGN)
    ((_, problem),) = at_hand(layout, bound).missing
    assert re.fullmatch(
        rf"line 1: bound 1.0: its package brings {bound.filename}, "
        rf"which is not for {PYTHON.tag} \(it takes a package that is built for this Python\)",
        str(problem),
    ), str(problem)
