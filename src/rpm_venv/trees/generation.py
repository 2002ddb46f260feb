"""A generation: its name, what it says of itself, and what can stand at a path. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import starmap
from operator import itemgetter

from rpm_venv import shapes
from rpm_venv.declaration import Declaration
from rpm_venv.digest import sha256
from rpm_venv.frozen import dataclass
from rpm_venv.system.interpreter import Interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 2
_BEFORE = 1  # the format without a layout
LINKS, FILES = "links", "files"
NAME_DIGITS = 20
_SHAPE = {
    "format": int,
    **dict.fromkeys(("name", "path", "python", "tag"), str),
    "system_site": bool,
    "distributions": list,
    "notes": [str],
}


@dataclass(frozen=True)
class Distribution:
    """One wheel of a generation."""

    name: str
    version: str
    filename: str
    sha256: str


@dataclass(frozen=True)
class Generation:
    """What a generation says of itself, in ``.rpm-venv/generation.json``; nothing that varies.

    ``python`` is the interpreter's target path, ``tag`` its cache tag. ``objects`` are those it was
    assembled from, ``notes`` what the assembly had to decide (two wheels with one file). ``layout``
    is ``links`` where directories of objects may be links into the store, ``files`` where it stands
    alone; it is empty in a description from before there were links.
    """

    name: str
    path: str
    python: str
    tag: str
    system_site: bool
    distributions: tuple[Distribution, ...]
    notes: tuple[str, ...] = ()
    layout: str = LINKS

    @classmethod
    def decided(
        cls,
        declaration: Declaration,
        interpreter: Interpreter,
        distributions: Iterable[Distribution],
    ) -> Generation:
        """The generation that a choice of wheels leads to."""
        chosen = tuple(sorted(distributions, key=lambda each: each.name))
        return cls(
            name=name(declaration, interpreter, (wheel.sha256 for wheel in chosen)),
            path=declaration.path,
            python=interpreter.path,
            tag=interpreter.tag,
            system_site=declaration.system_site,
            distributions=chosen,
            layout=_layout(declaration),
        )

    @property
    def objects(self) -> tuple[str, ...]:
        return tuple(f"{wheel.sha256}-{self.tag}" for wheel in self.distributions)

    @property
    def decided_name(self) -> str:
        """The name that all the rest leads to; another than ``name`` where it was changed."""
        sha256s = (wheel.sha256 for wheel in self.distributions)
        return _digest(
            self.path, self.python, self.tag, self.system_site, sha256s, layout=self.layout
        )

    def dumps(self) -> bytes:
        data: dict[str, Any] = dict(self.__dict__, format=FORMAT if self.layout else _BEFORE)
        if not self.layout:
            del data["layout"]
        data["distributions"] = [wheel.__dict__ for wheel in self.distributions]
        return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def loads(cls, text: bytes) -> Generation:
        """What ``dumps`` wrote; ``ValueError`` when it is not such a description."""
        data = shapes.checked(shapes.loads(text), _SHAPE)
        written = data.pop("format")
        if written not in (_BEFORE, FORMAT):
            raise ValueError("a generation of another format")
        layout = data.pop("layout", "")
        if layout not in ((LINKS, FILES) if written == FORMAT else ("",)):
            raise ValueError(f"a generation of another layout: {layout!a}")
        try:
            wheels = _distributions(data.pop("distributions"))
            return cls(distributions=wheels, notes=tuple(data.pop("notes")), layout=layout, **data)
        except TypeError as error:  # more than there is
            raise ValueError(f"not the description of a generation: {error}") from None


def _distributions(wheels: list[Any]) -> tuple[Distribution, ...]:
    """All distributions at once: every call reads them, however many they are."""
    fields = ("name", "version", "filename", "sha256")
    if not (set(map(type, wheels)) <= {dict} and set(map(len, wheels)) <= {len(fields)}):
        raise ValueError("a distribution is not what it should be")
    try:
        rows = list(map(list, map(itemgetter(*fields), wheels)))
    except KeyError as error:
        raise ValueError(f"a distribution without {error}") from None
    shapes.rows(rows, (str,) * len(fields))
    return tuple(starmap(Distribution, rows))


def name(declaration: Declaration, interpreter: Interpreter, sha256s: Iterable[str]) -> str:
    """The name of the generation that a choice of wheels leads to: 20 hex digits.

    It depends on the format, the wheels, the Python, the options that change the tree, the layout
    and the path, and on nothing else; not on byte code.
    """
    python = (interpreter.path, interpreter.tag)
    layout = _layout(declaration)
    return _digest(declaration.path, *python, declaration.system_site, sha256s, layout=layout)


def _layout(declaration: Declaration) -> str:
    return FILES if declaration.is_whole else LINKS


def _digest(
    path: str, python: str, tag: str, system_site: bool, sha256s: Iterable[str], *, layout: str
) -> str:
    decides: dict[str, Any] = {
        "format": FORMAT if layout else _BEFORE,
        "wheels": sorted(sha256s),
        "python": [python, tag],
        "system_site": system_site,
        "path": path,
    }
    if layout:
        decides["layout"] = layout
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:NAME_DIGITS]


def is_name(text: str) -> bool:
    return len(text) == NAME_DIGITS and not set(text) - set("0123456789abcdef")


@dataclass(frozen=True)
class Live:
    """What stands at an environment's path.

    ``kind`` is ``nothing``, ``ours`` (with its ``generation``), ``handmade`` (a directory with a
    ``pyvenv.cfg``), ``litter`` (a directory of byte code and empty directories alone) or
    ``foreign``.
    """

    kind: str
    generation: str = ""
