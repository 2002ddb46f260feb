"""Objects that packages ship, named by what is in them: which there are. An edge that only reads.

``packaged/<content digest>/`` is an object's tree as the store has it. The digest is the sha256 of
its ``object.json``, which has the sha256 of every file: one name is one content, whoever built it,
so that rpm shares it between packages. It is rpm's alone: ``bring.py`` makes objects of the store.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from rpm_venv.confined import names
from rpm_venv.digest import sha256
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass, field
from rpm_venv.paths import Layout
from rpm_venv.system import reading
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.system.sealed import open_regular
from rpm_venv.wheels.objects import Packaged, StoredFile, StoredObject, object_id

#: The file in an object's directory that says what is in it.
DESCRIPTION = "object.json"


def directory(layout: Layout, digest: str) -> Path:
    """The real directory of a packaged object; ``ValueError`` where that is no content digest."""
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise ValueError(f"not a content digest: {digest!a}")
    return layout.packaged / digest


def content_digest(description: bytes) -> str:
    """The name under which packages ship the object of this description."""
    return sha256(description).hexdigest()


@dataclass(frozen=True)
class Offer:
    """A packaged object, and what it becomes; ``head`` is its own description without files."""

    packaged: Packaged
    head: StoredObject


@dataclass(frozen=True)
class Offers:
    """What packages bring for an interpreter, by the id that an object of it has.

    ``usable`` are those for it, ``afresh`` those whose byte code is for another, whether or not
    their wheels are for it. ``unread`` says which cannot be read, and why.
    """

    usable: Mapping[str, Offer] = field(default_factory=dict)
    afresh: Mapping[str, Offer] = field(default_factory=dict)
    unread: str = ""


def offers(layout: Layout, digests: Iterable[str], interpreter: Interpreter) -> Offers:
    """Look through packaged objects, by their content digests. Their files are not verified."""
    usable: dict[str, Offer] = {}
    afresh: dict[str, Offer] = {}
    unread = ""
    for digest in digests:
        try:
            head, magic = _head(directory(layout, digest))
        except (OSError, ValueError, LookupError, TypeError, VenvError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            unread = f"{digest[:12]}… of its package cannot be read: {reason}"
            continue
        name = object_id(head.id.partition("-")[0], interpreter)
        if head.id == name and magic in ("", interpreter.magic):
            usable[name] = Offer(Packaged(name, digest), head)
        else:
            afresh[name] = Offer(Packaged(name, digest, afresh=True), head)
    return Offers(usable, afresh, unread)


def _head(place: Path) -> tuple[StoredObject, str]:
    """What a packaged object is, without its files, and how its byte code begins ("" for none)."""
    with os.fdopen(reading.regular(place / DESCRIPTION), "rb") as file:
        if os.fstat(file.fileno()).st_size > reading.MOST:
            raise ValueError("its description is too large")
        head = StoredObject.loads_head(file.readline())
        for row in file:
            path = StoredFile.loads(row).path if b".pyc" in row else ""
            if path.endswith(f".{head.cache_tag}.pyc") and not names.problem(path):
                with open(place / "site" / path, "rb", opener=open_regular) as code:
                    return head, code.read(4).hex()
    return head, ""
