"""Which directories of objects are links in a generation: the highest that one object alone has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpm_venv.confined.portions import portions
from rpm_venv.errors import VenvError
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import linked, merge, startup
from rpm_venv.wheels.store import Description, StoredFile, StoredObject

INTERPRETER = Interpreter("/usr/bin/python3.11", (3, 11, 2), "cpython-311", {}, ())
SITE = merge.site_packages(INTERPRETER)


def described(
    name: str, paths: Sequence[str], portions: Sequence[str] = (), bears: str = "ns"
) -> Description:
    """An object with empty files: those of ``paths`` that begin with "data:" are of that scheme."""
    files = []
    for path in (*paths, f"{name}-1.0.dist-info/METADATA"):
        scheme, _, inside = path.rpartition(":")
        files.append(StoredFile(scheme or "site", inside, 0o644, 0, hashlib.sha256().hexdigest()))
    identity = f"{hashlib.sha256(name.encode()).hexdigest()}-{INTERPRETER.tag}"
    stored = StoredObject(
        identity,
        f"{name}-1.0-py3-none-any.whl",
        name,
        "1.0",
        f"{name}-1.0.dist-info",
        tuple(files),
        (),
        tuple(bears.split()),
        tuple(portions),
    )
    data = stored.dumps()
    head = StoredObject.loads_head(data.partition(b"\n")[0])
    return Description(head, hashlib.sha256(data).hexdigest(), data)


def links(*descriptions: Description) -> dict[str, str]:
    """The links of a generation, by their places in site-packages, and whose they are.

    Each file is behind a link or merged, and none is both.
    """
    parts = linked.apart(descriptions, INTERPRETER)
    names = {each.head.id: each.head.name for each in descriptions}
    found = {}
    for path, tree in parts.trees.items():
        assert path == f"{SITE}/{tree.inside[len('site/') :]}"
        found[path[len(SITE) + 1 :]] = names[tree.object_id]
    for each, loose in zip(descriptions, parts.objects):
        mine = tuple(f"{place}/" for place, name in found.items() if name == each.head.name)
        assert list(loose.files) == [
            file
            for file in each.stored().files
            if file.scheme != "site" or not file.path.startswith(mine or ("\0",))
        ]
    return found


A = described("a", ["ns/cloud/a/x.py", "ns/cloud/a/y/z.py"], ["ns/cloud/a"])
B = described("b", ["ns/b/x.py", "ns/c/d/x.py", "ns/c/e/x.py"], ["ns/b", "ns/c/d", "ns/c/e"])


def test_who_is_alone_has_the_top() -> None:
    assert links(A) == {"ns": "a"}
    assert links(A, described("x", ["x/a.py"], bears="x")) == {"ns": "a", "x": "x"}


def test_the_highest_directory_that_nobody_else_has() -> None:
    assert links(A, B) == {"ns/cloud": "a", "ns/b": "b", "ns/c": "b"}
    other = described("c", ["ns/cloud/__init__.py", "ns/c/f/x.py"], ["ns/c/f"])
    found = {"ns/cloud/a": "a", "ns/b": "b", "ns/c/d": "b", "ns/c/e": "b", "ns/c/f": "c"}
    assert links(A, B, other) == links(other, B, A) == found


def test_files_of_a_namespace_package_go_with_the_directory_that_is_alone() -> None:
    packages = ["ns/__init__.py", "ns/cloud/__init__.py", "ns/cloud/a/x.py"]
    one = described("a", packages, ["ns/cloud/a"])
    assert links(one, B) == {"ns/cloud": "a", "ns/b": "b", "ns/c": "b"}
    two = described("z", ["ns/__init__.py", "ns/cloud/__init__.py", "ns/z/x.py"], ["ns/z"])
    assert links(one, two) == {"ns/cloud/a": "a", "ns/z": "z"}


@pytest.mark.parametrize(
    "other",
    [
        described("z", ["ns/cloud/a/more.py"], bears=""),  # a top that is merged anyhow
        described("z", ["ns/cloud/a/more.py", "ns/cloud/x.py"], ["ns/cloud"]),
        described("z", ["ns/cloud/a/y/q/x.py"], ["ns/cloud/a/y/q"]),
        described("z", [f"data:{SITE}/ns/cloud/a/more.py"], bears=""),
        described("z", [f"data:lib64/{SITE[4:]}/ns/cloud/a/y/more.py"], bears=""),
        described("z", ["ns/cloud/a/x.py"], ["ns/cloud/a"]),  # the same file, even
    ],
)
def test_where_others_have_something_inside_it_is_none(other: Description) -> None:
    found = links(A, B, other)
    assert not [place for place, name in found.items() if name == "a"]
    assert found["ns/b"] == "b"
    assert links(other, B, A) == found


def test_what_is_inside_of_another_ones_portion_may_be_alone() -> None:
    """As googleapis-common-protos has modules in google/cloud, and others have directories."""
    outer = described(
        "z", ["ns/cloud/x.py", "ns/cloud/deep/x.py", "ns/q/x.py"], ["ns/cloud", "ns/q"]
    )
    assert links(A, outer) == {"ns/cloud/a": "a", "ns/q": "z"}


def test_a_directory_to_which_its_own_wheel_adds_from_another_scheme() -> None:
    one = described("a", ["ns/a/x.py", f"data:{SITE}/ns/a/y.py"], ["ns/a"])
    assert links(one, B) == {"ns/b": "b", "ns/c": "b"}
    assert links(one) == {}


def test_who_says_nothing_of_portions_has_none() -> None:
    silent = described("a", ["ns/cloud/a/x.py"])
    assert b"portions" not in silent.data
    assert links(silent, B) == {"ns/b": "b", "ns/c": "b"}


@pytest.mark.parametrize("path", ["ns/cloud", "ns/cloud/a", "ns"])
def test_a_file_that_is_another_ones_directory_is_refused(path: str) -> None:
    parts = linked.apart([A, described("z", [path], bears=""), B], INTERPRETER)
    merged = merge.merge(parts.objects, INTERPRETER)
    problem = "is a file of z 1.0 and a directory of a 1.0"
    assert (problem, f"{SITE}/{path}") in [(each.message, each.where) for each in merged.problems]


@pytest.mark.parametrize("name", [startup.FIRST, startup.LAST])
def test_what_is_the_environments_own_is_refused(name: str) -> None:
    one = described("a", [f"{name}/in/x.py"], [f"{name}/in"], bears=name)
    parts = linked.apart([one, B], INTERPRETER)
    (problem, *_) = merge.merge(parts.objects, INTERPRETER).problems
    assert "belongs to the environment itself" in problem.message


@pytest.mark.parametrize(
    "portion",
    [
        "ns",
        "ns/",
        "other/a",
        "../a",
        "ns/../a",
        "ns//a",
        "/ns/a",
        "ns/./a",
        "a-1.0.dist-info/x",
        "",
    ],
)
def test_a_description_with_another_portion_is_damaged(portion: str) -> None:
    with pytest.raises(VenvError, match="damaged: a path that no object has"):
        described("a", ["ns/a/x.py"], [portion]).stored()


@pytest.mark.parametrize(
    "paths",
    [
        ["other/x.py"],
        ["ns.py"],
        ["ns"],
        ["ns-a/x.py", "ns0/x.py", "nsa/x.py", "other/ns/x.py"],
        ["data:ns/x.py", "headers:ns/a/x.py"],
        ["ns/x.py", "ns/a", "ns/a.py", "ns/a-b/x.py", "ns/ab/x.py", "ns/b/a/x.py"],
    ],
)
def test_a_link_to_a_directory_without_files_is_damaged(paths: list[str]) -> None:
    description = described("a", paths, ["ns/a"])
    wrong = "damaged: no file is in 'ns/" + ("a/'" if "ns/x.py" in paths else "'")
    with pytest.raises(VenvError, match=wrong):
        description.stored()
    with pytest.raises(VenvError, match=wrong):
        _ = description.loose
    with pytest.raises(VenvError, match=wrong):
        linked.apart([B, description], INTERPRETER)


def test_many_wheels_of_one_namespace_have_a_link_each() -> None:
    spaces = [f"ns/w{number}" for number in range(60)]
    many = [described(each[3:], ["ns/__init__.py", f"{each}/a.py"], [each]) for each in spaces]
    assert links(*many) == {each: each[3:] for each in spaces}


@pytest.mark.parametrize("most", [True, False])
def test_a_description_with_very_many_links_is_refused(*, most: bool) -> None:
    """Each is compared with all files, and no object that is made here has so many."""
    places = [f"p{number:03}" for number in range(500 if most else 501)]
    inner = [f"ns/{place}" for place in places]
    for paths, inside, bears in (
        ([f"{place}/x.py" for place in places], [], " ".join(places)),
        ([f"{place}/x.py" for place in inner], inner, "ns"),
    ):
        if most:
            assert len(described("a", paths, inside, bears).loose[0].files) == 1
        else:
            with pytest.raises(ValueError, match="more than 500 directories that may be links"):
                described("a", paths, inside, bears)


#: Names that begin alike, sort around "/", or are written otherwise than they are in a description.
ODD = st.sampled_from(["a", "a-", "a0", 'a"', "\\a", "é", "\U0001f600", "\uffee"])
PLACES = st.lists(ODD, min_size=1, max_size=3).map("/".join)


@settings(max_examples=150, deadline=None)
@given(st.sets(PLACES), st.sets(ODD, min_size=1), st.sets(PLACES))
def test_a_description_may_have_links_where_it_has_files(
    files: set[str], bears: set[str], portions: set[str]
) -> None:
    """By looking at all files for each directory, whatever the order is in which it names them."""
    inside = [place for place in portions if place.partition("/")[0] in bears and "/" in place]
    paths = sorted(f"{place}/x.py" for place in files)
    rows = tuple(StoredFile("site", path, 0o644, 0, "") for path in paths)
    stored = StoredObject("", "", "", "", "", rows, (), tuple(bears), tuple(inside))
    missing = [
        place
        for place in (*bears, *inside)
        if not any(path.startswith(f"{place}/") for path in paths)
    ]
    data = stored.dumps()
    if missing:
        first = min(f"{place}/" for place in missing)
        with pytest.raises(ValueError, match=re.escape(f"no file is in {first!a}, ")):
            stored.refuse_empty(data)
    else:
        stored.refuse_empty(data)


CACHED = ["own/__init__.py", "own/__pycache__/__init__.cpython-311.pyc", "own/sub/x.py"]


def test_byte_code_is_a_link_where_its_sources_are_none() -> None:
    one = described("a", [*CACHED, "own/sub/__pycache__/x.pyc", "__pycache__/top.pyc"], bears="")
    places = {"own/__pycache__": "a", "own/sub/__pycache__": "a"}
    assert links(one, B) == {**places, "ns": "b"}
    inside = described("b", ["own/sub/y.py"], bears="")  # and no byte code, as of Python 2's
    assert links(one, inside) == {}
    beside = described("b", ["own/more/y.py"], bears="")
    assert links(one, beside) == {"own/sub/__pycache__": "a"}


@pytest.mark.parametrize(
    "path",
    [
        "own/__pycache__/data.json",  # a package may ask for it by any name
        "own/__pycache__/deep/x.pyc",
        "own/__pycache__/__pycache__/x.pyc",
        'own/__pycache__/".pyc.txt',
        f"data:{SITE}/own/__pycache__/x.pyc",
        f"data:{SITE}/own/x.txt",
    ],
)
def test_what_is_not_byte_code_alone_is_no_link(path: str) -> None:
    assert "own/__pycache__" not in links(described("a", [*CACHED, path], bears=""))


@pytest.mark.parametrize("package", ["é", 'a"'])
def test_byte_code_of_a_name_that_is_written_otherwise_is_merged(package: str) -> None:
    assert links(described("a", [f"{package}/__pycache__/x.pyc", *CACHED], bears="")) == {
        "own/__pycache__": "a"
    }


@pytest.mark.parametrize("package", ["..", "a/../..", "/etc", "a//b"])
def test_a_description_with_byte_code_elsewhere_is_damaged(package: str) -> None:
    with pytest.raises(VenvError, match="damaged: a path that no object has"):
        _ = described("a", [f"{package}/__pycache__/x.pyc"], bears="").loose


FILES = st.builds(
    lambda place, name: "/".join([*place, name]),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
    st.sampled_from(["__init__.py", "x.py", "__pycache__/x.pyc", "__pycache__/y.pyc"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sets(FILES, min_size=1), st.booleans()), min_size=1, max_size=4))
def test_what_is_a_link_is_nobody_elses(wheels: list[tuple[set[str], bool]]) -> None:
    """By looking at all files of all wheels for each directory that may be one."""
    descriptions, expected = [], {}
    for number, (files, bears) in enumerate(wheels):
        tops = sorted({file[0] for file in files} if bears else ())
        inside = [each for some in portions(files, tops).values() for each in some]
        name = f"w{number}"
        descriptions.append(described(name, sorted(files), inside, " ".join(tops)))
        others = {
            file for other, (each, _) in enumerate(wheels) if other != number for file in each
        }
        may = {*tops, *(place[:end] for place in inside for end in range(1, len(place) + 1, 2))}
        alone = {place for place in may if not any(file.startswith(f"{place}/") for file in others)}
        highest = {place for place in alone if place[:-2] not in alone}
        expected.update(dict.fromkeys(highest, name))
        packages = {file.partition("/__pycache__/")[0] for file in files if "__pycache__" in file}
        expected.update(
            (f"{package}/__pycache__", name)
            for package in packages
            if not any(f"{package}/".startswith(f"{place}/") for place in highest)
            and not any(file.startswith(f"{package}/") for file in others)
        )
    assert links(*descriptions) == expected
