"""``rpm-venv owner``: any file of an environment, under whatever name somebody has of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.trees import generations
from tests.unit import environments

PATH, OTHER = "/opt/app1/penv", "/opt/app2/penv"
SITE = "lib/python3.11/site-packages"
RECORD = """app.py,sha256=x,1
"odd, name.py",sha256=x,1
__pycache__/app.cpython-311.pyc,,
../../../bin/app,,
app-1.0.dist-info/RECORD,,
"""
RECORD = f'"{"x" * 200_000}app.py\n{RECORD}'  # a field that is longer than csv reads


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two environments with one wheel, whose files are hardlinks to one object."""
    layout = Layout(tmp_path)
    for path in (PATH, OTHER):
        generation = environments.make(layout, path, {"app": "1.0"}, f"{path[5:9]}-1-1.noarch")
        top = generations.directory(layout, path, generation.name)
        (wheel,) = generation.distributions
        stored = layout.object(f"{wheel.sha256}-{generation.tag}") / "site"
        (top / SITE / "app-1.0.dist-info").mkdir(parents=True)
        (top / SITE / "app-1.0.dist-info/RECORD").write_text(RECORD)
        (top / "bin").mkdir()
        (top / "bin/app").write_text("#!\n")
        (top / "bin/activate").write_text("")
        (top / "lib64").symlink_to("lib")
        stored.mkdir(parents=True, exist_ok=True)
        if not (stored / "app.py").exists():
            (stored / "app.py").write_text("")
        os.link(stored / "app.py", top / SITE / "app.py")
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/app-command").symlink_to(f"{PATH}/bin/app")
    (tmp_path / "usr/bin/app-again").symlink_to("app-command")
    os.link(stored / "app.py", tmp_path / "copy.py")
    return layout


def _owner(layout: Layout, file: str) -> Mapping[str, Any]:
    return cli.call(["--root", str(layout.root), "owner", file]).data


@pytest.mark.parametrize(
    ("file", "inside", "distribution"),
    [
        (f"{PATH}/{SITE}/app.py", f"{SITE}/app.py", "app"),
        (f"{PATH}/./{SITE}//app.py", f"{SITE}/app.py", "app"),
        (f"{PATH}/lib64/python3.11/site-packages/app.py", f"{SITE}/app.py", "app"),
        (f"{PATH}/{SITE}/odd, name.py", f"{SITE}/odd, name.py", "app"),
        (f"{PATH}/{SITE}/__pycache__/app.cpython-311.pyc",
         f"{SITE}/__pycache__/app.cpython-311.pyc", "app"),
        (f"{PATH}/bin/app", "bin/app", "app"),
        ("/usr/bin/app-command", "bin/app", "app"),
        ("/usr/bin/app-again", "bin/app", "app"),
        (f"{PATH}/bin/activate", "bin/activate", None),
        (f"{PATH}/never/there", "never/there", None),
        (f"{PATH}/{SITE}/pp.py", f"{SITE}/pp.py", None),
    ],
)  # fmt: skip
def test_a_file_below_the_path(
    layout: Layout, file: str, inside: str, distribution: str | None
) -> None:
    found = _owner(layout, file)
    assert (found["kind"], found["path"], found["inside"]) == ("generation", PATH, inside)
    assert (found["package"], found["live"]) == ("app1-1-1.noarch", True)
    assert (found["distribution"] or {"name": None})["name"] == distribution
    assert bool(found["also_in"]) == (distribution is not None)


def test_the_path_itself(layout: Layout) -> None:
    found = _owner(layout, PATH)
    assert (found["kind"], found["package"]) == ("environment", "app1-1-1.noarch")


def test_a_generations_real_place(layout: Layout) -> None:
    live = generations.live(layout, PATH).generation
    real = layout.generation_target(PATH, live)
    found = _owner(layout, f"{real}/bin/app")
    assert (found["path"], found["generation"], found["live"]) == (PATH, live, True)
    layout.real(PATH).unlink()
    assert _owner(layout, f"{real}/bin/app")["live"] is False
    assert _owner(layout, real)["generation"] == live


def test_a_generation_that_is_left_of_an_environment(layout: Layout) -> None:
    """A process held it when its package was erased: what is at the path is not ours."""
    live = generations.live(layout, PATH).generation
    layout.real(PATH).unlink()
    layout.state_file(PATH).unlink()
    found = _owner(layout, f"{layout.generation_target(PATH, live)}/bin/app")
    assert (found["path"], found["generation"], found["live"]) == (PATH, live, False)
    with pytest.raises(VenvError, match="in no environment"):
        _owner(layout, PATH)


@pytest.mark.parametrize("name", ["object", "twin"])
def test_an_object_of_the_store_and_a_hardlink_to_it(layout: Layout, name: str) -> None:
    (stored,) = os.listdir(layout.store)
    file = f"/usr/lib/rpm-venv/store/{stored}/site/app.py" if name == "object" else "/copy.py"
    found = _owner(layout, file)
    assert (found["kind"], found["object"], found["inside"]) == ("object", stored, "site/app.py")
    assert found["distribution"]["name"] == "app"
    assert found["path"] == PATH
    assert [other.split()[0] for other in found["also_in"]] == [OTHER]


def test_what_rpm_venv_keeps_about_an_environment(layout: Layout) -> None:
    found = _owner(layout, "/usr/lib/rpm-venv/state/opt-app1-penv.json")
    assert (found["kind"], found["path"]) == ("state", PATH)
    found = _owner(layout, "/usr/share/rpm-venv/opt-app1-penv/wheels/app.whl")
    assert (found["kind"], found["path"]) == ("declaration", PATH)


@pytest.mark.parametrize("file", ["/usr/bin/other", "/opt/app1", "/loop", "/usr/lib/rpm-venv"])
def test_a_file_of_no_environment_is_an_error(layout: Layout, file: str) -> None:
    (layout.root / "loop").symlink_to("loop")
    (layout.root / "usr/bin/other").write_text("")
    with pytest.raises(VenvError, match="in no environment"):
        _owner(layout, file)


def test_text(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--root", str(layout.root), "owner", "/usr/bin/app-command"]) == 0
    said = capsys.readouterr().out
    live = generations.live(layout, PATH).generation
    for words in (
        "package:      app1-1-1.noarch",
        f"generation:   {live} (live)",
        "app 1.0  app-1",
    ):
        assert words in said
