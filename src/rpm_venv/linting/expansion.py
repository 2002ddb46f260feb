"""The macros of a spec file, put in as text. Nothing is run: rpm's ``%(…)`` stays. Pure.

That is less than rpm does, and enough to read paths: definitions without conditions, and what every
distribution defines alike.
"""

from __future__ import annotations

import re

#: What rpm and the distributions define alike (rpm's macros.in, Fedora's platform macros).
USUAL = {
    "_prefix": "/usr",
    "_exec_prefix": "/usr",
    "_bindir": "/usr/bin",
    "_sbindir": "/usr/sbin",
    "_libdir": "/usr/lib64",
    "_libexecdir": "/usr/libexec",
    "_datadir": "/usr/share",
    "_datarootdir": "/usr/share",
    "_docdir": "/usr/share/doc",
    "_pkgdocdir": "/usr/share/doc/%{name}",
    "_sysconfdir": "/etc",
    "_localstatedir": "/var",
    "_sharedstatedir": "/var/lib",
    "_var": "/var",
    "_tmppath": "/var/tmp",  # noqa: S108
    "_rundir": "/run",
    "__python3": "/usr/bin/python3",
    "python3": "/usr/bin/python3",
    "__rm": "/usr/bin/rm",
    "nil": "",
}

_DEPTH = 8
_MAX_TEXT = 4096  # a definition may name itself many times
_MAX_GROWTH = 1 << 20  # characters, by which all texts of a spec file may grow together
_USE = re.compile(r"%%|%\{[!?]*(\w+)\}|%[!?]*([A-Za-z_]\w+)")


class Macros:
    """The definitions of a spec file in their order; a later one replaces an earlier one."""

    def __init__(self) -> None:
        self._bodies = dict(USUAL)
        self._own: set[str] = set()
        self._growth = 0

    def define(self, name: str, body: str) -> None:
        self._bodies[name] = body
        self._own.add(name)

    def defines(self, name: str) -> bool:
        """Whether the spec file itself defines this macro."""
        return name in self._own

    def expand(self, text: str) -> str:
        """The text with every known plain macro replaced; what is not known stays.

        So does all of it where that would be very long: definitions may double each other.
        """
        for _ in range(_DEPTH):
            expanded = self._expand_once(text) if self._growth < _MAX_GROWTH else text
            if expanded == text:
                break
            self._growth += max(len(expanded) - len(text), 0)
            text = expanded
        return text

    def _expand_once(self, text: str) -> str:
        if "%" not in text:
            return text
        length = len(text)

        def replaced(use: re.Match[str]) -> str:
            nonlocal length
            name = use[1] or use[2]
            body = self._bodies.get(name) if name else None
            length += len(body or "")
            return use[0] if body is None or length > _MAX_TEXT else body

        return _USE.sub(replaced, text)
