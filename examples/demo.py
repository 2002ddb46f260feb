"""Two applications that need different versions of pandas, on a throw-away RPM host.

``make demo`` runs this as root. Each step prints a line with its time, and below it what the
commands on that host said. A step that is not as promised ends the demo with an error.
"""

from __future__ import annotations

import contextlib
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TREE)] if str(TREE) not in sys.path else []

from examples.example import (  # noqa: E402 - after the path they come from
    ARCHIVE,
    DEMAND_FORECAST,
    IN_CONFLICT,
    SALES_REPORT,
    locked_versions,
    wheels,
)
from tests.host import CommandFailed, Hosts, Result, Snapshot  # noqa: E402
from tests.host.project import ProjectRpms, builder, find_rpms  # noqa: E402

Print = Callable[[str], object]

NOBODY = 65534
REPORT_ENV = "/opt/sales-report/penv"
REPORT = ("sales-report", "/usr/share/sales-report/sales.csv")
FORECAST = ("demand-forecast", "/usr/share/demand-forecast/demand.csv")

#: Directories that belong to Fedora's own packages, and that Debian does not have.
_FILESYSTEM = ("/usr/share/licenses", "/usr/lib/rpm/lua")

#: What 3.0 needs besides: a wheel that is not in its package, nor anywhere on this host.
_TABULATE = (
    "tabulate==0.9.0 --hash=sha256:"
    "024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f\n"
)

#: The lines of the example's spec file that a version without wheels of its own does not have.
_FROM_THE_PACKAGE = " -w %{_datadir}/sales-report/wheels -o"
_UNPACK = (
    "mkdir %{buildroot}%{_datadir}/sales-report/wheels\n"
    "tar -C %{buildroot}%{_datadir}/sales-report/wheels -xf %{SOURCE4}\n"
)
_CHECK = "%pre\n%venv_check -r %{SOURCE3} -o /opt/sales-report/penv\n"


class NotAsPromised(AssertionError):
    """A step of the demo did something else than it says."""


def promise(kept: bool, otherwise: object) -> None:
    """``NotAsPromised`` with what there was instead, where a promise is not kept."""
    if not kept:
        raise NotAsPromised(str(otherwise))


class Narrator:
    """Prints a line per step with its time, and what there is to see in it, indented."""

    def __init__(self, to: Print) -> None:
        self._print = to
        self._number = 0
        self._seen: list[str] = []

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._number += 1
        self._seen = []
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            self._print(f"{self._number:2}. {title:<78} {seconds:5.1f} s")
            for line in self._seen:
                self._print(f"      {line}")

    def show(self, *lines: str) -> None:
        """Lines of text."""
        self._seen += lines

    def ran(self, result: Result, *, ours: bool = False, last: int = 0) -> None:
        """A command and what it said: all of it, what is ours among dnf's lines, or the last."""
        self._seen.append(f"$ {_command_line(result.argv)}")
        said = [line.rstrip() for line in (result.stdout + result.stderr).splitlines()]
        if ours:
            said = [line for line in said if line.startswith(("rpm-venv:", "Error"))]
        said = [line for line in said if line][-last:]
        self._seen += [f"  {line}" for line in said]
        if result.code:
            self._seen.append(f"  (exit {result.code})")


class Demo:
    """The steps, in the order of ``STEPS``; each leaves the host to the next."""

    def __init__(self, hosts: Hosts, rpms: ProjectRpms, narrator: Narrator) -> None:
        self._narrator = narrator
        self._rpms = rpms
        self._builder = hosts.fresh(builder(hosts, rpms))
        self._host = hosts.fresh(hosts.system())
        self._host.publish(rpms.runtime)
        for directory in _FILESYSTEM:
            self._host.mkdir(directory)
        self._before: Snapshot = self._host.snapshot()

    def run(self) -> None:
        for title, step in STEPS:
            with self._narrator.step(title):
                step(self)

    # ---- packages

    def fetch_wheels(self) -> None:
        for example in IN_CONFLICT:
            versions = locked_versions(wheels(example.lock))
            named = "  ".join(f"{name} {version}" for name, version in versions.items())
            self._narrator.show(f"{example.name}: {named}")
        promise(self._pandas(SALES_REPORT.lock) != self._pandas(DEMAND_FORECAST.lock), "one pandas")

    def build_both(self) -> None:
        built = [self._builder.build(e.spec, e.sources()) for e in IN_CONFLICT]
        self._host.publish(*(package for packages in built for package in packages))
        for (package,) in built:
            size = package.stat().st_size / 1_000_000
            self._narrator.show(f"{package.name}  {size:.0f} MB")
        path = self._host.repository_path(built[0][0])
        for what, needed in (
            ("requires", "rpm-venv"),
            ("provides", "bundled(python3dist(pandas))"),
        ):
            answer = self._host.rpm("-qp", f"--{what}", path)
            promise(needed in answer.stdout, answer)
            ours = ",  ".join(filter(_is_ours, sorted(set(answer.stdout.splitlines()))))
            self._narrator.show(*textwrap.wrap(f"{what}: {ours}", 94, subsequent_indent="  "))

    # ---- life

    def install_both(self) -> None:
        self._dnf("install", "sales-report", "demand-forecast")
        listed = self._host.run("rpm-venv", "list")
        self._narrator.ran(listed)
        promise(listed.stdout.count(" ok") == 2, listed)

    def run_both(self) -> None:
        self._runs(REPORT, self._pandas(SALES_REPORT.lock))
        self._runs(FORECAST, self._pandas(DEMAND_FORECAST.lock))

    def verify_both(self) -> None:
        self._verified("sales-report", "demand-forecast")

    def tamper(self) -> None:
        find = f"ls {REPORT_ENV}/lib*/python3*/site-packages/pandas/__init__.py"
        module = self._host.shell(find).stdout.split()[0]
        tampered = self._host.shell(f"echo 'print(\"tampered\")' >> {module}")
        self._narrator.ran(tampered)
        found = self._host.rpm("-V", "sales-report", check=False)
        self._narrator.ran(found)
        promise(found.code == 1 and "pandas/__init__.py" in found.stdout + found.stderr, found)
        self._verified("demand-forecast")

    def repair(self) -> None:
        mended = self._host.run("rpm-venv", "repair", REPORT_ENV)
        self._narrator.ran(mended)
        self._verified("sales-report")

    def upgrade(self) -> None:
        """The new version moves on to the wheels that the other application has."""
        spec = SALES_REPORT.spec
        files = {"requirements.txt": DEMAND_FORECAST.lock}
        archive = wheels(DEMAND_FORECAST.lock) / ARCHIVE
        self._publish(spec, "2.0", {**files, "sales-report-2.0-wheels.tar": archive})
        self._dnf("upgrade", "sales-report")
        self._runs(REPORT, self._pandas(DEMAND_FORECAST.lock), last=1)

    # ---- failures

    def refuse_upgrade(self) -> None:
        """3.0 leaves its wheels to an index, which this host cannot reach: %venv_check says so."""
        spec = _without(SALES_REPORT.spec, _FROM_THE_PACKAGE, _UNPACK)
        self._publish(_replaced(spec, "%{SOURCE3} -o", "%{SOURCE3}"), "3.0", _lock_of_3())
        refused = self._host.dnf("upgrade", "sales-report", check=False)
        self._narrator.ran(refused, ours=True)
        said = f"{REPORT_ENV}: the environment cannot be installed; nothing was changed"
        promise(refused.code != 0 and said in refused.stdout + refused.stderr, refused)
        self._is_installed("2.0")
        self._runs(REPORT, self._pandas(DEMAND_FORECAST.lock), last=1)

    def break_upgrade(self) -> None:
        """3.1 is the same without %venv_check: %post fails, and rpm goes on."""
        spec = _without(SALES_REPORT.spec, _FROM_THE_PACKAGE, _UNPACK, _CHECK)
        self._publish(spec, "3.1", _lock_of_3())
        broken = self._host.dnf("upgrade", "sales-report", check=False)
        self._narrator.ran(broken, ours=True)
        promise((broken.code != 0) == (self._host.tools.version() >= (6,)), broken)
        self._is_installed("3.1")
        self._runs(REPORT, self._pandas(DEMAND_FORECAST.lock), last=1)
        found = self._host.rpm("-V", "sales-report", check=False)
        self._narrator.ran(found)
        promise(found.code == 1 and REPORT_ENV in found.stdout + found.stderr, found)

    def roll_back(self) -> None:
        self._dnf("history", "undo", "last")
        self._is_installed("2.0")
        self._verified("sales-report")
        self._runs(REPORT, self._pandas(DEMAND_FORECAST.lock), last=1)

    def remove_both(self) -> None:
        """rpm-venv came as a dependency of theirs, and goes with them."""
        self._dnf("remove", "sales-report", "demand-forecast")
        after = self._host.snapshot()
        left = {
            path for path in {*self._before, *after} if self._before.get(path) != after.get(path)
        }
        promise(not left, f"left behind: {sorted(left)}")
        self._narrator.show(
            "left behind: nothing. All of /usr, /etc, /var, /opt, /srv and /tmp is as it was,",
            "but for the books that rpm and dnf keep",
        )

    # ---- what several steps do

    def _pandas(self, lock: Path) -> str:
        return locked_versions(wheels(lock))["pandas"]

    def _publish(
        self, spec: str, version: str, sources: dict[str, str | bytes | Path] | None = None
    ) -> None:
        text = _replaced(spec, "Version:        1.0\n", f"Version:        {version}\n")
        everything = {**SALES_REPORT.sources(version), **(sources or {})}
        self._host.publish(*self._builder.build(text, everything))

    def _dnf(self, *arguments: str) -> None:
        result = self._host.dnf(*arguments)
        self._narrator.ran(result, ours=True)
        promise("scriptlet failed" not in result.stdout + result.stderr, result)

    def _runs(self, command: tuple[str, ...], pandas: str, last: int = 4) -> None:
        result = self._host.run(*command, user=NOBODY)
        self._narrator.ran(result, last=last)
        promise(f"(pandas {pandas})" in result.stdout, result)

    def _is_installed(self, version: str) -> None:
        answer = self._host.rpm("-q", "--qf", "%{NAME} %{VERSION}\\n", "sales-report")
        self._narrator.show(f"installed: {answer.stdout.strip()}")
        promise(answer.stdout == f"sales-report {version}\n", answer)

    def _verified(self, *packages: str) -> None:
        clean = self._host.rpm("-V", *packages, check=False)
        self._narrator.ran(clean)
        promise((clean.code, clean.stdout, clean.stderr) == (0, "", ""), clean)


STEPS: tuple[tuple[str, Callable[[Demo], None]], ...] = (
    ("Fetch the wheels that the two locks name, by their hashes", Demo.fetch_wheels),
    ("Build both applications with rpmbuild", Demo.build_both),
    ("Install both with dnf, side by side; rpm-venv comes as a dependency", Demo.install_both),
    ("Run both as an ordinary user: two versions of pandas", Demo.run_both),
    ("rpm -V finds nothing wrong", Demo.verify_both),
    ("Tamper with a file in an environment: rpm -V finds it", Demo.tamper),
    ("Mend it", Demo.repair),
    ("Upgrade sales-report to 2.0, which has a newer pandas", Demo.upgrade),
    ("3.0 cannot be made here: %venv_check refuses it, 2.0 stays", Demo.refuse_upgrade),
    ("3.1 does not check, and fails in %post: the old environment runs on", Demo.break_upgrade),
    ("Roll back with dnf", Demo.roll_back),
    ("Remove both", Demo.remove_both),
)


def _lock_of_3() -> dict[str, str | bytes | Path]:
    return {"requirements.txt": DEMAND_FORECAST.lock.read_text() + _TABULATE}


def _command_line(argv: Sequence[str]) -> str:
    return argv[2] if argv[:2] == ("/bin/sh", "-c") else " ".join(argv)


def _is_ours(line: str) -> bool:
    return line.startswith(("rpm-venv", "python(abi)", "bundled(", "venv("))


def _replaced(text: str, old: str, new: str) -> str:
    promise(text.count(old) == 1, f"{old!r} is not in the spec file once")
    return text.replace(old, new)


def _without(text: str, *parts: str) -> str:
    for part in parts:
        text = _replaced(text, part, "")
    return text


def main() -> int:
    """Run the demo; the exit code."""
    started = time.monotonic()
    narrator = Narrator(lambda line: print(line, flush=True))
    try:
        with Hosts() as hosts:
            Demo(hosts, find_rpms(TREE / "dist"), narrator).run()
    except (NotAsPromised, CommandFailed) as error:
        print(f"\nnot as promised: {error}", file=sys.stderr)
        return 1
    print(f"\nAll as promised, in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
