"""Where everything is: the one place that knows the layout under ``/usr`` and ``--root``. Pure.

A *target path* is a path as the installed system sees it, always absolute and without the root.
A *real path* is the same file as this process sees it, below ``--root``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from rpm_venv.errors import UsageError
from rpm_venv.frozen import dataclass

HOME = PurePosixPath("/usr/lib/rpm-venv")
SHARE = PurePosixPath("/usr/share/rpm-venv")
CONFIG = PurePosixPath("/etc/rpm-venv.conf")
#: The administrator's overrides, extras, and wheels for them.
AMENDMENTS = PurePosixPath("/etc/rpm-venv")

#: The extras that packages bring for environments of others: a directory for each, by its name.
EXTRAS = SHARE / "extras.d"

#: Characters an environment's path may have: what survives rpm's file lists, shebang lines, shell
#: scriptlets and dependency strings without quoting.
_PATH = re.compile(r"/[A-Za-z0-9._+@-]+(/[A-Za-z0-9._+@-]+)+")
_MAX_PATH = 100  # bytes; it is part of every shebang line
_MAX_NAME = 200  # bytes; the escaped path is one file name, and others are made of it


def environment_path(path: str) -> str:
    """The normal form of an environment's public path, a target path; ``UsageError`` if it is none.

    It is absolute, at least two components deep, without ``.`` or ``..``, in the characters that
    rpm, shells and shebang lines take without quoting, and at most 100 bytes.
    """
    normal = re.sub(r"/+", "/", path).rstrip("/") or path
    parts = normal.split("/")
    reason = ""
    if not normal.startswith("/"):
        reason = "the path of an environment is absolute"
    elif "." in parts or ".." in parts:
        reason = "the path of an environment has no '.' or '..' in it"
    elif len(normal) > _MAX_PATH:
        reason = f"the path of an environment has at most {_MAX_PATH} characters"
    elif len(escape(normal)) > _MAX_NAME:
        reason = f"the path of an environment, escaped, has at most {_MAX_NAME} characters"
    elif not _PATH.fullmatch(normal):
        reason = (
            "the path of an environment is two directories deep or more, "
            "in letters, digits and . _ + @ -"
        )
    if reason:
        raise UsageError(reason, subject=path or "''", hint="for example /opt/app1/penv")
    return normal


def escape(path: str) -> str:
    """An environment's path as one file name: ``/opt/my-app/penv`` is ``opt-my_2dapp-penv``.

    Reversible: ``/`` becomes ``-``; what is not a letter, a digit or a dot becomes ``_`` and two
    hexadecimal digits (compare systemd-escape(1), whose backslash shebang lines do not bear).
    """
    return "-".join(
        "".join(c if c.isalnum() or c == "." else f"_{ord(c):02x}" for c in part)
        for part in path.strip("/").split("/")
    )


def unescape(name: str) -> str:
    """The path that ``escape`` made ``name`` from."""
    return "/" + "/".join(
        re.sub(r"_([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), part)
        for part in name.split("-")
    )


def environment_named(name: str) -> str:
    """The environment whose path ``escape`` made ``name`` from; "" where there can be none."""
    path = unescape(name)
    try:
        return path if escape(environment_path(path)) == name else ""
    except UsageError:
        return ""


def declared_at(path: str) -> PurePosixPath:
    """The directory in which a package ships its declaration of the environment at ``path``."""
    return SHARE / escape(path)


def extended_by(file: str) -> str:
    """The environment that a file below ``EXTRAS`` is for, by its target path; "" for none."""
    name, _, inside = file.removeprefix(f"{EXTRAS}/").partition("/")
    return environment_named(name) if file.startswith(f"{EXTRAS}/") and inside else ""


@dataclass(frozen=True)
class Layout:
    """The layout of one system, whose root directory is ``root`` (``/`` on the live system)."""

    root: Path = Path("/")

    def real(self, target: str | PurePosixPath) -> Path:
        """The real path of a target path. Links on the way are not looked at."""
        path = PurePosixPath(target)
        if ".." in path.parts:  # a state file or a link of another root may say so
            raise UsageError("a path of an installed system has no '..' in it", subject=str(target))
        if not path.is_absolute():  # so may a declaration
            raise UsageError("a path of an installed system is absolute", subject=str(target))
        return self.root / path.relative_to("/")

    def target(self, real: Path) -> str:
        """The target path of a real path below this root; ``ValueError`` if it is not below."""
        return "/" + str(real.relative_to(self.root)) if real != self.root else "/"

    @cached_property
    def home(self) -> Path:
        return self.real(HOME)

    @cached_property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def packaged(self) -> Path:
        return self.home / "packaged"

    @property
    def envs(self) -> Path:
        return self.home / "envs"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def staging(self) -> Path:
        """Where unfinished work lives: on the store's filesystem, never under /tmp."""
        return self.home / "staging"

    @property
    def pending(self) -> Path:
        """A file that is there while an environment waits for another try (a systemd condition)."""
        return self.home / "pending"

    @property
    def lock_file(self) -> Path:
        return self.home / "lock"

    @property
    def history(self) -> Path:
        return self.home / "history"

    @property
    def log(self) -> Path:
        """The log where there is no journal; its predecessor has ``.1`` behind the name."""
        return self.real("/var/log/rpm-venv.log")

    @property
    def journal(self) -> Path:
        """The socket of systemd-journald (its documented "native" protocol)."""
        return self.real("/run/systemd/journal/socket")

    @property
    def trust_files(self) -> Path:
        """Where fapolicyd has files of trust; there where fapolicyd is installed."""
        return self.real("/etc/fapolicyd/trust.d")

    @property
    def fapolicyd(self) -> Path:
        """The pipe that a running fapolicyd listens to."""
        return self.real("/run/fapolicyd/fapolicyd.fifo")

    @property
    def config(self) -> Path:
        return self.real(CONFIG)

    def generation_target(self, path: str, generation: str) -> str:
        """The target path of one generation of the environment at ``path``."""
        return str(HOME / "envs" / escape(path) / generation)

    def live_target(self, path: str) -> str:
        """The target path of the link to the live generation that a package ships (``-b env``).

        It sorts behind the generations, so that rpm unpacks and replaces it after their files.
        """
        return str(HOME / "envs" / escape(path) / "live")

    def object(self, object_id: str) -> Path:
        return self.store / object_id

    def state_file(self, path: str) -> Path:
        return self.state / f"{escape(path)}.json"


def parents(paths: Iterable[str]) -> set[str]:
    """All directories above these relative paths, but for the top."""
    return with_parents({path.rpartition("/")[0] for path in paths})


def with_parents(places: Iterable[str]) -> set[str]:
    """Relative directories and all that they are in, but for the top."""
    found: set[str] = set()
    for place in places:
        while place and place not in found:
            found.add(place)
            place = place.rpartition("/")[0]  # noqa: PLW2901  up to the top
    return found
