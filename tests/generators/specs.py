"""Spec files of small applications with environments, and the locks in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.host.wheels import Wheel, make_lock

LOCK = "%{_datadir}/app1/requirements.txt"
WHEELS = "%{_datadir}/app1/wheels"
PATH = "/opt/app1/penv"
INSTALL = f"%venv_install -r {LOCK} -w {WHEELS} -o {PATH}"

#: The %install of most applications here: all sources, in their directory.
SHIP_ALL = (
    "mkdir -p %{buildroot}%{_datadir}/app1\ncp -r %{_sourcedir}/. %{buildroot}%{_datadir}/app1"
)


def spec(
    sections: Mapping[str, str] | None = None, preamble: str = "", ship: str = SHIP_ALL
) -> str:
    """A spec file of the noarch package app1: by default the two lines, and the ghost."""
    texts = {
        "%description": "Test.",
        "%prep": "",
        "%install": ship,
        "%post": INSTALL,
        "%postun": f"%venv_remove {PATH}",
        "%files": f"%{{_datadir}}/app1\n%ghost {PATH}",
        **(sections or {}),
    }
    head = [
        "Name: app1",
        "Version: 1.0",
        "Release: 1",
        "Summary: Test",
        "License: MIT",
        "BuildArch: noarch",
        "BuildRequires: venv-rpm-macros",
        preamble,
    ]
    body = (f"\n{name}\n{text}\n" for name, text in texts.items() if text is not None)
    return "\n".join(head) + "\n" + "".join(body)


def sources(*wheels: Wheel, lock: str | None = None) -> dict[str, str | bytes]:
    """SOURCES with these wheels and the lock that names them, or another one."""
    text = make_lock(wheels) if lock is None else lock
    shipped: dict[str, str | bytes] = {f"wheels/{w.filename}": w.content for w in wheels}
    return {"wheels/README": "Wheels.\n", "requirements.txt": text, **shipped}


def pylock(wheels: Iterable[Wheel], head: str = "") -> str:
    """A pylock.toml that names wheels; several of one name and version are one package."""
    packages: dict[tuple[str, str], list[Wheel]] = {}
    for wheel in wheels:
        packages.setdefault((wheel.name, wheel.version), []).append(wheel)
    lines = ['lock-version = "1.0"', 'created-by = "tests"', head]
    for (name, version), files in packages.items():
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
        for file in files:
            lines += ["[[packages.wheels]]", f'name = "{file.filename}"']
            lines += [f'url = "https://files.invalid/{file.filename.replace("-", "%2D")}"']
            lines += [f'hashes = {{sha256 = "{file.sha256}"}}']
    return "\n".join(lines) + "\n"
