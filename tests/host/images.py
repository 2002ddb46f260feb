"""Image-based systems on a throw-away host: how they are built, and how they run.

bubblewrap makes what these programs make. Of rpm-ostree that is what its source says
(rust/src/bwrap.rs, rust/src/importer.rs and src/libpriv/rpmostree-scripts.cxx, 2026.2): which
scriptlets it runs, in which sandbox, and where it puts what a package has in /opt.
"""

from __future__ import annotations

from pathlib import Path

from tests.host.host import POOL, Host, Result

_EMPTY = "/var/empty-database"
_SCRIPT = "/var/script"
_BOOTED = "/run/ostree-booted"
_USR_LINKS = ("lib", "lib64", "bin", "sbin")
_CAPABILITIES = (
    *("chown", "dac_override", "fowner", "fsetid", "kill"),
    *("setgid", "setuid", "setpcap", "sys_chroot", "setfcap"),
)
_TRIGGER_IN = 1 << 16  # RPMSENSE_TRIGGERIN
_END = "--end-of-script--"


class Refused(AssertionError):
    """rpm-ostree refuses a package because of the kind of scriptlet that it has."""


class Tree:
    """The tree that rpm-ostree makes of packages, and what is booted from it. A host holds both."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.said: list[str] = []  # by scriptlets

    # ---- how it is made

    def layer(self, *packages: Path) -> None:
        """Add packages; ``CommandFailed`` where a scriptlet fails, and no tree comes of it."""
        host = self.host
        for directory in (_EMPTY, "/var/opt", "/var/usrlocal"):
            host.mkdir(directory)
        host.shell("[ -L /usr/local ] || { rm -rf /usr/local; ln -s ../var/usrlocal /usr/local; }")
        host.publish(*packages)
        files = [host.repository_path(package) for package in packages]
        for file in files:
            self._refuse_kinds(file)
        host.rpm("-i", "--noscripts", "--notriggers", *files)
        self._translate_opt()
        for kind in ("PREIN", "POSTIN", "POSTTRANS"):
            for file in files:
                self._scriptlet(file, kind)
        for name in host.rpm("-qa", "--qf", "%{NAME}\n").stdout.split():
            self._triggers(name)
        # A tree of ostree has no times, and files of one content are one file.
        host.shell("find /usr/lib/rpm-venv /usr/share/rpm-venv -exec touch -h -d @0 {} +")

    def _refuse_kinds(self, file: str) -> None:
        asked = "[%{TRIGGERTYPE} ][%{PREINPROG} ][%{POSTINPROG} ][%{POSTTRANSPROG} ]"
        asked += "[%{TRANSFILETRIGGERSCRIPTPROG} ]"
        words = self._query("-qp", file, asked).split()
        if {"<lua>", "in", "prein"} & set(words):
            raise Refused(f"{file}: {words}")

    def _translate_opt(self) -> None:
        """Put what packages have in /opt where rpm-ostree does, and let systemd-tmpfiles link it.

        What is a %ghost is not in a package's payload, and no directory above it is made.
        """
        self.host.shell(
            "for path in /opt/*; do [ -e $path ] || continue;"
            " mkdir -p /usr/lib/opt; mv $path /usr/lib/opt/;"
            ' name="${path##*/}"; ln -s ../../usr/lib/opt/$name /var/opt/$name; done'
        )

    def _scriptlet(self, file: str, kind: str) -> None:
        program = self._query("-qp", file, f"[%{{{kind}PROG}} ]").split()
        script = self._query("-qp", file, f"%{{{kind}}}")
        if program and script != "(none)":
            self.script(script, "1")

    def _triggers(self, name: str) -> None:
        """Every %transfiletriggerin of a package for which there are files below /usr."""
        ending = f"[%{{TRANSFILETRIGGERSCRIPTS}}{_END}]"
        scripts = self._query("-q", name, ending).split(_END)[:-1]
        asked = "[%{TRANSFILETRIGGERINDEX} %{TRANSFILETRIGGERFLAGS} %{TRANSFILETRIGGERNAME}\n]"
        patterns: dict[int, list[str]] = {}
        for line in self._query("-q", name, asked).splitlines():
            script, flags, prefix = line.split()
            if int(flags) & _TRIGGER_IN and prefix.startswith("/usr/"):
                patterns.setdefault(int(script), []).append(prefix.rstrip("/"))
        for index, directories in sorted(patterns.items()):
            find = self.host.run("find", *directories, "!", "-type", "d", check=False)
            if find.stdout:
                self.script(scripts[index], stdin=find.stdout)

    def script(self, script: str, *arguments: str, stdin: str = "") -> None:
        """Run a scriptlet as rpm-ostree does; ``CommandFailed`` where it fails."""
        self.host.write(_SCRIPT, script)
        mounts = ["--bind", "/usr", "/usr", "--bind", "/etc", "/etc", "--ro-bind", "/var", "/var"]
        mounts += ["--tmpfs", "/var/tmp", "--ro-bind", _EMPTY, "/var/lib/rpm", "--tmpfs", "/run"]
        if self.host.exists("/usr/lib/opt"):
            mounts += ["--symlink", "usr/lib/opt", "/opt"]
        limits = ["--unshare-net", "--cap-drop", "ALL"]
        for capability in _CAPABILITIES:
            limits += ["--cap-add", f"cap_{capability}"]
        words = self._bwrap([*limits, *mounts])
        inside = ["/bin/sh", "/proc/self/fd/5", *arguments]
        opening = 'exec 3</dev/null 5<"$1"; shift; exec "$@"'
        shell = ["/bin/sh", "-c", opening, "sh", _SCRIPT]
        self.said += self.host.run(*shell, *words, *inside, stdin=stdin).output.splitlines()

    # ---- how it runs

    def run(self, *words: str, check: bool = True, stdin: str = "") -> Result:
        """Run a command on the system that was booted from it: /usr is read-only."""
        mounts = ["--ro-bind", "/usr", "/usr", "--bind", "/etc", "/etc", "--bind", "/var", "/var"]
        mounts += ["--symlink", "var/opt", "/opt", "--tmpfs", "/run", "--tmpfs", "/tmp"]
        bwrap = self._bwrap([*mounts, "--setenv", "HOME", "/var"])
        opening = 'exec 3</dev/null; exec "$@"'
        shell = ["/bin/sh", "-c", opening, "sh"]
        return self.host.run(*shell, *bwrap, *words, check=check, stdin=stdin)

    def _bwrap(self, mounts: list[str]) -> list[str]:
        words = ["bwrap", "--dev", "/dev", "--proc", "/proc", "--dir", "/tmp", "--chdir", "/"]
        words += ["--die-with-parent", "--unshare-pid", "--unshare-uts", "--unshare-ipc"]
        words += ["--clearenv", "--setenv", "LANG", "C.UTF-8"]
        words += ["--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "SYSTEMD_OFFLINE", "1"]
        for name in _USR_LINKS:
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        return [*words, *mounts, "--ro-bind-data", "3", _BOOTED]

    def _query(self, how: str, what: str, format_: str) -> str:
        return self.host.rpm(how, what, "--qf", format_).stdout


def built_in_a_container(host: Host, *packages: Path) -> Result:
    """``RUN rpm -i …`` of a container file, at its poorest: no /proc, no /dev, nothing in /run."""
    host.publish(*packages)
    words = ["bwrap", "--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin", "--tmpfs", "/tmp"]
    for directory in ("/usr", "/etc", "/var", "/opt", POOL):
        words += ["--bind", directory, directory]
    for name in _USR_LINKS:
        words += ["--symlink", f"usr/{name}", f"/{name}"]
    files = [host.repository_path(package) for package in packages]
    return host.run(*words, *host.rpm_words("-i", *files))
