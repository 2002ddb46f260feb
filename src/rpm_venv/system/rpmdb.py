"""The rpm database, asked through rpm's own Python bindings. An edge: reads, and only reads.

Where there are no bindings for this Python (EL8 has them for its 3.6 alone; a small image may have
none), the rpm command is asked. Both are safe in scriptlets: reading takes no transaction lock.
Where there is no database under the root, the answer is None, "unknown", which is not "no". An
empty database is unknown too: rpm-ostree shows its scriptlets one (docs/architecture.md).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from types import ModuleType

from rpm_venv.declaration import Package
from rpm_venv.paths import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ClassVar

    #: Called with an index and a key, it gives the headers of packages; without, of all.
    _Database = Callable[..., Iterator[Any]]

#: Where distributions have their database, for a root whose rpm is configured unlike ours.
_KNOWN_PLACES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
#: The file of each backend: sqlite, ndb, Berkeley DB.
_DATABASES = ("rpmdb.sqlite", "Packages.db", "Packages")
#: All that rpm gets of an environment. Macros run programs: ~/.rpmmacros, ~/.config/rpm/macros,
#: ~/.popt or what RPM_CONFIGDIR names must not be a caller's. Only root can make that HOME.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}


def owner(layout: Layout, path: str) -> tuple[str, ...] | None:
    """The installed packages that own the file at a target path, as NEVRA; None if unknown."""
    with _database(layout) as database:
        if database is None:
            return None
        return tuple(sorted(str(_package(header)) for header in database("instfilenames", path)))


def first_owned_below(
    layout: Layout, directory: str, tree: str | None = None
) -> tuple[str, str] | None:
    """A file below a directory, a target path, that rpm knows of, and its package's NEVRA.

    None if there is none, or nothing is known. What counts is what the database says: files of a
    package that is yet to be erased are here, whether they are still on disk or not. Which
    directories are below is seen in ``tree``, a target path, where the directory may be gone.
    """
    with _database(layout) as database:
        if database is None:
            return None
        for place in _directories(layout, directory, tree or directory):
            for header in database("dirnames", f"{place}/"):
                name = _name_in(header, f"{place}/")
                if name:
                    return f"{place}/{name}", str(_package(header))
    return None


def instances(layout: Layout, name: str) -> tuple[Package, ...] | None:
    """The installed packages of this name; None if unknown."""
    return _matching(layout, "name", name)


def installed(layout: Layout, names: Collection[str]) -> frozenset[str] | None:
    """Those of the names that a package is installed under; None if unknown."""
    with _database(layout) as database:
        if database is None:
            return None
        if isinstance(database, _Command):  # one call for all of them
            return frozenset(_text(header["name"]) for header in database()).intersection(names)
        return frozenset(name for name in names if next(database("name", name), None) is not None)


def providers(layout: Layout, capability: str) -> tuple[Package, ...] | None:
    """The installed packages that provide ``venv(/opt/app1/penv)``, say; None if unknown."""
    return _matching(layout, "providename", capability)


def _matching(layout: Layout, index: str, key: str) -> tuple[Package, ...] | None:
    with _database(layout) as database:
        if database is None:
            return None
        return tuple(sorted(map(_package, database(index, key)), key=str))


@contextlib.contextmanager
def _database(layout: Layout) -> Iterator[_Database | None]:
    """The database of a root, or None where nothing can be known from it."""
    with _own_environment():
        rpm = _bindings()
        place = _place(_configured_place(rpm), layout)
        if place is None:
            yield None
        elif rpm is None:
            command = _Command(layout, place)
            yield command if next(command(), None) is not None else None
        else:
            with _opened(rpm, layout, place) as database:
                yield database


def _configured_place(rpm: ModuleType | None) -> str:
    """Where rpm is configured to have its database; ``OSError`` where it cannot find that out."""
    if rpm is None:
        return _said("--eval", "%{_dbpath}").strip()
    try:
        return str(rpm.expandMacro("%{_dbpath}"))
    except rpm.error as error:  # Debian's runs a shell for it
        raise OSError(f"rpm cannot say where its database is: {error}") from None


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Keep the caller's environment from rpm, which reads its configuration when it is loaded."""
    callers = dict(os.environ)
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(callers)


@contextlib.contextmanager
def _opened(rpm: ModuleType, layout: Layout, place: str) -> Iterator[_Database | None]:
    with _configured(rpm, place):
        transaction_set = rpm.TransactionSet(str(layout.root))
        # Headers were checked when they were installed; checking them loads the keyring.
        transaction_set.setVSFlags(rpm._RPMVSF_NOSIGNATURES | rpm._RPMVSF_NODIGESTS)

        def database(*match: str) -> Iterator[Any]:
            return iter(transaction_set.dbMatch(*match))

        try:
            yield database if _is_filled(rpm, database) else None
        finally:
            transaction_set.closeDB()


def _is_filled(rpm: ModuleType, database: _Database) -> bool:
    try:
        return next(database(), None) is not None
    except rpm.error:
        return False  # not ours to read, or damaged


class _Command:
    """The database as the rpm command tells of it: headers of the few tags that are looked at."""

    _OPTIONS: ClassVar = {
        "name": ("-q",),
        "providename": ("-q", "--whatprovides"),
        "instfilenames": ("-q", "-f"),
    }
    _TAGS = ("name", "epoch", "version", "release", "arch")
    #: Only lines of this form are answers; what rpm says otherwise is for people.
    _PACKAGE = "=%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n"
    _FILES = "[=%{=NAME}\t%{=EPOCHNUM}\t%{=VERSION}\t%{=RELEASE}\t%{=ARCH}\t%{FILENAMES}\n]"

    def __init__(self, layout: Layout, place: str) -> None:
        self._where = ("--root", str(layout.root), "--dbpath", place)
        self._directories: dict[str, dict[str, Any]] = {}

    def __call__(self, index: str = "", key: str = "") -> Iterator[dict[str, Any]]:
        if index == "dirnames":
            return iter(self._in_directory(key))
        question = (*self._OPTIONS[index], "--", key) if index else ("-qa",)
        answer = (header for header, _ in self._ask(self._PACKAGE, question))
        # For want of a package NAME-1, rpm takes version 1 of NAME.
        return (each for each in answer if index != "name" or each["name"] == key)

    def _in_directory(self, directory: str) -> list[dict[str, Any]]:
        if not self._directories:  # rpm has no such question: all files are gone through, once
            for header, (path,) in self._ask(self._FILES, ("-qa",)):
                place, _, name = path.rpartition("/")
                files = {"dirnames": [f"{place}/"], "basenames": [name], "dirindexes": [0]}
                self._directories.setdefault(f"{place}/", {**header, **files})
        return [self._directories[directory]] if directory in self._directories else []

    def _ask(
        self, form: str, question: Sequence[str]
    ) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """A header for every line of the answer, and the fields beyond it."""
        for line in _said(*self._where, "--qf", form, *question).splitlines():
            fields = line[1:].split("\t")
            if line.startswith("=") and len(fields) >= len(self._TAGS):
                header: dict[str, Any] = dict(zip(self._TAGS, fields))
                header["epoch"] = int(header["epoch"])
                yield header, fields[len(self._TAGS) :]


def _said(*arguments: str) -> str:
    """What the rpm command prints; nothing where there is none."""
    import subprocess  # not needed where the bindings are

    with contextlib.suppress(OSError):
        # A pipe for stdin, because a chroot may have no /dev/null.
        done = subprocess.run(
            ["/usr/bin/rpm", *arguments],
            env=_ENVIRONMENT,
            cwd="/",
            input="",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return done.stdout
    return ""


@contextlib.contextmanager
def _configured(rpm: ModuleType, place: str) -> Iterator[None]:
    """With the database at ``place``, a target path, and with rpm's own messages off."""
    rpm.addMacro("_dbpath", place)
    before = rpm.setVerbosity(rpm.RPMLOG_CRIT)
    try:
        yield
    finally:
        rpm.setVerbosity(rpm.RPMLOG_NOTICE if before is None else before)
        rpm.delMacro("_dbpath")


def _place(configured: str, layout: Layout) -> str | None:
    """The target path of a database that is there: rpm would make one that is not."""
    places = [configured, *_KNOWN_PLACES]
    for place in filter(os.path.isabs, places):  # a macro that is not set stays as it is written
        directory = layout.real(place)
        if any(os.path.exists(directory / name) for name in _DATABASES):
            return str(place)
    return None


def _bindings() -> ModuleType | None:
    """The rpm module of the running Python, which runs without its site directories (-S)."""
    if "rpm" not in sys.modules:
        before = list(sys.path)
        sys.path.extend(_site_directories())
        try:
            importlib.import_module("rpm")
        except ImportError:
            return None
        finally:
            sys.path[:] = before
    return sys.modules["rpm"]


def _site_directories() -> Iterator[str]:
    """Where a system's package manager puts modules for this Python; no .pth file is looked at."""
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for prefix in dict.fromkeys((sys.base_prefix, "/usr")):
        yield f"{prefix}/lib64/{minor}/site-packages"
        yield f"{prefix}/lib/{minor}/site-packages"
    yield "/usr/lib/python3/dist-packages"


def _directories(layout: Layout, directory: str, tree: str) -> Iterator[str]:
    """A directory and all that are below it in ``tree``, as target paths; no link is followed."""
    top = str(layout.real(tree))
    for place, _, _ in os.walk(top):
        yield directory + place[len(top) :]


def _name_in(header: Any, directory: str) -> str:
    """The first file that a package has right in a directory."""
    directories = [_text(name) for name in header["dirnames"]]
    index = directories.index(directory)
    for name, where in zip(header["basenames"], header["dirindexes"]):
        if where == index:
            return _text(name)
    return ""


def _package(header: Any) -> Package:
    return Package(
        name=_text(header["name"]),
        version=_text(header["version"]),
        release=_text(header["release"]),
        arch=_text(header["arch"] or "noarch"),  # gpg-pubkey has none
        epoch=header["epoch"] or 0,
    )


def _text(value: Any) -> str:
    """A string of a header; rpm 4.14's bindings give bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
