"""Objects made by hand and generations made of them, which run where they are."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rpm_venv.declaration import Declaration
from rpm_venv.paths import Layout
from rpm_venv.system.interpreter import Interpreter, inspect
from rpm_venv.trees.assemble import Assembly, assemble
from rpm_venv.trees.linked import Parts
from rpm_venv.wheels.store import EntryPoint, StoredFile, StoredObject

GENERATION = "0123456789abcdef0123"
PYTHON = os.path.realpath(sys.executable)


class Here(Layout):
    """A layout below a test's directory whose generations run: a target path is a real one."""

    def generation_target(self, path: str, generation: str) -> str:
        return str(self.root / super().generation_target(path, generation)[1:])


def make_object(
    layout: Layout,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    commands: Mapping[str, str] | None = None,
    modes: Mapping[str, int] | None = None,
) -> StoredObject:
    """An object in the store; the paths of ``files`` begin with their scheme.

    ``commands`` are its entry points, as ``{"app": "app:main"}``.
    """
    dist_info = f"{name}-{version}.dist-info"
    content = {path: _bytes(data) for path, data in (files or {}).items()}
    content[f"site/{dist_info}/METADATA"] = f"Name: {name}\nVersion: {version}\n".encode()
    content[f"site/{dist_info}/INSTALLER"] = b"rpm-venv\n"
    site = [path[len("site/") :] for path in content if path.startswith("site/")]
    rows = [f"{path},{_record_digest(content['site/' + path])}" for path in site]
    record = "\n".join([*rows, f"{dist_info}/RECORD,,", ""])
    content[f"site/{dist_info}/RECORD"] = record.encode()
    digest = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()
    object_id = f"{digest}-cpython"
    stored = []
    for path, data in content.items():
        place = layout.object(object_id) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        mode = (modes or {}).get(path, 0o755 if path.startswith("scripts/") else 0o644)
        place.chmod(mode)
        scheme, _, inside = path.partition("/")
        sha256 = hashlib.sha256(data).hexdigest()
        stored.append(StoredFile(scheme, inside, mode, len(data), sha256))
    entry_points = []
    for command, target in (commands or {}).items():
        module, _, attribute = target.partition(":")
        entry_points.append(EntryPoint("console", command, module, attribute))
    return StoredObject(
        object_id, f"{name}.whl", name, version, dist_info, tuple(stored), tuple(entry_points)
    )


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def _record_digest(data: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={encoded},{len(data)}"


@dataclass(frozen=True)
class Made:
    """An assembled generation with its public path, a link to it as ``install`` makes it."""

    path: Path
    tree: Path
    assembly: Assembly
    interpreter: Interpreter

    @property
    def site(self) -> Path:
        return self.tree / "lib" / self.interpreter.directory / "site-packages"

    def run(
        self, *command: str, through: Path | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """The output of a command below bin/, started through PATH unless told otherwise."""
        argv = [str((through or self.path) / "bin" / command[0]), *command[1:]]
        environment = dict(env or {})
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, env=environment, cwd="/"
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout


def make_environment(
    layout: Layout,
    objects: Sequence[StoredObject],
    *,
    path: str = "/opt/app/penv",
    python: str = PYTHON,
    system_site: bool = False,
) -> Made:
    """Assemble a generation in its place, with a public path that leads there."""
    interpreter = inspect(Layout(), python)
    declaration = Declaration(path=path, lock="/lock", system_site=system_site)
    tree = Path(layout.generation_target(path, GENERATION))
    tree.mkdir(parents=True)
    assembly = assemble(layout, declaration, GENERATION, Parts(objects), interpreter, tree)
    public = layout.real(path)
    public.parent.mkdir(parents=True, exist_ok=True)
    public.symlink_to(tree)
    return Made(public, tree, assembly, interpreter)
