"""The rpm database, a real one: what it says, what it cannot say, what asking leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
#: The bindings belong to the system's Python: it is what the command runs under, like this.
SYSTEM_PYTHON = ["/usr/bin/python3", "-I", "-S", "-B"]
SPEC = """\
Name: app
Epoch: 2
Version: 1.0
Release: 3
Summary: A test
License: MIT
BuildArch: noarch
Provides: venv(/opt/app/penv)
%description
%package old
Summary: Another
%description old
%install
mkdir -p %{buildroot}/opt/app/penv/lib %{buildroot}/etc
touch %{buildroot}/opt/app/penv/lib/owned.py %{buildroot}/etc/app %{buildroot}/opt/app/ghost
%files
/etc/app
%ghost /opt/app/ghost
%files old
/opt/app/penv/lib/owned.py
"""


#: The bindings, and what is asked where this Python has none.
by_both = pytest.mark.parametrize(
    "way",
    [
        pytest.param("", id="bindings"),
        pytest.param("rpmdb._site_directories = lambda: iter(())", id="command"),
    ],
)


def rpm(*arguments: str) -> None:
    subprocess.run(["rpm", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The packages of the spec by name."""
    if not shutil.which("rpmbuild"):
        pytest.skip("needs rpmbuild")
    top = tmp_path_factory.mktemp("rpmbuild")
    (top / "app.spec").write_text(SPEC)
    command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", str(top / "app.spec")]
    subprocess.run(command, check=True, capture_output=True)
    built = {path.name.rpartition("-1.0")[0]: str(path) for path in top.glob("RPMS/*/*.rpm")}
    assert sorted(built) == ["app", "app-old"]
    return built


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with an empty database."""
    rpm("--dbpath", f"{tmp_path}/var/lib/rpm", "--initdb")
    return tmp_path


def install(root: Path, package: str) -> None:
    rpm("--dbpath", f"{root}/var/lib/rpm", "--justdb", "--nodeps", "-i", package)


def ask(
    root: Path, question: str, before: str = "", environment: Mapping[str, str] | None = None
) -> object:
    """The value of an expression about ``layout``, in a process as the command's."""
    code = (
        f"import sys; sys.path[:0] = [{str(SOURCE)!r}]\n"
        "from pathlib import Path\n"
        "from rpm_venv.system import rpmdb\n"
        "from rpm_venv.paths import Layout\n"
        f"layout = Layout(Path({str(root)!r}))\n{before}\n"
        f"answer = {question}\n"
        "print(repr(list(map(str, answer)) if isinstance(answer, tuple) else answer))"
    )
    done = subprocess.run(
        [*SYSTEM_PYTHON, "-c", code],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin", "HOME": str(root), **(environment or {})},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    return eval(done.stdout.splitlines()[-1])


@by_both
def test_packages_are_found_by_name_capability_and_file(
    root: Path, packages: dict[str, str], way: str
) -> None:
    install(root, packages["app"])
    app = ["app-2:1.0-3.noarch"]
    assert ask(root, "rpmdb.instances(layout, 'app')", way) == app
    assert ask(root, "rpmdb.providers(layout, 'venv(/opt/app/penv)')", way) == app
    assert ask(root, "rpmdb.installed(layout, {'app', 'other'})", way) == frozenset({"app"})
    assert ask(root, "rpmdb.owner(layout, '/etc/app')", way) == app
    assert ask(root, "rpmdb.owner(layout, '/opt/app/ghost')", way) == app


@by_both
def test_the_callers_configuration_of_rpm_is_not_looked_at(
    root: Path, packages: dict[str, str], tmp_path: Path, way: str
) -> None:
    """Macros run programs, and rpm defines them where the caller's environment says."""
    install(root, packages["app"])
    evil, owned = tmp_path / "evil", tmp_path / "owned"
    (evil / ".config/rpm").mkdir(parents=True)
    (evil / "rpm").mkdir()
    (evil / "platform/x86_64-linux").mkdir(parents=True)
    macros = (
        f"%_dbpath %(touch {owned}; echo /nowhere)\n%_topdir %{{lua:os.execute('touch {owned}')}}\n"
    )
    for name in (".rpmmacros", ".config/rpm/macros", "rpm/macros", "macros"):
        (evil / name).write_text(macros)
    (evil / ".popt").write_text("rpm exec --eval evil\nrpm alias --root --define 'x %(evil)'\n")
    (evil / ".rpmrc").write_text(f"macrofiles: {evil}/macros\n")
    (evil / "rpmrc").write_text(f"macrofiles: {evil}/macros\n")
    (evil / "evil").write_text(f"#!/bin/sh\ntouch {owned}\n")
    (evil / "evil").chmod(0o755)
    hostile = {
        name: str(evil)
        for name in ("HOME", "XDG_CONFIG_HOME", "RPM_CONFIGDIR", "RPM_POPTEXEC_PATH", "PATH")
    }
    subprocess.run(
        ["/usr/bin/rpm", "--eval", "%{_dbpath}"],
        env={**hostile, "PATH": "/usr/bin:/bin"}, capture_output=True, check=False,
    )  # fmt: skip
    assert owned.exists(), "rpm itself is not fooled: there is nothing to keep from it"
    owned.unlink()
    expression = (
        "rpmdb.instances(layout, 'app') and (layout.root, __import__('os').environ['HOME'])"
    )
    assert ask(root, expression, way, hostile) == [str(root), str(evil)]
    assert not owned.exists()


@by_both
def test_no_is_not_unknown(root: Path, packages: dict[str, str], way: str) -> None:
    install(root, packages["app"])
    assert ask(root, "rpmdb.instances(layout, 'other')", way) == []
    assert ask(root, "rpmdb.instances(layout, 'app-1.0')", way) == []
    assert ask(root, "rpmdb.providers(layout, 'venv(/opt/other)')", way) == []
    assert ask(root, "rpmdb.owner(layout, '/etc/other')", way) == []
    assert ask(root, "rpmdb.owner(layout, '/etc')", way) == []


@by_both
def test_owned_files_below_a_directory_are_found(
    root: Path, packages: dict[str, str], way: str
) -> None:
    (root / "opt/app/penv/lib/deeper").mkdir(parents=True)
    install(root, packages["app"])
    assert ask(root, "rpmdb.first_owned_below(layout, '/opt/app/penv')", way) is None
    install(root, packages["app-old"])
    assert ask(root, "rpmdb.first_owned_below(layout, '/opt/app/penv')", way) == [
        "/opt/app/penv/lib/owned.py",
        "app-old-2:1.0-3.noarch",
    ]
    assert ask(root, "rpmdb.first_owned_below(layout, '/opt/app/penv/lib/deeper')", way) is None


@pytest.mark.parametrize(
    "question",
    [
        "rpmdb.owner(layout, '/etc/app')",
        "rpmdb.instances(layout, 'app')",
        "rpmdb.providers(layout, 'venv(/x)')",
        "rpmdb.first_owned_below(layout, '/etc')",
    ],
)
@by_both
def test_without_a_database_nothing_is_known(
    tmp_path: Path, root: Path, question: str, way: str
) -> None:
    """An empty database says nothing either: rpm-ostree's scriptlets see one."""
    bare = tmp_path / "bare"
    bare.mkdir()
    assert ask(bare, question, way) is None
    assert list(bare.iterdir()) == []  # rpm makes a database where it is told of one
    assert ask(root, question, way) is None


@by_both
def test_a_damaged_database_is_unknown(root: Path, packages: dict[str, str], way: str) -> None:
    install(root, packages["app"])
    for file in (root / "var/lib/rpm").iterdir():
        if file.stat().st_size:
            file.write_bytes(b"damaged" * 1000)
    assert ask(root, "rpmdb.instances(layout, 'app')", way) is None


def test_the_database_of_newer_systems_is_found(root: Path, packages: dict[str, str]) -> None:
    install(root, packages["app"])
    (root / "usr/lib/sysimage").mkdir(parents=True)
    (root / "var/lib/rpm").rename(root / "usr/lib/sysimage/rpm")
    assert ask(root, "rpmdb.instances(layout, 'app')") == ["app-2:1.0-3.noarch"]


def test_a_writer_that_holds_the_transaction_lock_is_not_waited_for(
    root: Path, packages: dict[str, str]
) -> None:
    """As in a scriptlet: rpm holds .rpm.lock for the length of the transaction."""
    import fcntl

    install(root, packages["app"])
    with open(root / "var/lib/rpm/.rpm.lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert ask(root, "rpmdb.instances(layout, 'app')") == ["app-2:1.0-3.noarch"]


def test_asking_leaves_signals_and_the_search_path_alone(
    root: Path, packages: dict[str, str]
) -> None:
    install(root, packages["app"])
    before = (
        "def state():\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return [line for line in lines if line.startswith('Sig')], list(sys.path)\n"
        "was = state()"
    )
    assert ask(root, "rpmdb.instances(layout, 'app') and state() == was", before) is True


def test_an_unreadable_database_is_unknown(root: Path, packages: dict[str, str]) -> None:
    install(root, packages["app"])
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    before = "import os; os.chmod(layout.root / 'var/lib/rpm', 0o700); os.setuid(65534)"
    os.chmod(root, 0o755)
    assert ask(root, "rpmdb.instances(layout, 'app')", before) is None
