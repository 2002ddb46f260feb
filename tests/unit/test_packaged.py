"""Objects that packages ship: named by their contents, and believed file by file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system.sharing import Sharer
from rpm_venv.wheels import packaged, store
from rpm_venv.wheels.bring import into_store
from rpm_venv.wheels.objects import Packaged
from tests.hostile.building import build, only_object, only_packaged, running_interpreter
from tests.hostile.damage import change, replace_by_link, replace_by_pipe
from tests.hostile.wheels import Wheel, with_file

PYTHON = running_interpreter()
MODULE = "site/demo/names.py"
CODE = f"site/demo/__pycache__/names.{PYTHON.tag}.pyc"
WHEEL = replace(
    with_file("demo/names.py", b"def one():\n    return 1\n"),
    entry_points=b"[console_scripts]\ndemo = demo.names:one\n",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    place = tmp_path_factory.mktemp("built")
    return build(place / "root", WHEEL.write(place))


@pytest.fixture
def layout(built: Layout, tmp_path: Path) -> Layout:
    """A system with a packaged object, and nothing in its store."""
    layout = Layout(tmp_path / "root")
    ship(built, layout)
    return layout


def ship(built: Layout, layout: Layout) -> None:
    made = built.object(only_object(built).id)
    shutil.copytree(made, packaged.directory(layout, digest_of(made)))


def digest_of(made: Path) -> str:
    return packaged.content_digest((made / "object.json").read_bytes())


def offered(layout: Layout) -> Packaged:
    (offer,) = packaged.offers(layout, os.listdir(layout.packaged), PYTHON).usable.values()
    return offer.packaged


def test_a_packaged_object_becomes_one_of_the_store_by_links(built: Layout, layout: Layout) -> None:
    into_store(layout, [offered(layout)], PYTHON, lambda _: None)
    stored = only_object(layout)
    assert stored == only_object(built)
    for file in stored.files:
        inside = f"{file.scheme}/{file.path}"
        assert (layout.object(stored.id) / inside).samefile(only_packaged(layout) / inside)
    shutil.rmtree(layout.packaged)
    assert store.read(layout, stored.id) == stored
    assert os.listdir(layout.staging) == []


def test_it_is_the_same_object_as_from_the_wheel(built: Layout, layout: Layout) -> None:
    """With the names, bytes, modes and times."""

    def tree(top: Path) -> dict[str, object]:
        return {
            str(path.relative_to(top)): (
                path.stat().st_mode,
                path.stat().st_mtime_ns,
                path.read_bytes() if path.is_file() else b"",
            )
            for path in (top, *top.rglob("*"))
        }

    into_store(layout, [offered(layout)], PYTHON, lambda _: None)
    assert tree(layout.store) == tree(built.store) | {".": tree(layout.store)["."]}


def test_where_no_link_can_be_it_is_copied(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    into_store(layout, [offered(layout)], PYTHON, lambda _: None)
    stored = only_object(layout)
    assert not (layout.object(stored.id) / MODULE).samefile(only_packaged(layout) / MODULE)
    assert (layout.object(stored.id) / CODE).read_bytes()[:4].hex() == PYTHON.magic


def test_a_directory_in_a_files_place_does_not_have_the_others_copied(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "file").write_text("one")
    place = os.open(tmp_path, os.O_RDONLY)
    try:
        sharer = Sharer()
        assert not sharer.link(place, "place", place, "other")
        assert sharer.link(place, "file", place, "again")
    finally:
        os.close(place)
    assert (tmp_path / "again").samefile(tmp_path / "file")


def test_what_the_store_has_is_not_brought_again(layout: Layout) -> None:
    offer = offered(layout)
    into_store(layout, [offer], PYTHON, lambda _: None)
    shutil.rmtree(layout.packaged)
    into_store(layout, [offer], PYTHON, lambda _: None)


def _replace_by_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


def _replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _rename_in_description(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"demo/names.py", b"../../names.p"))


#: What is done to a file of a packaged object, and what is said of it.
DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "another byte": (MODULE, change, "it is not what it was when it was packaged"),
    "byte code": (CODE, change, "it is not what it was when it was packaged"),
    "longer": (MODULE, lambda path: path.write_bytes(b"x" * 99), "it has 99 bytes, and not"),
    "missing": (MODULE, os.unlink, "it is not there"),
    "link": (MODULE, replace_by_link, "it is no regular file"),
    "pipe": (MODULE, replace_by_pipe, "it is no regular file"),
    "directory": (MODULE, _replace_by_directory, "it is no regular file"),
    "mode": (MODULE, lambda path: path.chmod(0o4644), "its mode is 4644, and not 0644"),
    "writable": (MODULE, lambda path: path.chmod(0o664), "its mode is 0664, and not 0644"),
    "a stranger's": (MODULE, lambda path: os.chown(path, 1234, 0), "user with id 1234"),
    "a stranger's directory": ("site/demo", lambda path: os.chown(path, 1234, 0), "id 1234"),
    "a writable directory": ("site/demo", lambda path: path.chmod(0o775), "others may write"),
    "a writable top": ("", lambda path: path.chmod(0o777), "can be written to by others"),
    "a linked directory": ("site/demo", replace_by_link, "it is no directory"),
    "a missing directory": ("site/demo", shutil.rmtree, "it cannot be read"),
    "a file for a directory": ("site/demo", _replace_by_file, "it is no directory"),
    "the description": ("object.json", _rename_in_description, "is not the name of the object"),
    "a linked description": ("object.json", replace_by_link, "it is no regular file"),
    "all of it": ("", shutil.rmtree, "No such file"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_as_it_was_packaged_is_refused(layout: Layout, damage: str) -> None:
    inside, change, reason = DAMAGE[damage]
    if "stranger" in damage and os.geteuid() != 0:
        pytest.skip("needs root, to give a file away")
    offer = offered(layout)
    change(only_packaged(layout) / inside)
    with pytest.raises(VenvError, match="not as they brought it") as caught:
        into_store(layout, [offer], PYTHON, lambda _: None)
    assert any(reason in str(problem) for problem in caught.value.problems), caught.value.problems
    assert all("rpm -qf" in str(p) or "only root" in str(p) for p in caught.value.problems)
    assert store.ids(layout) == ()
    assert os.listdir(layout.staging) == []


def test_all_that_is_wrong_is_said_at_once(layout: Layout) -> None:
    change(only_packaged(layout) / MODULE)
    (only_packaged(layout) / "site/demo/__init__.py").unlink()
    with pytest.raises(VenvError) as caught:
        into_store(layout, [offered(layout)], PYTHON, lambda _: None)
    assert len(caught.value.problems) == 2


def test_what_the_description_does_not_name_stays_behind(layout: Layout) -> None:
    (only_packaged(layout) / "site/demo/more.py").write_text("import os")
    (only_packaged(layout) / "site/evil.pth").write_text("import os")
    into_store(layout, [offered(layout)], PYTHON, lambda _: None)
    names = {path.name for path in layout.store.rglob("*")}
    assert not names & {"more.py", "evil.pth"}


def test_a_description_that_leads_elsewhere_is_refused(layout: Layout, tmp_path: Path) -> None:
    """Even under its right name: a packager may be mistaken, too."""
    place = only_packaged(layout)
    for path, message in [("../../../x", "a path that no object has"), ("demo/names.py", "")]:
        stored = only_description(place)
        files = tuple(
            replace(file, path=path, mode=0o4755) if f"site/{file.path}" == MODULE else file
            for file in stored.files
        )
        description = replace(stored, files=files).dumps()
        other = packaged.directory(layout, packaged.content_digest(description))
        shutil.copytree(place, other)
        (other / "object.json").write_bytes(description)
        (other / MODULE).chmod(0o4755)
        with pytest.raises(VenvError) as caught:
            into_store(layout, [Packaged(stored.id, other.name)], PYTHON, lambda _: None)
        assert (message or "its mode is 4755") in str(caught.value)
    assert store.ids(layout) == ()


def test_a_link_to_a_directory_that_the_object_has_not_is_refused(layout: Layout) -> None:
    """It would lead nowhere. The name is that of the content, as a hostile package has it."""
    place = only_packaged(layout)
    stored = only_description(place)
    for gone, changed in (
        ("gone", replace(stored, bears=("demo", "gone"))),
        ("demo/gone", replace(stored, bears=("demo",), portions=("demo/gone",))),
    ):
        description = changed.dumps()
        other = packaged.directory(layout, packaged.content_digest(description))
        shutil.copytree(place, other)
        (other / "object.json").write_bytes(description)
        with pytest.raises(VenvError, match=f"no file is in '{gone}/'"):
            into_store(layout, [Packaged(stored.id, other.name)], PYTHON, lambda _: None)
    assert store.ids(layout) == ()


def only_description(place: Path) -> store.StoredObject:
    return store.StoredObject.loads((place / "object.json").read_bytes())


# ---- what is chosen


def test_byte_code_of_another_python_is_offered_to_be_made_afresh(layout: Layout) -> None:
    digests = os.listdir(layout.packaged)
    (name,) = packaged.offers(layout, digests, PYTHON).usable
    beta = packaged.offers(layout, digests, replace(PYTHON, magic="00000d0a"))
    newer = packaged.offers(layout, digests, replace(PYTHON, tag="cpython-399"))
    assert (beta.usable, newer.usable) == ({}, {})
    assert [offer.packaged for offer in beta.afresh.values()] == [Packaged(name, digests[0], True)]
    assert list(newer.afresh) == [f"{name.partition('-')[0]}-cpython-399"]
    with pytest.raises(VenvError, match="byte code of another release"):
        into_store(layout, [offered(layout)], replace(PYTHON, magic="00000d0a"), lambda _: None)


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[]\n", b'{"format":1}\n', b"\xff\n", b'{"format":1}\n[".pyc"]\n']
)
def test_what_cannot_be_read_is_said(layout: Layout, content: bytes) -> None:
    place = only_packaged(layout)
    (place / "object.json").write_bytes(content)
    found = packaged.offers(layout, [place.name, "0" * 64], PYTHON)
    assert found.usable == {}
    assert "cannot be read" in found.unread


@pytest.mark.parametrize("digest", ["", "..", "../store", "0" * 63, "G" * 64, "0" * 64 + "/x"])
def test_a_digest_is_one(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="not a content digest"):
        packaged.directory(Layout(tmp_path), digest)
    assert packaged.offers(Layout(tmp_path), [digest], PYTHON).usable == {}


def test_two_builds_of_one_wheel_have_one_name(built: Layout, tmp_path: Path) -> None:
    again = build(tmp_path / "root", WHEEL.write(tmp_path))
    digests = {digest_of(each.object(only_object(each).id)) for each in (built, again)}
    assert len(digests) == 1
    stored = only_object(built)
    code = [file for file in stored.files if file.path.endswith(".pyc")]
    other = replace(code[0], sha256="0" * 64)  # as another patch release of Python may compile it
    files = tuple(other if file is code[0] else file for file in stored.files)
    assert packaged.content_digest(replace(stored, files=files).dumps()) not in digests
    assert json.loads(stored.dumps().splitlines()[0])["id"] == stored.id


def test_a_wheel_without_modules_can_be_packaged(tmp_path: Path) -> None:
    plain = build(tmp_path / "built", replace(Wheel(), files={"demo.txt": b"x"}).write(tmp_path))
    layout = Layout(tmp_path / "root")
    ship(plain, layout)
    into_store(layout, [offered(layout)], replace(PYTHON, magic="00000d0a"), lambda _: None)
    assert only_object(layout) == only_object(plain)


@pytest.mark.parametrize("call", ["link", "read", "rename", "utime"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_import_leaves_nothing_and_can_be_made_again(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    """At the first of its calls, the second, and so on until none is left."""
    offer, real, number, left = offered(layout), getattr(os, call), 0, 0

    def failing(*args: object, **options: object) -> object:
        nonlocal left
        left -= 1
        if left == 0:
            raise error
        return real(*args, **options)

    while not store.ids(layout):
        number += 1
        left = number
        with monkeypatch.context() as patched:
            patched.setattr(os, call, failing)
            try:
                into_store(layout, [offer], PYTHON, lambda _: None)
                assert left > 0
            except VenvError as told:
                assert "No space left on device" in str(told)
            except KeyboardInterrupt:
                pass
        assert os.listdir(layout.staging) == []
    assert number > 1
    into_store(layout, [offer], PYTHON, lambda _: None)
    assert only_object(layout).id == offer.id


#: Objects brought by three processes, one of which may be killed.
SHARING = """
import json, os, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.wheels import bring
from rpm_venv.wheels.objects import Packaged
from tests.hostile.building import running_interpreter
os.sched_getaffinity = lambda process: {0, 1, 2}
command, run, bring._WORTH = os.getpid(), bring._Import.run, int(sys.argv[3])
def slow(work, staging):
    time.sleep(0.002)
    if sys.argv[4] == "killed" and os.getpid() != command:
        os.kill(os.getpid(), 9)
    return run(work, staging)
bring._Import.run = slow
objects = [Packaged(*each) for each in json.loads(sys.argv[5])]
try:
    bring.into_store(Layout(Path(sys.argv[2])), objects, running_interpreter(), print)
    said = []
except VenvError as error:
    said = error.lines()
print(json.dumps(said))
"""


def shared(layout: Layout, objects: list[Packaged], worth: int = 1, how: str = "") -> list[str]:
    """What is said of bringing objects by several processes, or by one where that is not worth."""
    argv = [sys.executable, "-Ic", SHARING, json.dumps(sys.path), str(layout.root), str(worth), how]
    argv.append(json.dumps([(each.id, each.digest) for each in objects]))
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    said: list[str] = json.loads(done.stdout)
    return said


def test_several_processes_bring_what_one_brings(layout: Layout) -> None:
    """A dozen objects: what is wrong with each is said in their order, and nothing is left."""
    first = only_packaged(layout)
    name = offered(layout).id
    objects = [offered(layout)]
    for number in range(1, 12):
        other = f"{number:064x}-{PYTHON.tag}"
        made = layout.packaged / "made"
        shutil.copytree(first, made)
        (made / "object.json").write_text((made / "object.json").read_text().replace(name, other))
        objects.append(Packaged(other, digest_of(made)))
        made.rename(packaged.directory(layout, digest_of(made)))
    assert "ended before its time (signal 9)" in shared(layout, objects, how="killed")[0]
    assert os.listdir(layout.staging) == os.listdir(layout.store) == []
    assert shared(layout, objects) == []
    assert set(store.ids(layout)) == {each.id for each in objects}
    for each in objects:
        assert os.path.samefile(
            layout.object(each.id) / MODULE, packaged.directory(layout, each.digest) / MODULE
        )
        shutil.rmtree(layout.object(each.id))
        (packaged.directory(layout, each.digest) / CODE).write_bytes(b"changed")
    alone = shared(layout, objects, worth=1 << 40)
    assert len(alone) == 1 + len(objects)
    assert shared(layout, objects) == alone
    assert os.listdir(layout.staging) == os.listdir(layout.store) == []
