"""What goes into a buildroot for a declaration, and the list of it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.building import buildroot
from rpm_venv.building.buildroot import Shipment
from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError, WheelError
from rpm_venv.locks import built
from rpm_venv.paths import Layout, escape
from tests.host.wheels import make_wheel

PATH = "/opt/app1/penv"
HERE = "/usr/share/rpm-venv/opt-app1-penv"
DECLARATION = Declaration(
    PATH, f"{HERE}/requirements.txt", (f"{HERE}/wheels",), offline=True, level="wheels"
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "root").mkdir()
    return Layout(tmp_path / "root")


@pytest.mark.parametrize(
    ("path", "directories"),
    [
        ("/opt/app1/penv", ["/opt/app1"]),
        ("/opt/penv", []),
        ("/usr/lib/app1/penv", ["/usr/lib/app1"]),
        ("/srv/a/b/penv", ["/srv/a", "/srv/a/b"]),
        ("/usr/local/share/app/x/penv", ["/usr/local/share/app", "/usr/local/share/app/x"]),
    ],
)
def test_directories_that_are_the_systems_are_not_listed(path: str, directories: list[str]) -> None:
    shipment = Shipment(replace(DECLARATION, path=path), b"", ("/usr/bin/app1",))
    lines = buildroot.listed(shipment)
    assert [line.split()[1] for line in lines if line.startswith("%dir")] == [
        "/usr/share/rpm-venv",
        *directories,
    ]
    assert lines[-2:] == (f"%ghost {path}", "/usr/bin/app1")


def test_a_declaration_takes_the_place_of_the_one_before(layout: Layout, tmp_path: Path) -> None:
    old, new = (make_wheel("app1", version).save(tmp_path) for version in ("1", "2"))
    for wheel in (old, new, new):
        buildroot.ship(layout, Shipment(DECLARATION, b"the lock\n", wheels=(wheel,)))
    place = layout.real(HERE)
    assert sorted(os.listdir(place)) == ["declaration.json", "requirements.txt", "wheels"]
    assert os.listdir(place / "wheels") == [new.name]
    assert (place / "wheels" / new.name).read_bytes() == new.read_bytes()


def test_the_list_of_a_package_grows_once_and_forgets_what_is_gone(
    layout: Layout, tmp_path: Path
) -> None:
    file = tmp_path / "BUILD" / "app1.venv-files"
    for path in (PATH, "/srv/x/y", PATH):
        buildroot.place(layout, path)
        lines = buildroot.listed(Shipment(replace(DECLARATION, path=path), b""))
        buildroot.add_to_list(layout, file, lines[2:])
    both = ["%dir /opt/app1", "%ghost /opt/app1/penv", "%dir /srv/x", "%ghost /srv/x/y"]
    assert file.read_text().splitlines() == both
    layout.real(PATH).unlink()
    layout.real("/opt/app1").rmdir()
    buildroot.add_to_list(layout, file, [])
    assert file.read_text().splitlines() == both[2:]


def test_the_path_is_listed_as_the_level_of_the_last_build_has_it(
    layout: Layout, tmp_path: Path
) -> None:
    """rpmbuild makes a %ghost of what is listed both ways."""
    file = tmp_path / "app1.venv-files"
    buildroot.place(layout, PATH)
    for lines in ([f"%ghost {PATH}"], [PATH], [f"%ghost {PATH}"]):
        buildroot.add_to_list(layout, file, lines)
        assert file.read_text().splitlines() == lines


def test_links_are_those_of_the_installed_system(layout: Layout) -> None:
    for _ in range(2):
        buildroot.ship(layout, Shipment(DECLARATION, b"", ("/usr/bin/app1",)))
    assert os.readlink(layout.real("/usr/bin/app1")) == "../../opt/app1/penv/bin/app1"
    assert os.readlink(layout.real(PATH)) == "../../usr/lib/rpm-venv/envs/opt-app1-penv"
    layout.real("/usr/bin/other").write_text("a script")
    with pytest.raises(VenvError, match="something else in the buildroot"):
        buildroot.ship(layout, Shipment(DECLARATION, b"", ("/usr/bin/new", "/usr/bin/other")))
    assert not layout.real("/usr/bin/new").exists()


def test_the_commands_that_a_wheel_brings(tmp_path: Path) -> None:
    wheel = make_wheel(
        "app1",
        scripts={"App-1": "app1:main"},
        gui_scripts={"window": "app1:main"},
        data={"scripts/tool.sh": "#!/bin/sh\n"},
    )
    assert built.commands(wheel.save(tmp_path)) == {"App-1", "window", "tool.sh"}
    assert built.commands(make_wheel("plain").save(tmp_path)) == set()
    (tmp_path / "no-1-py3-none-any.whl").write_text("no wheel")
    with pytest.raises(WheelError, match="not a wheel"):
        built.commands(tmp_path / "no-1-py3-none-any.whl")


def _made(tmp_path: Path, name: str) -> Path:
    """A directory to be moved, with a file of its name."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").write_text(name)
    return tmp_path / name


def test_a_whole_environment_has_two_links_and_takes_the_place_of_the_one_before(
    layout: Layout, tmp_path: Path
) -> None:
    home = "/usr/lib/rpm-venv/envs/opt-app1-penv"
    for digit in "12":
        made = _made(tmp_path, digit * 20)
        whole = replace(DECLARATION, wheels=(), level="env", generation=made.name)
        lines = buildroot.ship(layout, Shipment(whole, b"", generation=made))
        assert os.readlink(layout.real(PATH)) == f"{home}/live"
        assert os.listdir(layout.real(PATH).parent) == ["penv"]
        assert sorted(os.listdir(layout.real(home))) == [digit * 20, "live"]
        assert layout.real(f"{home}/live/file").read_text() == digit * 20
    assert lines[2:] == (
        "%dir /usr/lib/rpm-venv", "%dir /usr/lib/rpm-venv/envs", home, "%dir /opt/app1", PATH,
    )  # fmt: skip
    buildroot.ship(layout, Shipment(replace(DECLARATION, wheels=()), b""))
    assert os.readlink(layout.real(PATH)) == "../../usr/lib/rpm-venv/envs/opt-app1-penv"
    assert not layout.real(home).exists()


def test_objects_of_an_older_shipment_go_unless_another_environment_has_them(
    layout: Layout, tmp_path: Path
) -> None:
    digests = ["a" * 64, "b" * 64, "c" * 64]

    def ship(path: str, *named: str) -> None:
        declaration = replace(DECLARATION, path=path, lock=f"/usr/share/rpm-venv/{escape(path)}/l")
        made = {name: _made(tmp_path / escape(path), name) for name in named}
        declaration = replace(declaration, level="store", wheels=(), packaged=named)
        buildroot.ship(layout, Shipment(declaration, b"", objects=made))
        shutil.rmtree(tmp_path / escape(path))
        (tmp_path / escape(path)).mkdir()

    for path in (PATH, "/opt/zap/penv"):
        (tmp_path / escape(path)).mkdir()
    ship(PATH, digests[0], digests[1])
    ship("/opt/zap/penv", digests[1])
    assert sorted(os.listdir(layout.packaged)) == digests[:2]
    ship(PATH, digests[2])
    assert sorted(os.listdir(layout.packaged)) == digests[1:]
