"""The room that environments take: every file once, and what is shared told apart."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.paths import Layout
from rpm_venv.trees import disk, generations
from tests.unit import environments

ONE, TWO = "/opt/app1/penv", "/opt/app2/penv"
LARGE = 1 << 20


def _share(layout: Layout, stored: Path, path: str, name: str) -> None:
    (generation,) = generations.names(layout, path)
    os.link(stored, generations.directory(layout, path, generation) / name)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two environments; of two objects, both have the first and one has the second, twice."""
    layout = Layout(tmp_path)
    layout.store.mkdir(parents=True)
    of_one = environments.make(layout, ONE, {"app": "1", "more": "1"})
    environments.make(layout, TWO, {"app": "1"})
    for name in of_one.objects:
        layout.object(name).mkdir()
    both, one = (layout.object(name) / "file" for name in of_one.objects)
    both.write_bytes(b"x" * LARGE)
    one.write_bytes(b"x" * 3 * LARGE)
    for path in (ONE, TWO):
        _share(layout, both, path, "both")
    _share(layout, one, ONE, "one")
    _share(layout, one, ONE, "twice")
    return layout


def test_what_is_shared_is_told_apart(layout: Layout) -> None:
    first, second = disk.use(layout, ONE), disk.use(layout, TWO)
    assert first.shared == second.shared
    assert LARGE <= first.shared < LARGE * 1.1
    assert 3 * LARGE <= first.own < 3.2 * LARGE
    assert second.own < LARGE / 4
    layout.real(TWO).unlink()
    (generation,) = generations.names(layout, TWO)
    shutil.rmtree(generations.directory(layout, TWO, generation))
    assert disk.use(layout, ONE).shared == 0


def test_what_a_package_has_as_well_is_shared(layout: Layout) -> None:
    layout.packaged.mkdir()
    (generation,) = generations.names(layout, ONE)
    os.link(generations.directory(layout, ONE, generation) / "one", layout.packaged / "one")
    assert disk.use(layout, ONE).shared >= 4 * LARGE


def test_nothing_takes_no_room(tmp_path: Path) -> None:
    assert disk.use(Layout(tmp_path), ONE) == disk.Use(0, 0)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 50, "3072.0 TiB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert disk.shown(size) == text


def test_list_and_show(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    root = ("--root", str(layout.root))
    assert cli.main([*root, "list"]) == 0
    assert "SHARED" not in capsys.readouterr().out
    assert cli.main([*root, "list", "--sizes"]) == 0
    head, first, _ = capsys.readouterr().out.splitlines()
    assert head.endswith("OWN      SHARED")
    assert first.endswith("3.0 MiB  1.0 MiB")
    assert cli.main([*root, "show", ONE]) == 0
    assert "disk:         3.0 MiB of its own, 1.0 MiB shared" in capsys.readouterr().out
