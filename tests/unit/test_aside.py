"""What is set aside while rpm's passes run over a buildroot, and put back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rpm_venv.building import passes
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout

OBJECT = "/usr/lib/rpm-venv/packaged/1/site/alpha.py"
WHEEL = "/usr/share/rpm-venv/opt-app1-penv/wheels/alpha.whl"
OWN = "/usr/lib/app1/own.py"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "BUILDROOT")
    for path in (OBJECT, WHEEL, OWN):
        layout.real(path).parent.mkdir(parents=True)
        layout.real(path).write_text(path)
    os.link(layout.real(OBJECT), layout.real(f"{OBJECT}c"))
    layout.real("/usr/lib/rpm-venv/live").symlink_to("nowhere")
    return layout


def entries(layout: Layout) -> dict[str, int]:
    """Every entry of the buildroot, and what it is to the filesystem."""
    found = (path for path in layout.root.rglob("*") if path.is_symlink() or not path.is_dir())
    return {layout.target(path): os.lstat(path).st_ino for path in found}


def test_our_files_are_away_and_come_back_as_they_were(layout: Layout) -> None:
    before = entries(layout)
    passes.set_aside(layout)
    assert set(entries(layout)) == {OWN}
    passes.put_back(layout)
    assert entries(layout) == before
    assert os.listdir(layout.root.parent) == ["BUILDROOT"]


def test_nothing_of_ours_is_nothing_to_do(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "BUILDROOT")
    layout.root.mkdir()
    passes.set_aside(layout)
    passes.put_back(layout)
    assert os.listdir(tmp_path) == ["BUILDROOT"]
    assert os.listdir(layout.root) == []


def test_what_a_build_that_failed_left_aside_is_not_this_builds(layout: Layout) -> None:
    passes.set_aside(layout)
    layout.real(WHEEL).parent.mkdir(parents=True)
    layout.real(WHEEL).write_text("newer")
    passes.set_aside(layout)
    passes.put_back(layout)
    assert layout.real(WHEEL).read_text() == "newer"
    assert not layout.real(OBJECT).exists()


def test_something_in_the_way_fails_the_build(layout: Layout) -> None:
    passes.set_aside(layout)
    layout.real(OBJECT).parent.mkdir(parents=True)
    with pytest.raises(VenvError, match="/usr/lib/rpm-venv: a pass over the buildroot"):
        passes.put_back(layout)
