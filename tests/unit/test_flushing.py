"""What is written is brought to the disk while more is made, and what the disk says is heard."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from rpm_venv.system import files, flushing
from rpm_venv.system.flushing import Flusher


class Disk:
    """Stands for syncfs(2): counts, and fails when told to."""

    def __init__(self, error: OSError | None = None) -> None:
        self.asked: list[Path] = []
        self.was_asked = threading.Event()
        self._error = error

    def __call__(self, path: Path) -> None:
        self.asked.append(path)
        self.was_asked.set()
        if self._error:
            raise self._error


def test_little_is_left_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    monkeypatch.setattr(files, "syncfs", disk)
    with Flusher(tmp_path) as flusher:
        flusher.wrote(flushing.WORTH - 1)
        assert not disk.was_asked.wait(0.05)
    assert disk.asked == []


def test_much_is_flushed_beside_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    monkeypatch.setattr(files, "syncfs", disk)
    with Flusher(tmp_path) as flusher:
        for number in (1, 2):
            flusher.wrote(flushing.WORTH // 2)
            flusher.wrote(flushing.WORTH)
            assert disk.was_asked.wait(10)
            disk.was_asked.clear()
            assert disk.asked == [tmp_path] * number


def test_an_error_of_the_disk_ends_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(OSError(errno.EIO, "Input/output error"))
    monkeypatch.setattr(files, "syncfs", disk)
    with pytest.raises(OSError, match="Input/output error"), Flusher(tmp_path) as flusher:
        flusher.wrote(flushing.WORTH)
        assert disk.was_asked.wait(10)


def test_an_error_of_the_block_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(OSError(errno.EIO, "Input/output error"))
    monkeypatch.setattr(files, "syncfs", disk)
    with pytest.raises(KeyError), Flusher(tmp_path) as flusher:
        flusher.wrote(flushing.WORTH)
        assert disk.was_asked.wait(10)
        raise KeyError("of the block")


def test_a_real_filesystem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really, done = files.syncfs, threading.Event()

    def syncfs(path: Path) -> None:
        really(path)
        done.set()

    monkeypatch.setattr(files, "syncfs", syncfs)
    with Flusher(tmp_path) as flusher:
        (tmp_path / "file").write_bytes(b"x")
        flusher.wrote(flushing.WORTH)
        assert done.wait(60)
