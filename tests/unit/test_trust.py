"""Whose a path is: links, owners, modes and access lists on the way to it."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError
from rpm_venv.system import trust


def test_trusted_parents_resolves_links_inside_the_root(tmp_path: Path) -> None:
    (tmp_path / "var" / "opt").mkdir(parents=True)
    (tmp_path / "opt").symlink_to("/var/opt")
    found = trust.trusted_parents(tmp_path / "opt" / "app" / "penv", tmp_path)
    assert found == tmp_path / "var" / "opt" / "app" / "penv"


def test_trusted_parents_does_not_leave_the_root(tmp_path: Path) -> None:
    (tmp_path / "opt").symlink_to("../../../../../etc")
    assert trust.trusted_parents(tmp_path / "opt" / "penv", tmp_path) == tmp_path / "etc" / "penv"


def test_trusted_parents_refuses_a_directory_others_can_write_to(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(VenvError, match="written to by others"):
        trust.trusted_parents(shared / "app" / "penv", tmp_path)
    shared.chmod(0o1777)
    for name in ("penv", "app/penv"):  # nobody has made it yet, and anybody could be first
        with pytest.raises(VenvError, match="written to by others"):
            trust.trusted_parents(shared / name, tmp_path)
    (shared / "app").mkdir()
    assert trust.trusted_parents(shared / "app" / "penv", tmp_path) == shared / "app" / "penv"


def test_trusted_parents_refuses_a_file_on_the_way_and_a_loop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VenvError, match="not a directory"):
        trust.trusted_parents(tmp_path / "file" / "app" / "penv", tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        trust.trusted_parents(tmp_path / "loop" / "penv", tmp_path)
    assert caught.value.errno == errno.ELOOP


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_trusted_parents_refuses_another_users_directory(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    os.chown(tmp_path / "home", 1234, 1234)
    with pytest.raises(VenvError, match="belongs to the user with id 1234"):
        trust.trusted_parents(tmp_path / "home" / "penv", tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_trusted_parents_refuses_a_link_that_a_stranger_can_make_again(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "app").symlink_to(tmp_path / "real")
    assert trust.trusted_parents(shared / "app" / "penv") == tmp_path / "real" / "penv"
    os.chown(shared / "app", 1234, 1234, follow_symlinks=False)
    with pytest.raises(VenvError, match="belongs to the user with id 1234"):
        trust.trusted_parents(shared / "app" / "penv")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_trusted_parents_refuses_a_directory_that_a_list_lets_a_user_write_to(
    tmp_path: Path,
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    rows = [(1, 7, -1), (2, 7, 1234), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
    packed = (struct.pack("<HHI", tag, bits, user & 0xFFFFFFFF) for tag, bits, user in rows)
    try:
        os.setxattr(shared, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(packed))
    except OSError:
        pytest.skip("needs a filesystem with access lists")
    assert shared.stat().st_mode & 0o020
    with pytest.raises(VenvError, match="written to by others"):
        trust.trusted_parents(shared / "penv")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_program_of_another_root_or_of_a_stranger_has_a_problem(tmp_path: Path) -> None:
    program = tmp_path / "python3"
    program.touch(mode=0o755)
    assert trust.program_problem(program, Path("/")) == ""
    assert "whose programs are not run" in trust.program_problem(program, tmp_path)
    for mode in (0o777, 0o1777):  # sticky means nothing for a file
        program.chmod(mode)
        assert "everybody can write" in trust.program_problem(program, Path("/"))
    program.chmod(0o755)
    os.chown(tmp_path, 0, 1234)
    tmp_path.chmod(0o775)
    assert "group with id 1234" in trust.program_problem(program, Path("/"))
    tmp_path.chmod(0o1775)
    assert trust.program_problem(program, Path("/")) == ""
    os.chown(program, 1234, 1234)
    assert "user with id 1234" in trust.program_problem(program, Path("/"))


def test_a_link_that_leads_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "in").symlink_to("usr")
    (root / "out").symlink_to("/usr")
    (root / "up").symlink_to("../other")
    trust.refuse_outside(root / "in" / "lib", root)
    trust.refuse_outside(root / "out" / "lib", Path("/"))
    for name in ("out", "up"):
        with pytest.raises(VenvError, match="out of the root directory"):
            trust.refuse_outside(root / name / "lib", root)
