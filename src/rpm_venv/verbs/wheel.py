"""``rpm-venv wheel``: build the wheel of a source tree, where its declaration will find it.

Called by %venv_wheel in %build as the building user.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rpm_venv.building import source
from rpm_venv.report import Context, Report
from rpm_venv.system.interpreter import inspect
from rpm_venv.verbs.options import DEFAULT_PYTHON


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p",
        dest="python",
        metavar="PYTHON",
        default=DEFAULT_PYTHON,
        help=f"build with PYTHON (default: {DEFAULT_PYTHON})",
    )
    parser.add_argument(
        "--wheeldir",
        metavar="DIR",
        type=Path,
        default=Path("dist"),
        help="where the wheel goes (default: dist)",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        type=Path,
        nargs="?",
        default=Path(),
        help="a source tree or an sdist (default: the directory we are in)",
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Build; another version of the same wheel in DIR goes."""
    interpreter = inspect(context.layout, args.python)
    made = source.build(args.source, interpreter, args.wheeldir)
    (digest,) = made.entry.hashes
    name, version = made.entry.name, str(made.entry.version)
    data = {"wheel": str(made.path), "name": name, "version": version, "sha256": digest}
    return Report(data, (str(made.path),))
