"""Wheels as values: their file names, their claims, and where their files may go."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpm_venv.confined import names
from rpm_venv.errors import WheelError
from rpm_venv.wheels import wheel
from rpm_venv.wheels.objects import EntryPoint, StoredFile, StoredObject
from rpm_venv.wheels.wheel import WheelName

TAGS = ("cp311-cp311-manylinux_2_28_x86_64", "cp311-abi3-linux_x86_64", "py3-none-any")


def test_a_file_name_has_its_parts() -> None:
    name = WheelName.parse("Foo_Bar-1.0.post1-2x-py2.py3-none-any.whl")
    assert (name.name, str(name.version), name.build) == ("foo-bar", "1.0.post1", (2, "x"))
    assert name.tags == {"py2-none-any", "py3-none-any"}


_NAMES = st.from_regex(
    r"[A-Za-z0-9._]{1,4}-[0-9v.]{1,4}(rc1|[.]post[0-9])?(-[0-9]b?)?"
    r"-(py3|cp311|3x|Py3|py2[.]py3|)-(none|abi3|[.]|cp311[.]abi3)-(any|linux_x86_64|any[.]win32)[.]whl",
    fullmatch=True,
)


@given(_NAMES)
def test_a_plain_name_is_what_packaging_makes_of_it(filename: str) -> None:
    try:
        expected = WheelName._parsed(filename)
    except WheelError:
        with pytest.raises(WheelError):
            WheelName.parse(filename)
        return
    name = WheelName.parse(filename)
    assert name == expected
    assert str(name.version) == str(expected.version)


def test_plain_names_are_read_without_packaging() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from rpm_venv.wheels.wheel import WheelName, check_claims\n"
        "name = WheelName.parse('Foo_Bar-1.0-py2.py3-none-any.whl')\n"
        "print(name.name, sorted(name.tags))\n"
        "said = {'dist_info': 'Foo_Bar-1.0.dist-info', 'name': 'foo.bar', 'version': '1.0',\n"
        "        'wheel_version': '1.0', 'tags': ['py2-none-any'], 'commands': []}\n"
        "print(check_claims(name, said)[1], [each for each in sys.modules if 'packaging' in each])"
    )
    argv = [sys.executable, "-ISB", "-c", code, str(Path(wheel.__file__).parents[2])]
    done = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert done == "foo-bar ['py2-none-any', 'py3-none-any']\n() []\n"


@pytest.mark.parametrize(
    "filename",
    ["foo-1.0.tar.gz", "foo.whl", "foo-1.0-py3-none.whl", "-1.0-py3-none-any.whl",
     "foo-x-py3-none-any.whl", "../foo-1.0-py3-none-any.whl", "foo-1.0-py3-none-any.whl\n"],
)  # fmt: skip
def test_what_is_not_a_wheels_name_is_refused(filename: str) -> None:
    with pytest.raises(WheelError, match="not the file name of a wheel"):
        WheelName.parse(filename)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux_2_28_x86_64", 0),
        ("cp311-abi3-linux_x86_64", 1),
        ("py2.py3-none-any", 2),
        ("cp312-cp312-linux_x86_64", None),
    ],
)
def test_the_rank_is_that_of_the_best_tag(tag: str, expected: int | None) -> None:
    assert wheel.rank(WheelName.parse(f"foo-1.0-{tag}.whl"), TAGS) == expected


def claims(**changes: Any) -> list[str]:
    """The problems of a wheel foo_bar 1.0 that says of itself what is right, but for changes."""
    meta = {
        "dist_info": "foo_bar-1.0.dist-info",
        "name": "Foo.Bar",
        "version": "1.0",
        "wheel_version": "1.0",
        "tags": ["py3-none-any"],
        "commands": [],
        **changes,
    }
    name = WheelName.parse("foo_bar-1.0-py3-none-any.whl")
    return [str(problem) for problem in wheel.check_claims(name, meta)[1]]


@pytest.mark.parametrize(
    "dist_info", ["Foo.Bar-1.0.dist-info", "foo-bar-1.0.dist-info", "foo_bar-1.dist-info"]
)
def test_directories_need_not_be_normalised(dist_info: str) -> None:
    assert claims(dist_info=dist_info) == []


@pytest.mark.parametrize(
    "dist_info",
    ["foo_bar-2.0.dist-info", "foo-1.0.dist-info", "foo_bar.dist-info", "../foo_bar-1.0.dist-info",
     "foo_bar-1.0.DIST-INFO", "foo_bar-1.0.egg-info", "x/foo_bar-1.0.dist-info", ""],
)  # fmt: skip
def test_a_directory_of_another_is_a_problem(dist_info: str) -> None:
    assert claims(dist_info=dist_info)


@pytest.mark.parametrize("version", ["1", "1.0.0", "v1.0", " 1.0"])
def test_versions_are_compared_as_versions(version: str) -> None:
    assert claims(version=version) == []


def test_all_problems_are_found_at_once() -> None:
    found = claims(name="other", version="2", wheel_version="7", tags=[], dist_info="x")
    assert len(found) == 5


@pytest.mark.parametrize(
    "changes",
    [{"name": 3}, {"name": "x" * 2000}, {"tags": 3}, {"tags": [None]}, {"commands": [["a"]]},
     {"commands": [["console", "x", 3]]}, {"commands": [["daemon", "x", "y:z"]]}],
)  # fmt: skip
def test_claims_of_other_types_are_errors(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        claims(**changes)


def test_commands_become_entry_points() -> None:
    name = WheelName.parse("foo-1-py3-none-any.whl")
    meta = {
        "dist_info": "foo-1.dist-info",
        "name": "foo",
        "version": "1",
        "wheel_version": "1.0",
        "tags": ["py3-none-any"],
        "commands": [["console", "pip3.11", "a.b:c.d [x,y]"], ["gui", "2to3-3.11", "a : b"]],
    }
    found, problems = wheel.check_claims(name, meta)
    assert problems == ()
    assert found.entry_points == (
        EntryPoint("console", "pip3.11", "a.b", "c.d"),
        EntryPoint("gui", "2to3-3.11", "a", "b"),
    )


@pytest.mark.parametrize(
    "name", ["py.test", "f2py", "python-argcomplete-check", "activate-global-x", "ipython3", "_x"]
)
def test_names_that_real_commands_have(name: str) -> None:
    assert wheel.command_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    ["python", "python3", "python3.13t", "Python", "pythonw", "python3.11-config", "pypy3",
     "activate", "activate.csh", "Activate.ps1", "activate_this", "", ".", "..", "a/b", "-x", "a b",
     "a\nb", "\u00e9", "x" * 201],
)  # fmt: skip
def test_names_that_no_command_may_have(name: str) -> None:
    assert wheel.command_problem(name)


@pytest.mark.parametrize(
    ("scheme", "path"),
    [("site", "lib64/x.py"), ("data", "share/jupyter/x"), ("data", "lib/libx.so"),
     ("data", "bin/tool"), ("data", "etc/x.conf"), ("data", "include/x.h"), ("headers", "x/y.h"),
     ("scripts", "tool.py")],
)  # fmt: skip
def test_places_that_files_go_to(scheme: str, path: str) -> None:
    assert wheel.destination_problem(scheme, path) == ""


def test_record_quotes_and_sorts() -> None:
    data = wheel.record([("b,\n", "00" * 32, 1), ("a", "ff" * 32, 2)], "x.dist-info/RECORD")
    rows = list(csv.reader(data.decode().splitlines(keepends=True)))
    assert rows == [
        ["a", "sha256=__________________________________________8", "2"],
        ["b,\n", "sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "1"],
        ["x.dist-info/RECORD", "", ""],
    ]


@given(st.text(min_size=1, max_size=60))
def test_a_name_without_a_problem_stays_below_its_directory(name: str) -> None:
    if names.problem(name) == "":
        parts = name.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert name.isprintable()
        assert "\\" not in name
        assert name.encode().decode() == name


_PARTS = st.sampled_from(["a", "b.py", "..", ".", "", " x", "a" * 200, "c\\d", "\u00e9", "e\u0301"])


@given(st.lists(_PARTS, min_size=1, max_size=50).map("/".join))
def test_the_quick_answer_about_names_is_the_slow_ones(name: str) -> None:
    slow = names._parts_problem(name.split("/")) or names._characters_problem(name)
    assert names.problem(name) == slow


def test_names_that_a_filesystem_may_take_for_one_are_folded_alike() -> None:
    assert names.folded("A/\u00c9") == names.folded("a/e\u0301")
    assert names.folded("\u00df") == names.folded("SS")
    assert names.folded("a") != names.folded("b")


def test_an_object_is_described_and_read_back() -> None:
    stored = StoredObject(
        "id", "f.whl", "f", "1", "f-1.dist-info",
        (StoredFile("site", "a\u00e9, b", 0o644, 3, "00"),), (EntryPoint("gui", "x", "y", "z"),),
    )  # fmt: skip
    assert StoredObject.loads(stored.dumps()) == stored
    assert stored.dumps() == StoredObject.loads(stored.dumps()).dumps()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"format": 2}', b"3\n[]"])
def test_what_describes_no_object_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        StoredObject.loads(data)
