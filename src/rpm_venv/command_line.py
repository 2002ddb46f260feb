"""The command line in full, by ``argparse``: its help, its mistakes, and what is not plain."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from rpm_venv import __version__
from rpm_venv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    class Takes(Protocol):
        """A verb, which says what it takes."""

        def arguments(self, parser: argparse.ArgumentParser) -> None: ...


#: The options that stand before every verb.
_COMMON: dict[str, dict[str, Any]] = {
    "--root": {"metavar": "DIR", "default": "/", "help": "work on the system below DIR"},
    "--json": {"action": "store_true", "help": "print the report as JSON"},
    "--version": {"action": "version", "version": f"rpm-venv {__version__}"},
}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as COLUMNS says: asking the terminal would load ``shutil`` at every start."""

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=int(columns) - 2 if columns.isdecimal() else 78)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours: one line, exit 2."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.partition(" ")[2]  # the command's own name is before every line
        hint = f"see {self.prog} --help"
        if (
            verb
            and message.startswith("unrecognized")
            and not _COMMON.keys().isdisjoint(message.split())
        ):
            hint = f"that stands before the verb: rpm-venv [OPTION]… {verb}"
        raise UsageError(message, subject=verb, hint=hint)


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that stand before every verb."""
    for name, how in _COMMON.items():
        parser.add_argument(name, **how)


def parser(verbs: Mapping[str, str]) -> Parser:
    """What reads a command line up to its verb; the verbs have one line of help each."""
    listed = "\n".join(f"  {name:<10} {text}" for name, text in verbs.items())
    made = Parser(
        prog="rpm-venv",
        formatter_class=_Help,
        description="Virtual environments that rpm installs, verifies, upgrades and removes.",
        epilog=f"verbs:\n{listed}\n\nexit: 0 done, 1 failed, what was live still is, 2 usage, "
        "3 found something",
        allow_abbrev=False,
    )
    common_arguments(made)
    made.add_argument("verb", metavar="VERB", choices=list(verbs))
    left = made.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    left.required = False  # a call without a verb lacks that alone
    return made


def verb_parser(name: str, text: str, verb: Takes) -> Parser:
    """What reads the words after a verb."""
    made = Parser(
        prog=f"rpm-venv {name}", description=text, formatter_class=_Help, allow_abbrev=False
    )
    verb.arguments(made)
    return made
