"""The interpreter an environment is for: found, asked once, described. An edge: runs programs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rpm_venv.confined import describe
from rpm_venv.errors import VenvError, first_line
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.system import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OLDEST = (3, 9)
_SYSTEM_DIRECTORY = "/usr/bin"
_MAX_LINKS = 40
_TIMEOUT = 60  # seconds; an interpreter that is asked for its version answers at once


@dataclass(frozen=True)
class Interpreter:
    """One CPython, as the environments made for it need to know it.

    ``path`` is the target path of the real executable (``/usr/bin/python3.11``), ``tag`` what
    objects and generations for it are named after (``_tag``), ``markers`` the PEP 508 environment,
    ``tags`` the wheel tags it takes, best first (PEP 425), as ``py-abi-platform`` strings.
    ``abiflags`` is ``sys.abiflags``: ``t`` for a free-threaded build, otherwise mostly empty.
    ``magic`` is how its byte code begins, in hex: releases of one tag share it.
    """

    path: str
    version: tuple[int, int, int]
    tag: str
    markers: Mapping[str, str]
    tags: Sequence[str]
    abiflags: str = ""
    magic: str = ""

    @property
    def minor(self) -> str:
        """``3.11``: the value of python(abi)."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def is_here(self) -> bool:
        """Whether its tags are those of a Python that this machine runs."""
        return isinstance(self.tags, _Tags)

    @property
    def cache_tag(self) -> str:
        """``cpython-311``: its ``sys.implementation.cache_tag``, in the names of byte code."""
        return self.tag.partition(".")[0]

    @property
    def directory(self) -> str:
        """``python3.11``, ``python3.13t``: the directory below lib/ and include/."""
        return f"python{self.minor}{'t' if 't' in self.abiflags else ''}"


def inspect(layout: Layout, python: str) -> Interpreter:
    """The interpreter that ``python``, a target path or a bare name, stands for in this layout.

    Links are followed inside the root, down to the real executable. A root that has no such file
    (a buildroot) is taken to get the running system's, and it is always the running system's file
    of that path that is asked: programs of another root are never run. ``VenvError`` where there
    is none, or one that environments cannot be made for.
    """
    path = _resolve(layout, python)
    if _is_running(path):
        facts: Mapping[str, Any] = describe.facts()
    else:
        reason = trust.program_problem(Path(path), layout.root)
        if reason:
            raise VenvError(f"the interpreter is not to be trusted: {reason}", subject=python)
        facts = _ask(path, python)
    _refuse_unfit(facts, path, python)
    version = tuple(facts["version"])
    return Interpreter(
        path=path,
        version=version,
        tag=_tag(facts),
        markers=facts["markers"],
        tags=_Tags(version[:2], facts["abiflags"]),
        abiflags=facts["abiflags"],
        magic=facts["magic"],
    )


def _tag(facts: Mapping[str, Any]) -> str:
    """The cache tag; of an alpha or beta with the magic number, which the next may change.

    From the first release candidate on it stays (PEP 3147, importlib's _bootstrap_external.py).
    """
    unfinished = re.search(r"[ab]\d+$", facts["markers"]["python_full_version"])
    return f"{facts['tag']}.{facts['magic']}" if unfinished else str(facts["tag"])


def _resolve(layout: Layout, python: str) -> str:
    """The target path of the executable file behind ``python``."""
    wanted = python if "/" in python else f"{_SYSTEM_DIRECTORY}/{python}"
    if not wanted.startswith("/"):
        raise VenvError(
            "an interpreter is given by its absolute path or by its name",
            subject=python,
            hint="for example -p /usr/bin/python3.12",
        )
    path = _follow(layout.root, wanted)
    real = layout.root / path[1:]
    if not os.path.lexists(real) and layout.root != Path("/"):
        path = _follow(Path("/"), wanted)
        real = Path(path)
    if not os.path.isfile(real):
        raise VenvError("there is no such interpreter", subject=wanted, hint=_install_hint(wanted))
    if not os.access(real, os.X_OK):
        raise VenvError("the interpreter is not executable", subject=wanted)
    return path


def _follow(root: Path, target: str) -> str:
    """A target path with every link on it followed as a process inside ``root`` would."""
    done: list[str] = []
    left = [part for part in reversed(target.split("/")) if part not in ("", ".")]
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            del done[-1:]
            continue
        try:
            link = os.readlink(root.joinpath(*done, part))
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise VenvError("too many links", subject=target)
        if link.startswith("/"):
            done.clear()
        left.extend(step for step in reversed(link.split("/")) if step not in ("", "."))
    return "/" + "/".join(done)


def _is_running(path: str) -> bool:
    """Whether this very process runs that executable: then nothing need be started to ask it."""
    # In a virtual environment sys.prefix says nothing about the executable behind it.
    return os.path.realpath(sys.executable) == path and sys.prefix == sys.base_prefix


def _ask(path: str, python: str) -> dict[str, Any]:
    import json
    import subprocess

    # -I -S -B and no environment: nothing but the interpreter's own standard library has a say.
    # A pipe for stdin, because a chroot may have no /dev/null.
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-B", describe.__file__],
            env={},
            cwd="/",
            input="",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
        answer = json.loads(done.stdout)
        if not isinstance(answer, dict) or "markers" not in answer:
            raise ValueError("an answer to another question")
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"the interpreter does not start: {first_line(error)}"
        raise VenvError(message, subject=python) from None
    except ValueError:
        said = done.stderr.strip().splitlines()[:1] or [f"exit code {done.returncode}"]
        raise VenvError(
            f"not an interpreter that environments can be made for: {said[0]}",
            subject=python,
            hint=_choice_hint(),
        ) from None
    return answer


def _refuse_unfit(facts: Mapping[str, Any], path: str, python: str) -> None:
    markers = facts["markers"]
    reason = ""
    if markers["implementation_name"] != "cpython":
        reason = f"it is {markers['platform_python_implementation']}, not CPython"
    elif tuple(facts["version"])[:2] < OLDEST:
        reason = f"it is Python {markers['python_version']}"
    elif facts["virtual"]:
        reason = "it belongs to a virtual environment itself"
    elif facts["executable"] != path:
        reason = f"it is a wrapper around {facts['executable']}"
    if reason:
        message = f"environments cannot be made for this interpreter: {reason}"
        raise VenvError(message, subject=python, hint=_choice_hint())


def _install_hint(path: str) -> str:
    directory, _, name = path.rpartition("/")
    if directory == _SYSTEM_DIRECTORY and re.fullmatch(r"python3(\.\d+t?)?", name):
        return f"install it: dnf install {name}"
    return _choice_hint()


def _choice_hint() -> str:
    return f"name a CPython of {OLDEST[0]}.{OLDEST[1]} or newer with -p, such as python3.12"


class _Tags(Sequence[str]):
    """The wheel tags of a CPython on this system, found out when somebody looks at them.

    An ``install`` with nothing to do does not: what it takes to know them is most of its time.
    """

    def __init__(self, version: tuple[int, int], abiflags: str) -> None:
        self._about = version, abiflags
        self._found: tuple[str, ...] | None = None

    def _all(self) -> tuple[str, ...]:
        if self._found is None:
            self._found = wheel_tags(*self._about)
        return self._found

    def __getitem__(self, index: Any) -> Any:
        return self._all()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tags) and self._about == other._about

    def __hash__(self) -> int:
        return hash(self._about)


def wheel_tags(version: tuple[int, int], abiflags: str) -> tuple[str, ...]:
    """The wheel tags of a CPython on this system, best first.

    ``packaging.tags.sys_tags`` would answer for the Python that runs this command, which may be
    another; what both have in common are the platform and its C library.
    """
    from packaging.tags import compatible_tags, cpython_tags, platform_tags

    name = f"cp{version[0]}{version[1]}"
    threading = "t" if "t" in abiflags else ""
    abis = [name + threading]
    if "d" in abiflags:  # a debug build also loads the extension modules of a normal one
        abis.insert(0, f"{name}{threading}d")
    platforms = list(platform_tags())
    tags = [
        *cpython_tags(version, abis, platforms),
        *compatible_tags(version, name, platforms),
    ]
    return tuple(map(str, tags))
