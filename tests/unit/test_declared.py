"""Declarations that packages ship: their files, and which file is part of which."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.declaration import Declaration, Package
from rpm_venv.environment import Environment, condition
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system import declared
from rpm_venv.trees.generation import Live

PATH = "/opt/my-app/penv"
HERE = "/usr/share/rpm-venv/opt-my_2dapp-penv"
DECLARATION = Declaration(
    PATH,
    f"{HERE}/requirements.txt",
    wheels=(f"{HERE}/wheels",),
    offline=True,
    extras=("a", "b"),
    package=Package("app1", "1.0", "1", "noarch"),
    level="wheels",
)


def ship(layout: Layout, data: bytes, here: str = HERE) -> None:
    file = layout.real(f"{here}/declaration.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def test_a_declaration_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert declared.paths(layout) == ()
    assert declared.read(layout, PATH) is None
    ship(layout, declared.dumps(DECLARATION))
    assert declared.paths(layout) == (PATH,)
    assert declared.read(layout, PATH) == DECLARATION


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        declared.dumps(replace(DECLARATION, path="/opt/other/penv")),
        declared.dumps(replace(DECLARATION, level="everything")),
        json.dumps({**json.loads(declared.dumps(DECLARATION)), "format": 2}).encode(),
        json.dumps({**json.loads(declared.dumps(DECLARATION)), "package": "x"}).encode(),
    ],
)
def test_a_damaged_declaration_is_said_to_be_one(tmp_path: Path, data: bytes) -> None:
    layout = Layout(tmp_path)
    ship(layout, data)
    with pytest.raises(VenvError, match="the declaration of this environment is damaged") as caught:
        declared.read(layout, PATH)
    assert caught.value.where == f"{HERE}/declaration.json"


@pytest.mark.parametrize(
    ("file", "path"),
    [
        (f"{HERE}/declaration.json", PATH),
        (f"{HERE}/wheels/app1-1.0-py3-none-any.whl", PATH),
        (HERE, ""),
        ("/usr/share/rpm-venv", ""),
        ("/usr/share/rpm-venv/", ""),
        ("/usr/share/rpm-venv/opt/declaration.json", ""),
        ("/usr/share/rpm-venv/opt-..-etc/declaration.json", ""),
        ("/usr/share/rpm-venv/opt-a_2fb/declaration.json", ""),  # escape() makes no such name
        ("/usr/share/rpm-venvs/opt-app1-penv/declaration.json", ""),
        ("/usr/share/app1/declaration.json", ""),
    ],
)
def test_the_environment_that_a_file_declares(file: str, path: str) -> None:
    assert declared.path_of(file) == path


def test_an_environment_of_another_declaration_is_pending() -> None:
    live = Live("ours", "0" * 20)
    environment = Environment(DECLARATION, wanted="0" * 20)
    assert condition(environment, live, DECLARATION)[0] == "ok"
    newer = replace(DECLARATION, package=Package("app1", "2.0", "1", "noarch"))
    word, reason = condition(environment, live, newer)
    assert (word, reason) == ("pending", "it is not yet what app1-2.0-1.noarch declares")
    assert condition(replace(environment, failure="no wheel"), live, newer)[0] == "failed"


def test_an_environment_knows_whether_it_was_declared() -> None:
    assert Environment(DECLARATION).is_declared
    elsewhere = "/usr/share/rpm-venv/opt-other-penv/requirements.txt"
    assert not Environment(replace(DECLARATION, lock=elsewhere)).is_declared
