"""``rpm-venv advisories``: make the index that a package of advisories ships, from a download."""

from __future__ import annotations

import argparse
from pathlib import Path

from rpm_venv.advisories import database, index
from rpm_venv.advisories.osv import RecordError
from rpm_venv.errors import VenvError
from rpm_venv.report import Context, Report
from rpm_venv.system import files


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "records", metavar="IN", help="OSV records as JSON: a zip of them, or a directory"
    )
    parser.add_argument(
        "index", metavar="OUT", nargs="?", help="the index (default: only say what IN holds)"
    )


def run(context: Context, args: argparse.Namespace) -> Report:
    """Write the index; its first line of text is the day of the newest record, as YYYYMMDD."""
    del context
    known = database.load(Path(args.records).absolute())
    summary = known.summary
    if summary.newest is None:
        raise VenvError("no record of it has a date that has come", subject=args.records)
    if args.index:
        try:
            made = index.dumps(summary, {name: known.of(name) for name in known.projects})
        except RecordError as error:
            raise VenvError(f"no index can be made of it: {error}", subject=args.records) from None
        files.write_atomic(Path(args.index).absolute(), made)
    return Report(
        data={
            "records": summary.records,
            "withdrawn": summary.withdrawn,
            "unreadable": summary.unreadable,
            "newest": summary.newest.isoformat(),
            "projects": len(known.projects),
        },
        text=(f"{summary.newest:%Y%m%d}",) if not args.index else (),
        talk=tuple(f"skipped: {line}" for line in summary.skipped),
    )
