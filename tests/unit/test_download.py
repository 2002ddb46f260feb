"""Wheels from the author's index, where there is none to be asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.version import Version

from rpm_venv.errors import UnreachableError
from rpm_venv.fetching import download
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.system.interpreter import inspect


def test_an_index_that_is_not_reached_has_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each distribution would be asked for, and told of as one without a wheel."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    entries = [Entry(name, Version("1"), ("0" * 64,)) for name in ("one", "two")]
    reached = r"the index cannot be reached: .*Connection refused"
    with pytest.raises(UnreachableError, match=reached) as raised:
        download.distributions(entries, inspect(Layout(), sys.executable), tmp_path)
    assert "look at the network" in raised.value.hint and "build" not in raised.value.hint
    assert (tmp_path / "asked.txt").read_text().count("==") == 2
