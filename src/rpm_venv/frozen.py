"""``dataclass`` as this project uses it, for a command that runs for milliseconds.

The standard library's writes and compiles six methods for every class when its module is imported,
and imports ``inspect`` for it: more than half of a short command's time. Here a class gets its
``__init__`` when many of it are made, and shares the other methods. ``dataclasses.replace``,
``fields`` and ``asdict`` work as well.
"""

from __future__ import annotations

from operator import attrgetter

__all__ = ["dataclass", "field", "names", "replace"]

# Type checkers know this name. Importing ``typing`` takes half as long as Python's own start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import Any
else:

    def dataclass(cls=None, *, frozen=False):
        """A class whose annotations are its fields: compared, hashed and shown by their values.

        Of the standard library's decorator it has what a value needs: defaults, ``field``,
        ``__post_init__``, inherited fields, ``frozen``.
        """
        if cls is None:
            return lambda decorated: _made(decorated, frozen)
        return _made(cls, frozen)

    def field(*, default=..., default_factory=None, compare=True):
        """A field with a default that is made for each instance, or that is not compared."""
        return _Field(default, default_factory, compare)

    def replace(value, **changes):
        """A copy of a value with other values in some fields."""
        same = {name: getattr(value, name) for name in value.__fields__}
        return type(value)(**{**same, **changes})


_NONE: Any = object()
#: So many values of a class are made without a constructor: to compile one takes as long as these.
_BY_HAND = 30


def names(cls: Any) -> tuple[str, ...]:
    """The fields of a class, in their order."""
    return tuple(cls.__fields__)


class _Field:
    """How a field is made. ``default`` is ``...`` where there is none."""

    def __init__(self, default: Any = ..., factory: Any = None, compare: bool = True) -> None:
        self.default = default
        self.factory = factory
        self.compare = compare


class _Standard:
    """``__dataclass_fields__``: made by the standard library when that asks for it."""

    def __get__(self, instance: object, owner: Any) -> Any:
        import dataclasses

        made = dataclasses.make_dataclass(
            owner.__name__,
            [(name, object, _standard(each)) for name, each in owner.__fields__.items()],
        )
        return made.__dataclass_fields__  # type: ignore[attr-defined]


def _standard(each: _Field) -> Any:
    import dataclasses

    if each.factory is not None:
        return dataclasses.field(default_factory=each.factory, compare=each.compare)
    if each.default is ...:
        return dataclasses.field(compare=each.compare)
    return dataclasses.field(default=each.default, compare=each.compare)


def _made(cls: Any, frozen: bool) -> Any:
    own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - its own, as strings
    fields: dict[str, _Field] = dict(getattr(cls, "__fields__", {}))
    for name, kind in own.items():
        if str(kind).startswith("ClassVar"):
            continue
        given = cls.__dict__.get(name, ...)
        fields[name] = given if isinstance(given, _Field) else _Field(given)
        if fields[name] is given:
            if given.default is ...:
                delattr(cls, name)
            else:
                setattr(cls, name, given.default)
    cls.__fields__ = fields
    cls.__dataclass_fields__ = _Standard()

    left = _BY_HAND

    def first(self: Any, *args: Any, **kwargs: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0 or not _filled(cls, self, args, kwargs):
            cls.__init__ = _init(cls)
            cls.__init__(self, *args, **kwargs)

    compared = [name for name, each in fields.items() if each.compare]
    cls.__values__ = staticmethod(attrgetter(*compared) if compared else lambda _: ())
    cls.__init__ = first
    for name, method in _METHODS.items():
        if name not in cls.__dict__:
            setattr(cls, name, method)
    if "__hash__" not in cls.__dict__:
        cls.__hash__ = _hash if frozen else None
    if frozen:
        cls.__setattr__ = cls.__delattr__ = _refuse
    return cls


def _filled(cls: Any, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Give a value its fields as the class's constructor would; False where that would refuse."""
    fields = cls.__fields__
    given = dict(zip(fields, args))
    if len(args) > len(fields) or not given.keys().isdisjoint(kwargs):
        return False
    given.update(kwargs)
    for name, each in fields.items():
        if name not in given:
            if each.factory is None and each.default is ...:
                return False
            given[name] = each.factory() if each.factory is not None else each.default
    if len(given) > len(fields):
        return False
    for name in fields:
        object.__setattr__(value, name, given[name])
    if hasattr(cls, "__post_init__"):
        value.__post_init__()
    return True


def _init(cls: Any) -> Any:
    """The constructor, compiled: an environment has 60,000 files, each a value or two."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_NONE": _NONE}
    parameters, lines = [], []
    for name, each in cls.__fields__.items():
        value = name
        if each.factory is not None:
            known[f"_make_{name}"] = each.factory
            parameters.append(f"{name}=_NONE")
            value = f"_make_{name}() if {name} is _NONE else {name}"
        elif each.default is not ...:
            known[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f" _set(self, {name!r}, {value})\n")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()\n")
    text = f"def __init__(self, {', '.join(parameters)}):\n{''.join(lines) or ' pass'}"
    exec(text, known)  # noqa: S102 - names of fields, from our own classes
    return known["__init__"]


def _values(value: Any) -> Any:
    return value.__values__


def _equal(self: Any, other: object) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    values = _values(other)
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(self.__values__(self))


def _shown(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__fields__)
    return f"{type(self).__qualname__}({values})"


def _refuse(_: Any, name: str, *_value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot change field {name!r}")


_METHODS = {"__eq__": _equal, "__repr__": _shown}
