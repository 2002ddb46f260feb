"""Careful filesystem primitives: durable, and never led astray by a link. An edge: writes.

Every path here is a real path. Errors are ``OSError`` unless the docstring says otherwise.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rpm_venv.paths import Layout
from rpm_venv.system import reading

#: The time of every file in an object or a generation: 1980-01-02, the first day that zip, cpio
#: and every time zone can express. Real times would make two builds of one thing differ.
MTIME_NS = 315_619_200 * 10**9
TIMES = (MTIME_NS, MTIME_NS)  # as utime(2) takes them

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_STAYS = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR)
_MAX_DEPTH = 64  # directories held open while a tree is removed
#: Of the staging directory: who is not root may pass through it and no more.
STAGING_MODE = 0o711


@contextmanager
def directory(path: Path, *, follow: bool = True) -> Iterator[int]:
    """A descriptor of the directory at ``path``, held for the length of the block."""
    descriptor = os.open(path, _DIRECTORY | (0 if follow else os.O_NOFOLLOW))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable: what was created, renamed or removed there."""
    with directory(path) as descriptor:
        os.fsync(descriptor)


def syncfs(path: Path) -> None:
    """Make everything written so far to the filesystem of ``path`` durable, in one call.

    One syncfs takes as long as a handful of fsyncs and stands for thousands (docs/architecture.md).
    """
    with directory(path) as descriptor:
        try:
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            call = libc.syncfs
        except (ImportError, OSError, AttributeError):
            os.sync()  # a Python without ctypes: slower, and more than was asked
            return
        while call(descriptor) != 0:
            number = ctypes.get_errno()
            if number != errno.EINTR:  # an alarm, such as that of a terminal's progress
                raise OSError(number, os.strerror(number), os.fspath(path))


def _unguessable() -> str:
    """Part of a name that nobody can have taken; ``secrets`` would cost every start 5 ms."""
    return os.urandom(8).hex()


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory and its missing parents, with this mode whatever the umask is."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        os.mkdir(each, mode)
        os.chmod(each, mode)


def make_staging(layout: Layout) -> Path:
    """The staging directory, there from now on."""
    make_directory(layout.staging, STAGING_MODE)
    return layout.staging


def new_directory(parent: Path, prefix: str, mode: int = 0o700) -> Path:
    """A fresh directory below ``parent`` whose name nobody can guess."""
    path = parent / f"{prefix}-{_unguessable()}"
    os.mkdir(path, mode)
    try:
        os.chmod(path, mode)
    except OSError:
        with suppress(OSError):  # what went wrong first is what there is to say
            os.rmdir(path)
        raise
    return path


@contextmanager
def passing_directory(parent: Path, prefix: str, mode: int = 0o700) -> Iterator[Path]:
    """A ``new_directory`` for the length of the block."""
    path = new_directory(parent, prefix, mode)
    try:
        yield path
    except BaseException:
        with suppress(OSError):  # what went wrong first is what there is to say
            remove_tree(path)
        raise
    remove_tree(path)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of ``data``; a short write (a full disk, a signal) is continued or raises."""
    written = os.write(descriptor, data) if data else 0
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def write_atomic(path: Path, data: bytes, mode: int = 0o644, *, by: Path | None = None) -> None:
    """Make ``path`` a file with this content, durably: after a crash it is the old or the new.

    ``by`` is where it is written first, a directory on the same filesystem (default: beside it):
    what a killed process leaves is there.
    """
    with directory(path.parent) as parent, directory(by or path.parent) as first:
        temporary = f".{path.name}.{_unguessable()}"
        descriptor = os.open(temporary, _NEW_FILE, mode, dir_fd=first)
        try:
            try:
                os.fchmod(descriptor, mode)
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, path.name, src_dir_fd=first, dst_dir_fd=parent)
        except BaseException:
            os.unlink(temporary, dir_fd=first)
            raise
        os.fsync(parent)


def write_new(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file that must not exist yet, with this mode and ``MTIME_NS``; not durable yet."""
    descriptor = os.open(path, _NEW_FILE, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, data)
        os.utime(descriptor, ns=TIMES)
    finally:
        os.close(descriptor)


def copy_new(source: Path, path: Path, mode: int = 0o644) -> None:
    """Copy a file's content to one that must not exist yet, with ``write_new``'s mode and time."""
    descriptor = os.open(path, _NEW_FILE, mode)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(reading.regular(source), "rb") as stream:
            while chunk := stream.read(1 << 20):
                write_all(descriptor, chunk)
        os.utime(descriptor, ns=TIMES)
    finally:
        os.close(descriptor)


def exchange(one: str, other: str) -> None:
    """Swap what two paths name, in one step (renameat2(2), RENAME_EXCHANGE); ``OSError``.

    ENOSYS and EINVAL where kernel, filesystem or C library cannot; EXDEV across filesystems and
    for a directory of an overlay's lower layer.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), one)
    at_cwd, rename_exchange = -100, 2
    if call(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), rename_exchange) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one, None, other)


def move(source: Path, target: Path) -> None:
    """Rename in one step; not durable: for buildroots."""
    os.rename(source, target)


def link_atomic(path: Path, target: str) -> None:
    """Make ``path`` a symbolic link to ``target`` by one rename; not durable: for buildroots."""
    with directory(path.parent) as parent:
        temporary = f".{path.name}.{_unguessable()}"
        os.symlink(target, temporary, dir_fd=parent)
        try:
            os.rename(temporary, path.name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(temporary, dir_fd=parent)
            raise


def retire(path: Path, into: Path, description: str) -> Path:
    """Put a directory out of sight in one step, as ``drop-NAME`` in ``into``; where it is now.

    It stays where it is, without the file ``description`` below it and so not to be taken for
    whole, where a rename cannot be: a directory of an overlay's lower layer cannot be moved.
    ``fsync_dir`` of its parent comes before what is in it is deleted. No new name or block is
    needed: this works on a full disk.
    """
    try:
        os.rename(path, into / f"drop-{path.name}")
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with suppress(FileNotFoundError):
            os.unlink(path / description)
            fsync_dir((path / description).parent)
        return path
    return into / f"drop-{path.name}"


def replace_directory(made: Path, place: Path, description: str) -> Path:
    """Rename a finished directory to ``place``, over what is there; where that is then.

    What is there is a directory, or a file or link that somebody put there; none is followed.
    It is ``made``, and all in one step, where the filesystem can exchange the two. An overlay
    cannot for one of its lower layer, and some cannot at all: then there is nothing at ``place``
    between two steps.
    ``fsync_dir`` of the parent makes it durable.
    """
    try:
        os.rename(made, place)
    except OSError:
        if not os.path.lexists(place):
            raise
    else:
        return made
    try:
        exchange(str(made), str(place))
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS):
            raise
        # A file or a link has no description, and none is looked for behind a link.
        is_directory = place.is_dir() and not place.is_symlink()
        damaged = retire(place, made.parent, description) if is_directory else place
        remove_tree(place)
        os.rename(made, place)
        return damaged if damaged != place else made
    return made


def remove_empty(path: Path) -> None:
    """Remove a directory if it is empty, durably; one that is not, or not there, is no error."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in _STAYS:
            raise
    else:
        fsync_dir(path.parent)


def remove_tree(path: Path) -> None:
    """Delete ``path`` and all below it, following no link; nothing there is no error.

    Stops with EBUSY at a mount point. Not durable by itself: ``fsync_dir`` of the parent is.
    """
    try:
        with directory(path.parent) as parent:
            try:
                os.unlink(path.name, dir_fd=parent)
            except (IsADirectoryError, PermissionError):  # what unlink(2) says of a directory
                _remove_directory(parent, path.name, os.fstat(parent).st_dev)
    except FileNotFoundError:
        pass


def _remove_directory(parent: int, name: str, device: int) -> None:
    top = _open_to_remove(parent, name, device)
    try:
        while not _emptied(top, top, device, _MAX_DEPTH):
            pass
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _open_to_remove(parent: int, name: str, device: int) -> int:
    descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    if os.fstat(descriptor).st_dev != device:
        os.close(descriptor)
        raise OSError(errno.EBUSY, "another filesystem is mounted here", name)
    return descriptor


def _emptied(top: int, directory: int, device: int, depth: int) -> bool:
    """Delete all in a directory; False where something was too deep and is now right below top.

    Whoever makes a thousand directories in each other makes more than there are descriptors.
    """
    done = True
    with os.scandir(directory) as entries:
        # All names before the first deletion: readdir over a changing directory may skip some.
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for child, is_directory in names:
        if not is_directory:
            os.unlink(child, dir_fd=directory)
        elif not depth:
            nearer = f"deep-{_unguessable()}"
            os.rename(child, nearer, src_dir_fd=directory, dst_dir_fd=top)
            done = False
        else:
            inside = _open_to_remove(directory, child, device)
            try:
                done = _emptied(top, inside, device, depth - 1) and done
            finally:
                os.close(inside)
            os.rmdir(child, dir_fd=directory)
    return done
