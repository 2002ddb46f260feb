"""A generation begun with some of its objects is the one that is made of all of them at once."""

from __future__ import annotations

import itertools
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError, WheelError
from rpm_venv.paths import Layout
from rpm_venv.system import files, interpreter
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees.ahead import change
from rpm_venv.trees.assemble import Assembling
from rpm_venv.trees.contents import Contents, Written
from rpm_venv.trees.generation import LINKS, Distribution, Generation
from rpm_venv.wheels import batch, store
from tests.host.wheels import Wheel, make_wheel
from tests.unit.assembling import PYTHON

PATH = "/opt/app1/penv"
REACHING = "import pathlib\nROOT = pathlib.Path(__file__).resolve().parent.parent\n"


_SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"

#: What may be between wheels, each one's part of it in another wheel.
ODD = (
    # A namespace, which one object alone has until the others come.
    make_wheel("space-a", files={"space/a.py": "a = 1\n", "space/deep/a.py": ""}),
    make_wheel("space-b", files={"space/b.py": "b = 2\n", "space/deep/b.py": ""}),
    make_wheel("space-c", data={"purelib/space/deep/c/c.py": ""}, files={}),
    # One file of two wheels: the last has it, and the other one's RECORD and byte code lose it.
    make_wheel("early", files={"early/__init__.py": "", "same.py": "early\n", "equal.py": "1\n"}),
    make_wheel("later", files={"later/__init__.py": "", "same.py": "later\n", "equal.py": "1\n"}),
    # A top directory that a launcher's, a script's and a header's wheel bears; a .pth file, which
    # makes the environment write another; and what reaches out of its directory.
    make_wheel(
        "tools",
        files={"tools/__init__.py": "", "tools.pth": "import tools\n"},
        scripts={"tool": "tools:main"},
        data={
            "scripts/old": "#!python\nprint()\n",
            "scripts/shell": "#!/bin/sh\n",
            "headers/tools.h": "int tools;\n",
            "data/share/tools/data": "x",
        },
    ),
    make_wheel("reach", files={"reach/__init__.py": REACHING}),
    # What another wheel puts into a directory that would be a link.
    make_wheel("guest", files={"tools/guest.py": "", "guest/__init__.py": ""}),
    make_wheel("datum", data={"data/share/tools/other": "y"}, files={"datum.py": ""}),
)
MISFITS = (
    make_wheel("thief", files={"thief.py": ""}, data={"scripts/old": "#!/bin/sh\n"}),
    make_wheel("rival", files={"rival.py": ""}, scripts={"tool": "rival:main"}),
    make_wheel("filed", files={"later": "a file where another has a directory"}),
)


@dataclass(frozen=True)
class Shop:
    """A store with all of these wheels."""

    layout: Layout
    python: Interpreter

    def assembling(self, wheels: Sequence[Wheel], into: Path, links: bool = True) -> Assembling:
        into.mkdir()
        return Assembling(
            self.layout, _DECLARATION, self.generation(wheels), self.python, into, links=links
        )

    def generation(self, wheels: Sequence[Wheel]) -> Generation:
        distributions = [
            Distribution(wheel.name, wheel.version, wheel.filename, wheel.sha256)
            for wheel in wheels
        ]
        return Generation.decided(_DECLARATION, self.python, distributions)

    def id(self, wheel: Wheel) -> str:
        return store.object_id(wheel.sha256, self.python)


_DECLARATION = Declaration(PATH, "/lock")


def _shop(root: Path, wheels: Sequence[Wheel]) -> Shop:
    shop = Shop(Layout(root / "root"), interpreter.inspect(Layout(), PYTHON))
    sources = [store.Source(wheel.save(root), wheel.filename, wheel.sha256) for wheel in wheels]
    store.build(shop.layout, sources, shop.python, lambda _: None)
    shop.layout.envs.mkdir()
    return shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with tempfile.TemporaryDirectory() as directory:
        yield _shop(Path(directory), (*ODD, *MISFITS))


def on_disk(top: Path) -> dict[str, tuple[object, ...]]:
    """All that can be told of every path of a tree; a file of the environment's own by its data."""
    found: dict[str, tuple[object, ...]] = {}
    for place in (top, *top.rglob("*")):
        status = place.lstat()
        what: object = None
        if stat.S_ISLNK(status.st_mode):
            what = os.readlink(place)
        elif stat.S_ISREG(status.st_mode):
            what = place.read_bytes() if status.st_nlink == 1 else status.st_ino
        path = str(place.relative_to(top))
        found[path] = (status.st_mode, status.st_mtime_ns, what)
    return found


def compared(shop: Shop, wheels: Sequence[Wheel], late: Collection[Wheel], place: Path) -> None:
    """Hold what was begun without the ``late`` wheels to what is made at once, below ``place``."""
    once = place / "once"
    links = not place.name.startswith("files")
    if not once.exists():
        shop.assembling(wheels, once, links).complete()
    begun = place / f"begun without {' '.join(wheel.name for wheel in late)}"
    assembling = shop.assembling(wheels, begun, links)
    assembling.begin([shop.id(wheel) for wheel in wheels if wheel not in late])
    assert any(begun.iterdir()), "nothing was made ahead"
    assembling.complete()
    assert on_disk(begun) == on_disk(once)


@pytest.mark.parametrize("how", ["links", "files"])
def test_every_wheel_and_every_pair_may_come_late(shop: Shop, tmp_path: Path, how: str) -> None:
    (tmp_path / how).mkdir()
    for late in itertools.chain(itertools.combinations(ODD, 1), itertools.combinations(ODD, 2)):
        compared(shop, ODD, late, tmp_path / how)
    compared(shop, ODD, ODD, tmp_path / how)  # nothing but the environment's own is there


def test_what_a_new_wheel_undoes_is_seen(shop: Shop, tmp_path: Path) -> None:
    """The cases above are what they are said to be: the links of one set are none of another."""
    known = {wheel.name: wheel for wheel in ODD}
    without = [wheel for wheel in ODD if wheel.name not in ("guest", "space-b", "space-c", "later")]
    for number, wheels in enumerate((without, ODD)):
        shop.assembling(wheels, tmp_path / str(number)).complete()
        is_first = number == 0
        for name in ("tools", "space"):
            assert (tmp_path / str(number) / _SITE / name).is_symlink() is is_first
        record = (tmp_path / str(number) / _SITE / "early-1.0.dist-info/RECORD").read_text()
        assert ("same.py" in record) is is_first
        tag = shop.python.cache_tag
        assert (tmp_path / str(number) / _SITE / f"__pycache__/same.{tag}.pyc").exists()
    assert known["reach"] in without


def test_where_the_store_is_far_away_there_are_no_links(tmp_path: Path) -> None:
    shop = _shop(tmp_path, ODD)
    shop.layout.envs.rmdir()
    (tmp_path / "elsewhere/envs").mkdir(parents=True)
    shop.layout.envs.symlink_to(tmp_path / "elsewhere/envs")
    (tmp_path / "far").mkdir()
    for late in itertools.combinations(ODD, 1):
        compared(shop, ODD, late, tmp_path / "far")
    assert not any("/store/" in str(told[2]) for told in on_disk(tmp_path / "far/once").values())


@pytest.mark.parametrize("misfit", MISFITS, ids=[wheel.name for wheel in MISFITS])
@pytest.mark.parametrize("is_late", [True, False])
def test_wheels_that_do_not_fit_are_refused_in_the_same_words(
    shop: Shop, tmp_path: Path, misfit: Wheel, is_late: bool
) -> None:
    wheels = (*ODD, misfit)
    with pytest.raises(VenvError) as at_once:
        shop.assembling(wheels, tmp_path / "once").complete()
    begun = shop.assembling(wheels, tmp_path / "begun")
    begun.begin([shop.id(wheel) for wheel in (ODD if is_late else (*ODD[1:], misfit))])
    assert any((tmp_path / "begun").iterdir()) is is_late
    with pytest.raises(VenvError) as in_the_end:
        begun.complete()
    assert in_the_end.value.problems == at_once.value.problems != ()
    assert str(in_the_end.value) == str(at_once.value)


def test_what_fails_ahead_is_done_again(tmp_path: Path) -> None:
    shop = _shop(tmp_path, ODD)
    shop.assembling(ODD, tmp_path / "once").complete()
    later = next(wheel for wheel in ODD if wheel.name == "later")
    missing = shop.layout.object(shop.id(later)) / "site/same.py"
    missing.rename(tmp_path / "same.py")
    begun = shop.assembling(ODD, tmp_path / "begun")
    begun.begin([shop.id(wheel) for wheel in ODD])
    assert any((tmp_path / "begun").iterdir())  # half of it
    (tmp_path / "same.py").rename(missing)
    os.utime(missing.parent, ns=(0, 0))
    begun.complete()
    assert on_disk(tmp_path / "begun") == on_disk(tmp_path / "once")


def test_what_a_description_lacks_is_told_in_the_end(tmp_path: Path) -> None:
    shop = _shop(tmp_path, ODD)
    (shop.layout.object(shop.id(ODD[0])) / "object.json").write_text("{")
    begun = shop.assembling(ODD, tmp_path / "begun")
    begun.begin([shop.id(wheel) for wheel in ODD])
    with pytest.raises(VenvError, match="description is damaged"):
        begun.complete()


def _children() -> set[str]:
    """The processes that this one has started, those it has not waited for as well."""
    lists = Path("/proc/self/task").glob("*/children")
    return {child for each in lists for child in each.read_text().split()}


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_stops_the_work_beside_leaves_nobody_behind(
    tmp_path: Path, stop: BaseException
) -> None:
    def meanwhile() -> None:
        raise stop

    large = "x = [\n" + "    (1, 2, 'abc'),\n" * 20_000 + "]\n"
    wheel = make_wheel("wheel", files={"large.py": large})
    source = store.Source(wheel.save(tmp_path), wheel.filename, wheel.sha256)
    layout = Layout(tmp_path / "root")
    python = interpreter.inspect(Layout(), PYTHON)
    threads, before = threading.active_count(), _children()
    expected = VenvError if isinstance(stop, OSError) else type(stop)
    with pytest.raises(expected):
        store.build(layout, [source], python, lambda _: None, meanwhile=meanwhile)
    assert threading.active_count() == threads
    assert _children() == before
    assert not list(layout.staging.iterdir()) and not list(layout.store.iterdir())


def test_a_refused_wheel_is_told_after_the_work_beside_it(tmp_path: Path) -> None:
    wheel = make_wheel("wheel")
    lying = store.Source(wheel.save(tmp_path), wheel.filename, "0" * 64)
    python = interpreter.inspect(Layout(), PYTHON)
    done = []
    with pytest.raises(WheelError, match="its sha256 is"):
        store.build(
            Layout(tmp_path / "root"), [lying], python, print, meanwhile=lambda: done.append(1)
        )
    assert done


def test_children_may_start_before_it_is_known_what_they_read(tmp_path: Path) -> None:
    before = _children()
    wheel = make_wheel("wheel")
    source = store.Source(wheel.save(tmp_path), wheel.filename, wheel.sha256)
    layout = Layout(tmp_path / "root")
    python = interpreter.inspect(Layout(), PYTHON)
    with batch.started(layout, python) as children:
        store.build(layout, [source], python, lambda _: None, children=children)
    assert store.ids(layout) == (store.object_id(wheel.sha256, python),)
    with batch.started(layout, python):
        pass  # nothing was to be made
    with pytest.raises(KeyboardInterrupt), batch.started(layout, python):
        raise KeyboardInterrupt
    with batch.started(layout, replace(python, path="/nowhere/python3")) as children:
        assert children is None
    assert _children() == before
    assert not list(layout.staging.iterdir())


def test_what_failed_first_is_told_where_nothing_can_be_tidied_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(place: Path) -> None:
        raise OSError(5, "Input/output error", str(place))

    layout, python = Layout(tmp_path / "root"), interpreter.inspect(Layout(), PYTHON)
    monkeypatch.setattr(files, "remove_tree", fails)
    with pytest.raises(WheelError, match="first"), batch.started(layout, python):
        raise WheelError("first")
    with pytest.raises(OSError, match="Input/output"), batch.started(layout, python):
        pass


def test_a_change_touches_only_what_is_beside_it() -> None:
    made = Contents(["a", "a/b", "c"], {}, {"a/one": Written(b"1")}, {"c/link": "x"}, {})
    wanted = replace(made, written={"a/one": Written(b"2")}, directories=["a", "c", "c/d"])
    difference = change(made, wanted)
    assert (difference.gone, difference.emptied) == (["a/one"], ["a/b"])
    assert (difference.added.directories, difference.added.links) == (["c/d"], {})
    assert sorted(difference.touched) == ["a", "c", "c/d"]
    nothing = change(made, made)
    assert not (nothing.gone or nothing.emptied or nothing.touched or nothing.added.written)
    kinds = change(made, Contents(["a", "a/one"], {}, {}, {"a/b": "x"}, {}))
    assert kinds.gone == ["a/one", "c/link"] and kinds.emptied == ["c", "a/b"]
    assert kinds.added.links == {"a/b": "x"} and kinds.added.directories == ["a/one"]


def test_a_layout_of_links_is_what_is_asked_for(shop: Shop) -> None:
    assert shop.generation(ODD).layout == LINKS
