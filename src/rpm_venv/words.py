"""Plain command lines, read without ``argparse``, whose import takes as long as Python's own start.

A verb says to ``Words`` what it takes, as it says it to an ``ArgumentParser``. What comes out is
what that would make of the same words (``tests/unit/test_words.py``). Whatever is not plain is
``Unusual``, and left to it: mistakes, ``--help``, abbreviations, ``--option=value``. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_FOR_PEOPLE = {"metavar", "help"}
_FLAG = {"action"}
_VALUE = {"action", "default", "type", "choices"}


class Unusual(Exception):
    """Words, or something that a verb takes, that are not plain."""


class Words:
    """What a verb takes. It has of ``ArgumentParser`` what plain verbs need."""

    def __init__(self) -> None:
        self._options: dict[str, tuple[str, dict[str, Any]]] = {}
        self._required: set[str] = set()
        self._positionals: list[tuple[str, str]] = []
        self._defaults: dict[str, Any] = {}

    def __getattr__(self, name: str) -> NoReturn:
        raise Unusual(name)

    def add_argument(self, *names: str, **how: Any) -> None:
        """Take an option, or what stands without one."""
        how = {key: value for key, value in how.items() if key not in _FOR_PEOPLE}
        if not names[0].startswith("-"):
            if len(names) > 1 or how not in ({}, {"nargs": "*"}):
                raise Unusual(names[0])
            self._positionals.append((names[0], how.get("nargs", "")))
            self._defaults[names[0]] = None
            return
        long = [name for name in names if name.startswith("--")]
        dest = how.pop("dest", (long or list(names))[0].lstrip("-").replace("-", "_"))
        is_required = how.pop("required", False)
        is_flag = how.get("action") == "store_true"
        if not how.keys() <= (_FLAG if is_flag else _VALUE):
            raise Unusual(names[0])
        if how.get("action") not in (None, "store_true", "append") or dest in self._defaults:
            raise Unusual(names[0])
        if "type" in how and how.get("default") is not None:
            raise Unusual(names[0])
        self._defaults[dest] = how.get("default", False if is_flag else None)
        self._options.update((name, (dest, how)) for name in names)
        if is_required:
            self._required.add(dest)

    def read(self, words: Sequence[str]) -> SimpleNamespace:
        """The values of plain words, by the names that a parser's namespace has them by."""
        found = SimpleNamespace(**self._defaults)
        alone: list[int] = []
        given: set[str] = set()
        left = iter(enumerate(words))
        for place, word in left:
            if not _is_option(word):
                alone.append(place)
                continue
            if word not in self._options:
                raise Unusual(word)
            dest, how = self._options[word]
            given.add(dest)
            if how.get("action") == "store_true":
                setattr(found, dest, True)
                continue
            _, value = next(left, (0, "--"))
            if _is_option(value):
                raise Unusual(word)
            _add(found, dest, how, value)
        if self._required - given:
            raise Unusual("something is missing")
        self._share_out(found, [words[place] for place in alone], alone)
        return found

    def _share_out(self, found: SimpleNamespace, values: list[str], places: list[int]) -> None:
        """Give what stands without an option its names."""
        if places and places[-1] - places[0] >= len(places) and len(self._positionals) > 0:
            raise Unusual("options between them")
        if [nargs for _, nargs in self._positionals] == ["*"]:
            setattr(found, self._positionals[0][0], values)
        elif len(values) == len(self._positionals) and not any(n for _, n in self._positionals):
            for (name, _), value in zip(self._positionals, values):
                setattr(found, name, value)
        else:
            raise Unusual("too many, or too few")


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _add(found: SimpleNamespace, dest: str, how: dict[str, Any], text: str) -> None:
    read: Callable[[str], Any] = how.get("type", str)
    try:
        value = read(text)
    except Exception as error:
        raise Unusual(text) from error  # who is asked instead says what is wrong
    if "choices" in how and value not in how["choices"]:
        raise Unusual(text)
    if how.get("action") == "append":
        value = [*(getattr(found, dest) or ()), value]
    setattr(found, dest, value)


def common(words: Sequence[str], verbs: Sequence[str]) -> tuple[SimpleNamespace, Sequence[str]]:
    """What stands before the verb, with the verb, and the words after it; ``Unusual``."""
    found = SimpleNamespace(root="/", json=False, verb="")
    left = iter(enumerate(words))
    for place, word in left:
        if word == "--json":
            found.json = True
        elif word == "--root":
            _, found.root = next(left, (0, "--"))
            if _is_option(found.root):
                raise Unusual(word)
        elif word in verbs:
            found.verb = word
            return found, words[place + 1 :]
        else:
            break
    raise Unusual("no verb")
