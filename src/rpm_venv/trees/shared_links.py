"""Links to directories of objects, each one file with a name in every generation. An edge: writes.

The target of such a link is too long for its inode: it takes a block, and as long to make as four
hardlinks. It is the same in all generations, so each object keeps the links to itself in its
directory ``links``, made when they are first needed. None is believed: in the place of one that is
not what it is to be comes the link that the generation gets then.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rpm_venv.system import files
from rpm_venv.trees.manifest import Path as Entry
from rpm_venv.trees.manifest import Tree

DIRECTORY = "links"
_MODE = 0o755
_MAX_NAME = 255  # bytes, on every Linux filesystem
_SITE = "lib/python3/site-packages"  # the minor version changes nothing: as many directories


class SharedLinks:
    """Puts links to directories of objects into generations."""

    def __init__(self, store: Path) -> None:
        self._store = os.fspath(store)
        self._mine = (os.geteuid(), os.getegid())
        self._can = True

    def put(self, top: int, path: str, tree: Tree) -> None:
        """Make the link at ``path`` below ``top``, a descriptor, where nothing is."""
        target, name = tree.target(path), _name(tree.inside)
        has_name = len(os.fsencode(name)) <= _MAX_NAME
        place = f"{self._store}/{tree.object_id}"
        if not (has_name and self._again(top, path, f"{place}/{DIRECTORY}/{name}", target)):
            os.symlink(target, path, dir_fd=top)
            os.utime(path, ns=files.TIMES, dir_fd=top, follow_symlinks=False)
            if self._can and has_name:
                self._keep(top, path, Path(place), name)

    def _again(self, top: int, path: str, kept: str, target: str) -> bool:
        """Whether it could be made of the link that the object has."""
        try:
            os.link(kept, path, dst_dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:  # EXDEV, or EPERM where a file system has no such links
            self._can = self._can and error.errno == errno.EMLINK
            return False
        if _is(path, target, self._mine, top):
            return True
        os.unlink(path, dir_fd=top)
        return False

    def _keep(self, top: int, path: str, place: Path, name: str) -> None:
        """Have the object keep a link that was made, in the place of what was of no use."""
        try:
            with files.directory(place, follow=False) as above, suppress(FileExistsError):
                os.mkdir(DIRECTORY, _MODE, dir_fd=above)
                os.chmod(DIRECTORY, _MODE, dir_fd=above)  # whatever the umask is
            with files.directory(place / DIRECTORY, follow=False) as links:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=links)
                os.link(path, name, src_dir_fd=top, dst_dir_fd=links, follow_symlinks=False)
        except OSError:  # so would the next one
            self._can = False


def kept(place: Path, object_id: str, directories: Iterable[str]) -> dict[str, Entry]:
    """What an object at ``place`` keeps of the links to these directories of it, as it is to be.

    The rest that is there is nothing of ours, and all of it where ``links`` is not as it was made.
    """
    links = place / DIRECTORY
    try:
        above, status = os.lstat(place), os.lstat(links)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    mine = (above.st_uid, above.st_gid)
    if status.st_mode != stat.S_IFDIR | _MODE or (status.st_uid, status.st_gid) != mine:
        return {}
    names = set(os.listdir(links))
    found = {DIRECTORY: Entry(DIRECTORY, "dir", _MODE)}
    for inside in directories:
        name = _name(inside)
        target = Tree(object_id, inside, "").target(f"{_SITE}/{inside.partition('/')[2]}")
        if name in names and _is(links / name, target, mine):
            path = f"{DIRECTORY}/{name}"
            found[path] = Entry(path, "link", digest=target)
    return found


def _is(link: str | Path, target: str, mine: tuple[int, int], top: int | None = None) -> bool:
    """Whether this is a link of ours to this target."""
    status = os.lstat(link, dir_fd=top)
    is_link = stat.S_ISLNK(status.st_mode) and (status.st_uid, status.st_gid) == mine
    return is_link and os.readlink(link, dir_fd=top) == target


def _name(inside: str) -> str:
    """The name of the link to a directory of an object, which no other one has."""
    return inside.replace("%", "%25").replace("/", "%2F")
