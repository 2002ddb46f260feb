"""The interpreter edge: found inside the root, asked once, refused when unfit."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from rpm_venv.confined import describe
from rpm_venv.errors import VenvError
from rpm_venv.fetching import plain_tags
from rpm_venv.frozen import replace
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.system.interpreter import Interpreter, inspect

BASE = os.path.realpath(sys.executable)


def described(python: str) -> Interpreter:
    return inspect(Layout(), python)


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_running_python_is_described_as_packaging_describes_it() -> None:
    found = described(sys.executable)
    assert found.path == BASE
    assert found.version == sys.version_info[:3]
    assert found.tag == sys.implementation.cache_tag
    assert dict(found.markers) == dict(default_environment())
    assert list(found.tags) == [str(tag) for tag in sys_tags()]


def test_a_beta_is_another_python_than_the_next_beta(tmp_path: Path) -> None:
    """Its byte code may begin otherwise; from the first release candidate on it does not."""
    path = tmp_path / "python3"
    facts = {**describe.facts(), "executable": str(path), "virtual": False}
    cache_tag, magic = facts["tag"], facts["magic"]
    for version, tag in {
        "3.15.0a7": f"{cache_tag}.{magic}",
        "3.15.0b2": f"{cache_tag}.{magic}",
        "3.15.0rc1": cache_tag,
        "3.15.0": cache_tag,
    }.items():
        facts["markers"] = {**default_environment(), "python_full_version": version}
        found = described(script(path, f"#!/bin/sh\necho '{json.dumps(facts)}'\n"))
        assert (found.tag, found.cache_tag) == (tag, cache_tag), version


def test_the_directory_of_modules_is_the_interpreters_own() -> None:
    found = described(sys.executable)
    purelib = sysconfig.get_path("purelib", "posix_prefix", vars={"base": ""})
    assert purelib == f"/lib/{found.directory}/site-packages"


def test_no_process_is_started_for_the_running_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of that very executable; in a virtual environment's it is asked."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "import subprocess; subprocess.run = None\n"
        "from rpm_venv import paths\nfrom rpm_venv.system import interpreter\n"
        "print(interpreter.inspect(paths.Layout(), sys.executable).path)"
    )
    places = [path for path in sys.path if path]
    done = subprocess.run(
        [BASE, "-I", "-S", "-c", code, *places], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (BASE, "")


def test_links_are_followed_inside_the_root(tmp_path: Path) -> None:
    """As alternatives(8) has them: absolute targets stay below the root."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "etc/alternatives").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").symlink_to("/etc/alternatives/python3")
    (tmp_path / "etc/alternatives/python3").symlink_to(BASE)
    (tmp_path / "bin").symlink_to("usr/bin")
    real = tmp_path / BASE[1:]
    real.parent.mkdir(parents=True, exist_ok=True)
    script(real, "#!/bin/false\n")
    for python in ("/usr/bin/python3", "/bin/python3", "python3"):
        assert inspect(Layout(tmp_path), python).path == BASE


def test_a_root_without_an_interpreter_gets_the_running_systems(tmp_path: Path) -> None:
    assert inspect(Layout(tmp_path), BASE).path == BASE


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(VenvError, match="too many links"):
        described(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("python", "message", "hint"),
    [
        ("python3.99", "there is no such interpreter", "dnf install python3.99"),
        ("/usr/bin/python3.99", "there is no such interpreter", "dnf install python3.99"),
        ("/opt/python/bin/python3", "there is no such interpreter", "name a CPython"),
        ("bin/python3", "absolute path", "-p /usr/bin/python3.12"),
        ("/etc/passwd", "not executable", ""),
        ("/usr/bin/env", "not an interpreter", "name a CPython"),
        ("/usr/bin", "there is no such interpreter", "name a CPython"),
    ],
)
def test_refusals_say_what_to_do(python: str, message: str, hint: str) -> None:
    with pytest.raises(VenvError) as caught:
        described(python)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.line()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": [3, 8, 20]}, "it is Python 3.11"),
        ({"virtual": True}, "belongs to a virtual environment"),
        ({"executable": "/usr/bin/other"}, "a wrapper around /usr/bin/other"),
        ({"implementation_name": "pypy"}, "not CPython"),
    ],
)
def test_an_interpreter_that_is_unfit_is_refused(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    path = str(tmp_path / "python")
    markers = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    markers["python_version"] = "3.11"
    markers.update({key: str(value) for key, value in change.items() if key in markers})
    answer = {"version": [3, 11, 2], "virtual": False, "executable": path, "markers": markers}
    answer.update({key: value for key, value in change.items() if key not in markers})
    script(tmp_path / "python", f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    with pytest.raises(VenvError, match=reason):
        described(path)


def test_a_program_that_is_no_interpreter_is_refused_whatever_it_prints(tmp_path: Path) -> None:
    for answer in ("1", "[]", "{}", "not JSON"):
        with pytest.raises(VenvError, match="not an interpreter"):
            described(script(tmp_path / "python", f"#!/bin/sh\necho '{answer}'\n"))


def test_the_environment_of_the_caller_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script(tmp_path / "json.py", "raise SystemExit('the caller was heard')")
    assert described(BASE).path == BASE


@pytest.mark.parametrize(
    ("version", "abiflags", "best", "last"),
    [
        ((3, 9), "", "cp39-cp39", "py30-none-any"),
        ((3, 13), "t", "cp313-cp313t", "py30-none-any"),
        ((3, 12), "d", "cp312-cp312d", "py30-none-any"),
    ],
)
def test_tags_are_those_of_the_asked_version(
    version: tuple[int, int], abiflags: str, best: str, last: str
) -> None:
    tags = interpreter.wheel_tags(version, abiflags)
    assert tags[0].startswith(best + "-linux_")
    assert tags[-1] == last
    assert any("manylinux" in tag for tag in tags)
    assert len(set(tags)) == len(tags)


def test_a_debug_build_takes_normal_extension_modules_and_a_free_threaded_one_no_abi3() -> None:
    debug = interpreter.wheel_tags((3, 12), "d")
    assert any(tag.startswith("cp312-cp312-") for tag in debug)
    free_threaded = interpreter.wheel_tags((3, 13), "t")
    assert not any("-abi3-" in tag or tag.startswith("cp313-cp313-") for tag in free_threaded)


def _pythons() -> list[str]:
    # Those of the developer's machine; CI has at least the system's.
    places = [Path("/usr/bin"), *sorted(Path.home().glob(".pyenv/versions/3.*/bin"))]
    names = [f"python3.{minor}" for minor in range(9, 16)]
    return [str(place / name) for place in places for name in names if (place / name).exists()]


@pytest.mark.parametrize("python", _pythons())
def test_every_python_at_hand_agrees_with_packaging(python: str) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from packaging.tags import sys_tags; print(*sys_tags(), sep='\\n')"
    )
    packaging = str(Path(sys.modules["packaging"].__path__[0]).parent)
    done = subprocess.run(
        [python, "-I", "-S", "-c", code, packaging], capture_output=True, text=True, check=True
    )
    found = described(python)
    assert list(found.tags) == done.stdout.split()
    assert found.minor in python


@pytest.mark.parametrize("flags", ["", "t", "d"])
@pytest.mark.parametrize("minor", [9, 11, 13])
def test_what_fits_plainly_is_what_packaging_says(minor: int, flags: str) -> None:
    here = replace(described(sys.executable), version=(3, minor, 1), abiflags=flags)
    here = replace(here, tags=type(here.tags)((3, minor), flags))  # type: ignore[call-arg]
    tags = frozenset(here.tags)
    machines = {os.uname().machine, "x86_64", "aarch64", "i686", "riscv64"}
    glibcs = (*(f"manylinux_2_{number}" for number in range(60)), "manylinux_3_1", "manylinux_02_9")
    names = (*glibcs, "manylinux1", "manylinux2010", "manylinux2014", "linux", "musllinux_1_2")
    platforms = ["any", *(f"{name}_{machine}" for name in names for machine in machines)]
    pythons = ["py2", "py3", "py39", "py313", "cp2", "cp32", "cp39", "cp311", "cp313", "cp314"]
    abis = ["none", "abi3", "cp39", "cp311", "cp311d", "cp313", "cp313t", "cp314"]
    found = 0
    for parts in itertools.product(pythons, abis, platforms):
        tag = "-".join(parts)
        if plain_tags.fit(here, f"foo-1.0-{tag}.whl"):
            assert tag in tags
            found += 1
    assert found > (20 if not flags and os.uname().machine in ("x86_64", "aarch64") else 0)
    many = f"py2.py3-none-any.linux_{os.uname().machine}"
    assert plain_tags.fit(here, f"foo-1.0-1-{many}.whl")
    for name in ("", "foo", "foo-1.0.whl", "foo-1.0-py3-none-any", "py3-none-any.zip", "-any.whl"):
        assert not plain_tags.fit(here, name)
