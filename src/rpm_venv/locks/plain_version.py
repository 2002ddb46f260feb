"""Versions that are written as ``packaging`` would write them: their text says all most calls ask.

What parses versions takes as long to import as ten wheels take to be linked. It is asked as soon as
two versions are compared that are not written alike (PEP 440). Pure.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from packaging.version import Version

    AnyVersion = Union[Version, "PlainVersion"]

_NUMBER = "(?:0|[1-9][0-9]*)"
#: PEP 440's normal form, without epochs and local versions.
_PLAIN = (
    rf"{_NUMBER}(?:\.{_NUMBER})*(?:(?:a|b|rc){_NUMBER})?(?:\.post{_NUMBER})?(?:\.dev{_NUMBER})?"
)


def is_plain(text: str) -> bool:
    """Whether ``str(Version(text))`` is the text itself; False also where that is not plain."""
    return re.fullmatch(_PLAIN, text) is not None


class PlainVersion:
    """A version whose text ``is_plain``; equal to the ``Version`` of that text, and ordered so."""

    __slots__ = ("_text", "_version")

    def __init__(self, text: str) -> None:
        self._text = text
        self._version: Version | None = None

    @property
    def parsed(self) -> Version:
        if self._version is None:
            from packaging.version import Version  # the imports that this class is there to spare

            self._version = Version(self._text)
        return self._version

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return repr(self.parsed)

    def __hash__(self) -> int:
        return hash(self.parsed)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PlainVersion):
            return self._text == other._text or self.parsed == other.parsed
        return self.parsed == other

    def __lt__(self, other: AnyVersion) -> bool:
        return self.parsed < parsed(other)

    def __le__(self, other: AnyVersion) -> bool:
        return self.parsed <= parsed(other)

    def __gt__(self, other: AnyVersion) -> bool:
        return self.parsed > parsed(other)

    def __ge__(self, other: AnyVersion) -> bool:
        return self.parsed >= parsed(other)


def parsed(version: AnyVersion) -> Version:
    """The version as ``packaging`` knows it."""
    return version.parsed if isinstance(version, PlainVersion) else version
