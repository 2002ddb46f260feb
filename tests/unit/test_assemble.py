"""A generation is a lawful virtual environment, pinned to itself, and the same bytes every time."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from rpm_venv.errors import VenvError
from rpm_venv.paths import Layout
from rpm_venv.system.files import MTIME_NS
from rpm_venv.system.interpreter import inspect
from rpm_venv.trees import assemble, startup
from rpm_venv.trees.linked import Parts
from rpm_venv.wheels.store import Source, build, object_id, read
from tests.host.wheels import make_wheel
from tests.unit.assembling import GENERATION, PYTHON, Here, Made, make_environment, make_object

SYSTEM_PYTHON = "/usr/bin/python3"
APP = (
    "import sys, json\n"
    "class Main:\n"
    "    @staticmethod\n"
    "    def run(): print(json.dumps([sys.executable, sys.prefix, sys.argv]))\n"
    "main = Main.run\n"
    "def fail(): return 'it failed'\n"
    "if __name__ == '__main__': main()\n"
)
SITE_FACTS = (
    "import json, site, sys, sysconfig\n"
    "print(json.dumps({'executable': sys.executable, 'prefix': sys.prefix,\n"
    " 'exec_prefix': sys.exec_prefix, 'path': sys.path, 'prefixes': site.PREFIXES,\n"
    " 'site': site.getsitepackages(), 'purelib': sysconfig.get_path('purelib'),\n"
    " 'scripts': sysconfig.get_path('scripts'), 'base': sys.base_prefix}))"
)

RECORD_CHECK = (
    "import hashlib, base64, importlib.metadata as m\n"
    "files = m.distribution('app').files\n"
    "for file in files:\n"
    "    data = file.read_binary()\n"
    "    if file.hash is None: continue\n"
    "    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=')\n"
    "    assert (digest.decode(), len(data)) == (file.hash.value, file.size), file\n"
    "print(*sorted(map(str, files)), sep='\\n')"
)


def _pythons() -> list[str]:
    homes = sorted(Path.home().glob(".pyenv/versions/3.*/bin"))
    minors = (9, 10, 11, 12, 13, 14)
    found = [home / f"python3.{minor}" for home in homes for minor in minors]
    return sorted({PYTHON, *(str(python) for python in found if python.exists())})


@pytest.fixture
def layout(tmp_path: Path) -> Here:
    return Here(tmp_path)


@pytest.fixture(params=_pythons(), ids=lambda path: Path(path).name)
def app(request: pytest.FixtureRequest, layout: Here) -> Made:
    """An environment of every Python at hand, with what wheels usually have."""
    files = {
        "site/app/__init__.py": APP,
        "site/app/__main__.py": "from app import main; main()",
        "site/extra.pth": "extra_directory\nimport app\n",
        "site/extra_directory/found.py": "",
        "scripts/report": "#!python -s\nimport sys; print(sys.executable, sys.flags.no_user_site)",
        "scripts/tool": "#!/bin/sh\necho tool\n",
        "data/share/man/man1/app.1": "manual",
        "headers/app.h": "#define APP\n",
    }
    commands = {"app": "app:main", "app-class": "app:Main.run", "app-fails": "app:fail"}
    stored = make_object(layout, "app", files=files, commands=commands)
    return make_environment(layout, [stored], python=request.param)


def test_the_interpreter_works_and_finds_the_distribution(app: Made) -> None:
    code = "import app, found, importlib.metadata as m; print(app.__file__, m.version('app'))"
    assert app.run("python", "-c", code).split() == [str(app.site / "app/__init__.py"), "1.0"]
    for name in ("python3", f"python{app.interpreter.minor}"):
        assert app.run(name, "-c", "import app; print('fine')") == "fine\n"


def test_a_process_started_through_the_path_is_pinned_to_the_generation(app: Made) -> None:
    facts = json.loads(app.run("python", "-c", SITE_FACTS))
    tree = str(app.tree)
    assert facts["prefix"] == facts["exec_prefix"] == tree
    assert facts["executable"] == f"{tree}/bin/python"
    assert facts["purelib"] == str(app.site)
    assert facts["scripts"] == f"{tree}/bin"
    assert facts["prefixes"][:1] == facts["prefixes"] == [tree]
    assert str(app.site) in facts["site"]
    assert not [path for path in facts["path"] if path.startswith(str(app.path))]
    assert facts["path"].count(str(app.site)) == 1
    assert facts["path"].count(str(app.site / "extra_directory")) == 1
    assert facts["base"] != tree


def test_both_ways_to_start_it_come_to_the_same(app: Made) -> None:
    through_path = json.loads(app.run("python", "-c", SITE_FACTS))
    through_tree = json.loads(app.run("python", "-c", SITE_FACTS, through=app.tree))
    assert through_path == through_tree


def test_a_module_run_through_the_path_is_pinned(app: Made) -> None:
    executable, prefix, _ = json.loads(app.run("python", "-m", "app"))
    assert (executable, prefix) == (f"{app.tree}/bin/python", str(app.tree))


def test_children_of_multiprocessing_are_pinned(app: Made, tmp_path: Path) -> None:
    script = tmp_path / "spawn.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "def report(queue): queue.put([sys.executable, sys.prefix])\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    queue = context.Queue()\n"
        "    child = context.Process(target=report, args=(queue,))\n"
        "    child.start(); print(*queue.get(timeout=60)); child.join()\n"
    )
    seen = app.run("python", str(script)).split()
    assert seen == [f"{app.tree}/bin/python", str(app.tree)]


def test_the_hook_is_silent_without_site_and_in_isolation(app: Made) -> None:
    code = f"import sys; print(sys.prefix == {str(app.tree)!r})"
    assert app.run("python", "-S", "-c", "print('fine')") == "fine\n"
    assert app.run("python", "-I", "-c", code) == "True\n"


def test_the_hook_leaves_another_python_alone(app: Made) -> None:
    """One that is told to use the directory, as some test runners and servers do it."""
    code = (
        "import site, sys; before = (sys.prefix, sys.executable, sys.exec_prefix)\n"
        f"site.addsitedir({str(app.site)!r}); import found\n"
        "print(before == (sys.prefix, sys.executable, sys.exec_prefix))"
    )
    done = subprocess.run(
        [app.interpreter.path, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_launchers_run_their_entry_points(app: Made) -> None:
    for command in ("app", "app-class"):
        executable, prefix, argv = json.loads(app.run(command, "--option"))
        assert (executable, prefix) == (f"{app.tree}/bin/python", str(app.tree))
        assert argv[1:] == ["--option"]
    done = subprocess.run([app.path / "bin/app-fails"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "it failed\n")


def test_scripts_get_the_interpreter_they_ask_for(app: Made) -> None:
    assert app.run("report").split() == [f"{app.tree}/bin/python", "1"]
    assert app.run("tool") == "tool\n"


def test_data_and_headers_are_where_pip_puts_them(app: Made) -> None:
    assert (app.tree / "share/man/man1/app.1").read_text() == "manual"
    header = app.tree / f"include/site/python{app.interpreter.minor}/app/app.h"
    assert header.read_text() == "#define APP\n"


def test_every_file_of_record_is_there_with_its_digest(app: Made) -> None:
    listed = app.run("python", "-c", RECORD_CHECK).split()
    up = "../../../"
    outside = ["bin/app", "bin/app-class", "bin/app-fails", "bin/report", "bin/tool"]
    outside += [f"include/site/python{app.interpreter.minor}/app/app.h", "share/man/man1/app.1"]
    assert [path for path in listed if path.startswith(up)] == [up + path for path in outside]
    assert "app-1.0.dist-info/RECORD" in listed


def _on_disk(tree: Path) -> dict[str, tuple[str, int, int, str]]:
    found: dict[str, tuple[str, int, int, str]] = {}
    for directory, names, files in os.walk(tree):
        for name in (*names, *files):
            path = Path(directory, name)
            status = path.lstat()
            relative = str(path.relative_to(tree))
            mode = stat.S_IMODE(status.st_mode)
            if path.is_symlink():
                found[relative] = ("link", 0, 0, os.readlink(path))
            elif path.is_dir():
                found[relative] = ("dir", mode, 0, "")
            else:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[relative] = ("file", mode, status.st_size, digest)
    return found


def test_the_manifest_says_what_is_there(app: Made) -> None:
    listed = {
        entry.path: (entry.kind, entry.mode, entry.size, entry.digest)
        for entry in app.assembly.manifest.paths
    }
    assert listed == _on_disk(app.tree)


def test_two_assemblies_are_the_same_bytes_and_times(app: Made, tmp_path: Path) -> None:
    """Whatever the order of the objects and the umask."""
    layout = Here(tmp_path)
    old = os.umask(0o077)
    try:
        again = tmp_path / "again"
        again.mkdir()
        other = make_object(layout, "other", files={"site/other.py": ""})
        stored = make_object(layout, "app", files={"site/app.py": APP}, commands={"a": "app:main"})
        declaration_path = "/opt/app/two"
        one = make_environment(layout, [stored, other], path=declaration_path)
        one.tree.rename(again / "one")
        one.path.unlink()
        two = make_environment(layout, [other, stored], path=declaration_path)
    finally:
        os.umask(old)
    assert one.assembly == two.assembly
    assert _on_disk(again / "one") == _on_disk(two.tree)
    for path in (two.tree, *two.tree.rglob("*")):
        if path.is_dir() or path.is_symlink() or path.lstat().st_nlink == 1:
            assert path.lstat().st_mtime_ns == MTIME_NS, path


def test_files_are_hardlinks_of_the_objects(layout: Here) -> None:
    stored = make_object(layout, "app", files={"site/app.py": APP})
    made = make_environment(layout, [stored])
    assert os.path.samefile(made.site / "app.py", layout.object(stored.id) / "site/app.py")


def test_a_link_in_an_object_is_followed_inside_the_root_alone(
    layout: Here, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stored = make_object(layout, "app", files={"site/app/in/one.py": "", "site/app/two.py": ""})
    site, moved = layout.object(stored.id) / "site", layout.root / "moved"
    inner, outside = site / "app/in", tmp_path_factory.mktemp("outside") / "site"
    number = itertools.count()

    def made() -> Made:
        return make_environment(layout, [stored], path=f"/opt/app{next(number)}/penv")

    inner.rename(moved)
    inner.symlink_to(moved)  # a directory whose own files are linked is never one
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        made()
    inner.unlink()
    moved.rename(inner)
    site.rename(moved)
    site.symlink_to(moved)  # as an administrator may, for want of space
    assert (made().site / "app/in/one.py").samefile(moved / "app/in/one.py")
    moved.rename(outside)
    site.unlink()
    site.symlink_to(outside)
    with pytest.raises(VenvError, match="leads out of the root"):
        made()
    site.unlink()
    with pytest.raises(FileNotFoundError, match=f"{stored.id}/site"):
        made()


@pytest.mark.parametrize("python", _pythons(), ids=lambda path: Path(path).name)
def test_a_real_wheel_becomes_a_working_environment(layout: Here, python: str) -> None:
    """Through the store, with byte code: nothing is written when its modules are imported."""
    wheel = make_wheel(
        "app",
        files={"app/__init__.py": APP, "app/deep/__init__.py": "value = 1\n"},
        scripts={"app": "app:main"},
        data={"scripts/report": "#!python\nimport app; app.main()\n", "data/etc/app.conf": "x"},
    )
    source = Source(wheel.save(layout.root), wheel.filename, wheel.sha256)
    interpreter = inspect(Layout(), python)
    layout.home.mkdir(parents=True)
    build(layout, [source], interpreter, lambda text: None)
    stored = read(layout, object_id(wheel.sha256, interpreter))
    made = make_environment(layout, [stored], python=python)
    before = _on_disk(made.tree)
    for command in ("app", "report"):
        assert json.loads(made.run(command))[1] == str(made.tree)
    code = "import app.deep, os; print(app.deep.value, os.path.exists(app.deep.__cached__))"
    assert made.run("python", "-c", code) == "1 True\n"
    checked = made.run("python", "-c", RECORD_CHECK)
    assert {"../../../bin/app", "../../../bin/report", "../../../etc/app.conf"} < set(
        checked.split()
    )
    assert _on_disk(made.tree) == before


@pytest.mark.parametrize("number", ["EXDEV", "EMLINK", "EPERM"])
def test_where_there_can_be_no_hardlink_there_is_a_copy(
    layout: Here, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    import errno

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(getattr(errno, number), number)

    stored = make_object(layout, "app", files={"site/app.py": APP, "scripts/tool": "\x7fELF"})
    monkeypatch.setattr(os, "link", refuse)
    made = make_environment(layout, [stored])
    assert (made.site / "app.py").read_text() == APP
    assert (made.site / "app.py").stat().st_mtime_ns == MTIME_NS
    assert not os.path.samefile(made.site / "app.py", layout.object(stored.id) / "site/app.py")
    assert os.access(made.tree / "bin/tool", os.X_OK)
    listed = {entry.path: entry.mode for entry in made.assembly.manifest.paths}
    assert {path: mode for path, (_, mode, _, _) in _on_disk(made.tree).items()} == listed


def test_other_filesystem_errors_are_not_hidden(
    layout: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    stored = make_object(layout, "app", files={"site/app.py": APP})
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space left"):
        make_environment(layout, [stored])


def test_a_real_other_filesystem_is_copied_to(layout: Here) -> None:
    if not os.path.ismount("/dev/shm") or not os.access("/dev/shm", os.W_OK):
        pytest.skip("needs a writable /dev/shm")
    stored = make_object(layout, "app", files={"site/app.py": APP})
    made = make_environment(layout, [stored])
    place = Path("/dev/shm") / f"rpm-venv-test-{os.getpid()}"
    place.mkdir()
    try:
        if place.stat().st_dev == layout.root.stat().st_dev:
            pytest.skip("needs /dev/shm on another filesystem than the temporary directory")
        from rpm_venv.declaration import Declaration

        declaration = Declaration(path="/opt/app/penv", lock="/lock")
        assemble.assemble(layout, declaration, GENERATION, Parts([stored]), made.interpreter, place)
        assert _on_disk(place) == _on_disk(made.tree)
    finally:
        shutil.rmtree(place)


def test_the_configuration_names_no_patch_release(app: Made) -> None:
    assert (app.tree / "pyvenv.cfg").read_text().splitlines() == [
        f"home = {os.path.dirname(app.interpreter.path)}",
        "include-system-site-packages = false",
        f"version = {app.interpreter.minor}",
    ]


def test_a_name_beyond_the_kernels_limit_gets_the_shells_form(layout: Here) -> None:
    """127 bytes of shebang are what EL8's kernel reads."""
    path = "/opt/" + "x" * 90 + "/penv"
    files = {"site/app.py": APP, "scripts/report": "#!python -s\nimport sys\nprint(sys.flags)\n"}
    stored = make_object(layout, "app", files=files, commands={"app": "app:main"})
    made = make_environment(layout, [stored], path=path)
    assert (made.tree / "bin/app").read_bytes().startswith(b"#!/bin/sh\n")
    executable, _, argv = json.loads(made.run("app", "one", "two words"))
    assert executable == f"{made.tree}/bin/python"
    assert argv[1:] == ["one", "two words"]
    assert "no_user_site=1" in made.run("report")


def test_the_system_is_seen_only_on_request(layout: Here) -> None:
    """``-s``; the interpreter's own site-packages stand for the system's."""
    code = "import sys; print(*[p for p in sys.path if p.startswith(sys.base_prefix + '/')])"
    stored = make_object(layout, "app", files={"site/app.py": APP}, commands={"app": "app:main"})
    plain = make_environment(layout, [stored])
    assert "packages" not in plain.run("python", "-c", code)
    seeing = make_environment(layout, [stored], path="/opt/app/seeing", system_site=True)
    assert "packages" in seeing.run("python", "-c", code)
    assert json.loads(seeing.run("app"))[1] == str(seeing.tree)


def test_namespace_packages_are_merged(layout: Here) -> None:
    one = make_object(layout, "ns-one", files={"site/ns/one.py": "name = 1\n"})
    two = make_object(layout, "ns-two", files={"site/ns/two.py": "name = 2\n"})
    made = make_environment(layout, [two, one])
    assert made.run("python", "-c", "from ns import one, two; print(one.name, two.name)") == "1 2\n"


def test_it_works_for_everybody() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    import tempfile

    with tempfile.TemporaryDirectory(prefix="rpm-venv-test-", dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        layout = Here(Path(directory))
        stored = make_object(
            layout, "app", files={"site/app.py": APP}, commands={"app": "app:main"}
        )
        made = make_environment(layout, [stored], python=SYSTEM_PYTHON)
        done = subprocess.run(
            [made.path / "bin/app"],
            user=65534,
            group=65534,
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert json.loads(done.stdout)[1] == str(made.tree), done.stderr


EMBEDDER = r"""
#include <Python.h>
int main(int argc, char **argv) {
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    PyConfig_SetBytesString(&config, &config.program_name, argv[1]);
    if (PyStatus_Exception(Py_InitializeFromConfig(&config))) return 2;
    PyConfig_Clear(&config);
    return PyRun_SimpleString(argv[2]) || Py_FinalizeEx();
}
"""


def test_an_embedding_server_is_pinned(layout: Here, tmp_path: Path) -> None:
    """uWSGI, mod_wsgi and Unit are told a home, and make its Python the program's name."""
    config = shutil.which("python3-config", path="/usr/bin")
    if config is None or not shutil.which("gcc"):
        pytest.skip("needs gcc and the system Python's header files")
    flags = subprocess.run(
        [config, "--cflags", "--ldflags", "--embed"], capture_output=True, text=True, check=True
    ).stdout.split()
    (tmp_path / "server.c").write_text(EMBEDDER)
    server = tmp_path / "server"
    subprocess.run(["gcc", "-o", server, tmp_path / "server.c", *flags], check=True)
    stored = make_object(layout, "app", files={"site/app.py": APP})
    made = make_environment(layout, [stored], python=SYSTEM_PYTHON)
    code = "import app; " + SITE_FACTS
    done = subprocess.run(
        [server, made.path / "bin/python", code],
        check=False,
        capture_output=True,
        text=True,
        env={},
        cwd="/",
    )
    facts = json.loads(done.stdout)
    assert facts["prefix"] == str(made.tree)
    assert facts["executable"] == f"{made.tree}/bin/python"
    assert not [path for path in facts["path"] if path.startswith(str(made.path))]


SHELLS = {
    "sh": ("activate", ". {0}"),
    "bash": ("activate", "source {0}"),
    "zsh": ("activate", "source {0}"),
    "ksh": ("activate", ". {0}"),
    "csh": ("activate.csh", "source {0}"),
    "tcsh": ("activate.csh", "source {0}"),
    "fish": ("activate.fish", "source {0}"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_activated_shells_are_pinned_and_can_leave(layout: Here, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    stored = make_object(layout, "app", files={"site/app.py": APP}, commands={"app": "app:main"})
    made = make_environment(layout, [stored])
    script, source = SHELLS[shell]
    commands = [
        source.format(made.path / "bin" / script),
        "echo $VIRTUAL_ENV $VIRTUAL_ENV_PROMPT",
        "app",
        "deactivate",
        "echo left $PATH",
        "printenv VIRTUAL_ENV || echo none",
    ]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(layout.root), "TERM": "dumb"}
    fast = ["-f"] if "csh" in shell else []
    done = subprocess.run(
        [shutil.which(shell) or shell, *fast, "-c", "\n".join(commands)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
    )
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0] == f"{made.tree} penv"
    assert json.loads(lines[1])[:2] == [f"{made.tree}/bin/python", str(made.tree)]
    assert lines[2].replace(" ", ":") == "left:/usr/bin:/bin"
    assert lines[3] == "none"


def test_powershell_has_a_script_that_names_the_generation(layout: Here) -> None:
    made = make_environment(layout, [make_object(layout, "app", files={"site/app.py": APP})])
    assert f"$env:VIRTUAL_ENV = '{made.tree}'" in (made.tree / "bin/Activate.ps1").read_text()


def test_the_second_hook_is_there_only_for_path_files(layout: Here) -> None:
    plain = make_object(layout, "plain", files={"site/plain.py": ""})
    path_file = make_object(layout, "adds", files={"site/adds.pth": "adds\n"})
    assert not (make_environment(layout, [plain]).site / startup.LAST).exists()
    made = make_environment(layout, [path_file], path="/opt/app/other")
    assert (made.site / startup.LAST).exists()


def test_an_empty_environment_is_one(layout: Here) -> None:
    made = make_environment(layout, [])
    assert made.run("python", "-c", "import sys; print(sys.prefix)") == f"{made.tree}\n"


def test_wheels_that_do_not_fit_together_are_refused_before_anything_is_written(
    layout: Here,
) -> None:
    one = make_object(layout, "one", files={"scripts/x": "#!/bin/sh\n1", "data/pyvenv.cfg": ""})
    two = make_object(layout, "two", files={"scripts/x": "#!/bin/sh\n2"})
    with pytest.raises(VenvError) as caught:
        make_environment(layout, [one, two])
    assert caught.value.subject == "/opt/app/penv"
    assert len(caught.value.problems) == 2
    assert os.listdir(layout.generation_target("/opt/app/penv", GENERATION)) == []


def test_record_of_an_overruled_distribution_lists_what_is_there(layout: Here) -> None:
    files = {"site/tests/__init__.py": "one", "site/one.py": "x"}
    one = make_object(layout, "one", files=files)
    two = make_object(layout, "two", files={"site/tests/__init__.py": "two"})
    made = make_environment(layout, [one, two])
    assert (made.site / "tests/__init__.py").read_text() == "two"
    record = (made.site / "one-1.0.dist-info/RECORD").read_text()
    listed = [row[0] for row in csv.reader(record.splitlines())]
    assert "one.py" in listed
    assert "tests/__init__.py" not in listed
    (note,) = made.assembly.notes
    assert "tests/__init__.py" in note
    assert note.endswith("the one of two 1.0 is there")


def test_the_hook_costs_next_to_nothing(layout: Here) -> None:
    """Measured as the work of the line itself, in the process that runs it."""
    made = make_environment(layout, [make_object(layout, "app", files={"site/app.py": APP})])
    code = (
        "import sys, time; line = open(sys.argv[1]).read()\n"
        "def once():\n"
        "    start = time.perf_counter(); exec(line); return time.perf_counter() - start\n"
        "print(min(once() for _ in range(100)) * 1e6)"
    )
    hook = str(made.site / startup.FIRST)
    microseconds = float(made.run("python", "-c", code, hook, through=made.tree))
    assert microseconds < 1000
