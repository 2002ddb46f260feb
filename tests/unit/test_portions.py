"""Which directories inside namespace packages bear a link: below a top that others may fill."""

from __future__ import annotations

import pytest

from rpm_venv.confined.portions import MOST
from rpm_venv.confined.reach import Reach

#: As wheels of Google's have them, with and without a file for the namespace package.
PATHS = (
    "ns/__init__.py",
    "ns/cloud/__init__.py",
    "ns/cloud/_part/lib.so",
    "ns/cloud/part/__init__.py",
    "ns/cloud/part/deep/mod.py",
    "ns/cloud/part_v1/types/a.py",
    "ns/cloud/part_v1/__init__.py",
    "ns/empty/__init__.py",
    "plain/__init__.py",
    "plain/mod.py",
    "plain/sub/mod.py",
    "part-1.0.dist-info/sub/mod.py",
    "__pycache__/sub/mod.cpython-311.pyc",
)
TOPS = ["ns", "plain"]
PORTIONS = ["ns/cloud/_part", "ns/cloud/part/deep", "ns/cloud/part_v1/types"]


def test_the_first_directories_that_have_something_of_their_own() -> None:
    assert Reach(PATHS).bearing() == [*TOPS[:1], *PORTIONS, "plain"]
    more = (*PATHS, "ns/cloud/part/data.json", "ns/cloud/part_v1/b.py")
    found = ["ns/cloud/_part", "ns/cloud/part", "ns/cloud/part_v1"]
    assert Reach(more).bearing() == ["ns", *found, "plain"]
    assert Reach(("ns/cloud/part/a.py",)).bearing() == ["ns", "ns/cloud/part"]
    assert Reach(("ns/cloud/part/a.py", "ns/py.typed")).bearing() == ["ns"]


def test_byte_code_of_a_namespace_package_alone_is_none() -> None:
    paths = ("ns/a/mod.py", "ns/__pycache__/x.txt", "ns/b/__pycache__/y.txt")
    assert Reach(paths).bearing() == ["ns", "ns/a"]


def test_a_wheel_with_a_great_many_has_none() -> None:
    paths = [f"ns/{number:03}/mod.py" for number in range(MOST)]
    assert len(Reach(paths).bearing()) == MOST + 1
    assert Reach([*paths, "ns/more/mod.py"]).bearing() == ["ns"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("ns/cloud/part/deep/mod.py", "Path(__file__).resolve().parent / 'data'"),
        ("ns/cloud/part_v1/types/a.py", "Path(__file__).parents[4] / 'share'"),
        # Of a namespace package: how others are found, by names alone.
        ("ns/__init__.py", "__path__ = __import__('pkgutil').extend_path(__path__, __name__)"),
        ("ns/__init__.py", "__import__('pkg_resources').declare_namespace(__name__)"),
        ("plain/sub/mod.py", "Path(__file__).resolve().parent.parent"),  # another top's affair
    ],
)
def test_a_source_that_keeps_inside_its_portion(path: str, source: str) -> None:
    reach = Reach(PATHS)
    reach.source(path, source.encode())
    assert reach.bearing() == ["ns", *PORTIONS, "plain"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("ns/cloud/part/deep/mod.py", "Path(__file__).resolve().parent.parent"),
        ("ns/cloud/part/deep/mod.py", "os.path.dirname(__file__) + '/../../_part'"),
        ("ns/cloud/part/deep/mod.py", "at = Path(__file__).resolve().parents[2]"),
        # Of the package that the portions are in, which is at another real place than they are.
        ("ns/cloud/part_v1/__init__.py", "Path(__file__).resolve().parent / 'types'"),
        # What is compared with the place of a package above the portion.
        ("ns/cloud/part/deep/mod.py", "realpath(__file__).startswith(realpath(ns.__file__)[:-11])"),
        ("ns/cloud/part/deep/mod.py", "realpath(__file__) in (vars(ns)['__path__'][0],)"),
        ("ns/cloud/part/deep/mod.py", "from ns import __file__ as of\nat = realpath(of)"),
        ("ns/cloud/part/deep/mod.py", "realpath(__file__).find(find_spec('ns').origin)"),
    ],
)
def test_a_source_that_leaves_its_portion_leaves_the_top_without_any(
    path: str, source: str
) -> None:
    reach = Reach(PATHS)
    reach.source(path, source.encode())
    assert reach.bearing() == TOPS


def test_a_source_that_leaves_the_top_leaves_nothing_of_it() -> None:
    reach = Reach(PATHS)
    reach.source("ns/cloud/part/deep/mod.py", b"at = Path(__file__).resolve().parents[4]")
    assert reach.bearing() == ["plain"]


@pytest.mark.parametrize(
    ("searched", "found"),
    [
        ("$ORIGIN/x", ["ns", *PORTIONS, "plain"]),
        ("$ORIGIN/../part/lib", TOPS),
        ("$ORIGIN/..", TOPS),
        ("$ORIGIN/../../../plain", TOPS),
        ("$ORIGIN/../../../other", ["plain"]),
    ],
)
def test_where_a_library_looks_for_others(searched: str, found: list[str]) -> None:
    reach = Reach(PATHS)
    data = b"\x7fELF" + b"\0" * 60 + searched.encode() + b"\0"
    reach.begin("ns/cloud/_part/lib.so", data)
    reach.chunk("ns/cloud/_part/lib.so", data)
    assert reach.bearing() == found


def test_what_is_not_looked_at_leaves_nothing() -> None:
    reach = Reach(PATHS)
    reach.begin("ns/cloud/part/deep/mod.py", b"# too large to be compiled")
    assert reach.bearing() == ["plain"]


BEGIN = "HERE = __file__\nbase = os.path.realpath(given)\nx = step0(base, 1).parent\n"


def test_a_short_source_is_followed_whatever_its_names_lead_to() -> None:
    """As names that are in each function are, until all of it was read again and again."""
    functions = [
        f"def step{n}(path, name):\n    other = step{n + 1}(path, name)\n    return other\n"
        + "    # of no interest\n" * 20
        for n in range(30)
    ]
    source = "".join([BEGIN, *functions])
    reach = Reach(PATHS)
    reach.source("ns/cloud/part/deep/mod.py", source.encode())
    assert reach.bearing() == ["ns", *PORTIONS, "plain"]
