"""uv asked for the wheels that satisfy requirements, as the author has configured pip. An edge."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rpm_venv.errors import LockError
from rpm_venv.frozen import replace
from rpm_venv.locks import pip, pylock, question
from rpm_venv.locks.locked import Entry, Lock
from rpm_venv.locks.question import Question

_OLDEST = (0, 7)  # writes pylock.toml
#: Where an author has told uv itself which indexes to ask, pip's are not added.
_INDEXES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
)
_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "keyring-provider": "UV_KEYRING_PROVIDER",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
#: The machines whose wheels uv knows besides those of the one that it runs on.
_MACHINES = ("x86_64", "aarch64")
_TRUE = ("true", "yes", "on", "1")


def command() -> str | None:
    """A uv that writes pylock.toml, on PATH or beside this Python."""
    uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    return uv if uv and question.version([uv, "--version"]) >= _OLDEST else None


def ask(
    uv: str, pip_command: Sequence[str] | None, asked: Question, files: Sequence[str], scratch: Path
) -> tuple[Entry, ...]:
    """What uv chooses; ``pip_command`` is asked how the author has configured pip.

    ``LockError`` with uv's reason where nothing fits.
    """
    words = [uv, "pip", "compile", "--quiet", "--only-binary", ":all:", "--no-progress"]
    made = scratch / "pylock.toml"
    words += ["--format", "pylock.toml", "--output-file", str(made)]
    words += _target(asked)
    if asked.wheels:
        words += ["--offline", *question.local(asked.wheels)]
    environment = {**question.environment(asked), "UV_PYTHON_DOWNLOADS": "never"}
    if pip_command and not asked.wheels and not any(name in environment for name in _INDEXES):
        configuration = pip.configuration(pip_command)
        environment = {**as_uv(configuration), **environment}
        words += ["--no-index"] if configuration.get("no-index") in _TRUE else []
    words += files
    if not question.answered_keeping(words, environment, asked, scratch):
        # What is there already is what uv prefers. It does that badly with several indexes, and
        # drops a version of which one of them has a wheel for another Python only.
        preferred = tuple(replace(e, files=(), marker=None) for e in asked.preferred)
        made.write_text(pylock.render(Lock(made.name, "", preferred)), encoding="utf-8")
        question.put(words, environment, asked)
    lock, problems = pylock.read(made.read_text(encoding="utf-8"), "pylock.toml")
    if problems:
        raise LockError("uv gave a lock that is none", problems=problems)
    return lock.entries


def _target(asked: Question) -> list[str]:
    """The Python and machine, in uv's words; of a machine that is not here, EL 8's C library."""
    interpreter = asked.interpreter
    if interpreter.path:
        return ["--python", interpreter.path]
    machine = interpreter.markers["platform_machine"]
    words = ["--python", sys.executable, "--python-version", interpreter.minor]
    if machine in _MACHINES:
        return [*words, "--python-platform", f"{machine}-manylinux_2_28"]
    if machine == os.uname().machine:
        return words
    known = " and ".join(_MACHINES)
    raise LockError(
        f"uv resolves for {known} and the machine that it runs on, not for {machine}",
        subject=str(asked.source),
        hint="make a lock of its own there",
    )


def as_uv(configuration: Mapping[str, str]) -> dict[str, str]:
    """pip's configuration as uv's environment variables.

    A site's index must be asked, and not one to which strangers can upload the same names.
    """
    known = {
        _NAMES[option]: " ".join(value.split())
        for option, value in configuration.items()
        if option in _NAMES and value
    }
    if "UV_FIND_LINKS" in known:
        known["UV_FIND_LINKS"] = known["UV_FIND_LINKS"].replace(" ", ",")
    # pip takes the best version of all indexes; uv by itself that of the first which has any.
    return {**known, "UV_INDEX_STRATEGY": "unsafe-best-match"}
