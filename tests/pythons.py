"""Run the unit tests under the oldest and the newest Python there is: ``python -m tests.pythons``.

Interpreters are looked for on PATH and among pyenv's; where one is missing, uv installs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rpm_venv.locks import pip, uv

TREE = Path(__file__).resolve().parent.parent
OLDEST = (3, 9)
NEWEST_WANTED = (3, 13)
_NEEDED = (
    "packaging>=26",
    "tomli; python_version < '3.11'",
    "pytest",
    "hypothesis",
    "cyclonedx-python-lib[json-validation]",
)
#: What looks at the source as text, and finds the same under every Python.
_TEXT = "tests/unit/test_architecture.py"
_VERSION = re.compile(r"python(3)\.(\d+)$")


def _found() -> dict[tuple[int, int], Path]:
    """Every CPython 3 at hand by its minor version."""
    directories = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep)]
    directories += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found: dict[tuple[int, int], Path] = {}
    for directory in directories:
        for file in directory.glob("python3.*"):
            match = _VERSION.match(file.name)
            # pyenv's shims are shell scripts that may stand for a version that is not chosen.
            if match and "shims" not in file.parts and _answers(file):
                found.setdefault((int(match[1]), int(match[2])), file)
    return found


def _answers(file: Path) -> bool:
    return (
        subprocess.run([file, "-c", "import venv"], check=False, capture_output=True).returncode
        == 0
    )


def _installed_by_uv(version: str) -> Path:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "python", "install", "--quiet", version], check=True)
    command = [uv, "python", "find", "--no-project", version]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def newer_than(version: tuple[int, int]) -> Path:
    """The next CPython above this minor version that is at hand, or that uv then installs."""
    found = {known: file for known, file in _found().items() if known > version}
    return found[min(found)] if found else _installed_by_uv(f"3.{version[1] + 1}")


def _environment(python: Path, name: str) -> Path:
    """A virtual environment with what the unit tests need, made once."""
    place = TREE / "build" / f"venv-{name}"
    ready = place / "ready"
    if not ready.exists() or ready.read_text() != "\n".join(_NEEDED):
        subprocess.run([python, "-m", "venv", "--clear", place], check=True)
        _install(place / "bin" / "python")
        ready.write_text("\n".join(_NEEDED))
    return place / "bin" / "python"


def _install(python: Path) -> None:
    """Install what the unit tests need: by uv where it is: pip takes twice as long."""
    own = [str(python), "-m", "pip", "--disable-pip-version-check"]
    command = uv.command()
    if command:
        environment = {**uv.as_uv(pip.configuration(own)), **os.environ}
        words = [command, "pip", "install", "--quiet", "--python", str(python), *_NEEDED]
        subprocess.run(words, env=environment, check=True)
    else:
        subprocess.run([*own, "install", "--quiet", *_NEEDED], check=True)


def main() -> int:
    found = _found()
    oldest = found.get(OLDEST) or _installed_by_uv("3.9")
    newest_version = max([version for version in found if version >= NEWEST_WANTED], default=None)
    newest = found[newest_version] if newest_version else _installed_by_uv("3.13")
    running = [(python, _start(python)) for python in (oldest, newest)]
    status = 0
    for python, process in running:
        output, _ = process.communicate()
        print(f"unit tests under {python}\n{output}", flush=True)
        status = process.returncode or status
    return status


def _start(python: Path) -> subprocess.Popen[str]:
    """The unit tests under one Python, beside the other's."""
    asked = [str(python), "--version"]
    version = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    runner = _environment(python, version.split()[-1])
    command = [str(runner), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit"]
    command.append(f"--ignore={_TEXT}")
    return subprocess.Popen(
        command,
        cwd=TREE,
        env=dict(os.environ, PYTHONPATH=str(TREE / "src")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main())
