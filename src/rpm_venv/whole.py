"""Environments that are a package's own files (``-b env``): rpm's, which no verb changes."""

from __future__ import annotations

from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.plan import Facts
from rpm_venv.system import declared


def is_whole(layout: Layout, path: str) -> bool:
    """Whether a package brings the environment at ``path`` as its own files."""
    declaration = declared.read(layout, path)
    return declaration is not None and declaration.is_whole


def mend(layout: Layout, path: str) -> str:
    """What mends such an environment; "" where it is none."""
    declaration = declared.read(layout, path)
    return _mend(declaration) if declaration is not None and declaration.is_whole else ""


def refuse(layout: Layout, path: str, hint: str) -> None:
    """``VenvError`` where a package brings the environment as its own files."""
    declaration = declared.read(layout, path)
    if declaration is not None and declaration.is_whole:
        raise VenvError(
            f"the files of this environment are those of the package {_name(declaration)}",
            subject=path,
            hint=hint,
        )


def refuse_unsound(declaration: Declaration, facts: Facts) -> None:
    """``VenvError`` where such an environment is not what its package brought, as the facts say."""
    wanted = declaration.generation
    if facts.live.generation != wanted or wanted not in facts.whole:
        raise VenvError(
            f"it is not as the package {_name(declaration)} brought it",
            subject=declaration.path,
            hint=_mend(declaration),
        )


def is_leaving(brought: Declaration, asked: Declaration) -> bool:
    """Whether what is brought is the old version's, whose files go in this transaction.

    The new one asks by a scriptlet: it has no declaration that would have taken the place.
    """
    old, new = brought.package, asked.package
    if asked.level or old is None or new is None:
        return False
    return old.name == new.name and not old.same_version(new)


def _mend(declaration: Declaration) -> str:
    if declaration.package is None:
        return "reinstall the package that it is part of"
    return f"mend it with: dnf reinstall {declaration.package.name}"


def _name(declaration: Declaration) -> str:
    return str(declaration.package or "that declares it")
