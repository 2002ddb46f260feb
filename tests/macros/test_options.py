"""The options of a macro and of the command that it calls are the same."""

from __future__ import annotations

import argparse
import importlib
import re

import pytest
from packaging.version import Version

from rpm_venv import __version__
from rpm_venv.building.dependencies import RUNTIME
from tests.macros.conftest import Macros

#: Options of the macro alone (-n, which becomes --package), and of the command by verb.
MACROS_ONLY = {"n"}


def macro_options(macros: Macros) -> dict[str, set[str]]:
    """The option letters that each public macro declares."""
    found = re.findall(r"^%venv_(\w+)\((\S*)\)", macros.file.read_text(), re.MULTILINE)
    return {name: set(letters.replace(":", "")) for name, letters in found}


def command_options(verb: str) -> set[str]:
    """The option letters that the command's verb takes."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"rpm_venv.verbs.{verb}").arguments(parser)
    words = {word for action in parser._actions for word in action.option_strings}
    return {word[1] for word in words if len(word) == 2} - {"h"}


def test_the_usage_beside_a_macro_has_its_options(macros: Macros) -> None:
    """The comment above each macro in macros.venv, which is what people read there."""
    text = macros.file.read_text()
    for name, letters in macro_options(macros).items():
        (comment,) = re.findall(rf"((?:^#.*\n)+)%venv_{name}\(", text, re.MULTILINE)
        usage = re.findall(rf"%%{{?venv_{name}\b((?:[^\n]|\n#  )*)", comment)
        assert set(re.findall(r"(?<!\w)-(\w)\b", "".join(usage))) == letters, name


VERBS = ["install", "remove", "verify", "check", "lock", "wheel", "declare"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_macro_has_the_options_of_its_command(macros: Macros, verb: str) -> None:
    assert macro_options(macros)[verb] - MACROS_ONLY == command_options(verb)


def test_run_passes_its_words_to_the_command(macros: Macros) -> None:
    """It declares no options, for rpm would look for them in COMMAND as well."""
    assert command_options("run") == {"u", "q"}
    words = "-u app1 /opt/app1/penv migrate --to 'a b' -n \\"
    assert macros.expand(f"%venv_run {words}").text.endswith(f"; venv_run {words}")


def test_every_macro_is_tested_for_its_options(macros: Macros) -> None:
    assert set(macro_options(macros)) == {
        "install", "remove", "verify", "check", "lock", "requires", "wheel", "declare", "files",
    }  # fmt: skip


def test_generated_and_written_requirements_are_for_the_same_runtime(macros: Macros) -> None:
    assert macros.expand("rpm-venv >= %{__rpm_venv_version}").text == RUNTIME
    assert Version(RUNTIME.partition(" >= ")[2]) <= Version(__version__)


def test_macro_names_have_three_letters_or_more_and_one_prefix(macros: Macros) -> None:
    names = re.findall(r"^%(\w+)", macros.file.read_text(), re.MULTILINE)
    assert names
    assert all(
        re.match(r"venv_\w{3,}|__venv_\w{3,}|__rpm_venv|buildsystem_venv_", name) for name in names
    )
