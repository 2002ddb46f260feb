"""What a source gives names to: each assignment of its syntax tree, with the function it is in.

Names of a function are its own; an attribute is known by its name alone, whatever it is of. Walks
without recursion, so that a source may be nested as deep as its compiler lets it. Pure.
"""

from __future__ import annotations

import _ast
from collections.abc import Hashable, Iterator
from typing import Any

_SELF = ("self", "cls", "mcs")
#: Functions that stay known where they are given another name.
_ALIASED = ("realpath", "readlink", "resolve", "dirname")
_INNER = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.Lambda, _ast.ClassDef)
#: What gives names a value: the fields of its targets, and of the value.
_GIVING = {
    _ast.Assign: ("targets", "value"),
    **dict.fromkeys((_ast.AugAssign, _ast.AnnAssign, _ast.NamedExpr), ("target", "value")),
    **dict.fromkeys((_ast.For, _ast.AsyncFor, _ast.comprehension), ("target", "iter")),
    _ast.withitem: ("optional_vars", "context_expr"),
}
_NO_VALUES = ("annotation", "returns", "type_params", "ctx", "op", "ops")


class Scope:
    """The names of a function, a class or a module, and where arguments and results go."""

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False) -> None:
        self.parent = parent
        self.is_class = is_class
        self.names: set[str] = set()
        self.foreign: set[str] = set()  # ``global`` and ``nonlocal``
        self.parameters: list[str] = []
        self.rest: list[str] = []
        self.name = ""

    def key(self, name: str) -> Hashable:
        """What stands for a name that is used here, in the whole source."""
        scope: Scope | None = self
        while scope is not None and scope.parent is not None:
            if name in scope.names and name not in scope.foreign:
                if not scope.is_class:
                    return (id(scope), name)
                if scope is self:
                    return f".{name}"
            scope = scope.parent
        return name

    def result(self) -> Hashable | None:
        """What stands for what the function answers, which is the function's name."""
        return self.parent.key(self.name) if self.parent is not None and self.name else None


class Bindings:
    """``assigned`` has the keys that get a value, the expression, and the scope it stands in."""

    def __init__(self, tree: _ast.AST) -> None:
        self.imported: dict[str, str] = {}
        self.parameters: set[Hashable] = set()
        self.known: set[Hashable] = set()
        self.scopes: dict[_ast.AST, Scope] = {}
        self._functions: dict[Hashable, list[Scope]] = {}
        self._aliases: dict[Hashable, str] = {}
        self._found: list[tuple[list[Any], Any, Scope]] = []
        self._nodes: list[tuple[Any, Scope]] = [(tree, Scope())]
        while self._nodes:
            self._visit(*self._nodes.pop())
        for scope in self.scopes.values():
            self._define(scope)
        self.assigned: list[tuple[list[Hashable], Any, Scope]] = []
        for targets, expression, scope in self._found:
            keys = [key for each in targets for key in self.keys(each, scope)]
            self.known.update(keys)
            self.assigned.append((keys, expression, scope))
        for keys, expression, scope in self.assigned:
            word = self.mentioned(expression, scope) if keys else ""
            self._aliases.update((key, word) for key in keys if word)

    def module(self, node: Any, scope: Scope) -> str:
        """The dotted name of something that was imported, or of an attribute of it, or nothing."""
        names: list[str] = []
        while isinstance(node, _ast.Attribute):
            names.append(node.attr)
            node = node.value
        if not isinstance(node, _ast.Name) or not isinstance(scope.key(node.id), str):
            return ""
        start = self.imported.get(node.id, "")
        return ".".join((start, *reversed(names))) if start else ""

    def called(self, node: Any, scope: Scope) -> str:
        """The last name of a function, as it was before it was given another one."""
        if isinstance(node, _ast.Name):
            key = scope.key(node.id)
            whole = self.imported.get(node.id, node.id) if isinstance(key, str) else node.id
            return self._aliases.get(key) or whole.rpartition(".")[2]
        if isinstance(node, _ast.Attribute):
            return self._aliases.get(f".{node.attr}", node.attr)
        return ""

    def mentioned(self, node: Any, scope: Scope) -> str:
        """The function of ``_ALIASED`` that an expression hands on without a call, or nothing."""
        if isinstance(node, _ast.IfExp):
            return self.mentioned(node.body, scope) or self.mentioned(node.orelse, scope)
        name = self.called(node, scope)
        if isinstance(node, _ast.Name) and name == node.id:  # else it has another name here
            key = scope.key(name)
            name = "" if not isinstance(key, str) or key in self.known else name
        return name if name in _ALIASED else ""

    def functions(self, node: Any, scope: Scope) -> list[Scope]:
        """The functions of this source that may be meant."""
        if isinstance(node, _ast.Lambda):
            return [self.scopes[node]]
        if isinstance(node, _ast.Name):
            return self._functions.get(scope.key(node.id), [])
        return self._functions.get(f".{node.attr}", []) if isinstance(node, _ast.Attribute) else []

    def keys(self, target: Any, scope: Scope) -> Iterator[Hashable]:
        """What gets a value that is assigned to this, or that is put into it."""
        if isinstance(target, _ast.Name):
            if target.id not in _SELF:
                yield scope.key(target.id)
        elif isinstance(target, _ast.Attribute):
            if not self.module(target.value, scope):
                yield f".{target.attr}"
        elif isinstance(target, (_ast.Subscript, _ast.Starred)):
            yield from self.keys(target.value, scope)
        elif isinstance(target, (_ast.Tuple, _ast.List)):
            for each in target.elts:
                yield from self.keys(each, scope)
        elif isinstance(target, str):
            yield scope.key(target)
        elif isinstance(target, Scope):
            result = target.result()
            if result is not None:
                yield result

    def _visit(self, node: Any, scope: Scope) -> None:
        kind = type(node)
        if kind is _ast.Name:
            if type(node.ctx) is _ast.Store:
                scope.names.add(node.id)
            return
        if kind in _INNER:
            self._inner(node, scope)
            return
        given: Any = None
        if kind in _GIVING:
            targets, value = _GIVING[kind]
            target = getattr(node, targets)
            given = getattr(node, value)
            self._give(target if isinstance(target, list) else [target], given, scope)
        elif kind in (_ast.Return, _ast.Yield, _ast.YieldFrom):
            given = node.value
            self._give([scope], given, scope)
        elif kind in (_ast.Import, _ast.ImportFrom):
            self._import(node)
            return
        elif kind in (_ast.Global, _ast.Nonlocal):
            scope.foreign.update(node.names)
        elif kind.__name__ == "Match":  # from 3.10 on
            given = node.subject
            names = [*_captured(node.cases)]
            scope.names.update(names)
            self._give(names, given, scope)
        is_statement = isinstance(node, _STATEMENTS)
        for child in reversed(_children(node)):
            if is_statement and child is not given and isinstance(child, _ast.expr):
                self._give([], child, scope)
            self._nodes.append((child, scope))

    def _give(self, targets: list[Any], value: Any, scope: Scope) -> Any:
        if value is not None:
            self._found.append((targets, value, scope))
        return value

    def _import(self, node: Any) -> None:
        start = ""
        if isinstance(node, _ast.ImportFrom):
            start = f"{'.' * node.level}{node.module or ''}."
        for each in node.names:
            name = each.asname or (each.name if start else each.name.partition(".")[0])
            self.imported[name] = start + (each.name if each.asname or start else name)

    def _inner(self, node: Any, scope: Scope) -> None:
        inner = self.scopes[node] = Scope(scope, is_class=isinstance(node, _ast.ClassDef))
        inner.name = getattr(node, "name", "")
        if inner.name:
            scope.names.add(inner.name)
        outside = [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())]
        outside += [each.value for each in getattr(node, "keywords", ())]
        arguments = getattr(node, "args", None)
        if arguments is not None:
            self._arguments(arguments, inner)
            outside += [*arguments.defaults, *filter(None, arguments.kw_defaults)]
        for each in outside:
            self._give([], each, scope)
            self._nodes.append((each, scope))
        body = node.body if isinstance(node.body, list) else [node.body]
        self._nodes.extend((each, inner) for each in reversed(body))

    def _arguments(self, arguments: Any, inner: Scope) -> None:
        positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        others = [each.arg for each in (arguments.vararg, arguments.kwarg) if each]
        inner.names.update(positional, others, (each.arg for each in arguments.kwonlyargs))
        inner.parameters = positional[1:] if positional[:1] in ([n] for n in _SELF) else positional
        inner.rest = others
        for name, value in zip(reversed(positional), reversed(arguments.defaults)):
            self._found.append(([name], value, inner))
        for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults):
            if value is not None:
                self._found.append(([each.arg], value, inner))

    def _define(self, scope: Scope) -> None:
        self.parameters.update((id(scope), name) for name in scope.names if not scope.is_class)
        names = {scope.result()}
        if scope.name == "__init__" and scope.parent is not None and scope.parent.is_class:
            names.add(scope.parent.result())
        for key in names - {None}:
            self.known.add(key)
            if not scope.is_class:
                self._functions.setdefault(key, []).append(scope)


_STATEMENTS = (_ast.stmt, _ast.withitem, _ast.excepthandler)


def _children(node: Any) -> list[Any]:
    """Statements and expressions below a node. A constant has no names, and a text no value."""
    found: list[Any] = []
    for field in node._fields:
        part = getattr(node, field, None)
        if isinstance(part, list):
            found += [each for each in part if isinstance(each, _ast.AST)]
        elif isinstance(part, _ast.AST) and field not in _NO_VALUES:
            found.append(part)
    return [each for each in found if type(each) is not _ast.Constant]


def _captured(cases: Any) -> Iterator[str]:
    """The names that the patterns of a ``match`` statement give."""
    nodes = [case.pattern for case in cases]
    while nodes:
        node = nodes.pop()
        for field in ("name", "rest"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name
        nodes.extend(_children(node))
