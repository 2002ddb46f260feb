"""The manifest: the same paths give the same bytes, and a damaged one is never believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpm_venv.trees import manifest as manifests
from rpm_venv.trees.manifest import Finding, Manifest, Path, compare

FILE = Path("bin/app", "file", 0o755, 12, "ab" * 32)
LINK = Path("lib64", "link", digest="lib")
DIRECTORY = Path("bin", "dir", 0o755)
MANIFEST = Manifest.of([FILE, LINK, DIRECTORY])


def test_the_order_given_does_not_matter() -> None:
    assert Manifest.of([DIRECTORY, LINK, FILE]).dumps() == MANIFEST.dumps()


_NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.builds(Path, _NAMES, st.sampled_from(["file", "dir", "link"]))))
def test_what_was_written_is_read_back(paths: list[Path]) -> None:
    manifest = Manifest.of(paths)
    assert Manifest.loads(manifest.dumps()) == manifest


@given(
    st.lists(
        st.builds(Path, _NAMES, st.just("file"), st.integers(0, 0o7777), st.integers(0, 1 << 62))
    ),
    st.sampled_from(["", '"', "\\", "\x7f", "\n", "é", "\U0001f600", "half a pair: \ud800"]),
    st.integers(1, 3),
)
def test_a_row_is_what_a_json_encoder_writes(paths: list[Path], odd: str, at_once: int) -> None:
    plain = [Path(f"lib/{number} {{}}%s", "link", digest="../a b~") for number in range(7)]
    rows = [*plain, Path(odd, "file"), Path("a", "link", digest=odd), *paths]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manifests, "_AT_ONCE", at_once)
        lines = Manifest(tuple(rows)).dumps().splitlines()[1:-1]
    assert lines == [
        json.dumps([r.path, r.kind, r.mode, r.size, r.digest], separators=(",", ":")).encode()
        for r in rows
    ]


@pytest.mark.parametrize("name", ["a\0b", "half a pair: \ud800"])
def test_a_name_that_no_file_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="row"):
        Manifest.loads(Manifest.of([Path(name, "file")]).dumps())


@given(st.integers(0, len(MANIFEST.dumps()) - 2), st.integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, difference: int) -> None:
    data = bytearray(MANIFEST.dumps())
    data[position] ^= difference
    try:
        loaded = Manifest.loads(bytes(data))
    except ValueError:
        return
    assert loaded == MANIFEST  # a blank more or less outside the sealed bytes


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", MANIFEST.dumps()[:-40], b"[1]\n[2]\n"])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Manifest.loads(data)


@pytest.mark.parametrize(
    ("expected", "found", "kinds"),
    [
        (FILE, FILE, []),
        (FILE, Path("bin/app", "file", 0o755, 12, "cd" * 32), ["content"]),
        (FILE, Path("bin/app", "file", 0o755, 13, "ab" * 32), ["content"]),
        (FILE, Path("bin/app", "file", 0o4755, 12, "ab" * 32), ["mode"]),
        (FILE, Path("bin/app", "file", 0o777, 0, ""), ["content", "mode"]),
        (FILE, Path("bin/app", "link", digest="x"), ["type"]),
        (LINK, Path("lib64", "link", digest="/lib"), ["target"]),
        (DIRECTORY, Path("bin", "dir", 0o777), ["mode"]),
        (DIRECTORY, Path("bin", "other", 0o755), ["type"]),
    ],
)
def test_every_difference_has_its_word(expected: Path, found: Path, kinds: list[str]) -> None:
    assert list(compare(expected, found)) == [Finding(kind, expected.path) for kind in kinds]
