"""Power loss on a real filesystem: the disk as it is at a moment, mounted afresh.

The filesystem is on a loop device. While a verb waits in one of its calls, the image behind the
device is copied: it has what the filesystem had sent to the disk, and nothing of what it still had
in memory. A process of its own does all this, in its own mount namespace.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import calls, scenarios, supervised, systems, worker
from tests.faults.cases import keep_to_one_cpu
from tests.faults.supervised import LET, SKIP, Call, Run

_MIB = 1 << 20
#: filesystem: how it is made, and the smallest size that it has.
FILESYSTEMS = {
    "ext4": (("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"), 64 * _MIB),
    "xfs": (("mkfs.xfs", "-q"), 320 * _MIB),
    "btrfs": (("mkfs.btrfs", "-q"), 128 * _MIB),
}
_STAGING = "/usr/lib/rpm-venv/staging/"


@dataclass(frozen=True)
class Loss:
    """Power lost before a call ("the end": after the last), and what is wrong after it."""

    moment: str
    problems: tuple[str, ...]


@dataclass
class Disk:
    """An image with a filesystem, mounted or not."""

    kind: str
    image: Path
    place: Path

    @classmethod
    def made(cls, kind: str, scratch: Path) -> Disk:
        command, size = FILESYSTEMS[kind]
        image = scratch / "disk"
        with image.open("wb") as file:
            file.truncate(size)
        subprocess.run([*command, image], check=True, capture_output=True)
        place = scratch / "mounted"
        place.mkdir()
        return cls(kind, image, place)

    @contextlib.contextmanager
    def mounted(self, image: Path | None = None) -> Iterator[Path]:
        """The filesystem of this image, or of a copy, mounted; a log is replayed."""
        words = ["mount", "-t", self.kind, "-o", "loop", str(image or self.image), str(self.place)]
        subprocess.run(words, check=True, capture_output=True)
        try:
            yield self.place
        finally:
            subprocess.run(["umount", str(self.place)], check=True)


def copy_image(source: Path, target: Path) -> None:
    """Copy an image with its holes."""
    with source.open("rb") as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        writer.truncate(size)
        place = 0
        while place < size:
            try:
                start = os.lseek(reader.fileno(), place, os.SEEK_DATA)
            except OSError:  # no data beyond
                return
            place = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            os.lseek(reader.fileno(), start, os.SEEK_SET)
            os.lseek(writer.fileno(), start, os.SEEK_SET)
            left = place - start
            while left:
                left -= os.sendfile(writer.fileno(), reader.fileno(), None, left)


@dataclass
class Experiment:
    """A scenario on a filesystem, with a copy of the disk kept from before it."""

    scenario: str
    disk: Disk
    templates: Path
    scratch: Path
    pristine: Path = field(init=False)

    def __post_init__(self) -> None:
        with self.disk.mounted() as place:
            systems.copy(self.templates / self.scenario / "before", place / "root")
        self.pristine = self.scratch / "pristine"
        copy_image(self.disk.image, self.pristine)

    def run(self, every: int, skip: int | None = None) -> tuple[list[Call], list[Loss]]:
        """Run the verb, lose power at every so many public moments and at the end.

        With ``skip``, the durable call of that number (from 0) is answered but not made. All calls
        that make something durable, in their order, and the losses.
        """
        copy_image(self.pristine, self.disk.image)
        camera = _Camera(self.disk.image, self.scratch, every, skip)
        with self.disk.mounted() as place:
            run = self._call(place / "root", camera)
            if run.code != 0:
                raise AssertionError(f"{self.scenario} on {self.disk.kind}: {run.said}")
            camera.shoot("the end")
        return camera.durable, [self._look(moment, shot) for moment, shot in camera.shots]

    def _call(self, root: Path, decide: Callable[[Call], int] | None) -> Run:
        before = self.templates / self.scenario / "before"
        words = scenarios.words(scenarios.named(self.scenario), before)
        say = self.scratch / "said"
        return supervised.run(worker.forked(root, words), root, decide, say=say)

    def _look(self, moment: str, shot: Path) -> Loss:
        """Mount a copy of the disk; look at what is there, and call the verb again."""
        old = systems.live(self.templates / self.scenario / "before")
        new = systems.live(self.templates / self.scenario / "after")
        after = systems.snapshot(self.templates / self.scenario / "after")
        problems = []
        with self.disk.mounted(shot) as place:
            root = place / "root"
            live = systems.live(root)
            if moment == "the end":
                found = systems.difference(_settled(after), _settled(systems.snapshot(root)))
                problems += [f"reported done, and not there: {found}"] if found else []
            elif live not in (old, new, systems.mending(old, new)):
                wrong = systems.difference(new or old or {}, live or {})
                problems.append(f"neither old nor new: {wrong}")
            again = self._call(root, None)
            if again.code != 0:
                problems.append(f"the same command again fails: {again.said.strip()}")
            else:
                found = systems.difference(after, systems.snapshot(root))
                problems += [f"after the same command again: {found}"] if found else []
        shot.unlink()
        return Loss(moment, tuple(problems))


def _settled(snapshot: systems.Snapshot) -> systems.Snapshot:
    """A snapshot without what the next call clears away, and without counts of links to that."""
    return {
        name: what[:3] + what[4:] for name, what in snapshot.items() if _STAGING not in f"/{name}"
    }


class _Camera:
    """Copies the disk at moments of a run: before calls on what is public, and before fsyncs."""

    def __init__(self, image: Path, scratch: Path, every: int, skip: int | None) -> None:
        self._image = image
        self._scratch = scratch
        self._every = every
        self._skip = skip
        self._moments = 0
        self.durable: list[Call] = []
        self.shots: list[tuple[str, Path]] = []

    def __call__(self, call: Call) -> int:
        if not call.own or not call.paths:
            return LET
        is_durable = call.name in calls.DURABLE
        if is_durable or _STAGING not in call.paths[-1]:
            self._moments += 1
            if self._moments % self._every == 0:
                self.shoot(str(call))
        if is_durable:
            self.durable.append(call)
            if len(self.durable) - 1 == self._skip:
                return SKIP
        return LET

    def shoot(self, moment: str) -> None:
        shot = self._scratch / f"shot-{len(self.shots)}"
        copy_image(self._image, shot)
        self.shots.append((moment, shot))


def main(kind: str, scenario: str, top: str, every: str, skipping: str) -> None:
    """Print the outcome (JSON): losses of an undisturbed run, and of runs without one fsync each.

    Started in a mount namespace of its own.
    """
    keep_to_one_cpu(0)
    supervised.become_reaper()
    scratch = Path(top, f"power-{kind}-{scenario}")
    scratch.mkdir()
    with contextlib.redirect_stdout(io.StringIO()):
        worker.load(Path(top), scratch)
    experiment = Experiment(scenario, Disk.made(kind, scratch), Path(top, "templates"), scratch)
    durable, losses = experiment.run(int(every))
    root = f"{scratch}/mounted/root"
    without = []
    for number, call in enumerate(durable if skipping == "skip" else ()):
        _, lost = experiment.run(1 if os.environ.get("VENV_TORTURE") else 4, number)
        without.append([str(call).replace(root, ""), [loss.problems for loss in lost]])
    tried = [[loss.moment.replace(root, ""), loss.problems] for loss in losses]
    shutil.rmtree(scratch)
    print(json.dumps({"losses": tried, "without": without}))
