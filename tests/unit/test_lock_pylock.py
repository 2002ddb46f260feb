"""Locks in PEP 751's format: structural places of faults, extras, groups, and what has no wheel."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rpm_venv.errors import LockError
from rpm_venv.locks import lock, pylock
from rpm_venv.locks.lock import Lock
from tests.unit.test_lock_requirements import MARKERS

A, B = "a" * 64, "b" * 64
HEAD = 'lock-version = "1.0"\ncreated-by = "a test"\n'


def wheel(place: str, sha256: str = A) -> str:
    """The line of a package with one wheel, which has a URL, a path or a name."""
    return f'wheels = [{{ {place}, hashes = {{ sha256 = "{sha256}" }} }}]'


def package(name: str, *lines: str, version: str = "1.0", sha256: str = A) -> str:
    """A package with one wheel, unless the lines say what it has."""
    url = f'url = "https://files.example/x/{name}-{version}-py3-none-any.whl"'
    kinds = ("wheels", "sdist", "vcs", "directory", "archive")
    own = () if any(line.startswith(kinds) for line in lines) else (wheel(url, sha256),)
    text = "\n".join(lines + own)
    return f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{text}\n'


def parsed(*packages: str, head: str = HEAD, filename: str = "pylock.toml") -> Lock:
    return lock.parse((head + "".join(packages)).encode(), filename)


def problems(*packages: str, head: str = HEAD) -> list[str]:
    with pytest.raises(LockError) as caught:
        parsed(*packages, head=head)
    assert caught.value.hint == "make one with: rpm-venv lock pylock.toml pylock.exact.toml"
    return [str(problem) for problem in caught.value.problems]


def selected(
    found: Lock, extras: Iterable[str] = (), groups: Iterable[str] = (), **markers: str
) -> list[str]:
    return [str(entry) for entry in lock.select(found, {**MARKERS, **markers}, extras, groups)]


def refusals(
    found: Lock, extras: Iterable[str] = (), groups: Iterable[str] = (), **markers: str
) -> list[str]:
    with pytest.raises(LockError) as caught:
        lock.select(found, {**MARKERS, **markers}, extras, groups)
    return [str(problem) for problem in caught.value.problems]


SDIST = f'sdist = {{ name = "old-1.0.tar.gz", url = "https://x/y", hashes = {{ sha256 = "{A}" }} }}'


def test_entries_have_names_versions_hashes_and_files() -> None:
    found = parsed(
        package("six", version="1.17.0"), package("idna", "marker = \"os_name == 'nt'\"")
    )
    assert found.pylock
    six, idna = found.entries
    assert (str(six), six.hashes, six.where) == ("six 1.17.0", (A,), "packages[0]")
    assert [file.filename for file in six.files] == ["six-1.17.0-py3-none-any.whl"]
    assert six.files[0].url == "https://files.example/x/six-1.17.0-py3-none-any.whl"
    assert str(idna.marker) == 'os_name == "nt"'
    assert selected(found) == ["six 1.17.0"]


def test_a_wheel_may_be_named_by_name_path_or_url() -> None:
    name = "six-1.0-py3-none-any.whl"
    for place in (
        f'name = "{name}", url = "https://x/other"',
        f'path = "wheels/{name}"',
        f'url = "https://me:secret@x/{name}?token=1"',
        'url = "https://x/%73ix-1.0-py3-none-any.whl"',
    ):
        file = parsed(package("six", wheel(place))).entries[0].files[0]
        assert file.filename == name
        assert "secret" not in file.url


def test_a_package_without_a_version_has_its_wheels() -> None:
    text = package("six").replace('version = "1.0"\n', "")
    assert str(parsed(text).entries[0]) == "six 1.0"
    files = ("six-1.0-py3-none-any.whl", "six-2.0-py3-none-any.whl")
    lines = [f'{{ path = "{name}", hashes = {{ sha256 = "{A}" }} }}' for name in files]
    text = package("six", f"wheels = [{', '.join(lines)}]").replace('version = "1.0"\n', "")
    assert problems(text) == ["packages[0].wheels: no version, and wheels of several"]


FAULTS = {
    "not TOML": (HEAD + "x = \n", ["line 3: not TOML: Invalid value"]),
    "no head": (
        "[[packages]]",
        ["lock-version: Missing required value", "packages[0].name: Missing required value"],
    ),
    "a version to come": (
        HEAD.replace("1.0", "2.0") + "packages = []",
        ["pylock version 2.0 is not supported"],
    ),
    "packages that are none": (
        HEAD + "packages = 3",
        ["packages: Unexpected type int (expected Sequence)"],
    ),
    "a package that is none": (
        HEAD + "packages = [3]",
        ["packages[0]: Unexpected type int (expected Mapping)"],
    ),
    "nothing": (HEAD + "packages = []", ["it names nothing"]),
    "every package's own": (
        HEAD
        + package("Six")
        + package("ok")
        + package("idna", version="x")
        + package("m", 'marker = "nonsense"')
        + package("h", 'wheels = [{ path = "h-1.0-py3-none-any.whl", hashes = {} }]'),
        [
            "packages[0].name: Name 'Six' is not normalized",
            "packages[2].version: Invalid version: 'x'",
            "packages[3].marker: ",
            "packages[4].wheels[0].hashes: At least one hash must be provided",
        ],
    ),
    "no sha256": (
        HEAD
        + package("h", 'wheels = [{ path = "h-1.0-py3-none-any.whl", hashes = { md5 = "0" } }]'),
        ["packages[0].wheels[0].hashes: no sha256, only md5"],
    ),
    "no real sha256": (
        HEAD + package("six", sha256="abc"),
        ["packages[0].wheels[0].hashes.sha256: sha256 is not 64 hexadecimal digits"],
    ),
    "a file name that leaves the directory": (
        HEAD
        + package(
            "h",
            wheel('name = "h-1.0-py3-none-../any.whl", path = "x"'),
        ),
        ["packages[0].wheels[0]: "],
    ),
    "another distribution's wheel": (
        HEAD + package("h", wheel('path = "g-1.0-py3-none-any.whl"')),
        ["packages[0].wheels[0]: "],
    ),
    "two hashes for one file": (
        HEAD
        + package(
            "h",
            "wheels = ["
            + ",".join(
                f'{{ path = "h-1.0-py3-none-any.whl", hashes = {{ sha256 = "{digest}" }} }}'
                for digest in (A, B)
            )
            + "]",
        ),
        ["packages[0].wheels: two hashes for h-1.0-py3-none-any.whl"],
    ),
    "two versions": (
        HEAD + package("six") + package("six", version="2.0"),
        ["packages[1]: six 2.0 conflicts with six 1.0 in packages[0]"],
    ),
    "the head and a package": (
        HEAD + 'requires-python = "nonsense"\n' + package("Six"),
        [
            "requires-python: Invalid specifier: 'nonsense'",
            "packages[0].name: Name 'Six' is not normalized",
        ],
    ),
}


@pytest.mark.parametrize("text, expected", FAULTS.values(), ids=FAULTS)
def test_faults_are_named_by_their_place_all_at_once(text: str, expected: list[str]) -> None:
    found = problems(text, head="")
    assert len(found) == len(expected)
    assert all(said.startswith(start) for said, start in zip(found, expected)), found


@pytest.mark.parametrize("depth", [500, 100_000])
def test_nesting_is_no_way_to_crash(depth: int) -> None:
    assert problems(HEAD + "x = " + "[" * depth, head="")
    marker = "(" * depth + "os_name == 'nt'" + ")" * depth
    text = HEAD + package("six", f'marker = "{marker}"')
    found, faults = lock.read(text.encode(), "pylock.toml")
    assert len(found.entries) + len(faults) == 1


def test_extras_and_groups_decide_by_pep_751() -> None:
    head = (
        HEAD
        + 'extras = ["fast", "slow-er"]\n'
        + 'dependency-groups = ["dev", "app"]\ndefault-groups = ["app"]\n'
    )
    found = parsed(
        package("base"),
        package("app", "marker = \"'app' in dependency_groups\""),
        package("dev", "marker = \"'dev' in dependency_groups\""),
        package("fast", "marker = \"'fast' in extras and python_version >= '3'\""),
        package("slow", "marker = \"'slow-er' in extras\""),
        head=head,
    )
    assert selected(found) == ["app 1.0", "base 1.0"]
    assert selected(found, extras=["Fast"]) == ["app 1.0", "base 1.0", "fast 1.0"]
    assert selected(found, extras=["slow_er"]) == ["app 1.0", "base 1.0", "slow 1.0"]
    assert selected(found, groups=["dev"]) == ["base 1.0", "dev 1.0"]
    assert selected(found, groups=["dev", "app"]) == ["app 1.0", "base 1.0", "dev 1.0"]
    assert refusals(found, extras=["none"], groups=["test"]) == [
        "it has no extra 'none' (it has fast, slow-er)",
        "it has no group 'test' (it has app, dev)",
    ]


def test_a_lock_says_for_which_python_it_is() -> None:
    found = parsed(package("six"), head=HEAD + 'requires-python = "==3.11.*"\n')
    assert selected(found) == ["six 1.0"]
    assert refusals(found, python_full_version="3.12.1") == [
        "requires-python: it is for Python ==3.11.*"
    ]
    with pytest.raises(LockError) as caught:
        lock.select(found, {**MARKERS, "python_full_version": "3.12.1"})
    assert caught.value.message == "the lock does not fit Python 3.12.1"
    assert (
        caught.value.hint
        == "make one with: rpm-venv lock -p python3.12 pylock.toml pylock.exact.toml"
    )


@pytest.mark.parametrize("version", ["3.11.0rc1", "3.11.0a7+", "3.11.4+"])
def test_a_python_before_its_release_or_between_two_is_one(version: str) -> None:
    found = parsed(package("six"), head=HEAD + 'requires-python = ">=3.10"\n')
    assert selected(found, python_full_version=version) == ["six 1.0"]


def test_a_package_says_for_which_python_it_is_where_it_holds() -> None:
    found = parsed(
        package("six", 'requires-python = ">=3.12"'),
        package("old", 'requires-python = "<3"', "marker = \"python_version < '3'\""),
    )
    assert refusals(found) == ["packages[0].requires-python: six 1.0 is for Python >=3.12"]


def test_a_lock_says_for_which_systems_it_is() -> None:
    head = HEAD + "environments = [\"sys_platform == 'win32'\", \"sys_platform == 'darwin'\"]\n"
    assert refusals(parsed(package("six"), head=head)) == [
        'environments: it is for systems where sys_platform == "win32" or sys_platform == "darwin"'
    ]
    assert selected(parsed(package("six"), head=head), sys_platform="darwin") == ["six 1.0"]


SOURCES = {
    "sdist": (SDIST, "packages[0]: old is only an sdist, not a wheel"),
    "vcs": (
        'vcs = { type = "git", url = "https://x/y", commit-id = "0" }',
        "packages[0]: old is a revision of a source repository, not a wheel",
    ),
    "directory": (
        'directory = { path = "." }',
        "packages[0]: old is a source directory, not a wheel",
    ),
    "archive": (
        f'archive = {{ url = "https://x/y.zip", hashes = {{ sha256 = "{A}" }} }}',
        "packages[0]: old is a source archive, not a wheel",
    ),
}


@pytest.mark.parametrize("line, said", SOURCES.values(), ids=SOURCES)
def test_what_has_no_wheel_is_refused_where_it_holds(line: str, said: str) -> None:
    assert refusals(parsed(package("old", line)))[0].startswith(said)
    assert "rpm-venv lock -a WHEEL" in refusals(parsed(package("old", line)))[0]
    elsewhere = parsed(package("old", line, "marker = \"sys_platform == 'win32'\""), package("six"))
    assert selected(elsewhere) == ["six 1.0"]


def test_a_directory_needs_no_version() -> None:
    text = package("app", 'directory = { path = ".", editable = true }').replace(
        'version = "1.0"\n', ""
    )
    assert len(refusals(parsed(text))) == 1


def test_a_wheel_that_a_resolver_locked_as_an_archive_is_one() -> None:
    line = f'archive = {{ path = "/x/old-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}'
    found = parsed(package("old", line))
    assert selected(found) == ["old 1.0"]
    assert found.entries[0].files[0].filename == "old-1.0-py3-none-any.whl"
    other = line.replace("old-1.0", "old-2.0")
    assert problems(package("old", other)) == [
        "packages[0].archive: old-2.0-py3-none-any.whl is another distribution's"
    ]


def test_a_marker_without_a_value_is_refused_where_it_is_asked() -> None:
    found = parsed(package("six", "marker = \"extra == 'x'\""))
    assert refusals(found)[0].startswith('packages[0]: the marker extra == "x" has no value here')


def test_two_that_hold_are_refused() -> None:
    found = parsed(
        package("six", "marker = \"os_name == 'posix'\""),
        package("six", "marker = \"python_version > '3'\"", version="2.0"),
    )
    assert refusals(found) == ["packages[1]: six 2.0 and six 1.0 in packages[0] both hold here"]


def test_a_rendered_lock_is_the_same_lock() -> None:
    head = (
        HEAD
        + 'environments = ["sys_platform == \'linux\'"]\nrequires-python = ">=3.9"\n'
        + 'extras = ["x"]\ndependency-groups = ["dev"]\ndefault-groups = ["main"]\n'
    )
    found = parsed(
        package("a", "marker = \"'x' in extras\""),
        package("b", 'requires-python = ">=3.8"', sha256=B),
        head=head,
    )
    text = pylock.render(found, ["Made by a test"])
    again = lock.parse(text.encode(), "pylock.other.toml")
    assert text.startswith("# Made by a test\n")
    for field in (
        "entries",
        "requires_python",
        "environments",
        "extras",
        "groups",
        "default_groups",
    ):
        assert getattr(again, field) == getattr(found, field)
    condensed = lock.condense(found)
    assert "#" not in condensed
    assert lock.parse(condensed.encode(), "-").entries == found.entries


def test_a_lock_on_stdin_is_known_by_its_key() -> None:
    text = "# made by somebody\n" + HEAD + package("six")
    assert lock.parse(text.encode(), "-").pylock
    assert not lock.parse(f"lock-version==1.0 --hash=sha256:{A}".encode(), "-").pylock


def test_a_url_of_one_machine_is_not_written_down() -> None:
    line = wheel('url = "file:///home/me/six-1.0-py3-none-any.whl"')
    text = pylock.render(parsed(package("six", line)))
    assert "/home/me" not in text
    assert 'path = "six-1.0-py3-none-any.whl"' in text
