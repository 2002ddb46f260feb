"""What holds for every lock, written and read back, and for every file: a lock or a refusal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.version import Version

from rpm_venv.errors import LockError
from rpm_venv.locks import lock, pylock, requirements
from rpm_venv.locks.lock import Entry, Lock, LockedFile
from tests.unit.test_lock_requirements import MARKERS

NAMES = st.from_regex(r"[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
HASHES = st.integers(0, 2**256 - 1).map("{:064x}".format)
VERSIONS = st.builds(
    lambda epoch, numbers, rest: Version(f"{epoch}{'.'.join(map(str, numbers))}{rest}"),
    st.sampled_from(["", "1!"]),
    st.lists(st.integers(0, 3000), min_size=1, max_size=4),
    st.sampled_from(["", "a1", "rc2", ".post3", ".dev4", "+local.5", "rc1.post2.dev3"]),
)
MARKER = st.sampled_from(
    [
        'python_version >= "3.9"',
        'sys_platform == "linux" and platform_machine != "s390x"',
        'os_name == "nt" or (python_full_version < "3.11.4" and implementation_name == "cpython")',
        '"64" in platform_machine',
    ]
).map(Marker)


@st.composite
def entries(draw: st.DrawFn, named: bool = False) -> tuple[Entry, ...]:
    """Entries of different names; ``named`` gives them files, as pylock.toml has them."""
    found = []
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=6)):
        version = draw(VERSIONS)
        hashes = tuple(sorted(draw(st.sets(HASHES, min_size=1, max_size=3))))
        stem = f"{name.replace('-', '_')}-{version}"
        files = tuple(
            LockedFile(f"{stem}-py{index}-none-any.whl", digest)
            for index, digest in enumerate(hashes)
        )
        marker = draw(st.none() | MARKER)
        found.append(Entry(name, version, hashes, marker, files if named else ()))
    return tuple(sorted(found, key=lambda entry: entry.name))


@given(entries())
@settings(deadline=None)
def test_requirements_are_read_as_they_were_written(written: tuple[Entry, ...]) -> None:
    for text in (requirements.render(written, ["a header"]), requirements.condense(written)):
        again = lock.parse(text.encode(), "requirements.txt").entries
        assert again == written
        assert requirements.render(again) == requirements.render(written)


@given(entries(named=True))
@settings(deadline=None)
def test_a_pylock_is_read_as_it_was_written(written: tuple[Entry, ...]) -> None:
    text = pylock.render(Lock("pylock.toml", "", written, pylock=True))
    assert lock.parse(text.encode(), "pylock.toml").entries == written


FRAGMENTS = st.sampled_from(
    [
        "six==1",
        " --hash=sha256:",
        "a" * 64,
        " \\\n",
        "\n",
        "#",
        " ; ",
        "os_name == 'nt'",
        "(",
        ")",
        "'",
        "${X}",
        "-r x",
        "[x]",
        "==",
        "@",
        "\r\n",
        "\t",
        "\ufeff",
        "é",
        "9" * 300,
    ]
)
TOML_FRAGMENTS = st.sampled_from(
    [
        'lock-version = "1.0"\ncreated-by = "x"\n',
        "[[packages]]\n",
        "packages = [",
        'name = "six"\n',
        'version = "1.0"\n',
        'wheels = [{ path = "six-1.0-py3-none-any.whl", hashes = { sha256 = "',
        "a" * 64,
        '" } }]\n',
        "marker = \"'x' in extras\"\n",
        "x = 1979-05-27\n",
        "]",
        "{",
        "nan",
        '"',
        "\n",
        "wheels = [{}]\n",
        'sdist = { path = "x" }\n',
        "9" * 5000,
    ]
)


@pytest.mark.parametrize("filename", ["requirements.txt", "pylock.toml", "-"])
@given(
    data=st.binary()
    | st.text().map(str.encode)
    | st.lists(FRAGMENTS).map(lambda parts: "".join(parts).encode())
    | st.lists(TOML_FRAGMENTS).map(lambda parts: "".join(parts).encode())
)
@settings(max_examples=150, deadline=None)
def test_every_file_is_a_lock_or_refused(filename: str, data: bytes) -> None:
    try:
        found = lock.parse(data, filename)
    except LockError as error:
        assert error.problems
        assert "rpm-venv lock" in error.hint
        assert all(len(line) < 2000 and line.isprintable() for line in error.lines())
        return
    assert found.entries
    assert all(entry.hashes or entry.source for entry in found.entries)
    try:
        lock.select(found, MARKERS)
    except LockError as error:
        assert error.problems
