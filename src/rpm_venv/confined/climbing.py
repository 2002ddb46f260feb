"""Whether the code of a source goes up from a real path further than its top directory. Pure.

Paths are followed through the names that they are given (``bindings``), each with the steps up that
it has left (``steps``). A name has the fewest of all that it is given anywhere in the source, so
that what goes up in a loop has no end, and leads out.
"""

from __future__ import annotations

import _ast
import re

from rpm_venv.confined.bindings import Bindings
from rpm_venv.confined.following import Followed
from rpm_venv.confined.passages import Passages
from rpm_venv.confined.steps import LeadsOut

_MAX_READ = 60_000  # bytes of a source that syntax trees are made of, all of them together
_PATIENT_ROUNDS = 2  # after so many, a source that is short enough is followed as a whole

#: Where paths come from: without these there are none to follow.
_BEGINNING = (
    *(b"realpath", b"readlink", b".resolve", b"__file__", b"__path__", b"__cached__", b"getfile"),
    *(b"getabsfile", b"getsourcefile", b"get_filename", b"co_filename", b".origin"),
    *(b"submodule_search_locations", b"resource_filename"),
)
#: The environment, whose names below a link are others.
_ENVIRONMENT = re.compile(
    rb"site-packages|getsitepackages|get_python_lib|sysconfig|sys\.(?:exec_)?prefix|VIRTUAL_ENV"
)


def leads_out(source: bytes, path: str) -> bool:
    """Whether code of a source goes up too far from a real path, or compares its own with others.

    ``path`` begins with the directory in question: it is relative to site-packages, or to what a
    portion of a namespace package is in. What cannot be followed leads out.
    """
    left, rounds = _MAX_READ, 0
    try:
        passages = Passages(source)
        passages.take(_BEGINNING)
        while passages.length <= left:
            left -= passages.length
            followed = Followed(Bindings(_tree(passages, path)), depth=path.count("/"))
            followed.run()
            if not passages.take_names(followed.paths(), followed.unknown):
                return followed.resolves_own and _ENVIRONMENT.search(source) is not None
            rounds += 1
            if rounds == _PATIENT_ROUNDS and 2 * len(source) <= left:
                passages.take_all()
        return True
    except Exception:  # LeadsOut, or a hostile source, or one for another Python: one answer
        return True


def _tree(passages: Passages, path: str) -> _ast.AST:
    try:
        return _parsed(passages.text(), path)
    except SyntaxError:  # what looks like a statement at the top may be a line of a text
        passages.take_all()
        return _parsed(passages.text(), path)


def _parsed(text: bytes, path: str) -> _ast.AST:
    if len(text) > _MAX_READ:
        raise LeadsOut  # all was taken, for a line of a text that looks like a function
    tree: _ast.AST = compile(text, path, "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    return tree
