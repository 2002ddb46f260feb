"""What a package ships of environments, out of the reach of what rpm does to every buildroot.

Strip, debuginfo, rpath and shebang passes and byte-compilation run between ``set_aside`` and
``put_back``: all of it comes out of the build byte for byte, and the rest of the package does not
notice.
"""

from __future__ import annotations

import os
from pathlib import Path

from rpm_venv.errors import VenvError
from rpm_venv.paths import HOME, SHARE, Layout, escape
from rpm_venv.system import files, trust

_UNTOUCHED = (SHARE, HOME)


def set_aside(layout: Layout) -> None:
    """Take out of the buildroot what rpm's passes over it must not see, until ``put_back``.

    It goes beside the buildroot, so that all of it moves by a rename and stays as it is.
    """
    _refuse_links_out(layout)
    aside = _aside(layout)
    files.remove_tree(aside)  # what a build that failed in between has left
    for place in _UNTOUCHED:
        if os.path.lexists(layout.real(place)):
            files.make_directory(aside)
            files.move(layout.real(place), aside / escape(str(place)))


def put_back(layout: Layout) -> None:
    """Undo ``set_aside``; nothing where nothing is aside."""
    _refuse_links_out(layout)
    aside = _aside(layout)
    for place in _UNTOUCHED:
        away, real = aside / escape(str(place)), layout.real(place)
        if not away.exists():
            continue
        if os.path.lexists(real):
            raise VenvError(
                "a pass over the buildroot has put something where rpm-venv's own files go",
                subject=str(place),
            )
        files.make_directory(real.parent)
        files.move(away, real)
    files.remove_tree(aside)


def _refuse_links_out(layout: Layout) -> None:
    """``VenvError`` where this would take the builder's own files out of the way."""
    trust.refuse_links_out((layout.real(place).parent for place in _UNTOUCHED), layout.root)


def _aside(layout: Layout) -> Path:
    return layout.root.with_name(f"{layout.root.name}.venv-aside")
