"""TOML that others have written, read in a time that its length bounds (pure)."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

#: A dotted key that goes deeper than any file of ours; TOML readers take the square of its length.
_DEEP_KEY = re.compile(r"""(?:^|[\[{,])[ \t]*(?:["'\w-]+[ \t]*\.[ \t]*){32}""", re.M)


class DeepKeyError(ValueError):
    """A dotted key has more parts than are read."""


def loads(text: str) -> dict[str, Any]:
    """The content of a TOML document; ``ValueError`` if it is none, or has too deep a key.

    ``RecursionError`` where arrays or tables are in each other too deeply.
    """
    if _DEEP_KEY.search(text):
        raise DeepKeyError("a key of more than 32 parts")
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    data: dict[str, Any] = reader.loads(text)
    return data
