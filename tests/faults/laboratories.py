"""Two workers that try cases beside each other, and the systems they start from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.faults import scenarios, systems
from tests.faults.cases import Case, Outcome
from tests.faults.scenarios import Scenario
from tests.faults.supervised import Call
from tests.faults.systems import Command

WORKERS = 2
#: Memory where there is some: a disk's syncfs waits for everybody's files.
_FAST = "/dev/shm"
_ENOUGH = 2 << 30  # bytes


def scratch() -> Path:
    """A fresh directory in memory, or in the tree's build folder where there is too little."""
    place = Path(_FAST)
    if not os.access(place, os.W_OK) or shutil.disk_usage(place).free < _ENOUGH:
        place = systems.TREE / "build"
        place.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="faults-", dir=place))
    path.chmod(0o755)  # pip runs as nobody, and has to get at its directory
    return path


class _Silent(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        del format, args


class Laboratories:
    """The workers of a test run; a context manager."""

    def __init__(self) -> None:
        self.top = scratch()
        self.command = Command.copied(self.top / "src")
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Laboratories:
        try:
            self._serve_index()
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(self._make, (*scenarios.SCENARIOS, *scenarios.MANY)))
            for number in range(WORKERS):
                self._start(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            with process:  # closes its stdin, waits
                pass
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.top)

    def _serve_index(self) -> None:
        """An index of version 1 on this machine, for as long as this process lives."""
        root = self.top / "index"
        systems.wheels(root, 1)
        for wheel in root.rglob("*.whl"):
            project = self.top / "simple" / wheel.name.partition("-")[0]
            project.mkdir(parents=True)
            wheel.rename(project / wheel.name)
            (project / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
        handler = partial(_Silent, directory=str(self.top))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.index = f"http://127.0.0.1:{self._server.server_port}/simple"

    def _make(self, scenario: Scenario) -> None:
        """The systems before and after a scenario's verb."""
        place = self.top / "templates" / scenario.name
        root = place / "before"
        root.mkdir(parents=True)
        scenarios.prepare(scenario, root, self.index)
        for words in scenario.prepare:
            scenarios.step(words, root, self.call)
        scenarios.spoil(scenario, root)
        systems.copy(root, place / "after")
        self.call(place / "after", *scenarios.words(scenario, root))

    def call(self, root: Path, *words: str) -> None:
        """Call the command, undisturbed; it must succeed."""
        done = subprocess.run(
            self.command(root, *words), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"

    def _start(self, number: int) -> None:
        code = "from tests.faults import worker; worker.main(*sys.argv[1:])"
        words = self.command.python(code, str(number), str(self.top))
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self._all.append(process)
        self._idle.put(process)

    def _ask(self, question: dict[str, Any]) -> Any:
        process = self._idle.get()
        try:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"a worker ended with {process.wait()} at {question}")
            return json.loads(line)
        finally:
            self._idle.put(process)

    def trace(self, scenario: str, *, started: bool = False) -> list[tuple[str, bool, bool]]:
        """The calls of a scenario's verb: name, whether it is its own, whether it changes files.

        With ``started`` the command is started, as a package starts it, and not a worker's fork.
        """
        answer = self._ask({"trace": scenario, "started": started})
        return [(name, own, changes) for name, own, changes in answer]

    def record(self, scenario: str, *, in_layers: bool = False) -> list[Call]:
        """The calls of a scenario's verb that change files, with paths relative to the root.

        ``in_layers`` is whether all that is there is in the lower layer of an overlay.
        """
        calls = self._ask({"record": scenario, "in_layers": in_layers})
        return [
            Call(**{**call, "paths": tuple(call["paths"]), "lines": tuple(call["lines"])})
            for call in calls
        ]

    def template(self, scenario: str, when: str) -> Path:
        """A scenario's system ``before`` or ``after`` its verb."""
        return self.top / "templates" / scenario / when

    def try_all(self, cases: Iterable[Case]) -> Iterator[Outcome]:
        """Try cases, as many at a time as there are workers."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for answer in pool.map(self._ask, (case.__dict__ for case in cases)):
                answer["case"] = Case(**answer["case"])
                yield Outcome(**answer)
