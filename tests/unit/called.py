"""A system below a directory on which a test calls the command, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli


@dataclass
class System:
    """The directory, and what the command says."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def call(self, *argv: str, code: int = 0) -> str:
        """Both streams of a call that ends with this exit code."""
        self.capsys.readouterr()
        found = cli.main(["--root", str(self.root), *argv])
        output = "".join(self.capsys.readouterr())
        assert found == code, output
        return output

    def data(self, *argv: str, code: int = 0) -> Any:
        """What a call prints as JSON that ends with this exit code; its talk goes to stderr."""
        self.capsys.readouterr()
        found = cli.main(["--root", str(self.root), "--json", *argv])
        said = self.capsys.readouterr()
        assert found == code, said.err
        return json.loads(said.out)
