"""The interpreter an environment is for: found, asked once, described. An edge: runs programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rpm_venv.paths import Layout


@dataclass(frozen=True)
class Interpreter:
    """One CPython, as the environments made for it need to know it.

    ``path`` is the target path of the real executable (``/usr/bin/python3.11``), ``tag`` its
    ``sys.implementation.cache_tag`` (``cpython-311``), ``markers`` the PEP 508 environment,
    ``tags`` the wheel tags it takes, best first (PEP 425), as ``py-abi-platform`` strings.
    """

    path: str
    version: tuple[int, int, int]
    tag: str
    markers: Mapping[str, str]
    tags: tuple[str, ...]

    @property
    def minor(self) -> str:
        """``3.11``: the directory below lib/ and the value of python(abi)."""
        return f"{self.version[0]}.{self.version[1]}"


def inspect(layout: Layout, python: str) -> Interpreter:
    """The interpreter that ``python``, a target path or a bare name, stands for in this layout."""
    raise NotImplementedError
