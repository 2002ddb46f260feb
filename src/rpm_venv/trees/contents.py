"""What a generation consists of: files of its objects, and the environment's own. Only reads."""

from __future__ import annotations

import base64
import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from rpm_venv.declaration import Declaration
from rpm_venv.digest import sha256
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout, parents
from rpm_venv.system import reading
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.trees import activate, launchers, merge, startup
from rpm_venv.trees.manifest import Tree
from rpm_venv.trees.merge import Launcher, Merged
from rpm_venv.wheels.store import StoredFile, StoredObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpm_venv.trees.merge import Claim, Item

_MAX_SCRIPT = 8 << 20  # bytes of a script whose first line is ours; they are held in memory


@dataclass(frozen=True)
class Written:
    """A file of the environment's own."""

    data: bytes
    mode: int = 0o644

    @property
    def sha256(self) -> bytes:
        return sha256(self.data).digest()


@dataclass(frozen=True)
class Contents:
    """Everything below a generation, by path relative to it; ``directories`` are parents first.

    What is below a path of ``trees`` is in none of the others.
    """

    directories: Sequence[str]
    linked: Mapping[str, Claim]
    written: Mapping[str, Written]
    links: Mapping[str, str]
    trees: Mapping[str, Tree]


def contents(  # noqa: PLR0917  the stages' one order, as in assemble
    layout: Layout,
    declaration: Declaration,
    target: str,
    merged: Merged,
    interpreter: Interpreter,
    trees: Mapping[str, Tree],
) -> Contents:
    """The contents of a generation whose target path is ``target``; the trees are not in merged."""
    written = _environment(declaration, target, interpreter, merged)
    written.update(_commands(layout, merged, f"{target}/bin/python"))
    written.update(_records(layout, merged, written, interpreter))
    linked = {path: claim for path, claim in merged.claims.items() if path not in written}
    links = _links(interpreter)
    directories = _directories([*linked, *written, *links, *trees], interpreter)
    return Contents(directories, linked, written, links, trees)


def _environment(
    declaration: Declaration, target: str, interpreter: Interpreter, merged: Merged
) -> dict[str, Written]:
    """The files that make a directory a virtual environment, by path."""
    site = merge.site_packages(interpreter)
    # The minor version alone: a patch release of the system's Python changes no generation.
    settings = {
        "home": str(PurePosixPath(interpreter.path).parent),
        "include-system-site-packages": "true" if declaration.system_site else "false",
        "version": interpreter.minor,
    }
    written = {
        "pyvenv.cfg": "".join(f"{key} = {value}\n" for key, value in settings.items()).encode(),
        f"{site}/{startup.FIRST}": startup.hook(target),
    }
    if any(_is_path_file(path, site) for path in merged.claims):
        written[f"{site}/{startup.LAST}"] = startup.hook(target)
    prompt = PurePosixPath(declaration.path).name
    for name, data in activate.scripts(target, prompt).items():
        written[f"bin/{name}"] = data
    return {path: Written(data) for path, data in written.items()}


def _is_path_file(path: str, site: str) -> bool:
    return path.endswith(".pth") and path.rpartition("/")[0] == site


def _links(interpreter: Interpreter) -> dict[str, str]:
    """The links of an environment, by path."""
    threading = "t" if "t" in interpreter.abiflags else ""
    names = {"python3", f"python{interpreter.minor}", f"python{interpreter.minor}{threading}"}
    return {
        "bin/python": interpreter.path,
        **{f"bin/{name}": "python" for name in names},
        "lib64": "lib",
    }


def _directories(paths: Iterable[str], interpreter: Interpreter) -> list[str]:
    always = {f"{merge.site_packages(interpreter)}/.", f"{merge.headers(interpreter)}/."}
    return sorted(parents(always.union(paths)))


def _commands(layout: Layout, merged: Merged, python: str) -> dict[str, Written]:
    """The launchers, and the scripts of wheels that ask for an interpreter in their first line."""
    written: dict[str, Written] = {}
    for path, (owner, item) in merged.claims.items():
        if isinstance(item, Launcher):
            point = item.entry_point
            data = launchers.entry_point(python, point.module, point.attribute)
            written[path] = Written(data, 0o755)
        elif item.scheme == "scripts":
            script = _script(layout, owner, item)
            if launchers.asks_for_python(script):
                written[path] = Written(launchers.rewritten(python, script), 0o755)
            elif not item.mode & 0o111:
                written[path] = Written(script, 0o755)
    return written


def _script(layout: Layout, owner: StoredObject, item: StoredFile) -> bytes:
    """A script as far as is needed: all of it where it is written anew, else its beginning.

    ``VenvError`` where it is too large for that.
    """
    place = layout.object(owner.id) / item.scheme / item.path
    with os.fdopen(reading.regular(place, follow=False), "rb") as file:
        head = file.read(len("#!python"))
        if launchers.asks_for_python(head) or not item.mode & 0o111:
            head += file.read(_MAX_SCRIPT)
    if len(head) > _MAX_SCRIPT:
        message = f"the script {item.path} asks for Python and has more than {_MAX_SCRIPT} bytes"
        raise VenvError(message, subject=owner.filename)
    return head


def _records(
    layout: Layout, merged: Merged, written: Mapping[str, Written], interpreter: Interpreter
) -> dict[str, Written]:
    """RECORD of each distribution that has more or less here than in its object."""
    site = merge.site_packages(interpreter)
    up = "../" * (site.count("/") + 1)
    records = {}
    for owner, added in merge.extended(merged).values():
        inside = f"{owner.dist_info}/RECORD"
        path = f"{site}/{inside}"
        if path not in merged.claims:
            continue
        rows = [_row(up, path, item, written.get(path)) for path, item in sorted(added)]
        text = reading.content(layout.object(owner.id) / "site" / inside, follow=False).decode()
        records[path] = Written(_record(text, rows, merged.lost.get(owner.id, set())))
    return records


def _row(up: str, path: str, item: Item, written: Written | None) -> tuple[str, str, str]:
    """A row of RECORD: path, digest and size."""
    if written is not None:
        digest, size = written.sha256, len(written.data)
    else:
        assert isinstance(item, StoredFile)  # noqa: S101  launchers are always written
        digest, size = bytes.fromhex(item.sha256), item.size
    encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return up + path, f"sha256={encoded}", str(size)


def _record(text: str, rows: Sequence[tuple[str, str, str]], lost: set[str]) -> bytes:
    kept = text
    if lost:
        kept = _csv(row for row in csv.reader(io.StringIO(text)) if row and row[0] not in lost)
    elif text and not text.endswith("\n"):
        kept += "\n"
    return (kept + _csv(rows)).encode()


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
