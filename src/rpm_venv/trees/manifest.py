"""The manifest: every path of a generation with type, mode, size and digest. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from rpm_venv import shapes
from rpm_venv.digest import sha256
from rpm_venv.frozen import dataclass

FORMAT = 2
_FORMATS = (1, FORMAT)  # the first has no kind "tree"
_ROW = (str, str, int, int, str)
#: One encoder for all lines: ``json.dumps`` makes one for each.
_ENCODE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_AT_ONCE = 1000  # lines: not all of them and their sum beside each other, they are many
_ABOVE_GENERATION = 3  # directories from a generation to the one that the store is in


@dataclass(frozen=True)
class Path:
    """One path of a generation, relative to it.

    ``kind`` is ``file``, ``dir``, ``link`` or ``tree``.
    ``mode`` holds the permission bits. ``digest`` is a file's sha256 in hex or a link's target. A
    tree is a directory of an object with all below it, and a link in the generation: ``digest`` is
    the text of a ``Tree``.
    """

    path: str
    kind: str
    mode: int = 0
    size: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Tree:
    """A directory of an object of the store, by the sha256 of the object's description.

    The description has mode, size and sha256 of each file in it.
    """

    object_id: str
    inside: str
    description: str

    def __str__(self) -> str:
        return f"{self.description}:{self.object_id}/{self.inside}"

    @classmethod
    def parse(cls, text: str) -> Tree:
        """The tree whose text this is; ``ValueError`` where it is none, or leads elsewhere."""
        description, _, place = text.partition(":")
        object_id, _, inside = place.partition("/")
        if {object_id, *inside.split("/")} & {"", ".", ".."}:
            raise ValueError(f"not a directory of an object: {text!a}")
        return cls(object_id, inside, description)

    def target(self, path: str) -> str:
        """Where the link to it at ``path``, relative to a generation, leads.

        It is relative, so that it means the same below another root.
        """
        above = path.count("/") + _ABOVE_GENERATION
        return f"{'../' * above}store/{self.object_id}/{self.inside}"


@dataclass(frozen=True)
class Manifest:
    """All paths of one generation, in the order of their names."""

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Manifest:
        return cls(tuple(sorted(paths, key=lambda path: path.path)))

    def dumps(self) -> bytes:
        """One JSON array a line between the format and the digest of it all.

        The same paths give the same bytes.
        """
        text = bytearray()
        for lines in self._lines():
            text += lines
        text += json.dumps({"sha256": sha256(text).hexdigest()}).encode() + b"\n"
        return bytes(text)

    def _lines(self) -> Iterator[bytes]:
        yield json.dumps({"format": FORMAT}).encode() + b"\n"
        for start in range(0, len(self.paths), _AT_ONCE):
            yield "".join(_rows(self.paths[start : start + _AT_ONCE])).encode()

    @classmethod
    def loads(cls, data: bytes) -> Manifest:
        """The manifest that ``dumps`` wrote; ``ValueError`` when it is not one, whole."""
        rows = shapes.loads(b"[%s]" % b",".join(_body(data).splitlines()[1:]))
        shapes.rows(rows, _ROW)
        paths = tuple(Path(*row) for row in rows)
        for path in paths:
            if path.kind == "tree":
                Tree.parse(path.digest)
        return cls(paths)


def _rows(paths: Sequence[Path]) -> list[str]:
    """The lines of some paths. Texts that JSON has as they are need no encoder."""
    told = "".join([f"{path.path}{path.kind}{path.digest}" for path in paths])
    if told.isascii() and told.isprintable() and '"' not in told and "\\" not in told:
        return [
            f'["{each.path}","{each.kind}",{each.mode},{each.size},"{each.digest}"]\n'
            for each in paths
        ]
    return [
        _ENCODE([each.path, each.kind, each.mode, each.size, each.digest]) + "\n" for each in paths
    ]


#: The last line of a manifest, which every whole one has.
_SEAL = (b'\n{"sha256": "', b'"}\n')
SEAL_SIZE = len(b"".join(_SEAL)) + 64  # bytes; what ``ends`` looks at


def ends(data: bytes) -> bool:
    """Whether the last ``SEAL_SIZE`` bytes of a manifest end as those of a whole one do.

    Its rows are made durable before it gets its name: one that ends so is all there.
    """
    end, (before, after) = data[-SEAL_SIZE:], _SEAL
    return len(end) == SEAL_SIZE and end.startswith(before) and end.endswith(after)


def sealed(data: bytes) -> bool:
    """Whether ``data`` is a whole manifest, without reading its rows."""
    try:
        _body(data)
    except ValueError:
        return False
    return True


def _body(data: bytes) -> bytes:
    """All lines but the last, which holds their digest; ``ValueError`` when it does not."""
    end = data.rfind(b"\n", 0, len(data) - 1) + 1
    body, seal = data[:end], data[end:]
    header = body[: body.find(b"\n") + 1]
    if shapes.loads(header or b"null") not in [{"format": number} for number in _FORMATS]:
        raise ValueError(f"a manifest of another format: {header[:80]!r}")
    if shapes.loads(seal) != {"sha256": sha256(body).hexdigest()}:
        raise ValueError("the manifest does not have its own digest")
    return body


#: What can be wrong with one path; the words of ``rpm-venv verify``.
FINDINGS = ("missing", "added", "type", "content", "mode", "owner", "target")


@dataclass(frozen=True)
class Finding:
    """One difference between a manifest and what is on disk: ``kind`` is one of ``FINDINGS``."""

    kind: str
    path: str


def compare(expected: Path, found: Path) -> Iterator[Finding]:
    """How one path on disk differs from its entry. Its owner is not the manifest's to know."""
    if expected.kind == "tree":
        expected = Path(
            expected.path, "link", digest=Tree.parse(expected.digest).target(expected.path)
        )
    if expected.kind != found.kind:
        yield Finding("type", expected.path)
        return
    if expected.kind == "link" and expected.digest != found.digest:
        yield Finding("target", expected.path)
    if expected.kind == "file" and (expected.size, expected.digest) != (found.size, found.digest):
        yield Finding("content", expected.path)
    if expected.kind != "link" and expected.mode != found.mode:
        yield Finding("mode", expected.path)
