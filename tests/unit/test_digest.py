"""The sha256 of little is that of hashlib, and is had without OpenSSL where Python has its own."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from rpm_venv import digest

SOURCE = Path(__file__).resolve().parents[2] / "src"
_CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from rpm_venv import digest
{before}
print(digest.sha256({data}).hexdigest(), "_hashlib" in sys.modules)
"""


def _said(data: str, before: str = "") -> tuple[str, bool]:
    code = _CODE.format(before=before, data=data)
    argv = [sys.executable, "-ISB", "-c", code, str(SOURCE)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    value, loaded = said.split()
    return value, loaded == "True"


@pytest.mark.parametrize("size", [0, 1, 55, 56, 64, 65535])
def test_of_little_both_say_the_same(size: int) -> None:
    data = (bytes(range(256)) * 256)[:size]
    if importlib.util.find_spec(digest._MODULE):  # some distributions build Python without
        assert digest._own()(data).digest() == hashlib.sha256(data).digest()
    assert digest.sha256(bytearray(data)).hexdigest() == hashlib.sha256(data).hexdigest()


def test_openssl_is_loaded_for_much_or_where_there_is_nothing_else() -> None:
    little, much = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(bytes(1 << 16)).hexdigest()
    has_none = importlib.util.find_spec(digest._MODULE) is None
    assert _said("b'a'") == (little, has_none)
    assert _said("bytes(1 << 16)") == (much, True)
    # As where a distribution lets it refuse in FIPS mode: when it is imported, or called.
    assert _said("b'a'", "sys.modules[digest._MODULE] = None") == (little, True)
    refusing = "sys.modules[digest._MODULE] = type('', (), {'sha256': lambda _: int('')})"
    assert _said("b'a'", refusing) == (little, True)
