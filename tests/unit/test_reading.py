"""Files that somebody else may have made: all of them is read, and no more than they may have."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rpm_venv.system import reading


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_all_of_a_file_is_read_up_to_what_it_may_have(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    for most in (size, size + 1, reading.MOST):
        assert reading.content(tmp_path / "file", most=most) == data
    for most in (0, 1, size // 2, size, size + 1):
        assert reading.beginning(tmp_path / "file", most) == data[:most]
    if size:
        with pytest.raises(OSError, match="larger than") as caught:
            reading.content(tmp_path / "file", most=size - 1)
        assert caught.value.errno == errno.EFBIG


def test_a_file_without_a_size_is_read_to_its_end() -> None:
    assert os.stat("/proc/self/mountinfo").st_size == 0
    assert reading.content("/proc/self/mountinfo") == Path("/proc/self/mountinfo").read_bytes()


def test_no_more_is_read_of_a_file_than_it_may_have(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    assert reading.beginning(sparse, 1 << 20) == bytes(1 << 20)
    with pytest.raises(OSError, match="larger than 64 MiB"):
        reading.content(sparse)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/hostname")
    for name, follow in (("pipe", True), ("link", False), (".", True)):
        with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
            reading.beginning(tmp_path / name, 10, follow=follow)
