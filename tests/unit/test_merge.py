"""Who has a path: what is shared, what gives way, what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rpm_venv.paths import parents
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees.merge import Merged, merge
from rpm_venv.wheels.store import EntryPoint, StoredFile, StoredObject

PYTHON = Interpreter("/usr/bin/python3.11", (3, 11, 2), "cpython-311", {}, ())
SITE = "lib/python3.11/site-packages"


def wheel(
    name: str, files: Mapping[str, str] | None = None, commands: Mapping[str, str] | None = None
) -> StoredObject:
    """An object whose files are ``scheme/path`` → what stands for their content."""
    stored = []
    for path, content in {f"site/{name}-1.dist-info/RECORD": name, **(files or {})}.items():
        scheme, _, inside = path.partition("/")
        stored.append(StoredFile(scheme, inside, 0o644, len(content), content))
    points = [
        EntryPoint("console", command, *target.split(":"))
        for command, target in (commands or {}).items()
    ]
    return StoredObject(
        name, f"{name}.whl", name, "1", f"{name}-1.dist-info", tuple(stored), tuple(points)
    )


def merged(*wheels: StoredObject) -> Merged:
    """Of the wheels in either order, which must not matter."""
    one, other = merge(wheels, PYTHON), merge(wheels[::-1], PYTHON)
    assert (one.claims, one.lost, one.notes) == (other.claims, other.lost, other.notes)
    return one


def problems(*wheels: StoredObject) -> list[str]:
    return [str(problem) for problem in merged(*wheels).problems]


def test_the_same_file_of_two_wheels_is_one() -> None:
    result = merged(
        wheel("a", {"site/ns/__init__.py": "x"}), wheel("b", {"site/ns/__init__.py": "x"})
    )
    assert result.claims[f"{SITE}/ns/__init__.py"][0].name == "a"
    assert (result.notes, result.problems, result.lost) == ([], [], {})


def test_of_different_files_the_last_name_has_it_and_it_is_said_once_for_all_paths() -> None:
    files = [f"site/tests/{number}.py" for number in range(5)]
    a, b = wheel("a", dict.fromkeys(files, "1")), wheel("b", dict.fromkeys(files, "2"))
    result = merged(a, b)
    assert {result.claims[f"{SITE}/tests/{number}.py"][0].name for number in range(5)} == {"b"}
    assert result.lost == {"a": {f"tests/{number}.py" for number in range(5)}}
    (note,) = result.notes
    assert note.startswith(f"b 1 and a 1 differ in {SITE}/tests/0.py, ")
    assert note.endswith(", …: the one of b 1 is there")


def test_byte_code_goes_with_its_source() -> None:
    """B's source cannot be compiled: A's byte code of another source would be run instead."""
    a = wheel("a", {"site/t/x.py": "1", "site/t/__pycache__/x.cpython-311.pyc": "1c"})
    result = merged(a, wheel("b", {"site/t/x.py": "2"}))
    assert f"{SITE}/t/__pycache__/x.cpython-311.pyc" not in result.claims
    assert result.lost == {"a": {"t/x.py", "t/__pycache__/x.cpython-311.pyc"}}


@pytest.mark.parametrize("order", [1, -1])
def test_byte_code_of_the_one_that_stays_is_kept(order: int) -> None:
    b = {"site/t/x.py": "2", "site/t/__pycache__/x.cpython-311.pyc": "2c"}
    a = wheel("a", {"site/t/x.py": "1", "site/t/__pycache__/x.cpython-311.pyc": "1c"})
    result = merged(a, wheel("b", dict(list(b.items())[::order])))
    assert result.claims[f"{SITE}/t/__pycache__/x.cpython-311.pyc"][1].sha256 == "2c"


def test_commands_of_two_wheels_are_refused_unless_they_are_the_same() -> None:
    same = {"run": "shared:main"}
    assert problems(wheel("a", commands=same), wheel("b", commands=same)) == []
    assert problems(wheel("a", commands={"run": "a:main"}), wheel("b", commands=same)) == [
        "bin/run: is in a 1 and, different, in b 1"
    ]
    assert problems(wheel("a", {"scripts/run": "1"}), wheel("b", {"data/bin/run": "2"})) == [
        "bin/run: is in a 1 and, different, in b 1"
    ]


def test_a_wheels_launcher_replaces_its_own_script() -> None:
    result = merged(wheel("a", {"scripts/run": "1"}, {"run": "a:main"}))
    assert result.problems == []
    assert not isinstance(result.claims["bin/run"][1], StoredFile)


@pytest.mark.parametrize(
    "path",
    [
        "data/pyvenv.cfg",
        "data/lib64",
        "data/.rpm-venv/manifest",
        "data/pyvenv.cfg/x",
        "data/bin/python",
        "data/bin/python/x",
        "scripts/python3",
        "scripts/python3.11",
        "scripts/python3.13t",
        "scripts/activate",
        "scripts/Activate.ps1",
        "site/+rpm-venv.pth",
        "site/~rpm-venv.pth",
        "site/+rpm-venv.pth/__init__.py",
        "scripts/activate/x",
        f"data/{SITE}/+rpm-venv.pth",
        "data/lib64/python3.11/site-packages/+rpm-venv.pth",
    ],
)
def test_what_belongs_to_the_environment_is_no_wheels(path: str) -> None:
    (problem,) = problems(wheel("a", {path: "x"}))
    assert "belongs to the environment itself, and a 1 would replace it" in problem


def test_commands_that_only_begin_like_pythons_are_free() -> None:
    names = ("python-argcomplete-check-easy-install-script", "pythonize", "activate-global", "pip3")
    assert problems(wheel("a", commands=dict.fromkeys(names, "a:main"))) == []


@pytest.mark.parametrize(
    ("name", "target"),
    [("../x", "a:main"), (".", "a:main"), ("x", "a:main()"), ("x", "a b:main"), ("a\nb", "a:m")],
)
def test_entry_points_that_are_none_are_refused(name: str, target: str) -> None:
    found = problems(wheel("a", commands={name: target}))
    assert any("has an entry point that is none" in problem for problem in found)


@pytest.mark.parametrize(
    "path", ["site/a-1.dist-info/RECORD", "site/a-1.dist-info/direct_url.json"]
)
def test_a_distributions_own_account_of_itself_is_nobody_elses(path: str) -> None:
    found = problems(wheel("a"), wheel("b", {path: "forged"}))
    assert len(found) == 1
    assert "a-1.dist-info" in found[0]


def test_a_file_is_no_directory() -> None:
    assert problems(wheel("a", {"site/thing": "1"}), wheel("b", {"site/thing/x.py": "2"})) == [
        f"{SITE}/thing: is a file of a 1 and a directory of b 1"
    ]


@pytest.mark.parametrize("path", ["bin", "lib", "include/site"])
def test_the_environments_directories_are_no_files(path: str) -> None:
    (problem,) = problems(wheel("a", {f"data/{path}": "x"}))
    assert problem.startswith(f"{path}: is a file of a 1 and a directory of")


def test_lib64_is_lib() -> None:
    a = wheel("a", {"data/lib64/python3.11/site-packages/x.py": "1", "data/lib64x": ""})
    assert {f"{SITE}/x.py", "lib64x"} <= merged(a).claims.keys()


def test_parents_are_all_directories_above() -> None:
    assert parents(["a/b/c/d", "a/e", "f"]) == {"a", "a/b", "a/b/c"}
