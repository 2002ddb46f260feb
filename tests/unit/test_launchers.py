"""The first lines of commands, at the limits that kernels have."""

from __future__ import annotations

import pytest

from rpm_venv.trees.launchers import MAX_SHEBANG, asks_for_python, entry_point, rewritten, shebang


def test_a_line_at_the_limit_is_a_shebang_and_one_beyond_is_the_shells() -> None:
    longest = "/" + "p" * (MAX_SHEBANG - len("#!/\n"))
    assert shebang(longest) == f"#!{longest}\n".encode()
    assert len(shebang(longest)) == MAX_SHEBANG
    beyond = shebang(longest + "p")
    assert beyond == f"#!/bin/sh\n'''exec' {longest}p \"$0\" \"$@\"\n' '''\n".encode()
    compile(beyond, "launcher", "exec")


@pytest.mark.parametrize(
    ("script", "result"),
    [
        (b"#!python\nx\n", b"#!/g/python\nx\n"),
        (b"#!python3 \nx\n", b"#!/g/python\nx\n"),
        (b"#!pythonw -u\nx\n", b"#!/g/python -u\nx\n"),
        (b"#!python\r\nx\r\n", b"#!/g/python\nx\r\n"),
        (b"#!python", b"#!/g/python\n"),
        (b"#!/usr/bin/python3\nx\n", b"#!/usr/bin/python3\nx\n"),
        (b"#!/usr/bin/env python\nx\n", b"#!/usr/bin/env python\nx\n"),
        (b"\x7fELF", b"\x7fELF"),
        (b"", b""),
    ],
)
def test_only_scripts_that_ask_for_python_are_rewritten(script: bytes, result: bytes) -> None:
    assert asks_for_python(script) == (script != result)
    assert rewritten("/g/python", script) == result


def test_an_entry_point_imports_the_first_name_of_its_attribute() -> None:
    text = entry_point("/g/python", "pkg.cli", "App.run").decode()
    assert text.startswith("#!/g/python\n")
    assert "from pkg.cli import App\n" in text
    assert "sys.exit(App.run())" in text
    compile(text, "launcher", "exec")
