"""The macros, of this tree or of a buildroot that they were installed to (%check)."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import packaging
import pytest

from tests.host import RpmTools

TREE = Path(__file__).resolve().parents[2]

#: What rpm knows of a package while it reads a scriptlet of it.
PACKAGE = {"name": "app1", "version": "1.0", "release": "2.el9", "_target_cpu": "noarch"}


@dataclass(frozen=True)
class Expansion:
    """What ``rpm --eval`` made of a text."""

    code: int
    text: str
    errors: str


@dataclass(frozen=True)
class Macros:
    """Where the macros are, what they call, and what packages call besides."""

    file: Path
    lua: Path
    command: Path

    def expand(self, text: str, defines: Mapping[str, str] | None = None) -> Expansion:
        """Expand a text with a real rpm; ``defines`` adds to what rpm knows."""
        tools = RpmTools.from_environment()
        known = {**PACKAGE, "__venv_lua": str(self.lua)}
        known.update(defines or {})
        words = [word for item in known.items() for word in ("-D", " ".join(item))]
        done = subprocess.run(
            [tools.rpm, "--macros", f"{_macro_path()}:{self.file}", *words, "--eval", text],
            env={**os.environ, **tools.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return Expansion(done.returncode, done.stdout.removesuffix("\n"), done.stderr)

    def run_lua(self, code: str) -> Expansion:
        """Run Lua in rpm, with ``venv`` as a scriptlet's ``require "venv"`` has it."""
        module = f'local venv = dofile("{self.lua}/venv.lua")\n'
        return self.expand(f"%{{lua:{module}{code}}}", {"__rpm_venv": str(self.command)})


def _rpm(*arguments: str) -> str:
    tools = RpmTools.from_environment()
    environment = {**os.environ, **tools.environment}
    return subprocess.check_output([tools.rpm, *arguments], env=environment, text=True).strip()


@functools.cache
def _macro_path() -> str:
    """The macro files that this rpm reads by itself (--load came with rpm 4.15)."""
    lines = _rpm("--showrc").splitlines()
    return next(line for line in lines if line.startswith("Macro path:")).split()[2]


@pytest.fixture(scope="session")
def buildroot() -> Path | None:
    """The buildroot whose installed files are to be tested instead of the tree's."""
    name = os.environ.get("VENV_MACROS_BUILDROOT")
    return Path(name) if name else None


@pytest.fixture(scope="session")
def macros(buildroot: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Macros:
    command = tmp_path_factory.mktemp("bin") / "rpm-venv"
    if buildroot is None:
        runtime = [TREE / "src", Path(packaging.__file__).parents[1]]
        places = (TREE / "macros.d" / "macros.venv", TREE / "rpm_plugin" / "lua")
    else:
        home = buildroot / "usr" / "lib" / "rpm-venv" / "runtime"
        runtime = [home, home / "vendor"]
        below = [
            buildroot / _rpm("--eval", f"%{{{m}}}")[1:] for m in ("_rpmmacrodir", "_rpmluadir")
        ]
        places = (below[0] / "macros.venv", below[1])
    lines = [
        f"#!{sys.executable} -IS",
        "import sys",
        f"sys.path[:0] = {list(map(str, runtime))!r}",
        "from rpm_venv.cli import main",
        "sys.exit(main())",
    ]
    command.write_text("\n".join(lines) + "\n")
    command.chmod(0o755)
    return Macros(*places, command)
