"""What a lock is made of besides requirements: pyproject.toml, uv.lock and poetry.lock."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.errors import LockError, VenvError
from rpm_venv.locks import lock, project, uv
from tests.host.wheels import make_wheel

PYTHON = os.path.realpath(sys.executable)
SHA = {letter: f"{ord(letter):064x}" for letter in "abcdefgh"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path


def locked(*words: str) -> list[str]:
    """The entries of the lock that a call makes, with their markers."""
    cli.call(["lock", *words])
    found = lock.parse(Path(words[-1]).read_bytes(), words[-1])
    return [f"{e} ; {e.marker}" if e.marker else str(e) for e in found.entries]


def refused(*words: str) -> str:
    with pytest.raises(VenvError) as caught:
        cli.call(["lock", *words])
    return "\n".join(caught.value.lines())


# ---- pyproject.toml

PROJECT = b"""
[project]
name = "My.App"
dependencies = ["b[x]>=1", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
Web = ["flask", "my_app[cli]; os_name == 'posix'"]
cli = ["rich; python_version > '3'"]
[dependency-groups]
Test = ["pytest", {include-group = "lint"}]
lint = ["ruff"]
round = [{include-group = "about"}]
about = [{include-group = "round"}, 3]
"""


def test_a_projects_dependencies_with_extras_and_groups() -> None:
    main = ("b[x]>=1", 'tomli; python_version < "3.11"')
    assert project.lines(PROJECT, "p") == main
    assert project.lines(PROJECT, "p", ["web"], ["test"]) == (
        *main,
        "flask",
        'rich; python_version > "3" and os_name == "posix"',
        "pytest",
        "ruff",
    )


def test_all_that_is_wrong_with_a_project_is_named() -> None:
    with pytest.raises(LockError) as caught:
        project.lines(PROJECT, "p", ["gui"], ["none", "round"])
    *known, last = map(str, caught.value.problems)
    assert known == [
        "extra gui: it has no extra 'gui' (it has cli, web)",
        "group none: it has no group 'none' (it has about, lint, round, test)",
        "groups include each other: round → about → round",
    ]
    assert last.startswith("dependency-groups.about: not a requirement: ")
    for text, message in (
        (b'[project]\nname = "x"\ndynamic = ["dependencies"]\n', "only its build tells them"),
        (b'[tool.poetry]\nname = "x"\n', "it has no [project] table"),
    ):
        with pytest.raises(LockError) as caught:
            project.lines(text, "p")
        assert message in str(caught.value.problems[0])


def test_a_project_is_resolved_and_locked_again_as_it_was(place: Path) -> None:
    """Versions stay while they can; -U chooses one anew; another machine takes a uv."""
    (place / "w").mkdir()
    for name, version in (("lib", "1.0"), ("tool", "1.0")):
        make_wheel(name, version).save(place / "w")
    Path("pyproject.toml").write_text(
        '[project]\nname = "app"\ndependencies = ["lib"]\n[dependency-groups]\ng = ["tool"]\n'
    )
    words = ("-p", PYTHON, "-w", "w", "-g", "g", "pyproject.toml", "out.txt")
    assert locked(*words) == ["lib 1.0", "tool 1.0"]
    first = Path("out.txt").read_bytes()
    for name in ("lib", "tool"):
        make_wheel(name, "2.0").save(place / "w")
    assert locked(*words) == ["lib 1.0", "tool 1.0"]
    assert Path("out.txt").read_bytes() == first
    assert locked("-U", "Lib", *words) == ["lib 2.0", "tool 1.0"]
    (place / "w" / "lib-2.0-py3-none-any.whl").unlink()
    # pip cannot keep one version where it may not keep them all.
    assert locked(*words) == ["lib 1.0", "tool 1.0" if uv.command() else "tool 2.0"]
    assert locked("-U", ":all:", *words) == ["lib 1.0", "tool 2.0"]


def test_a_machine_that_is_not_here_takes_a_uv(place: Path) -> None:
    (place / "w").mkdir()
    tags = ("cp312-cp312-manylinux_2_17_aarch64", "cp312-cp312-manylinux_2_28_x86_64")
    for tag in tags:
        make_wheel("lib", tag=tag).save(place / "w")
    make_wheel("old", requires=["lib"]).save(place / "w")
    Path("in.txt").write_text("old; platform_machine == 'x86_64'\nlib\n")
    words = ("-p", "3.12", "-m", "x86_64", "-m", "aarch64", "-w", "w", "in.txt", "pylock.toml")
    if uv.command():
        assert locked(*words) == ["lib 1.0", 'old 1.0 ; platform_machine == "x86_64"']
        found = lock.parse(Path("pylock.toml").read_bytes(), "pylock.toml")
        assert [file.filename for file in found.entries[0].files] == [
            f"lib-1.0-{tag}.whl" for tag in tags
        ]
        elsewhere = ("-p", "3.12", "-m", "s390x", *words[6:])
        assert "uv resolves for x86_64 and aarch64" in refused(*elsewhere)
    else:
        assert "pip resolves for the Pythons of this machine alone" in refused(*words)


# ---- uv.lock

UV = f"""
version = 1
requires-python = ">=3.9"
[[package]]
name = "app"
version = "1"
source = {{ editable = "." }}
dependencies = [
    {{ name = "num", version = "1.0", marker = "python_version < '3.12'" }},
    {{ name = "num", version = "2.0", marker = "python_version >= '3.12'" }},
    {{ name = "req", extra = ["socks"] }},
    {{ name = "win", marker = "sys_platform == 'win32'" }},
]
[package.optional-dependencies]
web = [{{ name = "flask" }}]
[package.dev-dependencies]
test = [{{ name = "old" }}]
[[package]]
name = "num"
version = "1.0"
source = {{ registry = "x" }}
wheels = [
    {{ filename = "num-1.0-cp39-cp39-manylinux2014_x86_64.whl", hash = "sha256:{SHA["a"]}" }},
    {{ filename = "num-1.0-cp39-abi3-manylinux_2_17_aarch64.whl", hash = "sha256:{SHA["b"]}" }},
    {{ filename = "num-1.0-cp39-cp39-win_amd64.whl", hash = "sha256:{SHA["c"]}" }},
]
[[package]]
name = "num"
version = "2.0"
source = {{ registry = "x" }}
wheels = [{{ filename = "num-2.0-py3-none-any.whl", hash = "sha256:{SHA["d"]}" }}]
[[package]]
name = "req"
version = "1.5"
source = {{ registry = "x" }}
wheels = [{{ url = "https://x/req-1.5-py3-none-any.whl", hash = "sha256:{SHA["e"]}" }}]
[package.optional-dependencies]
socks = [{{ name = "socks" }}]
[[package]]
name = "socks"
version = "3"
source = {{ registry = "x" }}
dependencies = [{{ name = "req" }}]
wheels = [{{ url = "https://x/socks-3-py3-none-any.whl", hash = "sha256:{SHA["f"]}" }}]
[[package]]
name = "old"
version = "1"
source = {{ registry = "x" }}
sdist = {{ url = "https://x/old-1.tar.gz", hash = "sha256:{SHA["g"]}" }}
[[package]]
name = "flask"
version = "1"
source = {{ git = "https://x/y" }}
[[package]]
name = "win"
version = "1"
source = {{ registry = "x" }}
"""
BOTH = ("-p", "3.9", "-p", "3.12", "-m", "x86_64", "-m", "aarch64")


@pytest.mark.parametrize("target", ["out.txt", "pylock.toml"])
def test_a_uv_lock_is_carried_over(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    Path("uv.lock").write_text(UV)
    expected = [
        'num 1.0 ; python_version < "3.12"',
        'num 2.0 ; python_version >= "3.12"',
        "req 1.5",
        "socks 3",
    ]
    assert locked(*BOTH, "uv.lock", target) == expected
    found = lock.parse(Path(target).read_bytes(), target)
    assert [set(entry.hashes) for entry in found.entries] == [
        {SHA["a"], SHA["b"]},
        {SHA["d"]},
        {SHA["e"]},
        {SHA["f"]},
    ]
    first = Path(target).read_bytes()
    locked(*BOTH, "uv.lock", target)
    assert Path(target).read_bytes() == first


def test_what_a_uv_lock_has_no_wheel_of_is_its_sdist_or_a_wheel_of_the_authors() -> None:
    Path("uv.lock").write_text(UV)
    words = ("-p", "3.12", "-g", "Test", "uv.lock", "pylock.toml")
    assert locked(*words)[1:2] == ["old 1"]
    found = lock.parse(Path("pylock.toml").read_bytes(), "pylock.toml")
    assert found.entries[1].sdist is not None
    assert found.entries[1].sdist.sha256 == SHA["g"]
    assert "flask is a revision of a source repository" in refused("-x", "web", *words)
    wheel = make_wheel("flask").save(Path())
    assert locked("-a", str(wheel), "-x", "web", *words)[0] == "flask 1.0"


UNFIT_UV = {
    "another format": (("version = 1\n", "version = 2\n"), "not a uv.lock of version 1"),
    "no sha256": (("sha256:" + SHA["e"], "md5:1"), "no sha256 of req-1.5-py3-none-any.whl"),
    "a hole": (('name = "req", extra', 'name = "nix", extra'), "nix: it is not in the file"),
    "another Python": ((">=3.9", ">=3.13"), "it is for Python >=3.13, not 3.12"),
    "conflicts": (("sys_platform == 'win32'", "extra == 'x'"), "it has conflicting extras"),
    "no TOML": (("version = 1\n", "version = \n"), "not TOML"),
    "damage": (('name = "req"\nversion = "1.5"', 'name = "req"\nversion = "x y"'), "damaged"),
}


@pytest.mark.parametrize(("change", "message"), UNFIT_UV.values(), ids=UNFIT_UV)
def test_a_uv_lock_that_cannot_be_carried_over_says_why(
    change: tuple[str, str], message: str
) -> None:
    Path("uv.lock").write_text(UV.replace(*change))
    assert message in refused("-p", "3.12", "uv.lock", "out.txt")
    assert not Path("out.txt").exists()


# ---- poetry.lock

POETRY = f"""
[[package]]
name = "Num.Py"
version = "2.0"
groups = ["main", "test"]
files = [
    {{file = "num_py-2.0-cp312-cp312-manylinux_2_17_x86_64.whl", hash = "sha256:{SHA["a"]}"}},
    {{file = "num_py-2.0.tar.gz", hash = "sha256:{SHA["b"]}"}},
]
[[package]]
name = "tomli"
version = "2"
groups = ["main", "test"]
markers = {{main = "extra == \\"web\\"", test = "python_version < \\"3.11\\""}}
files = [{{file = "tomli-2-py3-none-any.whl", hash = "sha256:{SHA["c"]}"}}]
[extras]
web = ["tomli"]
[metadata]
lock-version = "2.1"
"""


def test_a_poetry_lock_is_carried_over() -> None:
    Path("poetry.lock").write_text(POETRY)
    place = ("poetry.lock", "out.txt")
    assert locked("-p", "3.12", "-m", "x86_64", *place) == ["num-py 2.0"]
    assert locked("-p", "3.12", "-x", "web", *place) == ["num-py 2.0", "tomli 2"]
    test = ("-g", "test", *place)
    assert locked(*BOTH, *test) == ["num-py 2.0", 'tomli 2 ; python_version < "3.12"']
    found = lock.parse(Path("out.txt").read_bytes(), "out.txt")
    assert set(found.entries[0].hashes) == {SHA["a"], SHA["b"]}  # the sdist, for aarch64 and 3.9
    assert "it has no extra 'gui' (it has web)" in refused("-x", "gui", *place)
    Path("poetry.lock").write_text(POETRY.replace('"2.1"', '"2.0"'))
    assert "make it anew with Poetry 2" in refused(*place)


def test_extras_and_groups_are_a_projects() -> None:
    Path("in.txt").write_text("x\n")
    assert "only a project has extras and groups" in refused("-p", "3.12", "-x", "a", "in.txt", "o")
