"""How the command ends: as Python ends it, without its taking the interpreter apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import packaging
import pytest

TREE = Path(__file__).resolve().parents[2]
_PLACES = [str(TREE / "src"), str(Path(packaging.__file__).parents[1])]
_BEFORE = f"import sys; sys.path[:0] = {_PLACES!r}\nfrom rpm_venv import cli\n"
#: As another process of Python's ends: the command may not be seen to do it in another way.
_PLAIN = f"{_BEFORE}sys.exit(cli.main())"


def _launcher(place: Path) -> Path:
    """The command's own script, for this tree's modules."""
    text = (TREE / "bin" / "rpm-venv").read_text()
    old = '["/usr/lib/rpm-venv/runtime", "/usr/lib/rpm-venv/runtime/vendor"]'
    assert old in text
    script = place / "rpm-venv"
    script.write_text(text.replace(old, repr(_PLACES)))
    return script


@pytest.mark.parametrize(
    ("words", "streams", "code"),
    [
        ("--json list", "", 0),
        ("--json list", ">/dev/full", 120),  # Python's own code for what could not be written
        ("--json list", ">&-", 0),
        ("--json list", "2>&-", 0),
        ("sync --trigger file", "<&- >&- 2>&-", 0),
        ("show /opt/app1/penv", "2>/dev/full", 120),
        ("show nothing", "", 2),
        ("nonsense", ">/dev/full", 2),
        ("--help", ">/dev/full", 120),
        ("--json list", "| true", 1),
    ],
)
def test_who_calls_sees_what_python_would_have_said(
    tmp_path: Path, words: str, streams: str, code: int
) -> None:
    seen = []
    for start in (["-c", _PLAIN], [str(_launcher(tmp_path))]):
        argv = [sys.executable, "-ISB", *start, "--root", str(tmp_path), *words.split()]
        if streams == "| true":  # nobody reads what is written
            reading, writing = os.pipe()
            os.close(reading)
            done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, check=False)
            os.close(writing)
        else:
            shell = ["/bin/sh", "-c", f'exec "$@" {streams}', "sh"]
            done = subprocess.run([*shell, *argv], capture_output=True, check=False)
        seen.append((done.returncode, done.stdout, done.stderr))
    assert seen[0] == seen[1]
    assert seen[0][0] == code


_FREED = "class Freed:\n def __del__(self): print('freed')\nfreed = Freed()\n"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("", ""),
        ("print('left')", "left\n"),
        ("sys.stdout.write('left')", "left"),
        ("import threading", ""),
        # What has to be done at the exit is: by Python, which then frees what there is.
        ("import atexit; atexit.register(print, 'exit')", "exit\nfreed\n"),
        (
            "import threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()",
            "thread\nfreed\n",
        ),
        ("import types; sys.modules['rpm'] = types.ModuleType('rpm')", "freed\n"),
    ],
)
def test_nothing_is_freed_and_all_else_is_done(before: str, said: str) -> None:
    code = f"{_BEFORE}{_FREED}{before}\ncli.leave(3)"
    argv = [sys.executable, "-ISB", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, said, "")
