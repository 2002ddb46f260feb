"""Wheels from the author's index, where a package is built: pip runs as the building user.

With the author's own configuration and environment, as in ``resolve``; on the target it is
``index`` that asks, for the site. An edge: runs pip.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rpm_venv.errors import FetchError
from rpm_venv.fetching import complaint
from rpm_venv.locks import resolve
from rpm_venv.locks.lock import HOW_TO_BUILD
from rpm_venv.locks.locked import Entry
from rpm_venv.system.interpreter import Interpreter

_HINT = f"name a directory that has the wheels with -w; where there is no wheel, {HOW_TO_BUILD}"


def wheels(entries: Sequence[Entry], interpreter: Interpreter, place: Path) -> None:
    """Have pip download the wheel of each entry into ``place``, an existing directory.

    ``FetchError`` with pip's complaint where it cannot. What came is to be hashed by the caller.
    """
    pip = next(resolve.pips(interpreter), None)
    if pip is None:
        raise FetchError("there is no pip to fetch wheels with", hint="BuildRequires: python3-pip")
    asked = place / "wheels.txt"
    asked.write_text("".join(f"{_line(entry)}\n" for entry in entries), encoding="utf-8")
    command = [*pip, "download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--dest", str(place), "-r", str(asked)]
    done = subprocess.run(
        command,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise FetchError(complaint.diagnose(done.stderr).message, hint=_HINT)


def _line(entry: Entry) -> str:
    hashes = (f"--hash=sha256:{digest}" for digest in entry.hashes)
    return " ".join([f"{entry.name}=={entry.version}", *hashes])
