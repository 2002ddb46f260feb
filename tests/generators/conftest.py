"""Real rpmbuild of small spec files with the macros and the file attribute of this tree."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import packaging
import pytest

from tests.host import RpmTools

TREE = Path(__file__).resolve().parents[2]


#: The first rpm whose generators are told which package a file is in.
KNOWS_OWNERS = (4, 16)


@dataclass(frozen=True)
class Built:
    """How a build ended, what it said, and its binary packages by name."""

    code: int
    output: str
    packages: Mapping[str, Path]

    def query(self, *question: str, name: str = "app1") -> list[str]:
        """``rpm -qp QUESTION`` of one package, without what every package has."""
        tools = RpmTools.from_environment()
        answer = subprocess.run(
            [tools.rpm, "-qp", *question, str(self.packages[name])],
            env={**os.environ, **tools.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        lines = answer.stdout.splitlines()
        return [
            line for line in lines if not line.startswith(("rpmlib(", f"{name} = ", f"{name}("))
        ]


Build = Callable[..., Built]


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command rpm-venv of this tree, as one executable file."""
    script = tmp_path_factory.mktemp("bin") / "rpm-venv"
    packages = Path(packaging.__file__).parents[1]
    lines = [
        f"#!{sys.executable} -IS",
        "import sys",
        f"sys.path[:0] = [{str(TREE / 'src')!r}, {str(packages)!r}]",
        "from rpm_venv.cli import main",
        "sys.exit(main())",
    ]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)
    return script


@pytest.fixture
def build(tmp_path: Path, command: Path) -> Build:
    """Build a spec file's binary packages: ``build(spec, {source: content}, {macro: value})``."""

    def run(
        spec: str,
        sources: Mapping[str, str | bytes] | None = None,
        defines: Mapping[str, str] | None = None,
    ) -> Built:
        for name, content in (sources or {}).items():
            file = tmp_path / "SOURCES" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        file = tmp_path / "app1.spec"
        file.write_text(spec)
        return _rpmbuild(file, tmp_path, {"__rpm_venv": str(command), **(defines or {})})

    return run


def _rpmbuild(spec: Path, top: Path, defines: Mapping[str, str]) -> Built:
    tools = RpmTools.from_environment()
    environment = {**os.environ, **tools.environment}
    fixed = {
        "_topdir": str(top),
        "_specdir": str(top),
        "_prefix": "/usr",
        "_datadir": "/usr/share",
        "_fileattrsdir": str(TREE / "rpm_plugin" / "fileattrs"),
        "__venv_lua": str(TREE / "rpm_plugin" / "lua"),
        "_build_name_fmt": "%%{NAME}.rpm",
        "debug_package": "%{nil}",
    }
    options = [word for item in {**fixed, **defines}.items() for word in ("-D", " ".join(item))]
    done = subprocess.run(
        [tools.rpmbuild, "-bb", "--nodeps", "--macros", _macro_path(tools), *options, str(spec)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    packages = {package.stem: package for package in (top / "RPMS").glob("*.rpm")}
    return Built(done.returncode, done.stdout, packages)


def _macro_path(tools: RpmTools) -> str:
    """The macro files that this rpm reads, and then ours."""
    answer = subprocess.run(
        [tools.rpm, "--showrc"],
        env={**os.environ, **tools.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (line for line in answer.stdout.splitlines() if line.startswith("Macro path:"))
    ours = [TREE / "macros.d" / "macros.venv", TREE / "rpm_plugin" / "fileattrs" / "*.attr"]
    return ":".join([shlex.split(line)[2], *map(str, ours)])
