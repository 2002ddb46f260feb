"""What binaries ask and bring: which of a wheel's files count, and what may be a requirement."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rpm_venv.building import libraries
from rpm_venv.building.libraries import Linkage
from rpm_venv.errors import VenvError, WheelError
from tests.host.wheels import make_wheel

ELF = b"\x7fELF of a kind"


def elfdeps(place: Path, provides: str = "", requires: str = "") -> str:
    """A command in the place of rpm's, which says the same of all files and keeps their modes."""
    script = place / "elfdeps"
    script.write_text(
        f"#!/bin/sh\nwhile read file; do stat -c '%a %n' \"$file\"; done >{place}/seen\n"
        f'[ "$1" = --provides ] && printf "{provides}" || printf "{requires}"\n'
    )
    script.chmod(0o755)
    return str(script)


def seen(place: Path) -> list[tuple[str, str]]:
    """Mode and name of the files that the command was asked about."""
    rows = [line.split(" ", 1) for line in (place / "seen").read_text().splitlines()]
    return [(mode, Path(name).name) for mode, name in rows]


@pytest.mark.parametrize(
    ("capability", "soname"),
    [
        ("libm.so.6", "libm.so.6"),
        ("libm.so.6()(64bit)", "libm.so.6"),
        ("libm.so.6(GLIBC_2.29)(64bit)", "libm.so.6"),
        ("rtld(GNU_HASH)", "rtld"),
    ],
)
def test_the_library_of_a_requirement(capability: str, soname: str) -> None:
    assert libraries.soname(capability) == soname


def test_a_library_that_is_brought_is_not_missing_in_any_version() -> None:
    asked = frozenset({"liba.so.1()(64bit)", "liba.so.1(A_2)(64bit)", "libb.so()(64bit)"})
    assert Linkage(asked, frozenset({"liba.so.1"})).missing() == ["libb.so()(64bit)"]


def test_only_binaries_are_unpacked_and_programs_can_be_run(tmp_path: Path) -> None:
    wheel = make_wheel(
        "alpha",
        files={"alpha.py": "", "alpha/lib.so": ELF, "alpha/run": ELF, "beta/lib.so": ELF},
        data={"scripts/tool": ELF},
        executable=["alpha/run"],
    ).save(tmp_path)
    libraries.of_wheels(elfdeps(tmp_path), [wheel])
    assert sorted(seen(tmp_path)) == [
        ("644", "lib.so"),
        ("644", "lib.so"),
        ("755", "run"),
        ("755", "tool"),
    ]


def test_what_is_brought_can_be_called_by_its_soname_or_its_file_name(tmp_path: Path) -> None:
    wheels = [
        make_wheel("alpha", files={"alpha/liba.so": ELF}).save(tmp_path),
        make_wheel("beta", files={"beta.so": ELF}).save(tmp_path),
    ]
    command = elfdeps(tmp_path, "liba.so.1()(64bit)\\n", "liba.so.1()(64bit)\\nlibc.so.6()\\n")
    found = libraries.of_wheels(command, wheels)
    assert found.brings == {"liba.so.1", "liba.so", "beta.so"}
    assert found.missing() == ["libc.so.6()"]


def test_a_tree_is_asked_about_without_following_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "lib.so").write_bytes(ELF)
    (tree / "text").write_text("text")
    (tree / "link.so").symlink_to("lib.so")
    (tree / "elsewhere").symlink_to(tmp_path)
    libraries.of_trees(elfdeps(tmp_path), [tree])
    assert seen(tmp_path) == [(f"{stat.S_IMODE((tree / 'lib.so').stat().st_mode):o}", "lib.so")]


def test_without_binaries_nothing_is_run(tmp_path: Path) -> None:
    wheel = make_wheel("alpha").save(tmp_path)
    assert libraries.of_wheels("/nowhere/elfdeps", [wheel]) == Linkage()


@pytest.mark.parametrize("line", ["bash >= 5", "(liba.so or bash)", "liba.so = 1", "glibc", " "])
def test_a_binary_cannot_make_other_requirements(tmp_path: Path, line: str) -> None:
    wheel = make_wheel("alpha", files={"lib.so": ELF}).save(tmp_path)
    with pytest.raises(WheelError, match="which is no library"):
        libraries.of_wheels(elfdeps(tmp_path, "", f"libc.so.6()\\n{line}\\n"), [wheel])


def test_a_name_that_leaves_its_directory_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel("alpha", files={"../lib.so": ELF}).save(tmp_path)
    with pytest.raises(WheelError, match=r"\.\./lib\.so: the name has '\.\.' in it"):
        libraries.of_wheels(elfdeps(tmp_path), [wheel])
    assert not (tmp_path / "seen").exists()


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    wheel = make_wheel("alpha", files={"lib.so": ELF}).save(tmp_path)
    with pytest.raises(VenvError, match="/nowhere/elfdeps: rpm's elfdeps cannot be run"):
        libraries.of_wheels("/nowhere/elfdeps", [wheel])
