"""Applications as packages: spec files with the macro lines, and what they are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.host.host import Host
from tests.host.realwheels import RealWheels
from tests.host.wheels import Wheel, make_lock, make_wheel


@dataclass(frozen=True)
class Application:
    """One version of a package with one environment, after the example in the README.

    ``wheels`` are made here or real, and part of the package unless ``ship`` is false. The other
    switches leave out blocks that are not the opt-in, ``without`` any section's macro.
    ``sections`` adds text to a section (``{"%post": "echo done"}``; ``""`` is the preamble), after
    the macro's line; ``before`` adds it in front. ``sources`` are further files for SOURCES.
    """

    name: str = "app1"
    version: str = "1"
    path: str = "/opt/app1/penv"
    wheels: tuple[Wheel, ...] | RealWheels = ()
    ship: bool = True
    options: str = "-o"
    check: bool = False
    verify: bool = True
    ghost: bool = True
    without: tuple[str, ...] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str | bytes | Path] = field(default_factory=dict)

    def but(self, **changes: Any) -> Application:
        """The same application with other fields."""
        return replace(self, **changes)

    def build(self, builder: Host) -> Path:
        """The RPM, built on a host that has venv-rpm-macros."""
        (package,) = builder.build(self.spec(), self.all_sources())
        return package

    def all_sources(self) -> dict[str, str | bytes | Path]:
        """What goes to SOURCES: the lock, a directory of wheels, and ``sources``."""
        if isinstance(self.wheels, RealWheels):
            return {
                "requirements.txt": self.wheels.lock,
                "wheels": self.wheels.wheels,
                **self.sources,
            }
        return {
            "requirements.txt": make_lock(self.wheels),
            **{f"wheels/{wheel.filename}": wheel.content for wheel in self.wheels},
            **self.sources,
        }

    def spec(self) -> str:
        """The spec file."""
        sections = self._sections()
        for name in [*self.before, *self.sections]:
            sections.setdefault(name, "")
        text = ""
        for name, body in sections.items():
            parts = [name, self.before.get(name, ""), body, self.sections.get(name, "")]
            text += "\n".join(part for part in parts if part) + "\n\n"
        return text

    def _sections(self) -> dict[str, str]:
        share = f"%{{_datadir}}/{self.name}"
        wheels = f"-w {share}/wheels" if self.ship else ""
        ours = " ".join(f"-r {share}/requirements.txt {wheels} {self.options}".split())
        sections = {
            "": (
                f"Name: {self.name}\nVersion: {self.version}\nRelease: 1\n"
                "Summary: An application in an environment\nLicense: MIT\n"
                f"{self._architecture()}Source1: requirements.txt\n"
                "BuildRequires: venv-rpm-macros"
            ),
            "%description": "%{summary}.",
            "%install": (
                f"install -D -m 0644 %{{SOURCE1}} %{{buildroot}}{share}/requirements.txt\n"
                + (f"cp -r %{{_sourcedir}}/wheels %{{buildroot}}{share}/" if self.ship else "")
            ),
            "%pre": f"%venv_check -r %{{SOURCE1}} {self.options} {self.path}",
            "%post": f"%venv_install {ours} {self.path}",
            "%postun": f"%venv_remove {self.path}",
            "%verifyscript": f"%venv_verify {self.path}",
            "%files": share + (f"\n%ghost {self.path}" if self.ghost else ""),
        }
        wanted = {"%pre": self.check, "%verifyscript": self.verify}
        return {
            name: body
            for name, body in sections.items()
            if wanted.get(name, True) and name not in self.without
        }

    def _architecture(self) -> str:
        names = (
            [path.name for path in self.wheels.wheels.iterdir()]
            if isinstance(self.wheels, RealWheels)
            else [wheel.filename for wheel in self.wheels]
        )
        return "BuildArch: noarch\n" if all(name.endswith("-any.whl") for name in names) else ""


@dataclass(frozen=True)
class DeclaredApplication(Application):
    """The same in the other shape: one line in ``%install``, a file list, and no scriptlet.

    ``level`` is that of ``-b``; ``options`` are those of %venv_declare. Wheels that the package
    does not ``ship`` are not in the build's SOURCES either.
    """

    level: str = "wheels"
    options: str = ""
    verify: bool = False

    def _sections(self) -> dict[str, str]:
        wheels = "-w %{_sourcedir}/wheels" if self.ship else ""
        words = f"-b {self.level} -r %{{SOURCE1}} {wheels} {self.options} {self.path}"
        scriptlets = ("%pre", "%post", "%postun", "%verifyscript", "%files")
        sections = {n: text for n, text in super()._sections().items() if n not in scriptlets}
        return {
            **sections,
            "%install": f"%venv_declare {' '.join(words.split())}",
            "%files -f %{venv_files}": "",
        }


def tiny_application(version: str = "1", name: str = "app1", **fields: Any) -> Application:
    """An application of one small wheel, whose command prints its name and version."""
    return Application(version=version, name=name, **_tiny(version, name, fields))


def tiny_declared(version: str = "1", name: str = "app1", **fields: Any) -> DeclaredApplication:
    """The tiny application in the shape that has no scriptlets."""
    return DeclaredApplication(version=version, name=name, **_tiny(version, name, fields))


def _tiny(version: str, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    wheel = make_wheel(name, version, scripts={name: f"{name}:main"})
    return {"path": f"/opt/{name}/penv", "wheels": (wheel,), **fields}


def answer(host: Host, path: str = "/opt/app1/penv", command: str = "app1") -> str:
    """What a tiny application's command prints; ``nothing there`` when it is not there."""
    program = f"{path}/bin/{command}"
    if not host.exists(path) or not host.exists(program):
        return "nothing there"
    return host.run(program, user=65534).stdout.strip()
