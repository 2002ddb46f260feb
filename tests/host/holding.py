"""Start and end a holder process, and look at the files of the namespace that it holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

_HOLDER = Path(__file__).with_name("holder.py")
_MAX_LINKS = 40


class Held:
    """The namespaces of one running holder."""

    def __init__(self, wanted: Mapping[str, Any], enter: Sequence[str] = ()) -> None:
        """Start a holder for ``wanted`` (see holder.py), below the prefix command ``enter``."""
        self._process = subprocess.Popen(
            [*enter, sys.executable, "-I", "-S", str(_HOLDER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._process.stdin.flush()
        pid = self._process.stdout.readline()
        if not pid:
            self.end()
            raise RuntimeError("a throw-away host did not start; its message is above")
        self.pid = int(pid)
        self.root = Path(f"/proc/{self.pid}/root")

    def end(self) -> None:
        """End the holder, and with it every process and mount of its namespaces."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=30)

    def enter(self, *namespaces: str) -> list[str]:
        """The prefix of a command that is to run in these namespaces."""
        return ["nsenter", f"--target={self.pid}", *(f"--{name}" for name in namespaces), "--"]

    def path(self, inside: str | PurePosixPath, *, follow: bool = True) -> Path:
        """The path out here of a path in there; links are followed as in there.

        With ``follow`` false the last component may be a link and stays one.
        """
        todo = list(reversed(PurePosixPath(inside).parts[1:]))
        done = PurePosixPath("/")
        links = 0
        while todo:
            part = todo.pop()
            done = done.parent if part == ".." else done / part
            real = self.outside(done)
            if (todo or follow) and real.is_symlink():
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(f"too many links: {inside}")
                target = PurePosixPath(os.readlink(real))
                done = PurePosixPath("/") if target.is_absolute() else done.parent
                todo.extend(reversed([part for part in target.parts if part != "/"]))
        return self.outside(done)

    def outside(self, inside: str | PurePosixPath) -> Path:
        """The path out here of a path in there that has no links in it."""
        return self.root / PurePosixPath(inside).relative_to("/")
