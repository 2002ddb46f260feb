"""The macros behind ``BuildSystem: venv``, as rpm calls them: options stand after two dashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.macros.conftest import Macros


@pytest.mark.parametrize(
    ("section", "macro", "words"),
    [
        ("build", "wheel", "-p python3.12"),
        ("build", "wheel", "src"),
        ("install", "declare", "-r lock.txt -c app1,app2 -o /opt/app1/penv"),
    ],
)
def test_a_section_is_its_macro(
    macros: Macros, tmp_path: Path, section: str, macro: str, words: str
) -> None:
    known = {"_builddir": "/builddir", "buildroot": str(tmp_path)}
    by_tag = macros.expand(f"%{{buildsystem_venv_{section} -- {words}}}", known)
    by_hand = macros.expand(f"%venv_{macro} {words}", known)
    assert (by_tag.code, by_tag.text) == (0, by_hand.text)
    assert f" {macro} " in by_tag.text


def test_what_rpm_asks_for_besides_is_empty(macros: Macros) -> None:
    assert macros.expand("%{buildsystem_venv_conf --}").text == ""


def test_a_mistake_is_the_macros(macros: Macros) -> None:
    result = macros.expand("%{buildsystem_venv_install -- -r lock.txt}")
    assert "%venv_declare: PATH is missing" in result.errors
    assert result.code != 0
