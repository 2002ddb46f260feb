"""Real rpmbuild of small spec files with the macros and the file attribute of this tree.

``VENV_TEST_MACROS_TREE`` names a directory of rpm's configuration, like ``/usr/lib/rpm``, that is
a distribution's: with ``macros.d``, ``fileattrs`` and scripts, and with ``redhat/macros``, as
Fedora's packages redhat-rpm-config, python-srpm-macros, python-rpm-macros, python-rpm-generators
and pyproject-rpm-macros install them. The tests of a distribution's passes then build with that,
and not with the passes in ``passes/``.
"""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
        lines = rpm_output("-qp", *question, str(self.packages[name])).splitlines()
        return [
            line for line in lines if not line.startswith(("rpmlib(", f"{name} = ", f"{name}("))
        ]


Build = Callable[..., Built]


@dataclass(frozen=True)
class System:
    """What rpmbuild reads beside rpm's own macros and ours."""

    macros: Sequence[Path] = ()
    configuration: str = ""
    defines: Mapping[str, str] = field(default_factory=dict)


#: Our file attribute alone and no debuginfo: what most tests are about is not what a distribution
#: does besides.
PLAIN = System(
    defines={
        "_fileattrsdir": str(TREE / "rpm_plugin" / "fileattrs"),
        "debug_package": "%{nil}",
    }
)


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

    return _builder(tmp_path, command, PLAIN)


@pytest.fixture
def build_under_passes(tmp_path: Path, command: Path) -> Build:
    """``build`` with all that a distribution does to a buildroot and asks of its files."""
    tree = os.environ.get("VENV_TEST_MACROS_TREE", "")
    configuration = Path(tree or rpm_output("--eval", "%{_rpmconfigdir}").strip())
    attributes = tmp_path / "fileattrs"
    attributes.mkdir()
    for place in (configuration / "fileattrs", TREE / "rpm_plugin" / "fileattrs"):
        for file in place.glob("*.attr"):
            (attributes / file.name).symlink_to(file)
    passes = Path(__file__).parent / "passes"
    macros = configuration / "redhat" / "macros" if tree else passes / "macros.passes"
    defines = {
        "_fileattrsdir": str(attributes),
        "__venv_test_passes": str(passes),
        "_binary_filedigest_algorithm": "8",
        "_binary_payload": "w1.gzdio",  # what is in a package is asked here, not how small it is
    }
    return _builder(tmp_path, command, System([macros], tree, defines))


def _builder(top: Path, command: Path, system: System) -> Build:
    def run(
        spec: str,
        sources: Mapping[str, str | bytes] | None = None,
        defines: Mapping[str, str] | None = None,
    ) -> Built:
        for name, content in (sources or {}).items():
            file = top / "SOURCES" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        file = top / "app1.spec"
        file.write_text(spec)
        return _rpmbuild(file, top, system, {"__rpm_venv": str(command), **(defines or {})})

    return run


def _rpmbuild(spec: Path, top: Path, system: System, defines: Mapping[str, str]) -> Built:
    tools = RpmTools.from_environment()
    fixed = {
        "_topdir": str(top),
        "_specdir": str(top),
        "_prefix": "/usr",
        "_datadir": "/usr/share",
        "__venv_lua": str(TREE / "rpm_plugin" / "lua"),
        "_build_name_fmt": "%%{NAME}.rpm",
        **system.defines,
        **defines,
    }
    options = [word for item in fixed.items() for word in ("-D", " ".join(item))]
    macros = _macro_path(system)
    done = subprocess.run(
        [tools.rpmbuild, "-bb", "--nodeps", "--macros", macros, *options, str(spec)],
        env=_environment(system.configuration),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    packages = {package.stem: package for package in (top / "RPMS").glob("*.rpm")}
    return Built(done.returncode, done.stdout, packages)


def _macro_path(system: System) -> str:
    """The macro files that this rpm reads, then the system's, and then ours."""
    ours = [TREE / "macros.d" / "macros.venv", TREE / "rpm_plugin" / "fileattrs" / "*.attr"]
    return ":".join([_own_macro_path(system.configuration), *map(str, [*system.macros, *ours])])


@functools.cache
def _own_macro_path(configuration: str) -> str:
    settings = rpm_output("--showrc", configuration=configuration).splitlines()
    (line,) = (line for line in settings if line.startswith("Macro path:"))
    return shlex.split(line)[2]


def rpm_output(*words: str, configuration: str = "") -> str:
    """What the tested rpm says."""
    done = subprocess.run(
        [RpmTools.from_environment().rpm, *words],
        env=_environment(configuration),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def reads_binaries() -> bool:
    """Whether this rpm was built with libelf; the elfdeps of another one says nothing."""
    command = f"{rpm_output('--eval', '%{_rpmconfigdir}').strip()}/elfdeps"
    return bool(subprocess.run([command, "--help"], stdout=subprocess.PIPE, check=True).stdout)


def _environment(configuration: str) -> dict[str, str]:
    own = {"RPM_CONFIGDIR": configuration} if configuration else {}
    return {**os.environ, **RpmTools.from_environment().environment, **own}
