"""What this machine knows of each environment beyond what its generations say themselves.

One small JSON file per environment below ``state/``. It holds who asked for what; never which
generation is live: only the link at the public path says that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator

from rpm_venv import shapes
from rpm_venv.digest import sha256
from rpm_venv.environment import Environment
from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout, environment_named
from rpm_venv.system import declared, files, reading


def read(layout: Layout, path: str) -> Environment | None:
    """The state of the environment at ``path``; None for no state, ``VenvError`` if damaged."""
    file = layout.state_file(path)
    try:
        data = reading.content(file, follow=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(layout, path, error.strerror) from error
    try:
        environment = Environment.from_json(shapes.loads(data))
        if environment.path != path:
            raise ValueError(f"it says that it is of {environment.path}")
        return environment
    except (ValueError, KeyError, TypeError, VenvError) as error:
        raise _damaged(layout, path, error) from error


def _damaged(layout: Layout, path: str, reason: object) -> VenvError:
    return VenvError(
        f"the state of this environment is damaged: {reason}",
        subject=path,
        where=layout.target(layout.state_file(path)),
        hint=f"remove that file and run: rpm-venv install -r LOCK {path}",
    )


def known(layout: Layout, path: str) -> Environment | None:
    """What is known of the environment at ``path``: its state, or where it is a package's own files
    what the package declares. None for neither, ``VenvError`` if damaged.
    """
    declaration = declared.read(layout, path)
    if declaration is None or not declaration.is_whole:
        return read(layout, path)
    digest = ""
    with contextlib.suppress(OSError):
        digest = sha256(layout.real(declaration.lock).read_bytes()).hexdigest()
    return Environment(declaration, lock_digest=digest, wanted=declaration.generation)


def write(layout: Layout, environment: Environment) -> None:
    """Put the state on disk, durably, old or new; and a mark beside it where it is pending."""
    layout.state.mkdir(mode=0o755, parents=True, exist_ok=True)
    if environment.waits:
        _mark(layout)
    text = json.dumps(environment.to_json(), indent=1, sort_keys=True) + "\n"
    file = layout.state_file(environment.path)
    files.write_atomic(file, text.encode(), 0o644, by=files.make_staging(layout))


def _mark(layout: Layout) -> None:
    """Have the next start of the system try again. Where that fails, ``list`` still knows.

    Not durable by itself: file systems with a journal keep it with the state, which comes after.
    """
    with contextlib.suppress(OSError):
        files.write_new(layout.pending, b"")


def unmark(layout: Layout) -> None:
    """Take the mark away where no environment waits any more. One too many costs one look."""
    with contextlib.suppress(OSError):
        if layout.pending.exists() and not any(_waits(layout, path) for path in paths(layout)):
            layout.pending.unlink()
            files.fsync_dir(layout.home)


def _waits(layout: Layout, path: str) -> bool:
    try:
        known = read(layout, path)
    except VenvError:
        return False  # no other try mends that
    return known is not None and known.waits


def forget(layout: Layout, path: str) -> None:
    """Drop the state of an environment; none is no error."""
    with contextlib.suppress(FileNotFoundError):
        layout.state_file(path).unlink()
        files.fsync_dir(layout.state)


def paths(layout: Layout) -> tuple[str, ...]:
    """The paths of all environments that have a state, sorted."""
    try:
        names = os.listdir(layout.state)
    except FileNotFoundError:
        return ()
    found = (environment_named(name[:-5]) for name in names if name.endswith(".json"))
    return tuple(sorted(filter(None, found)))


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the machine-wide lock that every verb which writes takes; waits for the one before.

    ``ReadOnlyError`` where nobody can write, ``VenvError`` where only root may.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        layout.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(layout.lock_file, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM) and os.geteuid() != 0:
            raise VenvError(
                f"{layout.target(layout.lock_file)}: {error.strerror}", hint="call it as root"
            ) from error
        if error.errno != errno.EROFS:
            raise
        from rpm_venv.system import image  # where an image runs alone

        raise image.read_only(layout) from error
    try:
        reading.refuse_irregular(descriptor, layout.lock_file)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def still(layout: Layout, seconds: float = 10) -> Iterator[bool]:
    """Keep verbs that write away for the length of the block, if that can be; whether it could.

    Not where the lock may not be read (an ordinary user), or is held for so many seconds.
    """
    try:
        descriptor = reading.regular(layout.lock_file, follow=False)
    except OSError:
        yield False
        return
    try:
        yield _shared(descriptor, time.monotonic() + seconds)
    finally:
        os.close(descriptor)


def _shared(descriptor: int, end: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
