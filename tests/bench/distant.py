"""Wheels from an index that is 20 ms away: installed by us and by uv, and only fetched by us."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uv

from tests.bench.ours import PATH, Runtime
from tests.bench.sets import TREE, Set
from tests.host.realwheels import SYSTEM_PYTHON

MILLISECONDS = 20
WORK, FETCHING = "from an index", "fetched alone"
_LOCK = "/usr/share/app1/lock.txt"
#: What ``install`` does to fetch, and nothing after it.
_FETCH = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from rpm_venv.fetching import index
from rpm_venv.locks import lock
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
layout = Layout(Path(sys.argv[3]))
entries = lock.parse(layout.real(sys.argv[4]).read_bytes(), "lock").entries
place = layout.root / "fetched"
place.mkdir(mode=0o700)
index.download(layout, entries, interpreter.inspect(Layout(), sys.argv[5]), place)
"""

Note = Callable[..., None]


@contextmanager
def late_index(wheels: Path) -> Iterator[str]:
    """The address of an index of these wheels, while it is needed."""
    argv = [sys.executable, "-m", "tests.bench.late_index", str(wheels), str(MILLISECONDS)]
    with subprocess.Popen(argv, cwd=TREE, stdout=subprocess.PIPE, text=True) as server:
        try:
            if server.stdout is None:
                raise SystemExit("the index says nothing")
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def ours(note: Note, runtime: Runtime, wheels: Set, place: Path) -> None:
    """Fetch, and then install, on systems below ``place`` that have no wheel."""
    with late_index(wheels.wheels) as url:
        for work, name in ((FETCHING, "fetched"), (WORK, "distant")):
            root = place / name
            for directory in ("etc", _LOCK[1:].rpartition("/")[0]):
                (root / directory).mkdir(parents=True)
            shutil.copyfile(wheels.lock, root / _LOCK[1:])
            (root / "etc" / "pip.conf").write_text(f"[global]\nindex-url = {url}\n")
            if work == WORK:
                note(work, "ours", runtime.command(root, "install", "-r", _LOCK, PATH))
            else:
                note(work, "ours", runtime.python(_FETCH, str(root), _LOCK, SYSTEM_PYTHON))


def others(note: Note, wheels: Set, place: Path) -> None:
    """uv, with and without byte code, each with an empty cache."""
    with late_index(wheels.wheels) as url:
        for contender, options in (("uv with byte code", ["--compile-bytecode"]), ("uv", [])):
            mine = place / f"distant-{len(options)}"
            note(WORK, contender, *_uv(url, wheels, mine, options))


def _uv(url: str, wheels: Set, place: Path, options: Sequence[str]) -> list[list[str]]:
    into, program = place / "first", uv.find_uv_bin()
    common = ["--quiet", f"--cache-dir={place / 'cache'}", f"--python={SYSTEM_PYTHON}"]
    sync = [program, "pip", "sync", *common[:2], f"--python={into}/bin/python", *options]
    return [
        [program, "venv", *common, str(into)],
        [*sync, f"--index-url={url}", str(wheels.lock)],
    ]
