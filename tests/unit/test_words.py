"""Plain command lines: what is read without argparse is what argparse reads."""

from __future__ import annotations

import importlib
import random
from collections.abc import Sequence
from typing import Any

import pytest

from rpm_venv import cli, command_line, words
from rpm_venv.errors import UsageError

LINES = (
    "install -r /usr/share/a/lock.txt -w /usr/share/a/wheels -o --package a-1-1.x86_64 /opt/a/penv",
    "install -r - -w /a -w /b -p python3.12 -s -x one -x two -g dev /opt/a/penv",
    "install --package a-2:1-1.noarch /opt/a/penv",
    "--root /mnt --json list",
    "--json --root /mnt show /opt/a/penv",
    "remove --count 0 --package a-1-1.noarch /opt/a/penv",
    "verify",
    "verify --stderr /opt/a/penv",
    "verify /opt/a/penv /opt/b/penv --stderr",
    "verify --declared --stderr",
    "sync --trigger file",
    "sync",
    "repair /opt/a/penv",
    "check -r - --scriptlet post --package a-1-1.noarch /opt/a/penv",
    "gc",
    "history",
)
UNUSUAL = (
    "",
    "--version",
    "--help",
    "install --help",
    "--root=/mnt list",
    "--root -x list",
    "--root",
    "unknown",
    "install",
    "install -r",
    "install -r --json /opt/a/penv",
    "install -rlock /opt/a/penv",
    "install -so /opt/a/penv",
    "install /opt/a/penv /opt/b/penv",
    "install -- /opt/a/penv",
    "install --pack a-1-1.noarch /opt/a/penv",
    "install --package nonsense /opt/a/penv",
    "remove --count x /opt/a/penv",
    "remove --count -1 /opt/a/penv",
    "sync --trigger other",
    "check /opt/a/penv",
    "verify /opt/a/penv --stderr /opt/b/penv",
    "run -u app /opt/a/penv true",
    "deps --files",
)


def plainly(line: Sequence[str]) -> dict[str, Any]:
    """Everything that a plain line says."""
    args, left = words.common(line, list(cli.VERBS))
    plain = words.Words()
    importlib.import_module(f"rpm_venv.verbs.{args.verb}").arguments(plain)
    return {**vars(args), **vars(plain.read(left))}


def in_full(line: Sequence[str]) -> dict[str, Any]:
    """The same by argparse; ``UsageError`` or ``SystemExit`` (help) where it is not to be had."""
    args = vars(command_line.parser(cli.VERBS).parse_args(line))
    name, left = args["verb"], args.pop("arguments")
    verb = importlib.import_module(f"rpm_venv.verbs.{name}")
    return {**args, **vars(command_line.verb_parser(name, "", verb).parse_args(left))}


@pytest.mark.parametrize("line", LINES)
def test_what_macros_call_is_plain(line: str) -> None:
    assert plainly(line.split()) == in_full(line.split())


@pytest.mark.parametrize("line", UNUSUAL)
def test_what_is_not_plain_is_left_to_argparse(line: str) -> None:
    with pytest.raises(words.Unusual):
        plainly(line.split())


def test_no_line_is_read_otherwise_than_by_argparse() -> None:
    pieces = sorted({word for line in (*LINES, *UNUSUAL) for word in line.split()} | {"", "-5"})
    chance = random.Random(6)
    agreed = 0
    for number in range(1200):
        start = list(chance.choice(LINES).split())
        for _ in range(number % 4):
            place = chance.randrange(len(start) + 1)
            start[place : place + chance.randrange(2)] = [chance.choice(pieces)]
        try:
            found = plainly(start)
        except words.Unusual:
            continue
        try:
            wanted = in_full(start)
        except (UsageError, SystemExit):
            pytest.fail(f"argparse refuses {start}")
        assert found == wanted, start
        agreed += 1
    assert agreed > 300


@pytest.mark.parametrize("option", ["--json", "--version", "--root /mnt"])
def test_an_option_behind_the_verb_is_told_where_it_stands(option: str) -> None:
    with pytest.raises(UsageError) as raised:
        in_full(f"list {option}".split())
    assert raised.value.hint == "that stands before the verb: rpm-venv [OPTION]… list"


def test_a_mistake_names_what_is_missing_and_the_help_once() -> None:
    for line, missing in (("", "VERB"), ("check /opt/a/penv", "-r"), ("vendor", "SPEC")):
        with pytest.raises(UsageError) as raised:
            in_full(line.split())
        verb = line.split()[:1]
        told = f"the following arguments are required: {missing}"
        assert raised.value.line() == (
            ": ".join([*verb, told]) + f"; see {' '.join(['rpm-venv', *verb])} --help"
        )
