"""One disturbed call of the command, and what must hold after it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tests.faults import calls, durable, scenarios, supervised, systems
from tests.faults.supervised import INTERRUPT, KILL, LET, Call, Decide, Run
from tests.faults.systems import Live, Snapshot

ERRORS = ("ENOSPC", "EIO", "EMFILE", "EROFS", "ENOMEM")
SIGNALS = ("KILL", "INTERRUPT")
_ALL_CPUS = os.sched_getaffinity(0)
_NOT_WRITTEN = "the history could not be written"  # what is said need not be told


@dataclass(frozen=True)
class Case:
    """What goes wrong: a fault at the N-th call (from 1), once or from then on.

    ``fault`` is ``KILL``, ``INTERRUPT`` or the name of an errno; ``children`` counts the calls of
    the processes that the command starts instead of its own. On several CPUs (``parallel``) a verb
    has several workers, and the N-th call is not the same one each time.
    """

    scenario: str
    fault: str
    nth: int
    persistent: bool = False
    children: bool = False
    parallel: bool = False

    def __str__(self) -> str:
        whose = "children's call" if self.children else "call"
        how = "+" * self.persistent + " in parallel" * self.parallel
        return f"{self.scenario}, {self.fault} at {whose} {self.nth}{how}"


@dataclass(frozen=True)
class Outcome:
    """How a case went: the call that was hit ("" when there was none), and what is wrong then."""

    case: Case
    hit: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.case} [{self.hit}]: " + "; ".join(self.problems)


def counts(call: Call, case: Case) -> bool:
    """Whether a call is one of those that a case counts.

    A kill is before a call that changes something: before any other it is the same. An error can
    also meet one that only opens a file.
    """
    if case.children:
        return not call.own
    return call.own and (case.fault not in SIGNALS or call.changes)


class Fault:
    """The decision that makes a case happen."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._seen = 0
        self.hit = ""

    def __call__(self, call: Call) -> int:
        if not counts(call, self._case):
            return LET
        self._seen += 1
        if self._seen < self._case.nth or (self.hit and not self._case.persistent):
            return LET
        self.hit = self.hit or _shown(call)
        decisions = {"KILL": KILL, "INTERRUPT": INTERRUPT}
        return decisions.get(self._case.fault) or getattr(errno, self._case.fault)


def _shown(call: Call) -> str:
    """A call without the names that are different each time."""
    return f"{call.name}({', '.join('/'.join(path.split('/')[-3:]) for path in call.paths)})"


@dataclass(frozen=True)
class Laboratory:
    """Where cases are tried: a scratch directory, and how the command is called there.

    ``templates`` has for each scenario the system ``before`` and the one ``after`` when nothing
    goes wrong.
    """

    templates: Path
    scratch: Path
    command: Callable[[Path, tuple[str, ...]], Callable[[], int]]

    def trace(self, scenario: str) -> Run:
        """The verb undisturbed."""
        return self._run(scenario, self._fresh(scenario), lambda call: LET, reading=True)

    def record(self, scenario: str, *, in_layers: bool) -> list[dict[str, object]]:
        """The calls of a verb that change files, with paths relative to the system's root.

        Those that make something durable have a place in the source. ``in_layers`` is whether all
        directories are those of an overlay's lower layer, which no call can rename.
        """
        root = self._fresh(scenario)
        lines = self.scratch / "lines"
        traced = durable.traced(self._command(scenario, root), lines)
        there = {str(path) for path in root.rglob("*") if path.is_dir() and not path.is_symlink()}

        def fails(call: Call) -> bool:
            return in_layers and call.name.startswith("rename") and call.paths[0] in there

        def decide(call: Call) -> int:
            return errno.EXDEV if fails(call) else LET

        run = supervised.run(traced, root, decide, say=self.scratch / "said")
        own = [call for call in run.calls if call.own and call.paths and not fails(call)]
        own = [call for call in own if not call.paths[0].startswith("/memfd:")]
        places = iter([tuple(line.split()) for line in lines.read_text().splitlines()])
        recording = [
            {
                **asdict(call),
                "paths": [os.path.relpath(path, root) for path in call.paths],
                "lines": next(places) if call.name in calls.DURABLE else (),
            }
            for call in own
        ]
        assert not list(places), "something was made durable, and no call was seen"
        return recording

    def try_(self, case: Case) -> Outcome:
        """Try a case and look at everything that must hold."""
        root = self._fresh(case.scenario)
        fault = Fault(case)
        reading = case.children or case.fault not in SIGNALS
        run = self._run(case.scenario, root, fault, reading=reading, parallel=case.parallel)
        problems = [*self._after_fault(case, root, run)]
        problems += self._lies(case.scenario, root)
        again = self._run(case.scenario, root, None)
        if again.code != 0:
            problems.append(f"the same command again fails: {again.said.strip()}")
        else:
            problems += self._differences("after the same command again", case.scenario, root)
            lies = filter(None, (systems.lie(root, path) for path in self._paths(case.scenario)))
            problems += [f"after the same command again {lie}" for lie in lies]
            if _NOT_WRITTEN not in run.said:
                problems += self._untold(case.scenario, root)
        return Outcome(case, fault.hit, tuple(problems))

    def _lies(self, scenario: str, root: Path) -> list[str]:
        """What the history tells that is not so; it may be a line behind."""
        before = self.templates / scenario / "before"
        return [
            lie
            for path in self._paths(scenario)
            if (lie := systems.lie(root, path))
            and systems.told(root, path) != systems.told(before, path)
        ]

    def _untold(self, scenario: str, root: Path) -> list[str]:
        """What happened and the history leaves out, whoever was killed before it could tell."""
        after = self.templates / scenario / "after"
        return [
            f"the history of {path} tells of {told}, and not of all of {wanted}"
            for path in self._paths(scenario)
            if len(told := systems.told(root, path)) < len(wanted := systems.told(after, path))
        ]

    def _paths(self, scenario: str) -> Sequence[str]:
        return scenarios.named(scenario).paths

    def _fresh(self, scenario: str) -> Path:
        root = self.scratch / "root"
        if root.exists():
            shutil.rmtree(root)
        systems.copy(self.templates / scenario / "before", root)
        return root

    def _command(self, scenario: str, root: Path) -> Callable[[], int]:
        before = self.templates / scenario / "before"
        return self.command(root, scenarios.words(scenarios.named(scenario), before))

    def _run(
        self,
        scenario: str,
        root: Path,
        decide: Decide | None,
        *,
        reading: bool = False,
        parallel: bool = False,
    ) -> Run:
        command = self._command(scenario, root)
        say = self.scratch / "said"
        if parallel:
            return supervised.run(on_all_cpus(command), root, decide, say=say, reading=reading)
        return supervised.run(command, root, decide, say=say, reading=reading)

    def _live(self, scenario: str, when: str, path: str) -> Live | None:
        return _template_live(self.templates / scenario / when, path)

    def _after_fault(self, case: Case, root: Path, run: Run) -> list[str]:
        problems = []
        said = run.said.strip()
        if run.left_over:
            problems.append(f"{run.left_over} processes were still there")
        if "Traceback" in said:
            problems.append(f"it said: {said}")
        paths = self._paths(case.scenario)
        live = [systems.live(root, path) for path in paths]
        old = [self._live(case.scenario, "before", path) for path in paths]
        new = [self._live(case.scenario, "after", path) for path in paths]
        for path, now, *known in zip(paths, live, old, new):
            if now not in (*known, systems.mending(*known)):
                problems.append(f"{path} is neither old nor new: {_against(now, *known)}")
        if run.code == 0:
            problems += self._done(case, root, said, live == new)
        elif not run.killed:
            is_old = live in (old, [systems.mending(*each) for each in zip(old, new)])
            problems += _failure_told(run, said, is_old)
        if len(paths) > 1:
            problems += self._unsound(root)
        return problems

    def _unsound(self, root: Path) -> list[str]:
        """What ``verify`` says of environments beside that there is something left to do."""
        run = supervised.run(self.command(root, ("verify",)), root, None, say=self.scratch / "said")
        left = ("pending", "failed", "missing")
        lines = [
            line for line in run.said.splitlines() if not line.startswith((*left, "rpm-venv:"))
        ]
        known = run.code in (0, 3)
        return [f"verify: {line}" for line in lines] if known else [f"verify fails: {run.said}"]

    def _done(self, case: Case, root: Path, said: str, is_new: bool) -> list[str]:
        """What is wrong where the command said that it was done; a warning may leave litter."""
        if "warning: not all that is no longer needed" in said or "no object was dropped" in said:
            return [] if is_new else ["it said that it was done, and the old one is live"]
        return self._differences("it said that it was done, and", case.scenario, root)

    def _differences(self, when: str, scenario: str, root: Path) -> list[str]:
        wanted = _template_snapshot(self.templates / scenario / "after")
        there = systems.snapshot(root)
        if len(self._paths(scenario)) > 1:  # which of them made the objects that all link to
            wanted, there = systems.without_links(wanted), systems.without_links(there)
        found = systems.difference(wanted, there)
        return [f"{when} the system differs: {found}"] if found else []


@cache
def _template_live(root: Path, path: str) -> Live | None:
    return systems.live(root, path)


@cache
def _template_snapshot(root: Path) -> Snapshot:
    return systems.snapshot(root)


def _failure_told(run: Run, said: str, unchanged: bool) -> list[str]:
    if run.code != 1:
        return [f"exit code {run.code}: {said}"]
    if not said:
        return ["it failed without a word"]
    if "as it was" in said and not unchanged:
        return [f"the environment is not as it was, but: {said}"]
    return []


def _against(live: Snapshot | None, old: Snapshot | None, new: Snapshot | None) -> str:
    if live is None:
        return "there is nothing"
    nearest = new if new is not None else old
    return systems.difference(nearest or {}, live)


def keep_to_one_cpu(number: int) -> None:
    """Keep this process and all it starts on one CPU: then a verb has one worker, one order."""
    cpus = sorted(_ALL_CPUS)
    os.sched_setaffinity(0, {cpus[number % len(cpus)]})


def on_all_cpus(command: Callable[[], int]) -> Callable[[], int]:
    """A command that is not kept to one CPU."""

    def call() -> int:
        os.sched_setaffinity(0, _ALL_CPUS)
        return command()

    return call
