"""Which rpm the tests run: the system's, or another build that the environment names.

``VENV_TEST_RPM`` and ``VENV_TEST_RPMBUILD`` are paths of commands, ``VENV_TEST_RPM_CONFIGDIR`` is
the directory of that build's macros and rpmrc. dnf always uses the system's rpm library.

This project's packages are built by the system's rpmbuild, and put their macros where the system's
rpm looks. On hosts, another build has a copy of its own configuration directory, and links there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

#: Directories that a host has for itself; another build of rpm below one must be kept visible.
COVERED = ("/opt", "/tmp")


@dataclass(frozen=True)
class RpmTools:
    """One build of rpm: its commands, and its configuration if that is not compiled in."""

    rpm: str = "rpm"
    rpmbuild: str = "rpmbuild"
    configdir: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> RpmTools:
        return cls(
            rpm=environment.get("VENV_TEST_RPM", cls.rpm),
            rpmbuild=environment.get("VENV_TEST_RPMBUILD", cls.rpmbuild),
            configdir=environment.get("VENV_TEST_RPM_CONFIGDIR", cls.configdir),
        )

    @property
    def is_system(self) -> bool:
        return self == RpmTools()

    @property
    def environment(self) -> dict[str, str]:
        return {"RPM_CONFIGDIR": self.configdir} if self.configdir else {}

    def configuration(self) -> Path:
        """The directory where this build looks for its own macros, Lua modules and generators."""
        return Path(self._run("--eval", "%{_rpmconfigdir}"))

    def configured_at(self, directory: str) -> RpmTools:
        """The same commands with their configuration at another place."""
        return replace(self, configdir=directory)

    def visible(self) -> list[str]:
        """Directories of this build that a host would cover: ``/opt/rpm-6.0`` for its commands."""
        paths = [Path(path) for path in (self.rpm, self.rpmbuild, self.configdir) if "/" in path]
        covered = {str(Path(*path.parts[:3])) for path in paths if f"/{path.parts[1]}" in COVERED}
        return sorted(covered)

    def version(self) -> tuple[int, ...]:
        """The version of this rpm, for example ``(4, 18, 0)``."""
        return tuple(int(part) for part in self._banner().split()[-1].split(".") if part.isdigit())

    def describe(self) -> str:
        """One line for the head of a test run."""
        return f"{self._banner()} ({shutil.which(self.rpm) or self.rpm})"

    def _banner(self) -> str:
        return self._run("--version")

    def _run(self, *arguments: str) -> str:
        answer = subprocess.run(
            [self.rpm, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout.strip()
