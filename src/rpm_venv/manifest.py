"""The manifest: every path of a generation with type, mode, size and digest. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FORMAT = 1


@dataclass(frozen=True)
class Path:
    """One path of a generation, relative to it: ``kind`` is ``file``, ``dir`` or ``link``.

    ``mode`` holds the permission bits. ``digest`` is a file's sha256 in hex or a link's target.
    """

    path: str
    kind: str
    mode: int = 0
    size: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Manifest:
    """All paths of one generation, in the order of their names."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Manifest:
        return cls(tuple(sorted(paths, key=lambda path: path.path)))

    def dumps(self) -> bytes:
        """One JSON array a line, the first line the format; the same paths give the same bytes."""
        return b"".join(self._lines())

    def _lines(self) -> Iterator[bytes]:
        yield json.dumps({"format": FORMAT}).encode() + b"\n"
        for path in self.paths:
            row = [path.path, path.kind, path.mode, path.size, path.digest]
            yield json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def loads(cls, data: bytes) -> Manifest:
        """The manifest that ``dumps`` wrote; ``ValueError`` when it is not one."""
        header, *rows = data.splitlines()
        if json.loads(header) != {"format": FORMAT}:
            raise ValueError(f"a manifest of another format: {header[:80]!r}")
        return cls(tuple(Path(*json.loads(row)) for row in rows))
