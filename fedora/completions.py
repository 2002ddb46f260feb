"""Print the completion of rpm-venv, made from its own parsers: ``completions.py bash|zsh``."""

from __future__ import annotations

import argparse
import importlib
import sys

import shtab

from rpm_venv import cli, command_line

#: Operands that name environments are completed from those there are.
_ENVIRONMENTS = {"bash": "_rpm_venv_environments", "zsh": "_rpm_venv_environments"}
_FILES = {"LOCK", "FILE", "WHEEL", "IN", "OUT", "PYTHON", "SPEC"}

_PREAMBLE = {
    "bash": """
# Not compgen -W, which expands its words as the shell expands a command line.
_rpm_venv_environments() {
  local path _
  while read -r path _; do
    [[ $path == /* && $path == "$1"* ]] && printf '%s\\n' "$path"
  done < <(rpm-venv list 2>/dev/null)
}
""",
    "zsh": """
_rpm_venv_environments() {
  compadd -- ${(f)"$(rpm-venv list 2>/dev/null | cut -d ' ' -f 1 | grep '^/')"}
}
""",
}


def parser() -> argparse.ArgumentParser:
    """One parser of everything: the command calls that of one verb alone."""
    whole = argparse.ArgumentParser(prog="rpm-venv", allow_abbrev=False)
    command_line.common_arguments(whole)
    verbs = whole.add_subparsers(dest="verb")
    for name, text in cli.VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        importlib.import_module(f"rpm_venv.verbs.{name}").arguments(verb)
    for each in [whole, *verbs.choices.values()]:
        for action in each._actions:
            _complete(action)
    return whole


def _complete(action: argparse.Action) -> None:
    """Say what an argument is, by the name that its help has for it."""
    if action.metavar == "PATH":
        action.complete = _ENVIRONMENTS  # type: ignore[attr-defined]
    elif action.metavar == "DIR":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif action.metavar in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def main() -> int:
    shell = sys.argv[1]
    sys.stdout.write(shtab.complete(parser(), shell=shell, preamble=_PREAMBLE[shell]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
