"""Small systems below a directory, on which verbs are disturbed, and what is seen of them after."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import packaging

from tests.host.wheels import make_lock, make_wheel

PATH = "/opt/app/penv"
OTHER = "/srv/other/penv"
THIRD = "/srv/third/penv"
TREE = Path(__file__).resolve().parents[2]
#: The interpreter of ``/usr/bin/rpm-venv``, and of the environments.
PYTHON = "/usr/bin/python3"
HOME = "usr/lib/rpm-venv"
_HISTORY = f"{HOME}/history"

#: A path below the root → what is there: kind, mode, owner, and content.
Snapshot = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True)
class Command:
    """The command of a copy of the tree's source, which nobody edits while the tests run.

    It is started as ``/usr/bin/rpm-venv`` starts it: isolated, without ``site``.
    """

    source: Path

    @classmethod
    def copied(cls, into: Path) -> Command:
        ignored = shutil.ignore_patterns("*.egg*")  # byte code that is there need not be made
        shutil.copytree(TREE / "src", into, ignore=ignored)
        # A throw-away host does not see where the tests' own packages are installed.
        bundled = Path(packaging.__file__).parent
        shutil.copytree(bundled, into / bundled.name, ignore=ignored)
        compileall.compile_dir(into, quiet=1)
        return cls(into)

    def __call__(self, root: Path, *words: str) -> list[str]:
        """The words of a call."""
        return self.python(
            "from rpm_venv.cli import main; sys.exit(main())", "--root", str(root), *words
        )

    def python(self, code: str, *words: str) -> list[str]:
        """The words that run code as ``/usr/bin/rpm-venv`` runs its own."""
        places = [str(self.source), str(TREE)]
        return [PYTHON, "-ISB", "-c", f"import sys; sys.path[:0] = {places!r}; {code}", *words]


_KEPT = re.compile(r"(?:^|/)usr/lib/rpm-venv/store/[^/]+/links(?:/|\Z)")


def wheels(root: Path, version: int) -> None:
    """Put a version of the application, with its lock, where a package would have it."""
    directory = root / f"usr/share/app/{version}"
    directory.mkdir(parents=True)
    made = [
        make_wheel(
            "app",
            f"{version}.0",
            {"app/__init__.py": f"VERSION = {version}\n", "app/part.py": f"PART = {version}\n"},
            scripts={"app": "app:main"},
            data={"data/share/app/notes": f"notes of {version}\n"},
        ),
        make_wheel("dep", "1.0"),
    ]
    for wheel in made:
        wheel.save(directory)
    (directory / "requirements.txt").write_text(make_lock(made))


def install(version: int, path: str = PATH) -> tuple[str, ...]:
    """The words of an install of a version."""
    place = f"/usr/share/app/{version}"
    return ("install", "-r", f"{place}/requirements.txt", "-w", place, "-o", path)


def copy(source: Path, target: Path) -> None:
    """Copy a system with its modes, times, links and hardlinks."""
    _copy_directory(os.fspath(source), os.fspath(target), {})


def _copy_directory(source: str, target: str, known: dict[int, str]) -> None:
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            here = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _copy_directory(entry.path, here, known)
            elif status.st_ino in known:
                os.link(known[status.st_ino], here, follow_symlinks=False)
            else:
                known[status.st_ino] = here
                _copy_file(entry.path, here, status)
    shutil.copystat(source, target)


def _copy_file(source: str, target: str, status: os.stat_result) -> None:
    """A link or a small regular file: a case has hundreds, and shutil.copy2 does much for each."""
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    else:
        with open(source, "rb") as file, open(target, "xb") as other:
            other.write(file.read())
            os.fchmod(other.fileno(), stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def is_kept(path: str) -> bool:
    """Whether this is a link that an object keeps for the next generation, or their directory.

    One that is not there is made when it is needed: a call may succeed without, and the disk may
    lose it.
    """
    return _KEPT.search(path) is not None


def snapshot(root: Path, below: str = "") -> Snapshot:
    """Everything below a directory of a system that anything needs."""
    found: dict[str, tuple[object, ...]] = {}
    history = f"{root}/{_HISTORY}"  # has times in it: ``lie`` looks at what it tells
    left = [""]
    while left:
        inside = left.pop()
        with os.scandir(os.path.join(root, below, inside)) as entries:
            for entry in entries:
                if is_kept(entry.path):
                    continue
                if entry.path != history:
                    found[inside + entry.name] = _describe(entry)
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{inside}{entry.name}/")
    return found


def without_links(snapshot: Snapshot) -> Snapshot:
    """A snapshot without the counts of hardlinks."""
    return {name: entry[:3] + entry[4:] for name, entry in snapshot.items()}


def _describe(entry: os.DirEntry[str]) -> tuple[object, ...]:
    status = entry.stat(follow_symlinks=False)
    who = (status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return ("link", os.readlink(entry.path), who)
    mode = f"{stat.S_IMODE(status.st_mode):o}"
    if stat.S_ISDIR(status.st_mode):
        return ("directory", mode, who)
    with open(entry.path, "rb", buffering=0) as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return ("file", mode, who, status.st_nlink, digest)


def difference(one: Snapshot, other: Snapshot) -> str:
    """What differs between two snapshots, in a line; empty when nothing."""
    lines = [f"+{path}" for path in sorted(other.keys() - one.keys())]
    lines += [f"-{path}" for path in sorted(one.keys() - other.keys())]
    lines += [
        f"{path}: {one[path]} → {other[path]}"
        for path in sorted(one.keys() & other.keys())
        if one[path] != other[path]
    ]
    more = f" and {len(lines) - 6} more" if len(lines) > 6 else ""
    return "; ".join(lines[:6]) + more


#: What the public path leads to: the files of the generation; None for nothing.
Live = Mapping[str, tuple[object, ...]]


def live(root: Path, path: str = PATH) -> Live | None:
    """The content of the environment at a path, through its link; None where nothing is.

    What is behind links into the store is part of it. Counts of hardlinks are left out: another
    generation may have come or gone.
    """
    public = root / path[1:]
    if not os.path.lexists(public):
        return None
    top = root / os.readlink(public)[1:] if public.is_symlink() else public
    if not top.is_dir():
        return {"": ("leads to nothing", str(top))}
    found = dict(snapshot(top))
    for name in behind_links(found):
        inside = snapshot(top / name) if (top / name).is_dir() else {"": ("leads to nothing",)}
        found.update({f"{name}/{below}": entry for below, entry in inside.items()})
    return without_links(found)


def behind_links(content: Live) -> list[str]:
    """The links of an environment that lead into the store."""
    return [name for name, (kind, where, *_) in content.items() if kind == "link" and _in(where)]


def _in(where: object) -> bool:
    return "/store/" in str(where)


def mending(old: Live | None, new: Live | None) -> Live | None:
    """An environment of which a repair has mended what is behind links, and no more yet.

    An object has one place for all environments. What was damaged is not whole until both are
    mended; for every other verb this is the old one.
    """
    links = tuple(f"{name}/" for name in behind_links(old or {}))
    if old is None or new is None or behind_links(new) != behind_links(old):
        return old
    generation = {name: entry for name, entry in old.items() if not name.startswith(links)}
    return {**generation, **{name: new[name] for name in new if name.startswith(links)}}


def told(root: Path, path: str = PATH) -> list[str]:
    """The generations that the history tells of, "" for a removal, in the order of its lines."""
    file = root / _HISTORY
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = [event for event in events if event["path"] == path and event["outcome"] == "done"]
    return [event["generation"] for event in done]


def lie(root: Path, path: str = PATH) -> str:
    """What is wrong with the last line of an environment's history; "" for nothing."""
    last = (told(root, path) or [""])[-1]
    public = root / path[1:]
    now = Path(os.readlink(public)).name if public.is_symlink() else ""
    return f"the history tells of {last!r}, and {now!r} is live" if last != now else ""


def litter(root: Path) -> list[str]:
    """What no environment of a system needs, and what is never left where nothing is going on."""
    home = root / HOME
    found = [f"staging/{name}" for name in _names(home / "staging")]
    needed = set()
    for environment in _names(home / "envs"):
        generations = _names(home / "envs" / environment)
        if not generations or not (home / "state" / f"{environment}.json").exists():
            found.append(f"envs/{environment}")
        for generation in generations:
            needed |= _objects(home / "envs" / environment / generation)
    found += [f"store/{name}" for name in _names(home / "store") if name not in needed]
    found += [f"state/{name}" for name in _names(home / "state") if not name.endswith(".json")]
    for directory in ("opt/app", "srv/other", "srv/third"):
        found += [f"{directory}/{name}" for name in _names(root / directory) if name[0] == "."]
    return found


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def _objects(generation: Path) -> set[str]:
    described = json.loads((generation / ".rpm-venv/generation.json").read_text())
    tag = described["tag"]
    return {f"{wheel['sha256']}-{tag}" for wheel in described["distributions"]}
