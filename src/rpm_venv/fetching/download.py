"""Wheels and sdists from the author's index, at build: pip runs as the building user.

With the author's own configuration and environment, as in ``resolve``; on the target it is
``index`` that asks, for the site. An edge: runs pip.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rpm_venv.errors import FetchError, UnreachableError
from rpm_venv.fetching import complaint
from rpm_venv.locks.lock import HOW_TO_BUILD
from rpm_venv.locks.locked import Entry
from rpm_venv.locks.pip import commands as pips
from rpm_venv.system.interpreter import Interpreter

_NO_WHEEL = re.compile(r"No matching distribution found for ([^\s(]+==[^\s(]+)")
_NOT_REACHED = (
    "look at the network and at the configuration of pip, or name a directory that has the wheels "
    "with -w"
)
_HINT = f"name a directory that has the wheels with -w; where there is no wheel, {HOW_TO_BUILD}"


def distributions(
    entries: Sequence[Entry], interpreter: Interpreter, place: Path, *, isolated: bool = False
) -> None:
    """Have pip download each entry into ``place``, an existing directory: a wheel, or an sdist.

    An sdist only where the index has no wheel of it for this Python; pip runs its build backend,
    once its hash is right, for its metadata; ``isolated`` fetches that, too. An interpreter without
    a path is elsewhere: its tags say what it takes. ``FetchError`` with pip's complaint where there
    is neither. What came is to be hashed by the caller.
    """
    pip = next(pips(interpreter), None)
    if pip is None:
        raise FetchError("there is no pip to fetch wheels with", hint="BuildRequires: python3-pip")
    sources = [entry for entry in entries if not entry.files and entry.sdist]
    wheels = [entry for entry in entries if entry not in sources]
    while wheels:
        done = _download(pip, ["--only-binary", ":all:", *_elsewhere(interpreter)], wheels, place)
        if done.returncode == 0:
            break
        without = {name.lower() for name in _NO_WHEEL.findall(done.stderr)}
        found = [entry for entry in wheels if f"{entry.name}=={entry.version}" in without]
        if not found or complaint.of_index(done.stderr):  # what was not asked has not answered
            raise _failed(done)
        sources += found
        wheels = [entry for entry in wheels if entry not in found]
    options = ["--no-binary", ":all:", *([] if isolated else ["--no-build-isolation"])]
    done = _download(pip, options, sources, place) if sources else done
    if done.returncode != 0:
        raise _failed(done)


def _elsewhere(interpreter: Interpreter) -> list[str]:
    """An interpreter that is not here, in pip's words."""
    if interpreter.path:
        return []
    tags = [tag.split("-") for tag in interpreter.tags]
    own = f"cp{interpreter.minor.replace('.', '')}"
    platforms = dict.fromkeys(tag[2] for tag in tags if tag[2] != "any")
    words = ["--python-version", interpreter.minor, "--implementation", "cp"]
    words += [word for abi in (own, "abi3", "none") for word in ("--abi", abi)]
    return words + [word for platform in platforms for word in ("--platform", platform)]


def _download(
    pip: Sequence[str], options: Sequence[str], entries: Sequence[Entry], place: Path
) -> subprocess.CompletedProcess[str]:
    asked = place / "asked.txt"
    asked.write_text("".join(f"{_line(entry)}\n" for entry in entries), encoding="utf-8")
    command = [*pip, "download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]
    command += [*options, "--dest", str(place), "-r", str(asked)]
    return subprocess.run(
        command,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _failed(done: subprocess.CompletedProcess[str]) -> FetchError:
    found = complaint.diagnose(done.stderr)
    if found.unreachable:  # of what it has, nothing is known
        return UnreachableError(found.message, hint=_NOT_REACHED)
    return FetchError(found.message, hint=_HINT)


def _line(entry: Entry) -> str:
    digests = [*entry.hashes, *([entry.sdist.sha256] if entry.sdist else [])]
    hashes = (f"--hash=sha256:{digest}" for digest in digests)
    return " ".join([f"{entry.name}=={entry.version}", *hashes])
