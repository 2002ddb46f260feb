"""Which distribution a root is of, as os-release(5) says. An edge: only reads."""

from __future__ import annotations

import re

from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass
from rpm_venv.paths import Layout
from rpm_venv.system import reading, trust

#: In the order of os-release(5): the second is the distribution's, the first may be a link to it.
_PLACES = ("/etc/os-release", "/usr/lib/os-release")
_MOST = 64 << 10  # bytes
#: What both may be made of, quoted or not; a value of other characters is none.
_LINE = re.compile(r"(ID|VERSION_ID)=([\"']?)([a-z0-9._-]+)\2\s*")


@dataclass(frozen=True)
class Release:
    """A distribution: its ``ID`` and ``VERSION_ID``, each "" where it is not said."""

    id: str = ""
    version: str = ""


def read(layout: Layout) -> Release:
    """The distribution of a root; an empty one where nothing is known."""
    for place in _PLACES:
        real = layout.real(place)
        try:
            trust.refuse_outside(real, layout.root)
            text = reading.content(real, most=_MOST).decode("utf-8", "replace")
        except (OSError, VenvError):
            continue
        found = {match[1]: match[3] for match in map(_LINE.fullmatch, text.splitlines()) if match}
        return Release(found.get("ID", ""), found.get("VERSION_ID", ""))
    return Release()
