"""Which directories of a wheel bear a link in their place: what reaches out is found."""

from __future__ import annotations

import pytest

from rpm_venv.confined.reach import Reach

PATHS = (
    "pkg/__init__.py",
    "pkg/deep/er/mod.py",
    "pkg.libs/libx.so",
    "other/a.py",
    "pkg-1.0.dist-info/METADATA",
    "__pycache__/single.cpython-311.pyc",
    "single.py",
)
ELF = b"\x7fELF" + b"\0" * 60


def _bears(top: str, reach: Reach) -> bool:
    return top in reach.bearing()


def test_directories_alone_bear_a_link() -> None:
    assert Reach(PATHS).bearing() == ["other", "pkg", "pkg.libs"]


@pytest.mark.parametrize(
    "source",
    [
        "import os; HERE = os.path.dirname(__file__)",
        "DATA = Path(__file__).parent.parent / 'other'",  # by names alone: the link is not seen
        "HERE = os.path.dirname(os.path.realpath(__file__))",  # to its own directory, no further
        "DATA = Path(__file__).resolve().parent / 'data'",
        "from .. import x; print(__file__, '...')",
        "ROOT = os.path.realpath(sys.argv[1] + '/..')",  # of no place of its own
        "def resolve(self): return dirname(dirname(__file__))",
        "",
    ],
)
def test_a_source_that_stays_inside(source: str) -> None:
    reach = Reach(PATHS)
    reach.source("pkg/__init__.py", source.encode())
    assert _bears("pkg", reach)


@pytest.mark.parametrize(
    "source",
    [
        "ROOT = Path(__file__).resolve().parent.parent",
        "ROOT = Path(__file__).resolve().parents[3]",
        "ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))",
        "DATA = os.path.join(os.path.dirname(__file__), '..', 'other')",
        "DATA = os.path.join(os.path.dirname(__file__), os.pardir)",
        "DATA = os.path.dirname(__file__) + '/../../../../share/app'",
        "DATA = __path__[0] + '/../../share'",
        "HERE = Path(inspect.getfile(f)).resolve()\nROOT = HERE.parent\nTOP = ROOT.parent\n",
        "at = Path(__file__).resolve()\nwhile not (at / 'x').exists(): at = at.parent\n",
        "NAME = Path(__file__).resolve().relative_to(site)",
        "HERE = os.path.realpath(__file__)\nIS_OURS = HERE.startswith(sys.prefix)",
        "ROOT = os.path.realpath(loader.get_filename('pkg') + '/../..')",
    ],
)
def test_a_source_that_may_reach_out(source: str) -> None:
    reach = Reach(PATHS)
    reach.source("pkg/__init__.py", source.encode())
    assert reach.bearing() == ["other", "pkg.libs"]


def test_one_source_may_know_the_place_and_another_go_up_from_it() -> None:
    reach = Reach(PATHS)
    reach.source("pkg/__init__.py", b"HERE = __file__")
    reach.source("other/a.py", b"ROOT = Path(pkg.HERE).resolve().parent.parent")
    assert reach.bearing() == ["other", "pkg", "pkg.libs"]  # not of its own place
    reach.source("pkg/deep/er/mod.py", b"r = realpath(HERE)\nfor n in 1, 2:\n r = dirname(r)")
    assert _bears("pkg", reach)
    reach.source("pkg/a.py", b"ROOT = realpath(HERE)\nROOT = dirname(dirname(ROOT))")
    assert reach.bearing() == ["other", "pkg.libs"]


def test_going_up_counts_from_where_the_source_is() -> None:
    source = b"ROOT = Path(__file__).resolve().parent.parent.parent"
    reach = Reach(PATHS)
    reach.source("pkg/deep/er/mod.py", source)
    assert _bears("pkg", reach)
    reach.source("pkg/deep/er/mod.py", source + b".parent")
    assert not _bears("pkg", reach)


def _library(reach: Reach, path: str, data: bytes, size: int = 1 << 18) -> None:
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    reach.begin(path, chunks[0])
    for chunk in chunks:
        reach.chunk(path, chunk)


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 18])
@pytest.mark.parametrize(
    ("searched", "inside"),
    [
        ("$ORIGIN", True),
        ("$ORIGIN/../pkg.libs", True),  # of the same wheel, and so of the same object
        ("${ORIGIN}/../pkg.libs:$ORIGIN:/usr/lib64", True),
        ("$ORIGINAL/../..", True),
        ("/usr/lib64", True),
        ("$ORIGIN/../../nvidia/lib", False),
        ("$ORIGIN:$ORIGIN/../nvidia.libs", False),
        ("${ORIGIN}/../nvidia.libs", False),
        ("$ORIGIN/../../../..", False),
    ],
)
def test_where_a_library_looks_for_others(searched: str, inside: bool, size: int) -> None:
    reach = Reach(PATHS)
    data = ELF + b"\0" * 30 + searched.encode() + b"\0libc.so.6\0"
    _library(reach, "pkg/x.so", data, size)
    assert _bears("pkg", reach) is inside
    assert _bears("other", reach)


def test_what_is_not_understood_counts_as_reaching_out() -> None:
    for path, data in (
        ("pkg/x.so", ELF + b"$ORIGIN/" + b"a" * (1 << 17)),  # a name without an end
        ("pkg/x.so", ELF + b"$ORIGIN/../$ORIGIN\0"),
        ("pkg/x.pyc", b"byte code without its source"),
        ("pkg/x.py", b"a source that is too large to be looked at"),
    ):
        reach = Reach(PATHS)
        _library(reach, path, data, 1 << 12)
        assert not _bears("pkg", reach), path


def test_what_is_no_library_may_say_anything() -> None:
    reach = Reach(PATHS)
    _library(reach, "pkg/readme.txt", b"run patchelf --set-rpath '$ORIGIN/../../x' FILE\0")
    assert _bears("pkg", reach)
