"""Systems on other filesystems than usual: each call of the command finds them mounted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.systems import PATH, Command, Live, Snapshot


@dataclass(frozen=True)
class Surroundings:
    """A system below ``root``, and the shell commands that mount what is special about it.

    They run in a mount namespace of their own before each call, with ``$ROOT`` set, and leave
    nothing behind.
    """

    command: Command
    root: Path
    mounts: str
    variables: dict[str, str] = field(default_factory=dict)

    def call(self, *words: str, by: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """One call of the command; ``by`` are words before it, of a program that starts it."""
        return self.run(*by, *self.command(self.root, *words))

    def snapshot(self) -> Snapshot:
        return _tuples(self._see("systems.snapshot(top)"))

    def live(self) -> Live | None:
        found = self._see(f"systems.live(top, {PATH!r})")
        return None if found is None else _tuples(found)

    def litter(self) -> list[str]:
        found: list[str] = self._see("systems.litter(top)")
        return found

    def _see(self, expression: str) -> Any:
        code = (
            "import json, pathlib; from tests.faults import systems; "
            f"top = pathlib.Path(sys.argv[1]); print(json.dumps({expression}))"
        )
        done = self.run(*self.command.python(code, str(self.root)))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run any words there."""
        script = f'set -e; {self.mounts}\nexec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", *words],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ROOT": str(self.root), **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )


def _tuples(found: object) -> Snapshot:
    def frozen(value: object) -> object:
        return tuple(map(frozen, value)) if isinstance(value, list) else value

    assert isinstance(found, dict)
    return {name: tuple(map(frozen, entry)) for name, entry in found.items()}
