"""Applications as packages: spec files with the macro lines, and what they are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.host.host import Host
from tests.host.realwheels import RealWheels
from tests.host.wheels import Wheel, make_lock


@dataclass(frozen=True)
class Application:
    """One version of a package with one environment, after the example in the README.

    ``wheels`` are made here or real. The switches leave the blocks that are not the opt-in out.
    ``sections`` adds text to a section (``{"%post": "echo done"}``; ``""`` is the preamble), after
    the macro's line; ``before`` adds it in front. ``sources`` are further files for SOURCES.
    """

    name: str = "app1"
    version: str = "1"
    path: str = "/opt/app1/penv"
    wheels: tuple[Wheel, ...] | RealWheels = ()
    options: str = "-o"
    check: bool = False
    verify: bool = True
    ghost: bool = True
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
            lock: dict[str, str | bytes | Path] = {
                "requirements.txt": self.wheels.lock,
                "wheels": self.wheels.wheels,
            }
        else:
            lock = {f"wheels/{wheel.filename}": wheel.content for wheel in self.wheels}
            lock["requirements.txt"] = make_lock(self.wheels)
        return {**lock, **self.sources}

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
        ours = f"-r {share}/requirements.txt -w {share}/wheels {self.options}".strip()
        sections = {
            "": (
                f"Name: {self.name}\nVersion: {self.version}\nRelease: 1\n"
                "Summary: An application in an environment\nLicense: MIT\n"
                f"{self._architecture()}Source1: requirements.txt\n"
                "BuildRequires: venv-rpm-macros"
            ),
            "%description": "%{summary}.",
            "%install": (
                f"mkdir -p %{{buildroot}}{share}/wheels\n"
                f"cp %{{SOURCE1}} %{{buildroot}}{share}/\n"
                f"cp %{{_sourcedir}}/wheels/* %{{buildroot}}{share}/wheels/"
            ),
            "%pre": f"%venv_check -r %{{SOURCE1}} {self.options} {self.path}",
            "%post": f"%venv_install {ours} {self.path}",
            "%postun": f"%venv_remove {self.path}",
            "%verifyscript": f"%venv_verify {self.path}",
            "%files": share + (f"\n%ghost {self.path}" if self.ghost else ""),
        }
        left_out = {"%pre": not self.check, "%verifyscript": not self.verify}
        return {name: body for name, body in sections.items() if not left_out.get(name)}

    def _architecture(self) -> str:
        names = (
            [path.name for path in self.wheels.wheels.iterdir()]
            if isinstance(self.wheels, RealWheels)
            else [wheel.filename for wheel in self.wheels]
        )
        return "BuildArch: noarch\n" if all(name.endswith("-any.whl") for name in names) else ""
