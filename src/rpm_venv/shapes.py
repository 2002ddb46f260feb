"""The shape of what was read from JSON, which a damaged or hostile file chooses. Pure."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    #: A shape is a type, a list with the shape of its items, a tuple of alternatives (None is one),
    #: or a mapping of names to shapes.
    Shape = Any


def loads(data: bytes | str) -> Any:
    """What a JSON document says; ``ValueError`` for every document that is none, deep ones too."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def checked(value: Any, shape: Shape, name: str = "it") -> Any:
    """The value, which has that shape; ``ValueError`` says what of it has not.

    Text is such that a file could be named so, and numbers are what a file's size could be. Names
    that a mapping's shape does not know are let pass: a later version may have written them.
    """
    if isinstance(shape, dict):
        _expect(isinstance(value, dict), name)
        for key, inner in shape.items():
            _expect(key in value, f"{key!a} of {name}")
            checked(value[key], inner, key)
    elif isinstance(shape, list):
        _expect(isinstance(value, list), name)
        for item in value:
            checked(item, shape[0], f"an item of {name}")
    elif isinstance(shape, tuple):
        if value is None and None in shape:
            return value
        checked(value, next(one for one in shape if one is not None), name)
    else:
        _expect(type(value) is shape and _is_sound(value), name)
    return value


def rows(values: list[Any], kinds: tuple[type, ...]) -> None:
    """``ValueError`` where a row is no list of exactly these types.

    There are a hundred thousand rows: they are looked at a column at a time.
    """
    _expect(set(map(type, values)) <= {list} and set(map(len, values)) <= {len(kinds)}, "a row")
    for column, kind in zip(zip(*values), kinds):
        _expect(set(map(type, column)) == {kind} and _are_sound(column), "a row")


def _are_sound(column: tuple[Any, ...]) -> bool:
    if isinstance(column[0], str):
        return _is_sound("".join(column))
    return _is_sound(min(column)) and _is_sound(max(column))


def _is_sound(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or _encodes(value))
    return not isinstance(value, int) or 0 <= value < 1 << 63


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell
        return False
    return True


def _expect(is_so: bool, name: str) -> None:
    if not is_so:
        raise ValueError(f"{name} is not what it should be")
