"""What can be done to a machine, a step each: ``plan.py`` decides, ``apply.py`` does. Types."""

from __future__ import annotations

from rpm_venv.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from rpm_venv.declaration import Declaration
    from rpm_venv.environment import Environment
    from rpm_venv.events import Event
    from rpm_venv.system.interpreter import Interpreter
    from rpm_venv.trees.generation import Generation
    from rpm_venv.wheels.objects import Packaged
    from rpm_venv.wheels.store import Source


@dataclass(frozen=True)
class BringObjects:
    """Objects that a package ships become objects of the store."""

    objects: tuple[Packaged, ...]
    interpreter: Interpreter


@dataclass(frozen=True)
class MakeObjects:
    """Wheels become objects of the store."""

    sources: tuple[Source, ...]
    interpreter: Interpreter


@dataclass(frozen=True)
class MakeGeneration:
    """Objects become a generation, which nothing points to yet."""

    generation: Generation
    declaration: Declaration
    interpreter: Interpreter


@dataclass(frozen=True)
class MakeBoth:
    """Wheels become objects, and these a generation, which is begun with those that are ``there``.

    It is what the two steps do one after the other.
    """

    objects: MakeObjects
    generation: MakeGeneration
    there: tuple[str, ...]


@dataclass(frozen=True)
class WriteState:
    """What this machine knows of the environment is put on disk."""

    environment: Environment


@dataclass(frozen=True)
class Switch:
    """The public path comes to point at a generation. ``parents`` are made first."""

    path: str
    generation: str


@dataclass(frozen=True)
class Unlink:
    """The public path goes away; where ``room`` is made, an empty directory takes its place."""

    path: str
    room: bool = False


@dataclass(frozen=True)
class DropGenerations:
    """Generations that nothing needs go away."""

    path: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class SweepStore:
    """Objects that no generation refers to go away."""


@dataclass(frozen=True)
class MendObjects:
    """These objects are made again when something needs them; and what was added to others goes.

    ``added`` are paths below the store.
    """

    damaged: tuple[str, ...]
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tell:
    """The history gets a line. With ``once``, not where its newest says the same."""

    event: Event
    once: bool = False


@dataclass(frozen=True)
class RemoveParents:
    """Directories that were made for the environment go away where they are empty."""

    directories: tuple[str, ...]


@dataclass(frozen=True)
class Forget:
    """The state of the environment goes away: nothing of it is left."""

    path: str


if TYPE_CHECKING:
    Step = Union[
        BringObjects,
        MakeObjects,
        MakeGeneration,
        MakeBoth,
        WriteState,
        Switch,
        Unlink,
        DropGenerations,
        SweepStore,
        MendObjects,
        RemoveParents,
        Tell,
        Forget,
    ]
