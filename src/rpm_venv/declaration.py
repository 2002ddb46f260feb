"""What a package asks for: the declaration, and the package that makes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rpm_venv import shapes
from rpm_venv.errors import UsageError
from rpm_venv.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEVRA = (  # compiled where it is needed
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9._+-]*)-((?P<epoch>\d+):)?"
    r"(?P<version>[A-Za-z0-9._+~^]+)-(?P<release>[A-Za-z0-9._+~^]+)\.(?P<arch>[A-Za-z0-9_]+)"
)


@dataclass(frozen=True)
class Package:
    """The rpm package that makes a declaration, by its name, epoch, version, release and arch."""

    name: str
    version: str
    release: str
    arch: str
    epoch: int = 0

    @classmethod
    def parse(cls, text: str) -> Package:
        """A package from ``NAME-[EPOCH:]VERSION-RELEASE.ARCH`` (rpm(8), --queryformat NEVRA)."""
        match = re.fullmatch(_NEVRA, text)
        if not match:
            raise UsageError(
                "not a package's NAME-VERSION-RELEASE.ARCH",
                subject=text,
                hint="the macros pass it; by hand, leave the option out",
            )
        fields = match.groupdict()
        return cls(
            name=fields["name"],
            version=fields["version"],
            release=fields["release"],
            arch=fields["arch"],
            epoch=int(fields["epoch"] or 0),
        )

    @property
    def evr(self) -> str:
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    def same_version(self, other: Package) -> bool:
        """Whether both are one version of one package, of whatever architecture.

        A scriptlet cannot know whether its package became noarch.
        """
        return (self.name, self.evr) == (other.name, other.evr)

    def __str__(self) -> str:
        return f"{self.name}-{self.evr}.{self.arch}"


_SHAPE = {
    **dict.fromkeys(("path", "lock", "python"), str),
    **{name: [str] for name in ("wheels", "extras", "groups")},
    **dict.fromkeys(("system_site", "offline"), bool),
    "package": (str, None),
    "level": str,
    "packaged": [str],
    "generation": str,
}
#: What there was not from the beginning.
_LATER = {"level": "", "packaged": [], "generation": ""}


@dataclass(frozen=True)
class Declaration:
    """One environment as asked for; the options are the macros' and the command's.

    ``lock`` and ``wheels`` are target paths. ``offline`` never asks an index (``-o``).
    ``system_site`` shows the system's site-packages (``-s``).

    Where a package declares it, ``level`` is how much of it the package brings (``-b``),
    ``packaged`` the content digests of the objects that it brings, and ``generation`` the one that
    it brings whole.
    """

    path: str
    lock: str
    wheels: tuple[str, ...] = ()
    python: str = "/usr/bin/python3"
    system_site: bool = False
    offline: bool = False
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    package: Package | None = None
    level: str = ""
    packaged: tuple[str, ...] = ()
    generation: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the environment is the package's own files (``-b env``): rpm's alone."""
        return self.level == "env"

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "lock": self.lock,
            "wheels": list(self.wheels),
            "python": self.python,
            "system_site": self.system_site,
            "offline": self.offline,
            "extras": list(self.extras),
            "groups": list(self.groups),
            "package": str(self.package) if self.package else None,
            "level": self.level,
            "packaged": list(self.packaged),
            "generation": self.generation,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Declaration:
        """What ``to_json`` gave; ``ValueError`` where it is not that, ``VenvError`` for its NEVRA.

        A path may still be one that no environment can have.
        """
        data = shapes.checked({**_LATER, **shapes.checked(data, {})}, _SHAPE)
        return cls(
            path=data["path"],
            lock=data["lock"],
            wheels=tuple(data["wheels"]),
            python=data["python"],
            system_site=data["system_site"],
            offline=data["offline"],
            extras=tuple(data["extras"]),
            groups=tuple(data["groups"]),
            package=Package.parse(data["package"]) if data["package"] else None,
            level=data["level"],
            packaged=tuple(data["packaged"]),
            generation=data["generation"],
        )
