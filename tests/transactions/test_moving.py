"""docs/moving.md: its spec files are built, and each old package comes over to the new one."""

from __future__ import annotations

import functools
import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.host import Host, systemd
from tests.host.applications import answer
from tests.host.project import TREE
from tests.host.wheels import make_lock, make_wheel
from tests.transactions.conftest import Leftovers

SECTIONS = {
    section.split("\n", 1)[0]: re.findall(r"^```spec\n(.*?)^```$", section, re.DOTALL | re.M)
    for section in re.split(r"^## ", (TREE / "docs" / "moving.md").read_text(), flags=re.M)[1:]
}

#: Where the environment is before and after, and what each is called by; no environment: "".
MOVES = {
    "From a hand-written %post": ("/opt/app1/penv", "/opt/app1/penv"),
    "From rpmvenv": ("/usr/share/python/app1", "/usr/share/python/app1"),
    "From fpm": ("/usr/share/python/app1", "/opt/app1/penv"),
    "From pex": ("", "/opt/app1/penv"),
    "From a container": ("", "/opt/app1/penv"),
    "From dh-virtualenv": ("", "/opt/venvs/app1"),
}
#: Whose command is linked into /usr/bin, which also holds the build to having the application.
LINKED = ("From fpm", "From pex", "From a container")


def _sources(version: str) -> dict[str, str | bytes | Path]:
    """What the spec files name: the lock, the wheels in an archive, and a file that runs."""
    module = f"def main():\n    print('app1', {version!r})\n"
    files = {"app1/__init__.py": module}  # a directory, which a generation has by a link
    wheel = make_wheel("app1", version, files, scripts={"app1": "app1:main"})
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(wheel.filename)
        entry.size = len(wheel.content)
        tar.addfile(entry, io.BytesIO(wheel.content))
    pex = io.BytesIO(b"")
    with zipfile.ZipFile(pex, "w") as file:  # a .pex file is a zip with a line in front
        file.writestr("__main__.py", f"print('app1 {version}')\n")
    return {
        "requirements.txt": make_lock([wheel]),
        f"app1-{version}-wheels.tar": archive.getvalue(),
        "app1.pex": b"#!/usr/bin/env python3\n" + pex.getvalue(),
    }


@functools.cache
def _built(author: Host, title: str) -> tuple[Path, ...]:
    """The packages of a move, the new one last."""
    *before, after = SECTIONS[title]
    built = [author.build(text, _sources("1.0")) for text in before]
    return tuple(package for (package,) in [*built, author.build(after, _sources("2.0"))])


def test_every_way_has_its_move() -> None:
    assert list(SECTIONS) == list(MOVES)
    counts = {title: len(specs) for title, specs in SECTIONS.items()}
    assert counts == {**dict.fromkeys(MOVES, 2), "From dh-virtualenv": 1}


@pytest.mark.parametrize("title", MOVES)
def test_the_old_package_comes_over(
    author: Host, host: Host, leftovers: Leftovers, title: str
) -> None:
    was, path = MOVES[title]
    *before, after = SECTIONS[title]
    packages = _built(author, title)
    host.publish(*packages)
    for old in packages[:-1]:
        name = re.sub(r"-1\.0-1\..*", "", old.name)
        host.dnf("install", f"{name}-1.0")
        if was:
            assert answer(host, was) == "app1 1.0"
    command = "upgrade" if before else "install"
    done = host.dnf(command, *([] if before else ["app1"]))
    assert "scriptlet failed" not in done.output
    put_aside = f"rpm-venv: warning: {path} saved as {path}.rpmorig"
    said = re.findall(r"^ *(rpm-venv: .*?) *$", done.output, re.MULTILINE)
    assert said == ([put_aside] if title == "From a hand-written %post" else [])
    assert answer(host, path) == "app1 2.0"
    assert host.rpm("-q", "--qf", "%{NAME} %{VERSION}", "app1").stdout == "app1 2.0"
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    assert ("-c app1" in after) == (title in LINKED)
    if title in LINKED:
        assert host.run("app1", user=65534).stdout == "app1 2.0\n"
    if was and was != path:
        assert not host.exists(was)
    host.dnf("remove", "app1")
    # The package that fpm makes owns nothing above the environment.
    assert set(leftovers()) == ({"/usr/share/python"} if title == "From fpm" else set())


@pytest.mark.parametrize("goes_forward", [False, True])
def test_the_old_package_comes_back_over_the_new_one(
    author: Host, host: Host, goes_forward: bool
) -> None:
    """rpm unpacks its files through the link: the next step mends all, whichever it is."""
    path, other = "/usr/share/python/app1", "/opt/other/penv"
    packages = [*_built(author, "From rpmvenv")]
    host.publish(*packages)
    sources = _sources("1.0")  # another environment, with the wheel that the old package has
    host.write("/srv/requirements.txt", sources["requirements.txt"])
    host.write("/srv/wheels.tar", sources["app1-1.0-wheels.tar"])
    host.shell("mkdir /srv/wheels && tar -C /srv/wheels -xf /srv/wheels.tar")
    host.run("rpm-venv", "install", "-r", "/srv/requirements.txt", "-w", "/srv/wheels", "-o", other)
    host.dnf("install", "app1-2.0")
    said = host.dnf("downgrade", "app1", check=False).output
    assert (
        re.sub(r" *\n *", " ", said).count(
            f"rpm-venv: {path}: files of app1-1.0-1.noarch were unpacked into the environment"
        )
        == 1
    )
    assert (
        "run: dnf reinstall app1; then, as others may share files with it: rpm-venv repair" in said
    )
    if goes_forward:
        assert "rpm-venv:" not in host.dnf("upgrade", "app1").output
        assert answer(host, path) == "app1 2.0"
        host.dnf("remove", "app1")
        assert not host.exists(path)
    else:
        host.dnf("reinstall", "app1")
        assert answer(host, path) == "app1 1.0"
        assert host.rpm("-V", "app1").output == ""
    assert answer(host, other) == "app1 1.0"


def test_the_package_of_the_cheat_sheet(author: Host, host: Host) -> None:
    text = (TREE / "docs" / "cheat-sheet.md").read_text()
    (spec,) = re.findall(r"^```spec\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (package,) = author.build(spec, _sources("1.0"))
    host.publish(package)
    host.dnf("install", "app1")
    assert host.run("app1", user=65534).stdout == "app1 1.0\n"
    assert host.rpm("-q", "--scripts", "app1").stdout == ""


def _with_a_unit(spec: str) -> str:
    """A spec file of a service, with what its upgrade does."""
    unit = "%{_unitdir}/app1.service"
    place = f"%install\ninstall -D -m 0644 /dev/null %{{buildroot}}{unit}\n"
    spec = spec.replace("%install\n", place)
    return f"{spec}{unit}\n%postun\n%systemd_postun_with_restart app1.service\n"


def test_a_service_whose_package_had_files_at_the_path_is_restarted_into_the_new_environment(
    author: Host, host: Host
) -> None:
    """The environment is made at the end of the transaction, and before systemd restarts."""
    path, _ = MOVES["From rpmvenv"]
    packages = [systemd.build(author, path, "app1")]
    for text, version in zip(SECTIONS["From rpmvenv"], ("1.0", "2.0")):
        packages += author.build(_with_a_unit(text), _sources(version))
    host.publish(*packages)
    host.dnf("install", "systemd", "app1-1.0")
    systemd.calls(host)
    host.dnf("upgrade", "app1")
    *_, restart = systemd.calls(host)
    assert restart == ["reload-or-restart --marked", host.readlink(path), "app1 2.0"]
