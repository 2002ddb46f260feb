"""What the author's side puts into a buildroot, and the list of it for %files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from rpm_venv.declaration import Declaration
from rpm_venv.errors import VenvError
from rpm_venv.frozen import dataclass, field
from rpm_venv.paths import HOME, SHARE, Layout, declared_at, escape
from rpm_venv.system import declared, files, trust
from rpm_venv.wheels import packaged

_GHOST = "%ghost "

#: Directories that are the system's and no package's: ``filesystem`` owns them, or nobody should.
_SYSTEM = frozenset(
    ["/", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var"]
    + [f"/usr/{name}" for name in ("bin", "lib", "lib64", "libexec", "local", "sbin", "share")]
    + [f"/usr/local/{name}" for name in ("bin", "lib", "lib64", "libexec", "share")]
    + [f"/var/{name}" for name in ("cache", "lib", "opt", "www")]
)


@dataclass(frozen=True)
class Shipment:
    """What a package brings for one environment.

    ``commands`` are target paths of links to commands of the environment, ``wheels`` files to be
    copied, ``objects`` directories to be moved, by their content digests, and ``generation`` such a
    directory as well.
    """

    declaration: Declaration
    lock: bytes
    commands: tuple[str, ...] = ()
    wheels: tuple[Path, ...] = ()
    objects: Mapping[str, Path] = field(default_factory=dict)
    generation: Path | None = None


def ship(layout: Layout, shipment: Shipment) -> tuple[str, ...]:
    """Put a shipment into the buildroot, in place of an older one; its lines for %files.

    All that ``declare`` changes in a buildroot is changed here. ``VenvError`` where something else
    stands in a link's place, or a link leads out of the buildroot; nothing was changed then.
    """
    declaration = shipment.declaration
    _refuse_occupied(layout, shipment)
    _refuse_links_out(layout, (declaration.path, *shipment.commands))
    before = declared.read(layout, declaration.path)
    for command in shipment.commands:
        _link(layout, command, _target(command, declaration.path))
    if shipment.generation:
        _place_generation(layout, declaration, shipment.generation)
    else:
        _place_placeholder(layout, declaration.path)
    for digest, made in shipment.objects.items():
        _move(made, packaged.directory(layout, digest))
    _declare(layout, shipment)
    if before:
        _sweep(layout, before.packaged)
    return listed(shipment)


def _refuse_links_out(layout: Layout, places: Iterable[str]) -> None:
    """``VenvError`` where the way to one of these places, or ours, leads out of the buildroot."""
    ours = [layout.real(SHARE), layout.real(HOME / "packaged"), layout.real(HOME / "envs")]
    ways = [layout.real(place).parent for place in places]
    trust.refuse_links_out([*ways, *ours], layout.root)


def _refuse_occupied(layout: Layout, shipment: Shipment) -> None:
    for command in shipment.commands:
        real = layout.real(command)
        wanted = _relative(layout, command, _target(command, shipment.declaration.path))
        if os.path.lexists(real) and not (real.is_symlink() and os.readlink(real) == wanted):
            raise VenvError(
                "there is something else in the buildroot already",
                subject=command,
                hint="leave it out of %install, or its name out of -c",
            )


def _target(command: str, path: str) -> str:
    return f"{path}/bin/{PurePosixPath(command).name}"


def _relative(layout: Layout, path: str, target: PurePosixPath | str) -> str:
    return os.path.relpath(layout.real(target), layout.real(path).parent)


def place(layout: Layout, path: str) -> None:
    """Put the placeholder for ``%ghost PATH`` into the buildroot: a link, as on the target.

    A ghost has its type from the buildroot, and rpm would unlink what is a link on disk and was
    packaged as a directory. Relative, because rpmbuild warns of absolute links.
    """
    _refuse_links_out(layout, [path])
    _link(layout, path, HOME / "envs" / escape(path))


def _place_placeholder(layout: Layout, path: str) -> None:
    """Put the placeholder there, also in the place of a link that an older shipment needed."""
    real = layout.real(path)
    if real.is_symlink() and os.readlink(real) == layout.live_target(path):
        files.remove_tree(real)
        files.remove_tree(layout.envs / escape(path))
    place(layout, path)


def _place_generation(layout: Layout, declaration: Declaration, made: Path) -> None:
    """Put a whole environment into the buildroot: its generation, and the two links to it.

    PATH leads to a link beside the generation. That is the one which changes with the version, and
    rpm comes to it after the generation's files: it goes by the order of names. The link at PATH is
    absolute, as on the target: above it there may be links (/opt -> /var/opt).
    """
    path = declaration.path
    files.remove_tree(layout.envs / escape(path))
    _move(made, layout.real(layout.generation_target(path, made.name)))
    files.link_atomic(layout.real(layout.live_target(path)), made.name)
    files.make_directory(layout.real(path).parent)
    files.link_atomic(layout.real(path), layout.live_target(path))


def _link(layout: Layout, path: str, target: PurePosixPath | str) -> None:
    real = layout.real(path)
    if not os.path.lexists(real):
        files.make_directory(real.parent)
        files.link_atomic(real, _relative(layout, path, target))


def _move(made: Path, wanted: Path) -> None:
    """Rename a directory to its place, where another environment's is as good."""
    if not wanted.exists():
        files.make_directory(wanted.parent)
        files.move(made, wanted)


def _declare(layout: Layout, shipment: Shipment) -> None:
    """The declaration, with its lock and wheels."""
    declaration = shipment.declaration
    place = layout.real(declared_at(declaration.path))
    files.remove_tree(place)
    files.make_directory(place)
    files.write_new(layout.real(declaration.lock), shipment.lock)
    for directory in declaration.wheels:
        files.make_directory(layout.real(directory))
        for wheel in shipment.wheels:
            files.copy_new(wheel, layout.real(directory) / wheel.name)
    # Last: a declaration that is there is whole.
    files.write_new(place / declared.NAME, declared.dumps(declaration))


def _sweep(layout: Layout, digests: Iterable[str]) -> None:
    """Remove packaged objects of an older shipment that no declaration names any more."""
    now = [declared.read(layout, path) for path in declared.paths(layout)]
    named = {digest for declaration in now if declaration for digest in declaration.packaged}
    for digest in set(digests) - named:
        files.remove_tree(packaged.directory(layout, digest))


def listed(shipment: Shipment) -> tuple[str, ...]:
    """The lines for %files of one shipment.

    The directories above PATH are the package's where they are no part of the system.
    """
    path = shipment.declaration.path
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    own = [f"{HOME}/packaged/{digest}" for digest in sorted(shipment.objects)]
    if shipment.generation:
        own = [f"{HOME}/envs/{escape(path)}"]
    return (
        f"%dir {SHARE}",
        str(declared_at(path)),
        *((f"%dir {HOME}", f"%dir {PurePosixPath(own[0]).parent}") if own else ()),
        *own,
        *(f"%dir {parent}" for parent in reversed(parents) if parent not in _SYSTEM),
        path if shipment.generation else f"{_GHOST}{path}",
        *shipment.commands,
    )


def add_to_list(layout: Layout, file: Path, lines: Iterable[str]) -> None:
    """Add lines to a package's file list, which has those of its other declarations.

    The list outlives the buildroot, so a line of an earlier build may be in it, of something that
    is not there any more: rpmbuild would fail on that. Or PATH was of another level then: of a file
    that is listed both ways rpmbuild makes a %ghost, which no package brings.
    """
    lines = tuple(lines)
    known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    there = [line for line in known if _is_there(layout, line) and _other_way(line) not in lines]
    text = "".join(f"{line}\n" for line in dict.fromkeys([*there, *lines]))
    files.make_directory(file.parent)
    files.write_atomic(file, text.encode())


def _other_way(line: str) -> str:
    """The line that lists the same with %ghost, or without."""
    return line[len(_GHOST) :] if line.startswith(_GHOST) else f"{_GHOST}{line}"


def _is_there(layout: Layout, line: str) -> bool:
    """Whether rpmbuild finds what a line names; lines that an author has added are taken to be."""
    place = PurePosixPath((line.split() or [""])[-1])
    is_ours = place.is_absolute() and ".." not in place.parts
    return not is_ours or os.path.lexists(layout.real(place))
