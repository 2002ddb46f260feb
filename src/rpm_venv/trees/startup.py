"""The start-up hook: a process started through PATH runs in the generation that PATH meant. Pure.

``PATH/bin/python`` makes PATH, a link, its ``sys.prefix``. After a switch such a process would load
the rest of its modules from another generation. The hook is a ``.pth`` file of one line, which
``site`` executes; ``python -S`` knows neither it nor the environment's packages. It puts the
generation's own path in the place of whatever name the process was started by, in all that is
derived from it.

The hook also maps a file of the generation, and so holds it: ``install`` sees that it is in use,
whatever name the process gives itself and whichever files it closes. What a process loads from a
directory that is a link into the store does not show the generation.

Python up to 3.14 executes such a line when it comes to it, 3.15 after all directories were added;
from 3.18 on it takes a ``.start`` file instead, which 3.15 would then prefer (PEP 829).
"""

from __future__ import annotations

#: ``site`` takes .pth files by the order of their names: the first before any other can import
#: something, the last after those that add directories below the name it was started by.
FIRST = "+rpm-venv.pth"
LAST = "~rpm-venv.pth"

# Runs in namespaces of its own, in which `generation` is given. It may run several times: site
# goes through the .pth files of an environment twice, and there are two of these files.
# `samefile`, because the path may have come by other links too (/opt -> /var/opt), and because
# another Python that is told to use this site-packages directory must stay what it is.
# KEEP the public name in `sys`: after the first run sys.prefix does not have it any more.
_PIN = """
import os, site, sys
start = getattr(sys, "_rpm_venv_start", sys.prefix)
try:
    ours = os.path.samefile(start, generation)
except OSError:
    ours = False
if ours:
    def pin(path):
        return generation + path[len(start):] if f"{path}/".startswith(f"{start}/") else path
    sys._rpm_venv_start = start
    sys.prefix = pin(sys.prefix)
    sys.exec_prefix = pin(sys.exec_prefix)
    sys.executable = pin(sys.executable or "")
    sys.path[:] = dict.fromkeys(map(pin, sys.path))
    site.PREFIXES[:] = map(pin, site.PREFIXES)
"""

# Also in another Python that uses this site-packages directory.
_HOLD = """
import sys
held = sys.__dict__.setdefault("_rpm_venv_held", {})
try:
    import mmap
    with open(generation + "/pyvenv.cfg", "rb") as file:
        held[generation] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
except (ImportError, OSError, ValueError):
    held[generation] = None
"""


def hook(generation: str) -> bytes:
    """The content of both files for a generation, given by its target path."""
    line = (
        f"import sys; sys.prefix == {generation!r} and not hasattr(sys, '_rpm_venv_start')"
        f" or exec({_PIN.strip()!r}, {{'generation': {generation!r}}});"
        f" {generation!r} in getattr(sys, '_rpm_venv_held', ())"
        f" or exec({_HOLD.strip()!r}, {{'generation': {generation!r}}})\n"
    )
    return line.encode()
