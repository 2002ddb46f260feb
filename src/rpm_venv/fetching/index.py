"""Wheels from the site's index, by pip: a child without privileges that answers to the site alone.

pip knows the site's configuration, proxies, certificates and credentials. It gets those and an
exact list, and nothing of the caller's environment. What it brings is believed by its sha256. An
edge: runs programs, writes below its own directory in staging.
"""

from __future__ import annotations

import configparser
import hashlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rpm_venv.errors import FetchError, Problem, UnreachableError, VenvError, WheelError
from rpm_venv.fetching import complaint
from rpm_venv.frozen import replace
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.system import configuration, files, reading, sandbox, trust
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.wheels.store import Source
from rpm_venv.wheels.stream import printable
from rpm_venv.wheels.wheel import WheelName, rank

_CHUNK = 1 << 20
_MAX_LOG = 8 << 20
_MAX_CONFIGURATION = 1 << 20
_MAX_LINE = 4000  # characters of what pip says on stderr
_TIMEOUT = 3600  # seconds, for all wheels of one environment
#: What an index is asked for to see whether it answers: a version that nobody can upload.
_NO_WHEEL = f"pip==0+rpm.venv --hash=sha256:{'0' * 64}"

#: The site's configuration, in the order in which pip reads it: a later file has the last word.
CONFIGURATION = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf")
#: What holds where the site says nothing: an index that is not there is found out in a minute.
_DEFAULTS = {"timeout": "10", "retries": "2"}
#: Where distributions have the certificates they trust; pip's own are not the site's.
_CERTIFICATES = (
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)


class Pip(NamedTuple):
    """An interpreter that may have a pip, and what its pip must be told."""

    python: str
    arguments: tuple[str, ...] = ()


def download(
    layout: Layout, entries: Sequence[Entry], interpreter: Interpreter, place: Path
) -> tuple[Source, ...]:
    """The wheels of these entries, in their order, downloaded below ``place``, an empty directory.

    ``FetchError`` says in one line what keeps pip from getting them; then the directory holds
    whatever pip left.
    """
    lines = [
        " ".join([f"{entry.name}=={entry.version}", *(f"--hash=sha256:{h}" for h in entry.hashes)])
        for entry in entries
    ]
    _prepare(layout, place, lines)
    own = Pip(interpreter.path)
    others = Pip(os.path.realpath(sys.executable), tuple(_target(interpreter)))
    pips = [own] if own.python == others.python else [own, others]
    said, missing = _run(layout, place, pips)
    if said:
        found = complaint.diagnose(said)
        none = found.unreachable and _is_alone(place)
        raise (UnreachableError if none else FetchError)(found.message, hint=found.hint)
    if os.geteuid() == 0:  # nobody does not get at what is about to be checked
        for directory in (place, place / "wheels"):
            os.chown(directory, 0, 0, follow_symlinks=False)
    wheels = _checked(place / "wheels", entries, interpreter)
    return tuple(replace(wheel, fetched_without=missing) for wheel in wheels)


def problems(layout: Layout) -> tuple[Problem, ...]:
    """Why the index cannot be asked for wheels; nothing where it answers, whatever it has."""
    # Not in the staging directory: that belongs to whoever holds the lock on this machine.
    place = Path(tempfile.mkdtemp(prefix="rpm-venv-", dir="/tmp"))
    try:
        _prepare(layout, place, [_NO_WHEEL])
        found = complaint.of_index(_run(layout, place, [Pip(os.path.realpath(sys.executable))])[0])
    except VenvError as error:
        return (Problem(error.message, error.subject, error.hint),)
    finally:
        files.remove_tree(place)
    return (Problem(found.message, hint=found.hint),) if found else ()


def _prepare(layout: Layout, place: Path, lines: Sequence[str]) -> None:
    """Fill the directory that will be pip's: the list of wheels, the site's configuration."""
    for name in ("wheels", "tmp"):
        os.mkdir(place / name, 0o700)
    files.write_new(place / "wheels.txt", "\n".join([*lines, ""]).encode(), 0o600)
    files.write_new(place / "pip.conf", _configuration(layout).encode(), 0o600)
    if os.geteuid() == 0:
        # Its directory is a stranger's, but on the way to it others may only pass through.
        mode = stat.S_IMODE(os.stat(place.parent).st_mode)
        if not mode & 0o001:
            os.chmod(place.parent, mode | 0o011)  # noqa: S103


def _configuration(layout: Layout) -> str:
    """The site's configuration of pip as one file: root reads what nobody might not."""
    parser = configparser.RawConfigParser()
    # Not by REQUESTS_CA_BUNDLE, which would have the last word over the site's own cert=.
    bundle = next((path for path in _CERTIFICATES if os.path.exists(path)), "")
    parser["global"] = {**_DEFAULTS, **({"cert": bundle} if bundle else {})}
    for name in CONFIGURATION:
        try:
            trust.refuse_outside(layout.real(name), layout.root)
            text = reading.content(layout.real(name), most=_MAX_CONFIGURATION).decode()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise FetchError(f"cannot be read: {error}", subject=name) from None
        try:
            parser.read_string(text, name)
        except configparser.Error as error:
            reason = str(error).splitlines()[0]
            raise FetchError(f"is not a configuration of pip: {reason}", subject=name) from None
    out = io.StringIO()
    parser.write(out)
    return out.getvalue()


def _is_alone(place: Path) -> bool:
    """Whether there is one index: from others, other wheels may be had."""
    text = (place / "pip.conf").read_text()
    return not any(option in text for option in ("extra-index-url", "find-links"))


def _run(layout: Layout, place: Path, pips: Iterable[Pip]) -> tuple[str, tuple[str, ...]]:
    """Have the first pip there is download the list.

    What it says of its failure, if it failed, and the layers of confinement that it lacked.
    """
    said = "No module named pip"
    require_all = configuration.read(layout).require_sandbox
    user = sandbox.give_to_stranger(place)
    for pip in pips:
        if not os.access(pip.python, os.X_OK):
            continue  # of another root
        done = sandbox.run(
            [pip.python, "-I", "-B", "-m", "pip", *_COMMAND, *pip.arguments],
            env=_environment(place),
            cwd=place,
            network=True,
            timeout=_TIMEOUT,
            user=user,
            require_all=require_all,
        )
        if done.returncode == 0:
            return "", done.missing
        # A line of an index's words may be as long as it likes; pip's list of versions is not.
        errors = "\n".join(printable(line, _MAX_LINE) for line in done.stderr.splitlines())
        said = f"{errors}\n{_log(place)}"
        if "No module named pip" not in said:
            break
    return said, ()


_COMMAND = (
    *("--disable-pip-version-check", "--no-cache-dir", "--no-color", "--no-input"),
    *("--quiet", "--log", "log", "download", "--progress-bar", "off", "--no-deps"),
    *("--only-binary", ":all:", "--require-hashes", "-r", "wheels.txt", "-d", "wheels"),
)


def _target(interpreter: Interpreter) -> list[str]:
    """What tells another Python's pip which wheels are wanted."""
    own = [tag.split("-") for tag in interpreter.tags if tag.startswith("cp")]
    abis = dict.fromkeys(abi for _, abi, _ in own)
    platforms = dict.fromkeys(platform for _, _, platform in own if platform != "any")
    return [
        *("--implementation", "cp", "--python-version", interpreter.minor),
        *(f"--abi={abi}" for abi in abis),
        *(f"--platform={platform}" for platform in platforms),
    ]


def _environment(place: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(place),
        "TMPDIR": str(place / "tmp"),
        "PIP_CONFIG_FILE": str(place / "pip.conf"),
        "PIP_REQUIRE_VIRTUALENV": "0",  # a site's rule for people, not for packages
    }


def _log(place: Path) -> str:
    try:
        with open(place / "log", "rb", opener=_open_own) as file:
            text = file.read(_MAX_LOG).decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(map(printable, text.splitlines()))


def _open_own(path: str, flags: int) -> int:
    """Open what a stranger wrote: a regular file and nothing else."""
    return reading.regular(path, flags, follow=False)


def _checked(wheels: Path, entries: Sequence[Entry], interpreter: Interpreter) -> Iterator[Source]:
    """The downloaded files, each of them the wheel of one entry."""
    found: dict[str, list[tuple[WheelName, str]]] = {}
    filenames = sorted(os.listdir(wheels))
    if wheels.is_symlink() or len(filenames) > len(entries):
        raise FetchError("pip brought more than it was asked for")
    for filename in filenames:
        try:
            name = WheelName.parse(filename)
            with open(wheels / filename, "rb", opener=_open_own) as file:
                digest = _digest(file)
        except (OSError, WheelError) as error:
            message = f"pip brought what is no wheel: {printable(filename)}"
            raise FetchError(message) from error
        found.setdefault(name.name, []).append((name, digest))
    for entry in entries:
        for name, digest in found.get(entry.name, ()):
            fits = name.version == entry.version and rank(name, interpreter.tags) is not None
            if fits and digest in entry.hashes:
                yield Source(wheels / name.filename, name.filename, digest)
                break
        else:
            raise FetchError(f"{entry}: pip brought no wheel of it that the lock names")


def _digest(file: io.BufferedReader) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
