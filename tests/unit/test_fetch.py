"""Where wheels come from: directories and the store first, then the site's index through pip."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.errors import FetchError
from rpm_venv.fetching import fetch, index, shelf
from rpm_venv.fetching.shelf import AtHand, Found
from rpm_venv.locks import lock
from rpm_venv.locks.lock import Entry
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels import store
from tests.host.simple_index import Index, configure, reachable_directory, serving
from tests.host.wheels import Wheel, make_wheel

#: pip runs as nobody, who gets at the system's Python, and not at one in a home directory.
SYSTEM_PYTHON = "/usr/bin/python3"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return interpreter.inspect(Layout(), SYSTEM_PYTHON)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "wheels").mkdir()
    return Layout(tmp_path)


def entries(*lines: str) -> tuple[Entry, ...]:
    return lock.parse("\n".join([*lines, ""]).encode(), "requirements.txt").entries


def line(*wheels: Wheel) -> str:
    hashes = " ".join(f"--hash=sha256:{wheel.sha256}" for wheel in wheels)
    return f"{wheels[0].name}=={wheels[0].version} {hashes}"


def at_hand(layout: Layout, python: Interpreter, *lines: str, places: str = "/wheels") -> AtHand:
    return shelf.at_hand(layout, entries(*lines), python, places.split())


def save(layout: Layout, *wheels: Wheel) -> None:
    for wheel in wheels:
        wheel.save(layout.root / "wheels")


def reason(found: AtHand) -> str:
    ((_, problem),) = found.missing
    assert found.found == ()
    return str(problem)


def test_a_wheel_in_a_directory_is_found_by_its_hash(layout: Layout, python: Interpreter) -> None:
    wheel = make_wheel("alpha")
    save(layout, wheel, make_wheel("alpha", "2.0"), make_wheel("beta"))
    (found,) = at_hand(layout, python, line(wheel)).found
    path = layout.root / "wheels" / wheel.filename
    assert found.source == store.Source(path, wheel.filename, wheel.sha256)
    assert found.distribution.sha256 == wheel.sha256
    assert (found.distribution.name, found.distribution.version) == ("alpha", "1.0")


def test_names_and_versions_are_compared_as_python_compares_them(
    layout: Layout, python: Interpreter
) -> None:
    wheel = make_wheel("Foo.Bar_baz", "1.0.0")
    save(layout, wheel)
    found = at_hand(layout, python, f"foo-bar-baz==1 --hash=sha256:{wheel.sha256}").found
    assert [each.distribution.filename for each in found] == [wheel.filename]


def test_the_best_tag_is_chosen_whatever_the_order(layout: Layout, python: Interpreter) -> None:
    tag = f"cp{python.version[0]}{python.version[1]}"
    machine = python.markers["platform_machine"]
    pure = make_wheel("alpha")
    fit = make_wheel("alpha", tag=f"{tag}-{tag}-manylinux_2_5_{machine}")
    other = make_wheel("alpha", tag=f"cp30-cp30-manylinux_2_5_{machine}")
    save(layout, pure, fit, other)
    for order in ((pure, fit, other), (other, fit, pure)):
        (found,) = at_hand(layout, python, line(*order)).found
        assert found.distribution.filename == fit.filename


def test_a_better_tag_with_a_hash_that_is_not_locked_is_passed_over(
    layout: Layout, python: Interpreter
) -> None:
    machine = python.markers["platform_machine"]
    pure, rebuilt = make_wheel("alpha"), make_wheel("alpha", tag=f"py3-none-linux_{machine}")
    save(layout, pure, rebuilt)
    (found,) = at_hand(layout, python, line(pure)).found
    assert found.distribution.filename == pure.filename


def test_the_higher_build_number_is_the_better(layout: Layout, python: Interpreter) -> None:
    first = make_wheel("alpha", files={"alpha.py": "1"})
    second = make_wheel("alpha", files={"alpha.py": "2"})
    for number, wheel in ((2, first), (10, second)):
        name = wheel.filename.replace("-1.0-", f"-1.0-{number}-")
        (layout.root / "wheels" / name).write_bytes(wheel.content)
    (found,) = at_hand(layout, python, line(first, second)).found
    assert found.distribution.filename == "alpha-1.0-10-py3-none-any.whl"


def test_everything_that_is_missing_is_reported_with_its_reason(
    layout: Layout, python: Interpreter
) -> None:
    changed = make_wheel("changed")
    foreign = make_wheel("foreign", tag="cp30-cp30-win_amd64")
    save(layout, changed, foreign, make_wheel("newer", "2.0"))
    for sdist in ("source-1.0.tar.gz", "source_two-1.0.zip"):
        (layout.root / "wheels" / sdist).write_bytes(b"")
    locked = [f"changed==1.0 --hash=sha256:{'0' * 64}", line(foreign)]
    locked += [f"{name}==1.0 --hash=sha256:{'0' * 64}" for name in ("newer", "none", "source")]
    found = at_hand(layout, python, *locked)
    assert found.found == ()
    texts = {entry.name: str(problem) for entry, problem in found.missing}
    assert changed.sha256 in texts["changed"]
    assert texts["changed"].startswith("line 1: changed 1.0: changed-1.0-py3-none-any.whl is there")
    assert foreign.filename in texts["foreign"]
    assert f"not for {python.tag}" in texts["foreign"]
    assert "but of 2.0" in texts["newer"]
    assert "no wheel of it in /wheels" in texts["none"]
    assert "only a source distribution" in texts["source"]
    assert "rpm-venv lock -a WHEEL" in texts["source"]


def test_a_directory_that_is_not_there_is_named(layout: Layout, python: Interpreter) -> None:
    text = reason(at_hand(layout, python, line(make_wheel("alpha")), places="/nowhere"))
    assert "the directory /nowhere does not exist" in text
    layout.real("/alpha.whl").write_bytes(b"")
    text = reason(at_hand(layout, python, line(make_wheel("alpha")), places="/alpha.whl"))
    assert "; /alpha.whl is no directory" in text


def test_files_that_are_no_wheels_are_passed_over(layout: Layout, python: Interpreter) -> None:
    wheel = make_wheel("alpha")
    save(layout, wheel)
    for name in ("README", "alpha.whl", "not a wheel.whl", "alpha-1.0-py3-none-any.whl.asc"):
        (layout.root / "wheels" / name).write_text("")
    assert len(at_hand(layout, python, line(wheel)).found) == 1


def into_store(layout: Layout, python: Interpreter, wheel: Wheel) -> str:
    """An object as the store has it, without its files: only what it is matters here."""
    name = store.object_id(wheel.sha256, python)
    stored = store.StoredObject(
        name, wheel.filename, wheel.name, wheel.version, f"{wheel.name}.dist-info", (), ()
    )
    layout.object(name).mkdir(parents=True)
    (layout.object(name) / "object.json").write_bytes(stored.dumps())
    return name


def test_what_is_in_the_store_needs_no_file(
    layout: Layout, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a file of that hash is not even read."""
    wheel = make_wheel("alpha")
    into_store(layout, python, wheel)
    unread = layout.root / "wheels" / wheel.filename
    unread.write_bytes(b"whatever")
    (found,) = at_hand(layout, python, line(wheel)).found
    assert found == Found(found.distribution, None)
    assert found.distribution.filename == wheel.filename
    assert found.distribution.sha256 == wheel.sha256


def test_of_several_hashes_the_better_tag_wins_wherever_it_is(
    layout: Layout, python: Interpreter
) -> None:
    machine = python.markers["platform_machine"]
    pure, fit = make_wheel("alpha"), make_wheel("alpha", tag=f"py3-none-linux_{machine}")
    into_store(layout, python, pure)
    save(layout, fit)
    (found,) = at_hand(layout, python, line(pure, fit)).found
    assert found.distribution.filename == fit.filename
    assert found.source is not None
    into_store(layout, python, fit)
    (found,) = at_hand(layout, python, line(pure, fit)).found
    assert (found.distribution.filename, found.source) == (fit.filename, None)


def test_an_object_for_another_kind_of_python_is_none(layout: Layout, python: Interpreter) -> None:
    """Free-threaded builds share a cache tag with the others (3.13), and no wheels."""
    wheel = make_wheel("alpha", tag="cp313-cp313t-linux_x86_64")
    into_store(layout, python, wheel)
    assert "no wheel of it" in reason(at_hand(layout, python, line(wheel)))


@pytest.fixture
def site(tmp_path: Path, layout: Layout) -> Iterator[Index]:
    """An index, and a site configured to use it and it alone."""
    with serving(tmp_path / "index") as index:
        configure(layout, index.url)
        yield index


@pytest.fixture
def staging(layout: Layout) -> Iterator[Path]:
    """A directory that nobody can reach: pytest's own are closed to others."""
    with reachable_directory() as top:
        place = top / "staging" / "fetch"
        place.mkdir(parents=True, mode=0o700)
        (top / "staging").chmod(0o700)
        yield place


def refused(layout: Layout, python: Interpreter, staging: Path, *lines: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch.from_index(layout, entries(*lines), python, staging)
    assert "\n" not in caught.value.line()
    assert not caught.value.problems
    return caught.value


@needs_root
def test_wheels_come_from_the_sites_index(
    layout: Layout, python: Interpreter, staging: Path, site: Index
) -> None:
    alpha, beta = make_wheel("alpha"), make_wheel("beta", "2.0")
    site.add(alpha, beta, make_wheel("alpha", "9.0"))
    found = fetch.from_index(layout, entries(line(beta), line(alpha)), python, staging)
    assert [each.distribution.filename for each in found] == [beta.filename, alpha.filename]
    for each, wheel in zip(found, (beta, alpha)):
        assert each.source is not None
        assert each.source.path.read_bytes() == wheel.content
        assert each.source.sha256 == wheel.sha256 == each.distribution.sha256
    assert staging.stat().st_uid == 0


@needs_root
def test_the_callers_environment_is_not_heard(
    layout: Layout,
    python: Interpreter,
    staging: Path,
    site: Index,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "pip.py").write_text("raise SystemExit('the caller was heard')")
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text("[global]\nno-index = true\n")
    wheel = make_wheel("alpha")
    site.add(wheel)
    assert len(fetch.from_index(layout, entries(line(wheel)), python, staging)) == 1


@needs_root
def test_the_sites_credentials_are_used_and_never_shown(
    layout: Layout, python: Interpreter, staging: Path, site: Index
) -> None:
    wheel = make_wheel("alpha")
    site.add(wheel)
    site.password = "user:secret"
    configure(layout, site.url.replace("//", "//user:secret@"))
    assert len(fetch.from_index(layout, entries(line(wheel)), python, staging)) == 1


@needs_root
def test_wrong_credentials_are_said(
    layout: Layout, python: Interpreter, staging: Path, site: Index
) -> None:
    wheel = make_wheel("alpha")
    site.add(wheel)
    site.password = "user:secret"
    configure(layout, site.url.replace("//", "//user:wrong-one@"))
    error = refused(layout, python, staging, line(wheel))
    host = site.url.split("/")[2]
    assert error.message == f"the index at {host} wants other credentials (401)"
    assert "/etc/pip.conf" in error.hint
    assert "wrong-one" not in str(error)


@needs_root
@pytest.mark.parametrize("status", [403, 500])
def test_an_index_that_refuses_is_said(
    layout: Layout, python: Interpreter, staging: Path, site: Index, status: int
) -> None:
    site.status = status
    error = refused(layout, python, staging, line(make_wheel("alpha")))
    host = site.url.split("/")[2]
    assert error.message.startswith(f"the index at {host} ")
    assert str(status) in error.message


@needs_root
def test_no_network_is_said_in_one_line(layout: Layout, python: Interpreter, staging: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    configure(layout, f"http://127.0.0.1:{port}/")
    error = refused(layout, python, staging, line(make_wheel("alpha")))
    assert error.message == (
        f"the index at 127.0.0.1:{port} cannot be reached: [Errno 111] Connection refused"
    )
    assert "-w DIR -o" in error.hint


@needs_root
def test_a_name_that_does_not_resolve_is_said(
    layout: Layout, python: Interpreter, staging: Path
) -> None:
    configure(layout, "https://index.invalid/")
    error = refused(layout, python, staging, line(make_wheel("alpha")))
    assert error.message.startswith("the index at index.invalid cannot be reached: [Errno -")


@needs_root
def test_a_wheel_that_the_index_changed_is_refused(
    layout: Layout, python: Interpreter, staging: Path, site: Index
) -> None:
    locked = make_wheel("alpha", files={"alpha.py": "as it was locked"})
    changed = make_wheel("alpha", files={"alpha.py": "as it is now"})
    site.add(changed)
    error = refused(layout, python, staging, line(locked))
    assert error.message == (
        f"alpha==1.0: the index has {changed.filename} with the sha256 {changed.sha256}, "
        "not the lock's"
    )


@needs_root
def test_a_version_that_the_index_does_not_have_is_said(
    layout: Layout, python: Interpreter, staging: Path, site: Index
) -> None:
    site.add(make_wheel("alpha", "1.0"), make_wheel("alpha", "3.0"))
    error = refused(layout, python, staging, line(make_wheel("alpha", "2.0")))
    assert error.message == (
        "alpha==2.0: the index has no wheel of it for this Python; it has wheels of 1.0, 3.0"
    )


@needs_root
def test_source_distributions_are_never_asked_for(
    layout: Layout, python: Interpreter, staging: Path, site: Index
) -> None:
    """Their build would run their code."""
    place = site.directory / "alpha"
    place.mkdir()
    (place / "alpha-1.0.tar.gz").write_bytes(b"an archive")
    digest = hashlib.sha256(b"an archive").hexdigest()
    (place / "index.html").write_text('<a href="alpha-1.0.tar.gz">alpha-1.0.tar.gz</a>')
    error = refused(layout, python, staging, f"alpha==1.0 --hash=sha256:{digest}")
    assert "no wheel of it" in error.message
    assert not [path for path in site.asked if path.endswith(".tar.gz")]


@needs_root
def test_another_pythons_wheels_are_fetched_by_ours(
    layout: Layout,
    python: Interpreter,
    staging: Path,
    site: Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For an interpreter without pip; the wheels are chosen by its tags."""
    machine = python.markers["platform_machine"]
    tags = interpreter.wheel_tags((3, 14), "")
    other = replace(python, path="/usr/bin/python3.14", version=(3, 14, 0), tags=tags)
    wheels = [
        make_wheel("alpha", tag=f"{tag}-{tag}-manylinux_2_17_{machine}")
        for tag in ("cp312", "cp313", "cp314")
    ]
    site.add(*wheels)
    monkeypatch.setattr("sys.executable", python.path)
    (found,) = fetch.from_index(layout, entries(line(*wheels)), other, staging)
    assert found.distribution.filename == wheels[2].filename


@needs_root
def test_without_pip_the_package_that_has_it_is_named(
    layout: Layout, python: Interpreter, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent")
    other = replace(python, path="/usr/bin/python3.14")
    error = refused(layout, other, staging, line(make_wheel("alpha")))
    assert "there is no pip" in error.message
    assert "dnf install python3-pip" in error.hint


@needs_root
def test_a_sites_file_that_is_no_configuration_is_named(
    layout: Layout, python: Interpreter, staging: Path
) -> None:
    configure(layout, "http://127.0.0.1:9/", "what = is = this\nnonsense\n")
    error = refused(layout, python, staging, line(make_wheel("alpha")))
    assert error.subject == "/etc/pip.conf"


@needs_root
def test_an_index_that_answers_is_no_problem(
    layout: Layout, site: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it has; and nothing is downloaded to find that out."""
    monkeypatch.setattr("sys.executable", SYSTEM_PYTHON)
    made: list[str] = []
    make = tempfile.mkdtemp

    def watched(*arguments: str, **named: str) -> str:
        made.append(make(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", watched)
    assert fetch.index_problems(layout) == ()
    site.add(make_wheel("pip"))
    assert fetch.index_problems(layout) == ()
    assert not [path for path in site.asked if path.endswith(".whl")]
    assert len(made) == 2
    assert not [path for path in made if os.path.exists(path)]


@needs_root
def test_an_index_that_cannot_be_asked_is_a_problem(
    layout: Layout, site: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", SYSTEM_PYTHON)
    site.status = 401
    (problem,) = fetch.index_problems(layout)
    assert "wants other credentials (401)" in problem.message
    configure(layout, "http://127.0.0.1:9/")
    (problem,) = fetch.index_problems(layout)
    assert "cannot be reached: [Errno 111] Connection refused" in problem.message
    configure(layout, "x", "nonsense\n")
    (problem,) = fetch.index_problems(layout)
    assert problem.where == "/etc/pip.conf"


@needs_root
def test_what_is_no_regular_file_is_not_taken(layout: Layout, python: Interpreter) -> None:
    """A link that pip, or who was in its place, left in its directory."""
    wheel = make_wheel("alpha")
    secret = layout.root / "secret"
    secret.write_bytes(wheel.content)
    (layout.root / "wheels" / wheel.filename).symlink_to(secret)
    with pytest.raises(FetchError, match="what is no wheel"):
        list(index._checked(layout.root / "wheels", entries(line(wheel)), python))


@needs_root
def test_what_pip_brings_is_hashed_again(layout: Layout, python: Interpreter) -> None:
    wheel = make_wheel("alpha")
    save(layout, make_wheel("alpha", files={"alpha.py": "other"}))
    with pytest.raises(FetchError, match="no wheel of it that the lock names"):
        list(index._checked(layout.root / "wheels", entries(line(wheel)), python))
