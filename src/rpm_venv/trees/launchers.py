"""Commands of an environment: launchers of entry points, shebangs of its generation. Pure."""

from __future__ import annotations

import re

#: What an older kernel (EL8) reads of a shebang line: BINPRM_BUF_SIZE less its terminator.
MAX_SHEBANG = 127

_PYTHON_SHEBANG = re.compile(rb"#!python[^\s]*[ \t]*([^\r\n]*?)[ \t]*\r?(\n|\Z)")

_LAUNCHER = """\
import sys

from {module} import {name}

if __name__ == "__main__":
    sys.exit({attribute}())
"""


def shebang(python: str, arguments: str = "") -> bytes:
    """The first line of a script for ``python``: a shebang, or what does the same for ``/bin/sh``.

    Kernels cut a line that is too long, and shells then run Python as if it were theirs. Beyond the
    limit the first two lines are a command to the shell and a string to Python.
    """
    command = f"{python} {arguments}".rstrip()
    line = f"#!{command}\n"
    if len(line.encode()) > MAX_SHEBANG:
        line = f"#!/bin/sh\n'''exec' {command} \"$0\" \"$@\"\n' '''\n"
    return line.encode()


def entry_point(python: str, module: str, attribute: str) -> bytes:
    """A script that calls ``attribute`` of ``module`` and exits with what it returns."""
    text = _LAUNCHER.format(module=module, name=attribute.partition(".")[0], attribute=attribute)
    return shebang(python) + text.encode()


def asks_for_python(head: bytes) -> bool:
    """Whether a script begins with ``#!python``: then installing it puts an interpreter there."""
    return head.startswith(b"#!python")


def rewritten(python: str, script: bytes) -> bytes:
    """A script that begins with ``#!python``, for ``python``; its arguments are kept."""
    match = _PYTHON_SHEBANG.match(script)
    if match is None:
        return script
    return shebang(python, match.group(1).decode("utf-8", "replace")) + script[match.end() :]
