"""What the bench compares a cold install with really does the work that it says."""

from __future__ import annotations

import hashlib
import json
import marshal
import subprocess
import sys
from pathlib import Path

from tests.bench import least
from tests.host.wheels import make_wheel


def run(into: Path, *wheels: Path) -> int:
    argv = [sys.executable, "-IS", least.__file__, str(into), *map(str, wheels)]
    return subprocess.run(argv, capture_output=True, check=False).returncode


def test_all_is_written_compiled_and_hashed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a/__init__.py": "X = 'x'\n",
        "a/wrong.py": "def\n",
        "a/data": b"\0\1",
        "top.py": "",
    }
    wheels = [make_wheel("a", files=files), make_wheel("b")]
    into = tmp_path / "into"
    into.mkdir()
    assert run(into, *(wheel.save(tmp_path) for wheel in wheels)) == 0
    tree = into / wheels[0].filename
    tag = sys.implementation.cache_tag
    made = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    compiled = {f"a/__pycache__/__init__.{tag}.pyc", f"__pycache__/top.{tag}.pyc"}
    assert made == {
        *files,
        *compiled,
        *(f"a-1.0.dist-info/{n}" for n in ("METADATA", "WHEEL", "RECORD")),
    }
    scope: dict[str, object] = {}
    exec(marshal.loads((tree / f"a/__pycache__/__init__.{tag}.pyc").read_bytes()[16:]), scope)
    assert scope["X"] == "x"
    told = [tuple(row) for part in into.glob("manifest-*") for row in json.loads(part.read_bytes())]
    assert ("a/data", 2, hashlib.sha256(b"\0\1").hexdigest()) in told
    assert {path for path, _, _ in told} >= made


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.whl").write_bytes(b"no wheel")
    (tmp_path / "into").mkdir()
    assert run(tmp_path / "into", tmp_path / "no.whl") != 0
