"""Hostile wheels through the whole road: the live environment stays as it was, to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.cli import call
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from tests.hostile.building import running_interpreter, source
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Archive, Member, Wheel, with_file, with_first, with_member

PATH = "/opt/app/penv"


class Site:
    """A system below a root, with one environment that is installed and live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root)
        self.wheels = root / "wheels"
        self.lock = root / "requirements.txt"

    def offer(self, *found: tuple[Wheel, Archive | None]) -> None:
        """Make these wheels, and a lock that names them by their true digests."""
        self.wheels.mkdir(parents=True, exist_ok=True)
        lines = []
        for wheel, archive in found:
            path = wheel.write(self.wheels, archive)
            lines.append(f"{wheel.name}=={wheel.version} --hash=sha256:{source(path).sha256}\n")
        self.lock.write_text("".join(lines))

    def install(self) -> None:
        python = running_interpreter().path
        options = ["-r", "/requirements.txt", "-w", "/wheels", "-o", "-p", python]
        call(["--root", str(self.root), "install", *options, PATH])

    def findings(self) -> list[str]:
        """The kinds of what verify finds: empty when all is as it was installed."""
        report = call(["--root", str(self.root), "verify", PATH])
        return [finding["kind"] for finding in report.data["findings"]]

    def everything(self) -> dict[str, str]:
        """Every file and link of the environments and the store, and where the path leads."""
        found = {"live": os.readlink(self.layout.real(PATH))}
        for place in (self.layout.envs, self.layout.store, self.layout.staging):
            for path in sorted(place.rglob("*")):
                status = path.lstat()
                found[str(path)] = f"{status.st_mode:o} {status.st_size} {status.st_mtime_ns}"
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "root")
    site.offer((Wheel(), None))
    site.install()
    assert site.findings() == []
    return site


NEXT = replace(
    Wheel(),
    version="2.0",
    dist_info="demo-2.0.dist-info",
    metadata=b"Metadata-Version: 2.1\nName: demo\nVersion: 2.0\n\n",
)
OTHER = replace(
    Wheel(),
    name="other",
    dist_info="other-1.0.dist-info",
    metadata=b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n\n",
    files={"other.py": b"x = 1\n"},
)

REFUSED: dict[str, tuple[tuple[Wheel, Archive | None], ...]] = {
    "an escape": ((replace(NEXT, files={"../../../../../../etc/evil": b"x"}), None),),
    "a link": ((NEXT, with_member(Member(b"demo/link", b"/etc", mode=0o120777))),),
    "another version inside": ((replace(NEXT, metadata=Wheel.metadata), None),),
    "a wrong CRC": ((Wheel(), with_first(crc=1)),),
    "the interpreter": (
        (replace(NEXT, files={"demo-2.0.data/scripts/python3": b"#!/bin/sh\n"}), None),
    ),
    "another package's file": (
        (NEXT, None),
        (replace(OTHER, files={"demo/__init__.py": b"import evil\n"}), None),
    ),
    "another package's module by its byte code": (
        (NEXT, None),
        (replace(OTHER, files={"demo/__init__.pyc": b"evil"}), None),
    ),
    "another package's command": (
        (replace(NEXT, entry_points=b"[console_scripts]\nrun = demo:a\n"), None),
        (replace(OTHER, entry_points=b"[console_scripts]\nrun = other:b\n"), None),
    ),
    "another package's command by a script": (
        (replace(NEXT, entry_points=b"[console_scripts]\nrun = demo:a\n"), None),
        (replace(OTHER, files={"other-1.0.data/scripts/run": b"#!/bin/sh\n"}), None),
    ),
    "another package's command by data": (
        (replace(NEXT, entry_points=b"[console_scripts]\nrun = demo:a\n"), None),
        (replace(OTHER, files={"other-1.0.data/data/bin/run": b"#!/bin/sh\n"}), None),
    ),
    "a directory over another package's file": (
        (NEXT, None),
        (replace(OTHER, files={"demo/data.txt/x": b"evil"}), None),
    ),
}
#: Of these, one package has its way with the other's modules, and nobody else is concerned: the
#: lock names both, and whoever runs the one runs the other. Installers differ; we say who has it.
SETTLED = {"another package's file", "another package's module by its byte code"}


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in SETTLED])
def test_a_refusal_leaves_the_live_environment_as_it_was(
    site: Site, tally: Tally, name: str
) -> None:
    before = site.everything()
    site.offer(*REFUSED[name])
    with pytest.raises(VenvError) as caught:
        site.install()
    assert "whl" in str(caught.value) or "demo" in str(caught.value)
    after = site.everything()
    live = [key for key in after if "/envs/" in key or key == "live"]
    assert {key: after[key] for key in live} == {
        key: value for key, value in before.items() if "/envs/" in key or key == "live"
    }
    assert site.findings() == ["failed"]  # the install is remembered; no file is other than it was
    assert not list((site.root / "etc").glob("*"))
    tally("through the whole road", "refused")


@pytest.mark.parametrize("name", sorted(SETTLED))
def test_what_is_settled_between_two_packages_is_installed(
    site: Site, tally: Tally, name: str
) -> None:
    site.offer(*REFUSED[name])
    site.install()
    assert site.findings() == []
    tally("through the whole road", "accepted")


def test_a_package_named_pip_is_a_package(site: Site, tally: Tally) -> None:
    mark = site.root / "ran"
    evil = f"open({str(mark)!r}, 'w')\n".encode()
    pip = replace(
        OTHER,
        name="pip",
        dist_info="pip-1.0.dist-info",
        metadata=b"Metadata-Version: 2.1\nName: pip\nVersion: 1.0\n\n",
        files={"pip/__init__.py": evil, "evil.pth": b"import pip\n", "_manylinux.py": evil},
        entry_points=b"[console_scripts]\npip3 = pip:main\n",
    )
    site.offer((NEXT, None), (pip, None))
    site.install()
    assert site.findings() == []
    site.install()
    assert not mark.exists()
    tally("through the whole road", "made safe")


def test_the_next_good_wheel_is_installed_after_a_refusal(site: Site) -> None:
    site.offer((replace(with_file("/x"), version="2.0", dist_info="demo-2.0.dist-info"), None))
    with pytest.raises(VenvError):
        site.install()
    site.offer((NEXT, None))
    site.install()
    assert site.findings() == []
    live = site.root / os.readlink(site.layout.real(PATH))[1:]
    assert list(live.rglob("demo-2.0.dist-info"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_missing_layer_is_said_once_or_an_error(tmp_path: Path) -> None:
    site = Site(tmp_path / "root")
    site.offer((NEXT, None), (OTHER, None))
    options = ["-r", "/requirements.txt", "-w", "/wheels", "-o", "-p", running_interpreter().path]

    def install() -> subprocess.CompletedProcess[str]:
        """An install by a root that may not make namespaces, as in many containers."""
        return subprocess.run(
            ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-m", "rpm_venv",
             "--root", str(site.root), "install", *options, PATH],
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    configuration = site.root / "etc" / "rpm-venv.conf"
    configuration.parent.mkdir()
    configuration.write_text("require-sandbox = yes\n")
    done = install()
    assert done.returncode == 1
    assert "no network namespace" in done.stderr
    assert "require-sandbox" in done.stderr
    assert not os.path.lexists(site.layout.real(PATH))
    configuration.write_text("require-sandbox = perhaps\n")
    done = install()
    assert done.returncode == 1
    assert "line 1: require-sandbox is yes or no" in done.stderr
    configuration.unlink()
    done = install()
    assert done.returncode == 0
    assert done.stderr.count("no network namespace") == 1
    assert site.findings() == []
    assert install().stderr == ""
