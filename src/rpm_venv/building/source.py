"""A wheel made of source, a tree or an sdist: pip as the building user, without a network.

Nothing that is needed for it is fetched: what a build requires comes from the distribution, as
BuildRequires, so that a package's build runs nothing that nobody has named. An edge: runs pip.
"""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from rpm_venv.errors import Problem, VenvError
from rpm_venv.locks import built, toml
from rpm_venv.locks.built import Built
from rpm_venv.locks.pip import commands as pips
from rpm_venv.locks.requirements import normalized
from rpm_venv.system.files import MTIME_NS
from rpm_venv.system.interpreter import Interpreter

_LEGACY = ("setuptools", "wheel")  # PEP 517: without a pyproject.toml
_SHOWN = 20  # lines of a failed build
_MAX_PROJECT = 1 << 20  # bytes of a pyproject.toml


def build(source: Path, interpreter: Interpreter, place: Path) -> Built:
    """Build the wheel of ``source``, a tree or an sdist, into the directory ``place``.

    It takes the place of the wheels of the same distribution there. The same source, tools and
    SOURCE_DATE_EPOCH give the same bytes where the source's build backend does its part.
    ``VenvError`` where there is no pip, or with what pip or the backend complains of.
    """
    pip = next(pips(interpreter), None)
    if pip is None:
        raise VenvError("there is no pip to build a wheel with", hint="BuildRequires: python3-pip")
    if not source.exists():
        raise VenvError("there is nothing to build a wheel of", subject=str(source))
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=place.absolute()) as scratch:
        made = Path(scratch) / "wheel"
        command = [*pip, "wheel", "--no-input", "--no-index", "--no-deps", "--use-pep517"]
        command += ["--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(made)]
        done = subprocess.run(
            [*command, str(_tree(source.absolute(), Path(scratch)))],
            env=_environment(scratch),
            cwd=scratch,  # nothing of the source is on pip's own path
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        found = sorted(made.glob("*.whl"))
        if done.returncode != 0 or len(found) != 1:
            raise _failed(source, done.stdout + done.stderr)
        name = built.read(found[0]).entry.name
        for old in place.glob("*.whl"):
            if normalized(old.name.partition("-")[0]) == name and _serves(old, found[0]):
                old.unlink()
        os.replace(found[0], place / found[0].name)
    return built.read(place / found[0].name)


def _serves(old: Path, new: Path) -> bool:
    """Whether an old wheel is for the same interpreters as a new one: it is of an earlier build."""
    return old.name.split("-")[-3:] == new.name.split("-")[-3:]


def _tree(source: Path, scratch: Path) -> Path:
    """An sdist as a tree at a place whose name can be kept out of what a compiler makes.

    pip would unpack it at a place of another name each time; it does so still where this Python
    cannot unpack safely (PEP 706), or the archive is no ordinary sdist.
    """
    if not source.name.endswith(".tar.gz") or not hasattr(tarfile, "data_filter"):
        return source
    place = scratch / "source"
    try:
        with tarfile.open(source) as archive:
            archive.extractall(place, filter="data")
    except (OSError, tarfile.TarError):
        return source
    found = list(place.iterdir())
    return found[0] if len(found) == 1 and found[0].is_dir() else source


def _environment(scratch: str) -> dict[str, str]:
    """The builder's environment, without what configures pip, and with a time that stays."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    nameless = f"-ffile-prefix-map={scratch}=."
    return {
        "SOURCE_DATE_EPOCH": str(MTIME_NS // 10**9),
        "PYTHONHASHSEED": "0",
        **kept,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "CFLAGS": f"{kept.get('CFLAGS', '')} {nameless}".lstrip(),
        "CXXFLAGS": f"{kept.get('CXXFLAGS', '')} {nameless}".lstrip(),
        "TMPDIR": scratch,
        "LC_ALL": "C.UTF-8",
    }


def _failed(source: Path, said: str) -> VenvError:
    needs = list(requirements(source))
    wanted = ", ".join(f"python3dist({name})" for name in needs)
    hint = f"its build requires {wanted}: nothing is fetched for it, name them as BuildRequires"
    lines = [line for line in said.splitlines() if line.strip() and "[notice]" not in line]
    return VenvError(
        "no wheel could be built of this source",
        subject=source.name or str(source),
        problems=[Problem(line) for line in lines[-_SHOWN:]],
        hint=hint if wanted else "",
    )


def requirements(source: Path) -> Iterator[str]:
    """The names of what a source says its build requires (PEP 518); nothing where it is unclear."""
    try:
        data = _project(source)
        lines = toml.loads(data.decode())["build-system"]["requires"] if data else _LEGACY
        names = [re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError, zipfile.BadZipFile):
        return
    yield from sorted({normalized(name[0]) for name in names if name})


def _project(source: Path) -> bytes:
    """The content of a source's pyproject.toml, empty where it has none."""
    if source.is_dir():
        file = source / "pyproject.toml"
        return file.read_bytes() if file.exists() else b""
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if _is_project(name)]
            return archive.open(names[0]).read(_MAX_PROJECT) if names else b""
    with tarfile.open(source) as tar:
        for member in tar:
            stream = tar.extractfile(member) if _is_project(member.name) else None
            if stream is not None:
                return stream.read(_MAX_PROJECT)
    return b""


def _is_project(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/pyproject.toml")
