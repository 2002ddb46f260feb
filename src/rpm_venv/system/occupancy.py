"""Whether an environment may stand at a path: what is there, and whose it is."""

from __future__ import annotations

import stat

from rpm_venv.declaration import Declaration
from rpm_venv.errors import OccupiedError, VenvError
from rpm_venv.paths import Layout
from rpm_venv.system import image, trust
from rpm_venv.trees.generation import Live


def refuse(layout: Layout, declaration: Declaration, live: Live, *, own_files: bool = True) -> None:
    """Raise ``VenvError`` if the path cannot become an environment; nothing is changed.

    With ``own_files`` false, files below the path that belong to the declaring package are let
    pass: in ``%pre`` of an upgrade they are the old version's, and go before ``%posttrans``.
    """
    path = declaration.path
    trust.refuse_outside(layout.real(path).parent, layout.root)
    place = trust.trusted_parents(layout.real(path), layout.root)
    image.refuse_lost(layout, path)
    if layout.home in place.parents:
        raise VenvError(
            f"it would be inside {layout.target(place.parent)}, which is rpm-venv's own",
            subject=path,
            hint="name a path that is not below another environment",
        )
    if live.kind in ("nothing", "ours"):
        return
    owned = _owned(layout, path)
    if owned and not (own_files is False and _same_package(declaration, owned[1])):
        raise OccupiedError(
            f"{owned[0]} below it belongs to the package {owned[1]}, whose removal would go "
            "through the link and empty the new environment",
            subject=path,
            hint="call %venv_install in %posttrans, where that package's files are gone",
        )
    if live.kind == "foreign" and not owned:
        raise VenvError(
            "something stands there that is no virtual environment",
            subject=path,
            hint=f"move it away, or name another path: ls -ld {path}",
        )


def _owned(layout: Layout, path: str) -> tuple[str, str] | None:
    real = layout.real(path)
    if not stat.S_ISDIR(real.lstat().st_mode):
        return None
    from rpm_venv.system import rpmdb  # not where the path is ours already

    return rpmdb.first_owned_below(layout, path)


def unpacked_into(layout: Layout, path: str, generation: str) -> str:
    """The NEVRA of an installed package with files below a path that is an environment's; or "".

    rpm has followed the link then, and put them into the generation and the objects behind it: so
    it is when an older version of a package comes back that had files there itself.
    """
    if not generation:
        return ""
    from rpm_venv.system import rpmdb  # the call may have nothing to do with rpm

    found = rpmdb.first_owned_below(layout, path, layout.generation_target(path, generation))
    return found[1] if found else ""


def _same_package(declaration: Declaration, nevra: str) -> bool:
    package = declaration.package
    return package is not None and nevra.rsplit("-", 2)[0] == package.name
