"""``rpm-venv vendor``: a source package that builds without a network, with its wheels in it.

The author's: the wheels that the locks of a spec file name are fetched, and become one source.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rpm_venv.building import rpmbuild, vendored
from rpm_venv.building.rpmbuild import SpecFile
from rpm_venv.errors import FetchError, LockError, UnreachableError, UsageError, VenvError
from rpm_venv.fetching import download, shelf
from rpm_venv.frozen import dataclass, replace
from rpm_venv.locks import lock, own, targets
from rpm_venv.locks.locked import Entry
from rpm_venv.paths import Layout
from rpm_venv.report import FOUND, Context, Report
from rpm_venv.system.interpreter import Interpreter
from rpm_venv.verbs import declare, options

_BUILDS_WHEELS = re.compile(r"rpm-venv wheel|pyproject_wheel|pip3? wheel|-m build")
_LOCK_FOR_ALL = "one lock for several is made by rpm-venv lock with the same -p and -m"
_AT_HAND = "name a directory that has them with -w, or leave out -o to ask the index"
_NAMED = re.compile(r"(?:/usr/bin/)?python(3\.\d+)")


@dataclass(frozen=True)
class _Wanted:
    """A lock of the spec file, and for whom its wheels are wanted."""

    lock: Path
    pythons: tuple[str, ...]
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def arguments(parser: argparse.ArgumentParser) -> None:
    def repeatable(option: str, dest: str, metavar: str, text: str) -> None:
        parser.add_argument(
            option, dest=dest, metavar=metavar, action="append", default=[], help=text
        )

    repeatable("-r", "locks", "LOCK", "a lock, in place of those that SPEC declares; repeatable")
    repeatable(
        "-p",
        "pythons",
        "PYTHON",
        "for PYTHON, or a version such as 3.12 (default: as SPEC declares); repeatable",
    )
    repeatable("-m", "machines", "MACHINE", "for MACHINE (default: this one); repeatable")
    repeatable("-w", "wheels", "DIR", "look for wheels here, before any index; repeatable")
    parser.add_argument("-o", dest="offline", action="store_true", help="ask no index")
    parser.add_argument(
        "--sources", metavar="DIR", type=Path, help="where the sources are (default: beside SPEC)"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="where the source package goes (default: here)",
    )
    parser.add_argument("spec", metavar="SPEC", type=Path, help="the spec file")
    parser.set_defaults(parser=type(parser))  # whose errors are told as ours


def run(context: Context, args: argparse.Namespace) -> Report:
    """Write the archive beside the sources, and the source package once the spec file takes it."""
    if not args.spec.is_file():
        raise UsageError("there is no such spec file", subject=str(args.spec))
    sources = args.sources or args.spec.absolute().parent
    spec = rpmbuild.read(args.spec, sources)
    calls = [_declaration(args.parser, words) for words in spec.calls("declare")]
    archive = sources / f"{spec.tag('name')}-{spec.tag('version')}-wheels.tar"
    with tempfile.TemporaryDirectory(prefix="rpm-venv-vendor-") as scratch:
        files = _files(context, args, spec, _wanted(args, spec, calls), Path(scratch))
        vendored.pack(files, archive)
        names = sorted(file.name for file in files)
    data = {"archive": str(archive), "wheels": names, "lines": [], "source_package": None}
    talk = f"{archive}: {len(names)} wheel{'s' * (len(names) != 1)}"
    lines = list(_lines(spec, calls, archive))
    if lines:
        more = f"{talk}; {args.spec} does not take it yet, and needs these lines:"
        return Report({**data, "lines": lines}, tuple(lines), (more,), exit_code=FOUND)
    made = rpmbuild.source_package(spec, sources, args.output)
    return Report({**data, "source_package": str(made)}, (str(made),), (talk,))


def _declaration(
    parser_class: type[argparse.ArgumentParser], words: Sequence[str]
) -> argparse.Namespace:
    """What %venv_declare expands to, as the verb understands it."""
    parser = parser_class(prog="rpm-venv declare", allow_abbrev=False)
    declare.arguments(parser)
    return parser.parse_args(words)


def _wanted(
    args: argparse.Namespace, spec: SpecFile, calls: Sequence[argparse.Namespace]
) -> list[_Wanted]:
    if args.locks:
        pythons = tuple(args.pythons or [options.DEFAULT_PYTHON])
        return [_Wanted(Path(name), pythons) for name in args.locks]
    found = [
        _Wanted(
            Path(one.lock),
            tuple(args.pythons or [one.python]),
            tuple(one.extras),
            tuple(one.groups),
        )
        for one in calls
    ]
    if not found:
        raise VenvError(
            "it declares no environment",
            subject=str(spec.path),
            hint="name the lock that it installs with -r",
        )
    missing = [str(one.lock) for one in found if not one.lock.is_file()]
    if missing:
        raise LockError(
            f"there is no {', '.join(missing)}",
            subject=str(spec.path),
            hint="make it with: rpm-venv lock IN OUT; where %build makes it, name what of with -r; "
            "where the sources are elsewhere, with --sources",
        )
    return list(dict.fromkeys(found))


def _interpreters(
    context: Context, args: argparse.Namespace, pythons: Iterable[str]
) -> list[Interpreter]:
    """For whom wheels are wanted; this machine's C library says nothing about the builder's."""
    names = [match[1] if (match := _NAMED.fullmatch(name)) else name for name in pythons]
    found = options.interpreters(context, names, args.machines)
    return [
        replace(one, path="", tags=targets.elsewhere(one.minor, targets.machine_of(one)).tags)
        for one in found
    ]


def _files(
    context: Context,
    args: argparse.Namespace,
    spec: SpecFile,
    wanted: Sequence[_Wanted],
    scratch: Path,
) -> list[Path]:
    """Every wheel and sdist that the locks name for these Pythons and machines, once."""
    directories = [str(Path(name).absolute()) for name in args.wheels]
    found: dict[str, Path] = {}
    for one in wanted:
        for interpreter in _interpreters(context, args, one.pythons):
            entries = _entries(spec, one, interpreter)
            who = targets.described([interpreter])
            at_hand, absent = _look(entries, interpreter, directories)
            if absent and not args.offline:
                context.progress(f"fetching {len(absent)} distributions for {who}")
                place = Path(tempfile.mkdtemp(dir=scratch))
                _download(absent, interpreter, place, _mend(args))
                directories.append(str(place))  # what is for any Python is fetched once
                at_hand, absent = _look(entries, interpreter, directories)
            if absent:
                names = ", ".join(map(str, absent))
                raise VenvError(
                    f"there is no wheel of {names} for {who}",
                    subject=str(one.lock),
                    hint=_mend(args),
                )
            found.update({file.name: file for file in at_hand})
    return list(found.values())


def _mend(args: argparse.Namespace) -> str:
    """What there is to do about a wheel that is not to be had."""
    several = _LOCK_FOR_ALL if args.pythons or args.machines else ""
    return "; ".join(filter(None, (several, _AT_HAND if args.offline else "")))


def _download(wanted: Sequence[Entry], interpreter: Interpreter, place: Path, mend: str) -> None:
    """Fetch into a directory; what the index does not have is told with what mends it."""
    try:
        download.distributions(wanted, interpreter, place, isolated=True)
    except UnreachableError:
        raise  # whether the lock is for all of them is not known
    except FetchError as error:
        told = {"subject": error.subject, "where": error.where}
        hint = "; ".join(filter(None, (mend, error.hint)))
        raise FetchError(error.message, **told, hint=hint, problems=error.problems) from None


def _entries(spec: SpecFile, one: _Wanted, interpreter: Interpreter) -> tuple[Entry, ...]:
    """What of a lock holds for an interpreter, without what the package builds itself."""
    data = one.lock.read_bytes()
    found, built = own.read(data, one.lock.name)
    if built and not _BUILDS_WHEELS.search(spec.text):
        lock.parse(data, one.lock.name)  # which says what has no hash
    return lock.select(found, interpreter.markers, one.extras, one.groups, sdists=True)


def _look(
    entries: Sequence[Entry], interpreter: Interpreter, directories: Sequence[str]
) -> tuple[list[Path], list[Entry]]:
    """The files of entries in directories, and the entries that have none."""
    at_hand = shelf.at_hand(Layout(), entries, interpreter, directories, stored=False)
    wheels = [found.source.path for found in at_hand.found if found.source]
    left = [entry for entry, _ in at_hand.missing]
    sdists = shelf.sdists(left, directories)
    return [*wheels, *sdists.values()], [entry for entry in left if entry not in sdists]


def _lines(spec: SpecFile, calls: Sequence[argparse.Namespace], archive: Path) -> Iterator[str]:
    """What the spec file lacks for the archive to be used; nothing where it has it all."""
    tag = next((n for n, file in spec.sources.items() if file == archive.name), "")
    if not tag:
        numbers = [int(name[6:] or 0) for name in spec.sources]
        tag = f"Source{max(numbers, default=-1) + 1}"
        yield f"{tag}: %{{name}}-%{{version}}-wheels.tar"
    macro = f"%{{{tag.upper()}}}"
    for one in calls:
        named = {Path(name).name for name in one.wheels}
        if archive.name not in named or not one.offline:
            yield f"%venv_declare … -w {macro} -o {one.path}"
