"""What is done to files behind their owner's back."""

from __future__ import annotations

import os
from pathlib import Path


def change(path: Path) -> None:
    """Change the last byte, and nothing that is seen without reading."""
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def replace_by_pipe(path: Path) -> None:
    """Put a pipe that nobody writes to in the place of a file."""
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    """Move a file or directory away, and lead to it by a link."""
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")
