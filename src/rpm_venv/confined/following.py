"""The values of a source's names, as far as they are paths: how many steps up each has left. Pure.

Each assignment (``bindings``) is looked at until none changes a name any more (``steps``).
"""

from __future__ import annotations

import _ast
import builtins
import re
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from rpm_venv.confined import steps
from rpm_venv.confined.bindings import Bindings, Scope
from rpm_venv.confined.steps import ELSEWHERE, MAX_DOTS, NONE, NOTHING, LeadsOut, Steps

_MAX_ROUNDS = 16
_MAX_GIVEN = 1 << 16  # values that names are given, a quarter of a second; sympy has 344 at most


#: What gives a module's place: steps from there, where it is any module's of this directory.
_PLACES = {
    **dict.fromkeys(("__file__", "__cached__", "co_filename", "origin"), 1),
    **dict.fromkeys(("getfile", "getabsfile", "getsourcefile", "get_filename"), 1),
    **dict.fromkeys(("__path__", "submodule_search_locations", "resource_filename"), 0),
}
_RESOLVING = {"realpath", "readlink", "resolve"}
_CUTTING = {"dirname", "parent"}
_BY_NAMES = {"abspath", "normpath"}
#: Answers that are no paths.
_ASKING = {
    *("startswith", "endswith", "count", "find", "index", "hasattr", "isinstance", "basename"),
    *("exists", "isfile", "isdir", "islink", "isabs", "is_file", "is_dir", "is_absolute", "len"),
    *("open", "read_text", "read_bytes"),
}
#: What looks for one path in another: two real ones, or two names.
_COMPARING = {
    *("startswith", "relative_to", "is_relative_to", "relpath", "commonpath", "commonprefix"),
}
#: What takes an own real path apart, so that any names may be left out of it.
_TAKING_APART = {"split", "rsplit", "partition", "rpartition", "parts", "removesuffix"}
_PUTTING = {"append", "appendleft", "add", "extend", "insert", "update", "setdefault", "put"}
#: Modules whose own values are no places of a wheel: ``sys.argv[0]``, ``os.getcwd()``.
_FOREIGN = {
    *("os", "sys", "tempfile", "pathlib", "posixpath", "re", "json", "shutil", "subprocess"),
    *("functools", "itertools", "collections", "contextlib", "glob", "fnmatch", "string", "typing"),
}
_BUILT_IN = {*dir(builtins), "self", "cls", "mcs"}
_RESOURCES = re.compile(r"importlib[._]resources(?:\.|$)|pkg_resources\.")
_DOTS = re.compile(r"(?:^|(?<=[/\\]))\.\.(?=[/\\]|$)")


class Followed:
    """The values of one source's names, until they change no more."""

    def __init__(self, bindings: Bindings, depth: int) -> None:
        self._bindings = bindings
        self._depth = depth
        self._values: dict[Hashable, Steps] = {}
        self._readers: dict[Hashable, set[int]] = {}
        self._reader = 0
        self._given = 0
        self._waiting = set(range(len(bindings.assigned)))
        self.resolves_own = False
        self.unknown: set[bytes] = set()  # functions that paths are given to

    def run(self) -> None:
        """Look at each assignment, and again whenever a name that it reads has another value."""
        for _ in range(_MAX_ROUNDS):
            for number in sorted(self._waiting):
                self._waiting.discard(number)
                self._reader = number
                keys, expression, scope = self._bindings.assigned[number]
                value = self._of(expression, scope)
                for key in keys:
                    self._give(key, value)
            if not self._waiting:
                return
        raise LeadsOut

    def paths(self) -> set[bytes]:
        """The names of what is a path of the source's own place, or a real one, or makes one."""
        names = {
            key.lstrip(".")
            for key, value in self._values.items()
            if isinstance(key, str) and min(value.own, value.real) < NONE
        }
        for name, whole in self._bindings.imported.items():
            last = whole.rpartition(".")[2]
            if last in _PLACES or (last in _RESOLVING and last != name) or _RESOURCES.match(whole):
                names.add(name)
        return {name.encode() for name in names}

    def _give(self, key: Hashable, value: Steps) -> None:
        self._given += 1
        if self._given > _MAX_GIVEN:
            raise LeadsOut
        before = self._values.get(key, NOTHING)
        after = steps.either(before, value)
        if after != before:
            self._values[key] = after
            self._waiting.update(self._readers.get(key, ()))

    def _read(self, key: Hashable) -> Steps:
        self._readers.setdefault(key, set()).add(self._reader)
        return self._values.get(key, NOTHING)

    def _of(self, node: Any, scope: Scope) -> Steps:
        """The value of an expression, or of a list of them, each of which may be it."""
        kind = type(node)
        if kind is _ast.Constant:
            value = node.value
            return self._constant(value) if isinstance(value, (str, bytes)) else NOTHING
        if kind is _ast.Name:
            return self._name(node.id, scope)
        if kind is _ast.Attribute:
            return self._attribute(node, self._of(node.value, scope), scope)
        if kind is _ast.Call:
            return self._call(node, scope)
        if kind is _ast.Subscript:
            return self._subscript(node, scope)
        if kind is _ast.Lambda:
            return self._of(node.body, self._bindings.scopes[node])
        parts = [self._of(part, scope) for part in _parts(node)]
        if isinstance(node, _ast.Compare):
            self._compared(parts, with_any=False)
        if isinstance(node, (_ast.Compare, _ast.UnaryOp)):
            return NOTHING
        if isinstance(node, _ast.IfExp):
            parts = parts[1:]
        return steps.together(parts)

    def _constant(self, text: str | bytes) -> Steps:
        if isinstance(text, bytes):
            text = text.decode("latin-1")
        if "__file__" in text or "__path__" in text:
            if text in _PLACES:  # for getattr
                return Steps(own=_PLACES[text])
            if ".." in text or any(word in text for word in _RESOLVING):  # a program
                raise LeadsOut
        dots = len(_DOTS.findall(text)) if ".." in text else 0
        return Steps(dots=min(dots, MAX_DOTS)) if dots else NOTHING

    def _name(self, name: str, scope: Scope) -> Steps:
        key = scope.key(name)
        value = self._read(key)
        if not isinstance(key, str):
            return steps.either(value, ELSEWHERE) if key in self._bindings.parameters else value
        if name in ("__file__", "__cached__"):
            return Steps(own=self._depth)
        if name == "__path__":
            return Steps(own=max(self._depth - 1, 0))
        imported = self._bindings.imported.get(name)
        if imported is not None:
            word = self._word(imported.rpartition(".")[2], imported)
            foreign = NOTHING if _is_foreign(imported) else ELSEWHERE
            return steps.either(value, foreign if word is None else word)
        if key in self._bindings.known or name in _BUILT_IN:
            return value
        return ELSEWHERE

    def _word(self, name: str, imported: str = "") -> Steps | None:
        if name in _PLACES:
            return Steps(own=_PLACES[name])
        if _RESOURCES.match(imported):
            return Steps(own=0)
        return Steps(dots=1) if name == "pardir" else None

    def _attribute(self, node: _ast.Attribute, value: Steps, scope: Scope) -> Steps:
        """An attribute of something that has this value."""
        if node.attr == "parent":
            return steps.up(value, 1)
        if node.attr == "parents":
            return steps.anywhere_up(value)
        if node.attr in _TAKING_APART and value.is_own_real:
            raise LeadsOut
        module = self._bindings.module(node, scope)
        word = self._word(node.attr, module)
        if word is not None:
            return word
        if module:
            return value
        given = self._read(f".{node.attr}")
        return steps.either(value if value.is_path else ELSEWHERE, given)

    def _subscript(self, node: _ast.Subscript, scope: Scope) -> Steps:
        base, index = node.value, getattr(node.slice, "value", None)
        if isinstance(base, _ast.Attribute) and base.attr == "parents" and type(index) is int:
            return steps.up(self._of(base.value, scope), index + 1)
        self._of(node.slice, scope)
        return self._of(base, scope)

    def _call(self, node: _ast.Call, scope: Scope) -> Steps:
        name = self._bindings.called(node.func, scope)
        receiver, function = NOTHING, NOTHING  # each is looked at once, or chains have no end
        if isinstance(node.func, _ast.Attribute):
            receiver = self._of(node.func.value, scope)
            function = self._attribute(node.func, receiver, scope)
        else:
            function = self._of(node.func, scope)
        if name in _BY_NAMES and len(node.args) == 1:
            return self._by_names(node.args[0], scope)
        arguments = node.args
        if name in _COMPARING:
            arguments = [each for part in node.args for each in getattr(part, "elts", (part,))]
        given = [self._of(argument, scope) for argument in arguments]
        named = {each.arg: self._of(each.value, scope) for each in node.keywords}
        if name in _COMPARING:
            self._compared([receiver, *given, *named.values()], with_any=True)
        if name in _ASKING:
            return NOTHING
        value = steps.together([receiver, *given, *named.values()])
        if name in _RESOLVING and not (name == "resolve" and _names_something(node)):
            return self._resolved(value)
        if name in ("dirname", "dirpath") or (
            name == "split" and self._is_of_paths(node.func, scope)
        ):
            return steps.up(value, 1)
        self._pass(node, given, named, value, scope)
        value = self._handed_on(node, value, scope)
        if name in _PUTTING and isinstance(node.func, _ast.Attribute):
            for key in self._bindings.keys(node.func.value, scope):
                self._give(key, value)
        if function == ELSEWHERE and value.is_path:
            return value  # what it makes of a path is that path, or of no interest
        return steps.together([value, function])

    def _handed_on(self, node: _ast.Call, value: Steps, scope: Scope) -> Steps:
        """What becomes of a value where a function is handed on beside it, as to ``map``."""
        names: list[object] = [
            self._bindings.mentioned(argument, scope)
            for argument in (*node.args, *(each.value for each in node.keywords))
        ]
        if self._bindings.called(node.func, scope) in ("getattr", "methodcaller", "attrgetter"):
            names += [getattr(argument, "value", None) for argument in node.args]
        for name in names:
            if isinstance(name, str) and name in _RESOLVING:
                value = self._resolved(value)
            elif isinstance(name, str) and name in _CUTTING:
                value = steps.up(value, 1)
        return value

    def _compared(self, values: Iterable[Steps], *, with_any: bool) -> None:
        """What is real because of its own place is no part of what has another name."""
        paths = [value for value in values if value.is_path and (with_any or value.own < NONE)]
        if len({value.is_own_real for value in paths}) > 1:
            raise LeadsOut

    def _by_names(self, node: object, scope: Scope) -> Steps:
        """``..`` that is taken out of a path together with the name before it: as ``dirname``."""
        if isinstance(node, _ast.Call) and self._bindings.called(node.func, scope) == "join":
            parts: list[Any] = node.args
        elif isinstance(node, _ast.BinOp):
            parts = [node.left, node.right]
        else:
            parts = [node]
        return steps.by_names(self._of(part, scope) for part in parts)

    def _is_of_paths(self, function: object, scope: Scope) -> bool:
        whole = self._bindings.module(function, scope)
        return whole.endswith("path.split") or whole == "ntpath.split"

    def _pass(
        self,
        node: _ast.Call,
        given: list[Steps],
        named: dict[str | None, Steps],
        everything: Steps,
        scope: Scope,
    ) -> None:
        """Give arguments to the parameters of whatever has the name that is called."""
        is_class = self._bindings.called(node.func, scope)[:1].isupper()
        for name, value in named.items():
            if is_class and name is not None and value.is_path:
                self._give(f".{name}", value)  # a field, where a class has no function for it
        is_plain = None not in named and not any(
            isinstance(each, _ast.Starred) for each in node.args
        )
        if min(everything.own, everything.real) < NONE:
            for called in (node.func, *node.args):
                if not self._bindings.functions(called, scope):
                    self.unknown.add(self._bindings.called(called, scope).encode())
        for function in self._bindings.functions(node.func, scope):
            names = [*function.parameters, *function.rest]
            values = [(name, everything) for name in names]
            if is_plain and len(given) <= len(function.parameters):
                values = list(zip(function.parameters, given))
                for name, value in named.items():
                    places = [name] if name in function.names else function.rest
                    values += [(place, value) for place in places]
            for name, value in values:
                self._give(function.key(name), value)
        for argument in node.args:  # called back with what stands beside it
            for function in self._bindings.functions(argument, scope):
                for name in function.parameters:
                    self._give(function.key(name), everything)

    def _resolved(self, value: Steps) -> Steps:
        self.resolves_own = self.resolves_own or value.own < NONE
        return steps.resolved(value)


def _names_something(node: _ast.Call) -> bool:
    """``resolver.resolve("name")`` is of another kind than ``path.resolve(True)``."""
    if all(isinstance(each, _ast.Constant) and type(each.value) is bool for each in node.args):
        return any(each.arg != "strict" for each in node.keywords)
    base = node.func.value if isinstance(node.func, _ast.Attribute) else None
    name = getattr(base, "id", getattr(base, "attr", ""))
    return not name.endswith("Path")


def _parts(node: object) -> Iterator[object]:
    if isinstance(node, list):
        yield from node
    elif isinstance(node, _ast.AST):
        for field in node._fields:
            part = getattr(node, field, None)
            if isinstance(part, (_ast.expr, list, _ast.comprehension, _ast.keyword)):
                yield part


def _is_foreign(imported: str) -> bool:
    return imported.partition(".")[0] in _FOREIGN
