"""``rpm-venv lint``: the mistakes that spec files make with virtual environments.

Spec files are read as text: rpm is not asked, for it runs what a spec file has in ``%(…)``.
"""

from __future__ import annotations

import argparse

from rpm_venv.linting import mistakes, spec_file
from rpm_venv.report import DONE, FOUND, Context, Report


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", metavar="SPEC", nargs="+", help="spec files")


def run(_: Context, args: argparse.Namespace) -> Report:
    """A line for each mistake; exit 3 where there is one. ``UsageError`` for what is no file."""
    texts = {name: spec_file.read(name) for name in args.specs}
    found = [(name, one) for name, text in texts.items() for one in mistakes.find(text)]
    return Report(
        data={"findings": [{"file": name, **one.to_json()} for name, one in found]},
        text=tuple(one.at(name) for name, one in found),
        exit_code=FOUND if found else DONE,
    )
