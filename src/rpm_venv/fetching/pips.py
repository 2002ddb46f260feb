"""pip as confined children, several at a time: each downloads its share of a list.

What an index makes us wait for is mostly its distance, so many wheels are asked for at once. An
edge: runs programs, writes below their directory.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rpm_venv.confined import many_pips, protocol
from rpm_venv.errors import FetchError
from rpm_venv.fetching import site
from rpm_venv.paths import Layout
from rpm_venv.system import configuration, files, reading, stranger
from rpm_venv.wheels.stream import printable

_MAX_SAID = 8 << 20  # bytes of what all pips said that is looked at; each byte may become ten
_MAX_LINE = 4000  # characters of what pip says on stderr
_TIMEOUT = 3600  # seconds, for all wheels of one environment

# Each pip takes 50 to 90 ms of CPU before it asks for anything, and then 12 ms a wheel: on two
# cores more than eight are slower. An index is not asked for more at once than browsers do.
_PER_CPU = 4
_AT_ONCE = 16
_FEWEST = 3  # wheels for which another pip is worth its start
#: What one of several may have of memory, so that eight have together what one may have alone.
_MEMORY = protocol.PROGRAM_MEMORY // 8
#: How pip says that its memory was not enough, or the kernel or Python itself for it.
_STARVED = re.compile(
    r"\bMemoryError\b|Cannot allocate memory|killed by signal"
    r"|SystemError: .*without (?:exception set|setting an exception)"
)
NO_PIP = "No module named pip"


class Pip(NamedTuple):
    """An interpreter that may have a pip, and what its pip must be told."""

    python: str
    arguments: tuple[str, ...] = ()


class Done(NamedTuple):
    """How a download ended: what each pip that failed said, and the layers that they lacked.

    ``none`` tells that not one of them got what it was asked for.
    """

    said: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    none: bool = False


def run(layout: Layout, place: Path, lines: Sequence[str], pips: Iterable[Pip]) -> Done:
    """Have the first pip there is download these lines of a lock into ``place``/wheels.

    ``place`` is an empty directory of root's; afterwards it is a stranger's, and so is all in it.
    All are run to their end, whichever fails. ``FetchError`` where the site's configuration cannot
    be read, ``SandboxError`` where pip cannot be confined, or takes too long.
    """
    _prepare(layout, place)
    shares = _shared(lines)
    for number, share in enumerate(shares):
        _write_list(place, number, share)
    running = _Running(place, configuration.read(layout).require_sandbox)
    done = Done((NO_PIP,), none=True)
    for pip in pips:
        if not os.access(pip.python, os.X_OK):
            continue  # of another root
        done = running.all(pip, shares)
        if not any(NO_PIP in said for said in done.said):
            break
    return done


def _shared(lines: Sequence[str]) -> list[Sequence[str]]:
    """The lines in as many shares as are worth it: those of one letter are often of one size."""
    cpus = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = min(_AT_ONCE, _PER_CPU * cpus, memory // (2 * _MEMORY), len(lines) // _FEWEST)
    count = max(most, 1)
    return [lines[number::count] for number in range(count)]


def _prepare(layout: Layout, place: Path) -> None:
    """Fill the directory that will be pip's."""
    for name in ("wheels", "tmp"):
        os.mkdir(place / name, 0o700)
    files.write_new(place / "pip.conf", site.configuration(layout).encode(), 0o600)
    if os.geteuid() == 0:
        # Its directory is a stranger's, but on the way to it others may only pass through.
        mode = stat.S_IMODE(os.stat(place.parent).st_mode)
        if not mode & 0o001:
            os.chmod(place.parent, mode | 0o011)  # noqa: S103


def _write_list(place: Path, number: int, lines: Sequence[str], user: int = -1) -> None:
    """Write the list of a share, and give it to ``user``: by its descriptor, as all names may be
    a stranger's. ``FileExistsError`` where something has the name.
    """
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place / f"wheels-{number}.txt", new, 0o600)
    try:
        files.write_all(descriptor, "\n".join([*lines, ""]).encode())
        if os.geteuid() == 0:
            os.fchown(descriptor, user, user)
    finally:
        os.close(descriptor)


class _Running:
    """The pips of one directory, and the user they all run as."""

    def __init__(self, place: Path, require_all: bool) -> None:
        self._place = place
        self._require_all = require_all
        self._user = stranger.give(place)
        self._deadline = time.monotonic() + _TIMEOUT

    def all(self, pip: Pip, shares: Sequence[Sequence[str]]) -> Done:
        """Every share; those that had too little memory once more, with that of all."""
        memory = _MEMORY if len(shares) > 1 else protocol.PROGRAM_MEMORY
        failed, missing = self._pips(pip, 0, len(shares), memory)
        starved = [number for number, said in failed.items() if _STARVED.search(said)]
        if len(shares) > 1 and starved:
            lines = [line for number in starved for line in shares[number]]
            again = self._again(pip, len(shares), lines)
            failed = {number: failed[number] for number in failed if number not in starved}
            failed.update(again)
        return Done(tuple(failed.values()), missing, none=len(failed) >= len(shares))

    def _again(self, pip: Pip, number: int, lines: Sequence[str]) -> dict[int, str]:
        try:
            _write_list(self._place, number, lines, self._user)
        except FileExistsError:  # of a pip that was taken over
            raise FetchError("pip left files that it has no reason to make") from None
        return self._pips(pip, number, 1, protocol.PROGRAM_MEMORY)[0]

    def _pips(
        self, pip: Pip, first: int, count: int, memory: int
    ) -> tuple[dict[int, str], tuple[str, ...]]:
        """What those said that failed, by number, and the layers that were missing."""
        text = Path(many_pips.__file__).read_text(encoding="utf-8")
        words = [str(first), str(count), str(memory), *_COMMAND, *pip.arguments]
        done = stranger.run(
            [pip.python, "-I", "-B", "-c", text, *words],
            env=_environment(self._place),
            cwd=self._place,
            network=True,
            timeout=max(self._deadline - time.monotonic(), 0),
            user=self._user,
            require_all=self._require_all,
        )
        if done.returncode == 0:
            return {}, done.missing
        told = done.stdout.split()
        numbers = [number for number in range(first, first + count) if str(number) in told]
        failed = {number: self._words(number, _MAX_SAID // len(numbers)) for number in numbers}
        return failed or {first: _printable(done.stderr, _MAX_LINE)}, done.missing

    def _words(self, number: int, most: int) -> str:
        """What a pip said, and the end of what it wrote into its log: ``most`` bytes in all."""
        # A line of an index's words may be as long as it likes; pip's list of versions is not.
        said = _printable(self._read(f"said-{number}", most // 2), _MAX_LINE)
        return f"{said}\n{_printable(self._read(f'log-{number}', most // 2, is_end=True))}"

    def _read(self, name: str, most: int, *, is_end: bool = False) -> str:
        """What a stranger wrote, of a regular file and nothing else."""
        try:
            descriptor = reading.regular(self._place / name, follow=False)
            with os.fdopen(descriptor, "rb") as file:
                if is_end:
                    file.seek(max(os.fstat(descriptor).st_size - most, 0))
                return file.read(most).decode("utf-8", "replace")
        except OSError:
            return ""


def _printable(text: str, *most: int) -> str:
    return "\n".join(printable(line, *most) for line in text.splitlines())


_COMMAND = (
    *("--disable-pip-version-check", "--no-cache-dir", "--no-color", "--no-input", "--quiet"),
    *("download", "--progress-bar", "off", "--no-deps", "--only-binary", ":all:"),
    *("--require-hashes", "-d", "wheels"),
)


def _environment(place: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": str(place),
        "TMPDIR": str(place / "tmp"),
        "PIP_CONFIG_FILE": str(place / "pip.conf"),
        "PIP_REQUIRE_VIRTUALENV": "0",  # a site's rule for people, not for packages
    }
