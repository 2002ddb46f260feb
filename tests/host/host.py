"""One throw-away host: run commands in it, give it packages, look at what they left."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.host.holding import Held
from tests.host.rpmtools import RpmTools
from tests.host.snapshot import Snapshot, snapshot

#: A tmpfs in the session's own mount namespace, seen by every host; outside an empty directory.
GROUND = "/run/rpm-venv-hosts"
POOL = f"{GROUND}/pool"

HOME = "/var/lib/throwaway"
REPOSITORY = f"{HOME}/repository"
#: Where a build of rpm that is not the system's has its configuration on a host.
CONFIGURATION = f"{HOME}/rpm"

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "LANG": "C.UTF-8",
}
_NAMESPACES = ("mount", "uts", "ipc", "net", "pid")


@dataclass(frozen=True)
class Result:
    """What a command on a host did. ``seconds`` is wall time."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Both streams: what a person at a terminal sees."""
        return self.stdout + self.stderr

    def __str__(self) -> str:
        return f"$ {' '.join(self.argv)}\n{self.output}(exit {self.code})"


class CommandFailed(AssertionError):
    """A command on a host failed that was to succeed; the message is all that it said."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result))
        self.result = result


class Host:
    """One throw-away host. ``Hosts.fresh`` makes it; it ends with ``close`` or with the session."""

    def __init__(
        self,
        held: Held,
        tools: RpmTools,
        ground: Held,
        layers: str,
        lowers: Mapping[str, Sequence[str]],
    ) -> None:
        """``layers`` and ``lowers`` (for each overlay) are paths on the ground."""
        self._held = held
        self._ground = ground
        self._pool = ground.outside(POOL)
        self._lowers = lowers
        self.tools = tools
        self.layers = layers
        self.is_running = True

    # ---- commands

    def run(
        self,
        *argv: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        user: int = 0,
        cwd: str = "/",
        stdin: str = "",
        timeout: float = 600,
    ) -> Result:
        """Run a command; ``CommandFailed`` if it fails, unless ``check`` is false.

        Its environment is a small fixed one and ``env``. ``user`` is a numeric user and group.
        """
        started = time.monotonic()
        done = subprocess.run(
            self._command(argv, user, cwd),
            env={**_ENVIRONMENT, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=timeout,
            check=False,
        )
        seconds = time.monotonic() - started
        result = Result(tuple(argv), done.returncode, done.stdout, done.stderr, seconds)
        if check and result.code != 0:
            raise CommandFailed(result)
        return result

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command and return at once; killing the process ends it, as does the host."""
        return subprocess.Popen(
            self._command(argv, 0, "/"),
            env={**_ENVIRONMENT, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def shell(self, script: str, *, check: bool = True) -> Result:
        """Run shell text."""
        return self.run("/bin/sh", "-c", script, check=check)

    def rpm(self, *arguments: str, check: bool = True, user: int = 0) -> Result:
        """Run rpm."""
        words = self.rpm_words(*arguments)
        return self.run(*words, check=check, user=user, env=self.tools.environment)

    def rpm_words(self, *arguments: str) -> list[str]:
        """The words of a call of rpm."""
        return [self.tools.rpm, *self._debian(arguments), *arguments]

    def dnf(self, *arguments: str, check: bool = True) -> Result:
        """Run dnf, which knows the host's repository alone and never asks.

        It has the system's rpm: where another is tested, that does the same by itself.
        """
        if not self.tools.is_system:
            from tests.host import without_dnf

            return without_dnf.transaction(self, *arguments, check=check)
        return self.run("dnf", "-y", *arguments, check=check)

    def share_configuration(self, package: Path) -> None:
        """Let another build of rpm than the system's find what a package has for the system's."""
        if self.tools.is_system:
            return
        theirs = str(RpmTools().configuration())
        for file in self.rpm("-qlp", self.repository_path(package)).stdout.splitlines():
            if file.startswith(f"{theirs}/"):
                link = self.path(CONFIGURATION + file.removeprefix(theirs), follow=False)
                link.parent.mkdir(exist_ok=True)
                link.unlink(missing_ok=True)  # one that an installation of it has left there
                link.symlink_to(file)

    def python_version(self) -> str:
        """The version of the host's /usr/bin/python3, for example ``3.11.2``."""
        return self.run("/usr/bin/python3", "-ISV").stdout.split()[1]

    # ---- packages

    def build(
        self,
        spec: str | Path,
        sources: Mapping[str, str | bytes | Path] | None = None,
        defines: Mapping[str, str] | None = None,
    ) -> tuple[Path, ...]:
        """Build binary RPMs with the rpmbuild and the macros of this host.

        ``spec`` is text or a file; ``sources`` go to SOURCES (a Path: that file or directory). The
        RPMs stay for the session; their paths are paths out here, for ``publish`` on any host.
        """
        result = self.rpmbuild(spec, sources, defines)
        if result.code != 0:
            raise CommandFailed(result)
        return self._keep_built()

    def rpmbuild(
        self,
        spec: str | Path,
        sources: Mapping[str, str | bytes | Path] | None = None,
        defines: Mapping[str, str] | None = None,
        stage: str = "-bb",
    ) -> Result:
        """Run rpmbuild and say how it ended, for builds that are to fail."""
        text = spec.read_text() if isinstance(spec, Path) else spec
        shutil.rmtree(self.path(f"{HOME}/rpmbuild"), ignore_errors=True)
        self.write(f"{HOME}/rpmbuild/SPECS/package.spec", text)
        for name, content in (sources or {}).items():
            self.write(f"{HOME}/rpmbuild/SOURCES/{name}", content)
        options = [
            word
            for name, value in (defines or {}).items()
            for word in ("--define", f"{name} {value}")
        ]
        return self.run(
            self.tools.rpmbuild,
            stage,
            *options,
            f"{HOME}/rpmbuild/SPECS/package.spec",
            check=False,
            env=self.tools.environment,
        )

    def publish(self, *packages: Path) -> None:
        """Add RPMs to the host's repository, and bring its metadata up to date."""
        repository = self.mkdir(REPOSITORY)
        for package in packages:
            entry = repository / package.name
            entry.unlink(missing_ok=True)
            entry.symlink_to(self._pooled(package))
        # An overlay cannot rename a directory of its base, which is what an update would do.
        shutil.rmtree(repository / "repodata", ignore_errors=True)
        self.run("createrepo_c", "--quiet", "--no-database", REPOSITORY)
        for cache in ("/var/cache/dnf", "/var/cache/libdnf5"):  # no expiry is as short as a test
            shutil.rmtree(self.path(cache), ignore_errors=True)
        self.write(
            f"{REPOSITORY}/host.repo",
            f"[host]\nname=host\nbaseurl=file://{REPOSITORY}\nenabled=1\n",
        )

    def withdraw(self, *packages: Path) -> None:
        """Take RPMs out of the host's repository."""
        for package in packages:
            (self.path(REPOSITORY) / package.name).unlink()
        self.publish()

    def repository_path(self, package: Path) -> str:
        """The path on the host of a published RPM."""
        return f"{REPOSITORY}/{package.name}"

    # ---- files

    def path(self, inside: str, *, follow: bool = True) -> Path:
        """The path out here of a host's path; links are followed as on the host."""
        return self._held.path(inside, follow=follow)

    def exists(self, inside: str) -> bool:
        """Whether there is anything at this path, be it a link to nowhere."""
        return os.path.lexists(self.path(inside, follow=False))

    def read(self, inside: str) -> str:
        return self.path(inside).read_text()

    def readlink(self, inside: str) -> str:
        """The target of a link."""
        return os.readlink(self.path(inside, follow=False))

    def mkdir(self, inside: str) -> Path:
        path = self.path(inside)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, inside: str, content: str | bytes | Path, mode: int = 0o644) -> None:
        """Write a file (and its parent directories), or copy a directory when given one."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path) and content.is_dir():
            shutil.copytree(content, path, dirs_exist_ok=True)
            return
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)

    def snapshot(self) -> Snapshot:
        """Everything on this host that its base does not have; rpm's and dnf's own files aside."""
        lowers = {
            target: [self._ground.outside(lower) for lower in directories]
            for target, directories in self._lowers.items()
        }
        return snapshot(self._held.outside(self.layers), lowers)

    # ---- the end

    def close(self) -> None:
        """End the host, with its processes, mounts and files. More than once is fine."""
        if self.is_running:
            self.is_running = False
            self._held.end()

    # ---- inside

    def _command(self, argv: Sequence[str], user: int, cwd: str) -> list[str]:
        prefix = self._held.enter(*_NAMESPACES)
        if user:
            prefix[-1:-1] = [f"--setuid={user}", f"--setgid={user}"]
        # nsenter stays outside and waits; when it is killed, the command is to end, too.
        prefix += ["setpriv", "--pdeathsig", "KILL"]
        if cwd != "/":
            prefix += ["env", "-C", cwd]
        return [*prefix, *argv]

    def _debian(self, arguments: Sequence[str]) -> list[str]:
        """Debian's own rpm says on every install that one should use alien, unless told this."""
        first = arguments[0] if arguments else ""
        installs = first == "--reinstall" or first[:2] in ("-i", "-U", "-F", "-e")
        debian = self.tools.is_system and Path("/etc/debian_version").exists()
        return ["--force-debian"] if installs and debian else []

    def _keep_built(self) -> tuple[Path, ...]:
        number = len(list(self._pool.iterdir()))
        directory = self._pool / str(number)
        directory.mkdir()
        built = sorted(self.path(f"{HOME}/rpmbuild/RPMS").rglob("*.rpm"))
        return tuple(Path(shutil.copyfile(rpm, directory / rpm.name)) for rpm in built)

    def _pooled(self, package: Path) -> str:
        """The path on the host of an RPM that lies on the ground; it is copied there first."""
        if self._ground.root not in package.parents:
            directory = self._pool / f"from-{abs(hash(package.parent))}"
            directory.mkdir(exist_ok=True)
            package = Path(shutil.copyfile(package, directory / package.name))
        return f"/{package.relative_to(self._ground.root)}"
