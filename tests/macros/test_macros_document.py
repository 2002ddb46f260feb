"""docs/macros.md: its options are the macros', and its expansions are what rpm makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.macros.conftest import TREE, Macros

DOCUMENT = (TREE / "docs" / "macros.md").read_text()
SECTIONS = {
    section.split("\n", 1)[0]: section for section in re.split(r"^## ", DOCUMENT, flags=re.M)[1:]
}
#: Where the document's package is built.
BUILD = {
    "_builddir": "/builddir/build/BUILD",
    "buildroot": "/builddir/build/BUILDROOT",
    "_bindir": "/usr/bin",
}
MACROS = [name for name in SECTIONS if name.startswith("venv_")]


def _declared(macros: Macros) -> dict[str, set[str]]:
    """The options of every public macro, with a colon where they take a value."""
    found = re.findall(r"^%(venv_\w+)\((\S*)\)", macros.file.read_text(), re.MULTILINE)
    declared = {name: set(re.findall(r"\w:?", letters)) for name, letters in found}
    return {**declared, "venv_run": {"u:"}}  # tests/macros/test_options.py has that one


def _documented(name: str) -> set[str]:
    """The options in the tables of a macro's section."""
    rows = re.findall(r"^\| `-(\w)( [A-Z][^`]*)?` \|", SECTIONS[name], re.MULTILINE)
    return {letter + (":" if value else "") for letter, value in rows}


def test_every_macro_has_a_section_with_its_options(macros: Macros) -> None:
    assert {name: _documented(name) for name in MACROS} == _declared(macros)


@pytest.mark.parametrize("name", MACROS)
def test_a_macro_has_one_table_of_options_or_none(name: str) -> None:
    tables = SECTIONS[name].count("| option | meaning |\n")
    assert tables == (0 if "It has no options" in SECTIONS[name] else 1)


def test_every_macro_is_in_the_overview() -> None:
    assert re.findall(r"^\| \[`%(venv_\w+)`\]\(#\1\)", DOCUMENT, re.MULTILINE) == MACROS


@pytest.mark.parametrize("name", MACROS)
def test_the_expansion_is_what_rpm_makes(macros: Macros, tmp_path: Path, name: str) -> None:
    pattern = r"```spec\n(.*?)```\n\nbecomes\n\n```sh\n(.*?)```"
    ((text, expected),) = re.findall(pattern, SECTIONS[name], re.DOTALL)
    lock = tmp_path / "requirements.txt"
    lock.write_text("".join(re.findall(r"<<'VENV_LOCK'.*\n(.*\n)VENV_LOCK\n", expected)))
    package = {"release": "1", "SOURCE1": str(lock), "__rpm_venv": str(macros.command), **BUILD}
    made = macros.expand(text, package)
    assert made.code == 0, made.errors
    said = made.text.replace(str(macros.command), "/usr/bin/rpm-venv")
    said = said.replace(str(lock), "/builddir/build/SOURCES/requirements.txt")
    assert said.rstrip() == expected.rstrip()


def test_the_guard_is_there_where_the_macros_are_not(macros: Macros) -> None:
    (guard,) = re.findall(r"^%\{!\?venv_install:.*\}$", DOCUMENT, re.MULTILINE)
    assert macros.expand(guard).text == ""
    assert macros.expand(guard.replace("venv_install", "venv_nowhere")).text.endswith("exit 1")


def test_the_arguments_in_lua_are_the_modules(macros: Macros) -> None:
    source = (macros.lua / "venv.lua").read_text()
    accepts = re.search(r"^local ACCEPTS = \{\n(.*?)^\}", source, re.DOTALL | re.MULTILINE)
    assert accepts
    known = {
        name: {"path", *re.findall(r"(\w+) = true", arguments)}
        for name, arguments in re.findall(r"(\w+) = \{(.*?)\}", accepts[1], re.DOTALL)
    }
    rows = re.findall(r"^\| `venv\.(\w+)` \| (.*) \|$", SECTIONS["In Lua"], re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", words)) for name, words in rows} == known


def test_the_example_in_lua_is_one_call(macros: Macros, tmp_path: Path) -> None:
    command = tmp_path / "rpm-venv"
    command.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    command.chmod(0o755)
    blocks = re.findall(r"```lua\nlocal venv = require .*?\n(.*?)```", DOCUMENT, re.DOTALL)
    package = "%{name}-%{version}-%{release}.%{_target_cpu}"  # rpm expands it in a scriptlet
    for code, words in zip(
        blocks,
        (
            "install -r /usr/share/app1/requirements.txt -w /usr/share/app1/wheels -o "
            "--package app1-1-1.noarch",
            "remove --package app1-1-1.noarch --count 1",
        ),
    ):
        assert package in code
        expanded = code.replace(package, "app1-1-1.noarch").replace("arg[2]", "1")
        done = Macros(macros.file, macros.lua, command).run_lua(expanded)
        assert (done.code, done.errors) == (0, "")
        assert (tmp_path / "said").read_text() == f"{words} /opt/app1/penv\n"
    assert len(blocks) == 2
