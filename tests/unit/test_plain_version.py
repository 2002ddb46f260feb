"""A version that is not parsed is in every way the one that packaging parses."""

from __future__ import annotations

import itertools
import operator
import random
import subprocess
import sys
from pathlib import Path

import packaging
import pytest
from packaging.version import InvalidVersion, Version

from rpm_venv.locks.plain_version import PlainVersion, is_plain, parsed
from rpm_venv.locks.requirements import read

SOURCE = Path(__file__).resolve().parents[2] / "src"
_NUMBERS = ("0", "1", "9", "10", "2024", "00", "01", "", "٣")
_SIGNS = (".", "a", "b", "rc", "c", ".post", "post", "-", ".dev", "dev", "+", "!", "v", "_", " ")


def _texts() -> list[str]:
    """Every text of a number and three signs with numbers, and longer ones by chance."""
    ends = [f"{sign}{number}" for sign in _SIGNS for number in ("0", "1", "01", "")]
    short = ["".join(parts) for parts in itertools.product(_NUMBERS, ends, ["", *ends])]
    chance = random.Random(6)
    parts = [*_NUMBERS[:5], *_SIGNS[:9], ".", "."]
    long = ["".join(chance.choices(parts, k=chance.randint(3, 12))) for _ in range(20_000)]
    return [*short, *long, "1\n", "1.0\0"]


def test_what_is_plain_is_what_packaging_would_write() -> None:
    plain = 0
    for text in _texts():
        if is_plain(text):
            plain += 1
            assert str(Version(text)) == text == str(PlainVersion(text))
    assert plain > 300


def test_it_is_equal_ordered_and_hashed_as_what_it_stands_for() -> None:
    some = random.Random(7).sample([text for text in dict.fromkeys(_texts()) if is_plain(text)], 60)
    some += ["1", "1.0", "1.0.0", "1.0rc1", "1.0.post1", "1.0.dev1"]
    compared = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
    for one, other in itertools.product(some, some):
        for compare in compared:
            right = compare(Version(one), Version(other))
            assert compare(PlainVersion(one), PlainVersion(other)) is right
            assert compare(PlainVersion(one), Version(other)) is right
            assert compare(Version(one), PlainVersion(other)) is right
    for text in some:
        assert hash(PlainVersion(text)) == hash(Version(text))
        assert parsed(PlainVersion(text)) == parsed(Version(text)) == Version(text)
    assert PlainVersion("1.0") != "1.0"
    assert sorted(map(PlainVersion, ["1.10", "1.9", "1.9rc1"]))[0] == Version("1.9rc1")


@pytest.mark.parametrize("text", ["1.0", "1.0.0", "01", "1.0-1", "1.0c1", "1!1", "1.0+a", "1.a.b"])
def test_a_lock_has_the_version_of_its_line(text: str) -> None:
    lock, problems = read(f"one=={text} --hash=sha256:{'0' * 64}\n", "lock.txt")
    try:
        version = Version(text)
    except InvalidVersion:
        assert problems
        return
    (entry,) = lock.entries
    assert (str(entry.version), entry.version) == (str(version), version)


def test_plain_versions_are_read_without_packaging() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from rpm_venv.locks.requirements import read\n"
        f"read('one==1.0.post1 --hash=sha256:{'0' * 64}', 'lock.txt')\n"
        "print({'packaging', 'packaging.version', 'typing'} & {*sys.modules})"
    )
    places = [str(SOURCE), str(Path(packaging.__file__).parents[1])]
    argv = [sys.executable, "-ISB", "-c", code, *places]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "set()\n"
