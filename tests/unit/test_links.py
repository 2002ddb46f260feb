"""Directories of objects as links: made, verified, mended, counted and told whose they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli, survey
from rpm_venv.paths import Layout
from rpm_venv.system import files
from rpm_venv.trees import generation, generations, manifest, startup
from rpm_venv.trees.manifest import Manifest, Tree
from rpm_venv.trees.manifest import Path as Row
from rpm_venv.trees.shared_links import SharedLinks
from rpm_venv.wheels import store
from tests.host.wheels import Wheel, make_lock, make_wheel
from tests.unit import called

ONE, TWO = "/opt/app1/penv", "/opt/app2/penv"
PYTHON = os.path.realpath(sys.executable)
_SHIPPED = "/usr/share/app"
INSTALL = ("install", *f"-r {_SHIPPED}/lock.txt -w {_SHIPPED}/wheels -o -p {PYTHON}".split())
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
REACHING = "import pathlib\nROOT = pathlib.Path(__file__).resolve().parent.parent\n"
PLAIN = make_wheel(
    "plain",
    files={
        "plain/__init__.py": "from plain.sub import value\n",
        "plain/sub/__init__.py": "value = 1\n",
        "plain/data.txt": "x" * 500_000,
        "single.py": "",
    },
    scripts={"plain": "plain:main"},
)
NEXT = make_wheel("plain", "2.0", files={"plain/__init__.py": "value = 2\n"})
REACH = make_wheel("reach", files={"reach/__init__.py": REACHING})
SPACES = [make_wheel(f"space-{n}", files={f"space/{n}.py": f"name = {n!r}\n"}) for n in "ab"]
#: A namespace package of the older kind, and one without a file, that two wheels fill.
EXTENDED = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
RESOLVED = "import pathlib\nHERE = pathlib.Path(__file__).resolve().parent\n"
NAMED = [
    make_wheel(
        f"names-{n}",
        files={
            "names/__init__.py": EXTENDED,
            f"names/{n}/__init__.py": f"value = {n!r}\n",
            f"names/{n}/deep/mod.py": RESOLVED,
            f"bare/of/{n}/mod.py": "",
        },
    )
    for n in "ab"
]
#: The second one adds to what the first one had for itself.
ADDING = make_wheel(
    "names-b",
    "2.0",
    files={
        "names/__init__.py": EXTENDED,
        "names/a/deep/more.py": "",
        "names/b/mod.py": "",
        "bare/b/mod.py": "",
    },
)
WHEELS = (PLAIN, REACH, *SPACES, *NAMED)
LINKED = ("bare/of/a", "bare/of/b", "names/a", "names/b", "plain", "reach/__pycache__")


class System(called.System):
    """With environments of wheels, and the store."""

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    def ship(self, *wheels: Wheel) -> None:
        place = self.root / "usr/share/app"
        (place / "wheels").mkdir(parents=True, exist_ok=True)
        (place / "lock.txt").write_text(make_lock(wheels))
        for wheel in wheels:
            wheel.save(place / "wheels")

    def install(self, path: str = ONE) -> None:
        self.call(*INSTALL, path)

    def findings(self, *paths: str) -> list[str]:
        """What verify finds, as kind and path."""
        self.capsys.readouterr()
        code = cli.main(["--root", str(self.root), "--json", "verify", *paths])
        found = json.loads(self.capsys.readouterr().out)["findings"]
        assert code == (3 if found else 0)
        return [f"{one['kind']} {one['path']}" for one in found]

    def tree(self, path: str = ONE) -> Path:
        return self.root / os.readlink(self.root / path[1:])[1:]

    def site(self, path: str = ONE) -> Path:
        return self.tree(path) / SITE

    def trees(self, path: str = ONE) -> dict[str, Tree]:
        """The links to the store in site-packages, as the manifest has them."""
        rows = generations.manifest(self.layout, path, self.tree(path).name).paths
        start = len(SITE) + 1
        return {row.path[start:]: Tree.parse(row.digest) for row in rows if row.kind == "tree"}

    def python(self, code: str) -> Any:
        """What a program says, in JSON, that imports from the first environment."""
        environment = {"PYTHONPATH": str(self.site()), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [PYTHON, "-S", "-c", code]
        done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def object(self, wheel: Wheel) -> Path:
        return self.layout.object(f"{wheel.sha256}-{sys.implementation.cache_tag}")


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Where the first test makes the system that all have copies of, with its hardlinks."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory, "root")


@pytest.fixture
def system(tmp_path: Path, template: Path, capsys: pytest.CaptureFixture[str]) -> System:
    """Two environments of the same wheels, made once for all tests."""
    if not template.exists():
        system = System(template, capsys)
        system.ship(*WHEELS)
        system.install(ONE)
        system.install(TWO)
    subprocess.run(["cp", "-a", f"{template}/.", str(tmp_path)], check=True)
    return System(tmp_path, capsys)


def test_what_is_a_link_and_what_is_not(system: System) -> None:
    site = system.site()
    assert (site / "plain").is_symlink()
    assert os.path.samefile(site / "plain", system.object(PLAIN) / "site/plain")
    assert not os.readlink(site / "plain").startswith("/")  # another root stays another root
    for name in ("reach", "space", "plain-1.0.dist-info"):
        assert not (site / name).is_symlink(), name
    assert sorted(os.listdir(site / "space")) == ["__pycache__", "a.py", "b.py"]
    assert os.path.samefile(
        site / "reach/__init__.py", system.object(REACH) / "site/reach/__init__.py"
    )
    assert os.readlink(site / "reach/__pycache__").startswith("../")
    trees = system.trees()
    assert tuple(trees) == LINKED
    assert trees["plain"].object_id == system.object(PLAIN).name
    assert system.findings() == []


def test_directories_inside_of_namespace_packages(system: System) -> None:
    site, (one, two) = system.site(), map(system.object, NAMED)
    for place, stored in zip(LINKED, (one, two) * 2):
        assert os.path.samefile(site / place, stored / "site" / place)
        assert not (site / place).parent.is_symlink()
    assert sorted(os.listdir(site / "names")) == ["__init__.py", "__pycache__", "a", "b"]
    code = (
        "import json, pkgutil, names.a, names.b, names.a.deep.mod, bare.of.b.mod\n"
        "from importlib import metadata\n"
        "listed = [file.locate() for file in metadata.distribution('names-a').files]\n"
        "found = sorted(each.name for each in pkgutil.walk_packages(names.__path__, 'names.'))\n"
        "print(json.dumps([names.a.value + names.b.value, bare.of.b.mod.__file__, found,\n"
        " str(names.a.deep.mod.HERE), all(file.exists() for file in listed)]))"
    )
    values, file, found, here, there = system.python(code)
    assert (values, file, there) == ("ab", str(site / "bare/of/b/mod.py"), True)
    assert found == ["names.a", "names.b"]
    assert here == os.path.realpath(one / "site/names/a/deep")
    inside = f"{SITE}/names/b/__init__.py"
    told = system.data("owner", f"{ONE}/{inside}")
    assert (told["inside"], told["distribution"]["name"]) == (inside, "names-b")


def test_a_wheel_that_adds_to_what_another_had_for_itself(system: System) -> None:
    """It is a link no longer, in the environment that has that wheel."""
    system.ship(PLAIN, NAMED[0], ADDING)
    system.install(ONE)
    assert tuple(system.trees()) == ("bare/b", "bare/of", "names/b", "plain")
    assert (system.site() / "names/a/deep/more.py").is_file()
    assert tuple(system.trees(TWO)) == LINKED
    assert not (system.object(NAMED[0]) / "site/names/a/deep/more.py").exists()
    assert system.findings() == []
    system.call("rollback", ONE)
    assert tuple(system.trees()) == LINKED
    assert system.findings() == []


def test_damage_inside_of_a_namespace_package_is_mended_for_all(system: System) -> None:
    (system.object(NAMED[0]) / "site/names").chmod(0o777)  # on the way to it
    (system.object(NAMED[1]) / "site/names/b/__init__.py").write_text("value = 7\n")
    link = system.site() / "bare/of/b"
    link.unlink()
    link.symlink_to("../../plain")
    places = [f"{path}/{SITE}" for path in (ONE, TWO)]
    assert set(system.findings()) == {
        f"target {places[0]}/bare/of/b",
        *(f"mode {place}/names/a" for place in places),
        *(f"content {place}/names/b/__init__.py" for place in places),
    }
    system.call("repair", ONE)
    assert system.findings() == []


@pytest.mark.parametrize(
    ("way", "links"), [("site/names", ["names/a"]), ("site", ["bare/of/a", "names/a"])]
)
def test_a_way_to_a_link_that_is_gone_is_seen_and_mended(
    system: System, way: str, links: list[str]
) -> None:
    """What is at the end of it is not the first that is missing."""
    shutil.rmtree(system.object(NAMED[0]) / way)
    missing = {f"missing {path}/{SITE}/{link}" for path in (ONE, TWO) for link in links}
    assert missing <= set(system.findings())
    system.call("repair", ONE)
    assert system.findings() == []


def test_an_object_from_before_portions_were_looked_for(system: System) -> None:
    """Each of its files is linked, as it was then."""
    for wheel in NAMED:
        file = system.object(wheel) / "object.json"
        head, _, rows = file.read_bytes().partition(b"\n")
        told = json.loads(head)
        assert told.pop("portions")
        file.write_bytes(json.dumps(told, separators=(",", ":")).encode() + b"\n" + rows)
    assert f"content {ONE}/{SITE}/names/a" in system.findings()  # another description
    system.install("/opt/app3/penv")
    byte_code = (f"names/{name}/__pycache__" for name in ("a", "a/deep", "b", "b/deep"))
    modules = (f"bare/of/{name}/__pycache__" for name in "ab")
    linked = tuple(sorted((*modules, *byte_code, "plain", "reach/__pycache__")))
    assert tuple(system.trees("/opt/app3/penv")) == linked
    assert system.findings("/opt/app3/penv") == []


@pytest.mark.parametrize("key", ["bears", "portions"])
def test_a_description_with_a_link_that_would_lead_nowhere(system: System, key: str) -> None:
    """As damage, or somebody who has been root, may leave it: no generation is made of it."""
    file = system.object(NAMED[0]) / "object.json"
    head, _, rows = file.read_bytes().partition(b"\n")
    told = json.loads(head)
    told[key].append({"bears": "gone", "portions": "names/gone"}[key])
    file.write_bytes(json.dumps(told, separators=(",", ":")).encode() + b"\n" + rows)
    said = system.call(*INSTALL, "/opt/app3/penv", code=1)
    assert "description is damaged: no file is in" in said and "rpm-venv repair" in said
    assert not os.path.lexists(system.root / "opt/app3/penv")
    assert f"missing {ONE}/{SITE}/names/a" in system.findings()
    system.call("repair", ONE)
    assert system.findings(ONE, TWO) == []
    system.install("/opt/app3/penv")
    assert tuple(system.trees("/opt/app3/penv")) == LINKED
    assert system.findings() == []


def test_the_administrator_can_do_without(system: System) -> None:
    (system.root / "etc").mkdir(exist_ok=True)
    (system.root / "etc/rpm-venv.conf").write_text("links = no\n")
    system.install("/opt/app3/penv")
    site = system.site("/opt/app3/penv")
    assert not (site / "plain").is_symlink()
    assert os.path.samefile(site / "plain/data.txt", system.object(PLAIN) / "site/plain/data.txt")
    assert system.findings() == []


def test_modules_are_those_of_the_generation(system: System) -> None:
    code = (
        "import json, plain, plain.sub, reach\n"
        "from importlib import resources, metadata\n"
        "listed = [str(file.locate()) for file in metadata.distribution('plain').files]\n"
        "print(json.dumps([plain.sub.__file__, plain.sub.__spec__.cached,\n"
        " plain.sub.__loader__.get_code('plain.sub').co_filename, str(reach.ROOT),\n"
        " resources.files('plain').joinpath('data.txt').read_text()[:1],\n"
        " all(__import__('os').path.exists(file) for file in listed)]))"
    )
    file, cached, compiled, root, text, there = system.python(code)
    assert file == compiled == str(system.site() / "plain/sub/__init__.py")
    assert cached.startswith(str(system.site() / "plain/sub/__pycache__"))
    assert root == str(system.site())  # it looks for its neighbours, and finds them
    assert (text, there) == ("x", True)


def _change(system: System) -> str:
    (system.object(PLAIN) / "site/plain/sub/__init__.py").write_text("value = 7\n")
    return "content {}/plain/sub/__init__.py"


def _mode(system: System) -> str:
    (system.object(PLAIN) / "site/plain/data.txt").chmod(0o666)
    return "mode {}/plain/data.txt"


def _add(system: System) -> str:
    (system.object(PLAIN) / "site/plain/sub/more.py").write_text("")
    return "added {}/plain/sub/more.py"


def _take(system: System) -> str:
    (system.object(PLAIN) / "site/plain/data.txt").unlink()
    return "missing {}/plain/data.txt"


def _directory(system: System) -> str:
    (system.object(PLAIN) / "site/plain/sub").chmod(0o777)
    return "mode {}/plain/sub"


def _link(system: System) -> str:
    place = system.object(PLAIN) / "site/plain/data.txt"
    place.rename(system.root / "data.txt")
    place.symlink_to(system.root / "data.txt")
    return "type {}/plain/data.txt"


def _description(system: System) -> str:
    place = system.object(PLAIN) / "object.json"
    place.write_bytes(place.read_bytes().replace(b"data.txt", b"dada.txt"))
    return "content {}/plain"


def _object(system: System) -> str:
    shutil.rmtree(system.object(PLAIN))
    return "missing {}/plain"


def _way_mode(system: System) -> str:
    (system.object(PLAIN) / "site").chmod(0o777)
    return "mode {}/plain"


def _way_link(system: System) -> str:
    """To a copy that is equal today."""
    system.object(PLAIN).rename(system.root / "copy")
    system.object(PLAIN).symlink_to(system.root / "copy")
    return "type {}/plain"


def _way_file(system: System) -> str:
    shutil.rmtree(system.object(PLAIN) / "site")
    (system.object(PLAIN) / "site").write_text("")
    return "type {}/plain"


def _description_mode(system: System) -> str:
    (system.object(PLAIN) / "object.json").chmod(0o666)
    return "mode {}/plain"


#: Of what is behind a link, and of the way to it.
DAMAGE = [
    *(_change, _mode, _add, _take, _directory, _link, _description, _object),
    *(_way_mode, _way_link, _way_file, _description_mode),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_shows_in_each_environment_and_is_mended_for_all(
    system: System, damage: Any
) -> None:
    finding = damage(system)
    places = [f"{path}/{SITE}" for path in (ONE, TWO)]
    assert set(system.findings()) >= {finding.format(place) for place in places}
    system.call("repair", ONE)
    assert system.findings() == []
    text = (system.site(TWO) / "plain/sub/__init__.py").read_text()
    assert text == "value = 1\n"


def _as_root(*argv: str) -> None:
    """What somebody does who is root and thinks that it is any virtual environment."""
    variables = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
    del variables["PYTHONDONTWRITEBYTECODE"]
    subprocess.run(argv, env=variables, check=True, capture_output=True)


@pytest.mark.parametrize("way", ["install", "uninstall", "compile", "optimized", "stale"])
def test_what_root_does_with_pip_and_python_is_seen_and_mended_for_all(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    python, site = str(system.tree() / "bin/python"), system.site()
    pip = (sys.executable, "-m", "pip", f"--python={python}", "-q")
    cached = f"__init__.{sys.implementation.cache_tag}"
    own, everywhere = [], []  # what is found in the first environment alone, and in both
    if way == "install":
        NEXT.save(tmp_path)
        _as_root(*pip, "install", "--no-index", "--no-deps", str(tmp_path / NEXT.filename))
        own = ["missing {}/plain-1.0.dist-info", "added {}/plain-2.0.dist-info"]
        everywhere = ["content {}/plain/__init__.py"]
    elif way == "uninstall":
        _as_root(*pip, "uninstall", "-y", "plain")
        own = ["missing {}/plain-1.0.dist-info", "missing {}/single.py"]
    elif way == "compile":
        _as_root(python, "-m", "compileall", "-f", str(site))
        everywhere = [f"content {{}}/reach/__pycache__/{cached}.pyc"]
    elif way == "optimized":
        _as_root(python, "-O", "-c", "import plain, reach")
        packages = ("reach", "plain")
        everywhere = [f"added {{}}/{name}/__pycache__/{cached}.opt-1.pyc" for name in packages]
    else:
        code = system.object(PLAIN) / f"site/plain/__pycache__/{cached}.pyc"
        code.write_bytes(b"\0" + code.read_bytes()[1:])  # of another Python: it is written anew
        _as_root(python, "-c", "import plain")
        assert code.read_bytes()[:1] != b"\0"
        everywhere = [f"content {{}}/plain/__pycache__/{cached}.pyc"]
    found = system.findings()
    one, two = (f"{path}/{SITE}" for path in (ONE, TWO))
    assert set(found) >= {each.format(place) for each in everywhere for place in (one, two)}
    assert set(found) >= {each.format(one) for each in own}
    in_two = {each for each in found if TWO in each}
    assert not in_two & {each.format(two) for each in own}
    assert bool(in_two) == bool(everywhere)
    assert system.call("repair", ONE) == f"repaired {ONE}\n"
    assert system.findings() == []


#: The command with three processes for any number of files and trees; each gets some of them.
SHARING = """
import os, signal, sys, time
sys.path[:0] = SOURCE
from rpm_venv import apply, cli
from rpm_venv.system import files
from rpm_venv.trees import assemble, differences
os.sched_getaffinity = lambda process: {0, 1, 2}
command = os.getpid()
differences._WORTH = apply._WORTH = assemble._SHARED = 1
def slow(work):
    def slowly(*what):
        time.sleep(0.002)
        DYING
        return work(*what)
    return slowly
differences._wrong, files.remove_tree = slow(differences._wrong), slow(files.remove_tree)
assemble._Linker.fill = slow(assemble._Linker.fill)
sys.exit(cli.main(sys.argv[1:]))
"""


def _shared(system: System, dying: str, *words: str) -> tuple[int, str, str]:
    source = repr([str(Path(cli.__file__).parents[1])])
    code = SHARING.replace("SOURCE", source).replace("DYING", dying)
    argv = [sys.executable, "-Ic", code, "--root", str(system.root), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_several_processes_find_what_one_finds(system: System) -> None:
    """Each file is damaged, behind a link and not: so one is of each process."""
    assert _shared(system, "pass", "verify") == (0, "", "")
    places = [system.tree(), system.object(PLAIN) / "site/plain"]
    below = [path for place in places for path in sorted(place.rglob("*"))]
    files = [path for path in below if path.is_file() and not path.is_symlink()]
    assert all(file.resolve() == file for file in files)  # none is the interpreter's
    for number, file in enumerate(files):
        if number % 4 == 0:
            file.write_bytes(b"\xff" * file.stat().st_size)
        elif number % 4 == 1:
            file.unlink()
        elif number % 4 == 2:
            file.chmod(0o600)
        else:
            os.chown(file, 1, 1)
    system.capsys.readouterr()
    alone = cli.main(["--root", str(system.root), "verify"])
    said = system.capsys.readouterr()
    kinds = {line.split()[0] for line in said.out.splitlines()}
    assert kinds >= {"content", "missing", "mode", "owner"}
    assert _shared(system, "pass", "verify") == (alone, said.out, said.err)
    damaged, added = survey.damaged_objects(system.layout, ONE)
    assert damaged and not added


def _entries(tree: Path) -> dict[str, object]:
    """What is in a tree: the inode of a hardlink, where a link leads to, how much else was written.

    What that says is held to the manifest by ``verify``.
    """
    found: dict[str, object] = {}
    for place in sorted(tree.rglob("*")):
        status = place.lstat()
        what: object = status.st_size
        if place.is_symlink():
            what = os.readlink(place)
        elif place.is_dir():
            what = "directory"
        elif status.st_nlink > 1:
            what = status.st_ino, "inode"
        found[str(place.relative_to(tree))] = (status.st_mode, status.st_mtime_ns, what)
    return found


def test_several_processes_assemble_what_one_assembles(system: System) -> None:
    third = "/opt/app3/penv"
    dying = "os.getpid() == command or os.kill(os.getpid(), 9)"
    code, said, error = _shared(system, dying, *INSTALL, third)
    assert (code, said) == (1, "")
    assert "ended before its time (signal 9)" in error
    assert not os.path.lexists(system.root / third[1:])
    assert _shared(system, "pass", *INSTALL, third) == (0, "", "")
    assert system.findings() == []
    assert not list(system.layout.staging.iterdir())
    assert _entries(system.tree(third)) == _entries(system.tree(TWO))  # their names are as long


@pytest.mark.parametrize("verb", ["verify", "repair"])
def test_a_process_that_is_killed_is_no_sound_environment(system: System, verb: str) -> None:
    dying = "os.getpid() == command or os.kill(os.getpid(), 9)"
    code, said, error = _shared(system, dying, verb, ONE)
    assert (code, said) == (1, "")
    assert "ended before its time (signal 9)" in error


@pytest.mark.parametrize(
    ("dying", "code"),
    [
        ("pass", 0),
        ("os.getpid() == command or os.kill(os.getpid(), 9)", 1),
        ("os.kill(command, 9)", -9),
        ("os.getpid() == command and os.kill(command, 9)", -9),
    ],
    ids=["nobody", "a part", "the command, by a part", "the command"],
)
def test_objects_are_deleted_by_several_processes(system: System, dying: str, code: int) -> None:
    """Whoever is killed, the same call deletes the rest, and nobody is in its way."""
    layout = system.layout
    assert _shared(system, "pass", "remove", ONE) == (0, "", "")
    found, said, error = _shared(system, dying, "remove", TWO)
    assert (found, said) == (code, "")
    assert ("ended before its time (signal 9)" in error) == (
        dying.startswith("os.getpid() == command or")
    )
    assert not os.path.lexists(system.root / TWO[1:])
    assert store.ids(layout) == ()
    if dying == "pass":
        assert os.listdir(layout.staging) == []
    system.call("remove", TWO)
    assert os.listdir(layout.staging) == os.listdir(layout.envs) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
def test_whose_the_way_behind_a_link_is(system: System) -> None:
    os.chown(system.object(PLAIN), 1234, 1234)
    assert system.findings() == [f"owner {path}/{SITE}/plain" for path in (ONE, TWO)]
    system.call("repair", ONE)
    assert system.findings() == []


def test_a_generation_that_is_a_link_is_seen_and_mended(system: System) -> None:
    tree = system.tree()
    tree.rename(system.root / "tree")
    tree.symlink_to(system.root / "tree")
    assert f"type {ONE}/" in system.findings(ONE)
    system.call("repair", ONE)
    assert system.findings() == []
    assert (system.root / "tree/pyvenv.cfg").is_file()  # nothing behind it is touched


@pytest.mark.parametrize("name", [startup.FIRST, startup.LAST])
def test_a_directory_of_the_environments_own_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    system = System(tmp_path, capsys)
    system.ship(make_wheel("evil", files={f"{name}/__init__.py": "", "evil.pth": "evil\n"}))
    lock = ["-r", "/usr/share/app/lock.txt", "-w", "/usr/share/app/wheels", "-o", "-p", PYTHON]
    said = system.call("install", *lock, ONE, code=1)
    assert f"{SITE}/{name}/__init__.py: belongs to the environment itself, and evil 1.0" in said


def test_a_link_that_leads_elsewhere_is_seen_and_mended(system: System) -> None:
    link = system.site() / "plain"
    link.unlink()
    link.symlink_to("/etc")
    assert system.findings(ONE) == [f"target {ONE}/{SITE}/plain"]
    system.call("repair", ONE)
    assert system.findings() == []


def test_a_count_without_a_package_removes_nothing(system: System) -> None:
    """A scriptlet that forgot whose it is runs on upgrades, too."""
    for count in ("0", "1"):
        assert "with --package whose" in system.call("remove", "--count", count, ONE, code=2)
    assert system.findings() == []
    assert (system.site() / "plain/data.txt").exists()


def test_without_its_wheel_a_damaged_object_stays_until_there_is_one(system: System) -> None:
    _change(system)
    wheel = system.root / "usr/share/app/wheels" / PLAIN.filename
    wheel.unlink()
    assert system.call("repair", ONE, code=1).startswith(f"rpm-venv: {ONE}: ")
    assert (system.site(TWO) / "plain/data.txt").exists()  # nothing is taken away
    assert system.findings(ONE) == [f"failed {ONE}", f"missing {ONE}/{SITE}/plain"]
    PLAIN.save(wheel.parent)
    system.call("repair")
    assert system.findings() == []


def test_an_object_that_is_gone_is_made_again_by_an_install(system: System) -> None:
    shutil.rmtree(system.object(PLAIN))
    system.install(TWO)
    assert system.findings() == []


def test_an_object_lives_as_long_as_a_generation_refers_to_it(system: System) -> None:
    system.ship(NEXT)
    system.install(ONE)
    system.call("gc")
    assert system.findings() == []
    system.call("remove", TWO)
    system.call("gc")
    assert system.object(PLAIN).is_dir()  # the generation that a rollback goes to has it
    system.call("rollback", ONE)
    assert system.findings() == []
    assert (system.site() / "plain/data.txt").exists()
    system.call("remove", ONE)
    assert os.listdir(system.layout.store) == []
    assert os.listdir(system.layout.envs) == []


def test_a_generation_that_cannot_be_read_keeps_all_objects(system: System) -> None:
    (system.tree(TWO) / ".rpm-venv/generation.json").write_text("{}")
    system.call("remove", ONE)
    assert system.object(PLAIN).is_dir()


def test_whose_a_file_is(system: System) -> None:
    inside = f"{SITE}/plain/data.txt"
    for file in (f"{ONE}/{inside}", f"/{system.tree().relative_to(system.root)}/{inside}"):
        told = system.data("owner", file)
        assert (told["path"], told["inside"], told["live"]) == (ONE, inside, True)
        assert told["distribution"]["name"] == "plain"
        assert told["also_in"] == [f"{TWO} {system.tree(TWO).name}"]
    stored = f"/{system.object(PLAIN).relative_to(system.root)}/site/plain/data.txt"
    told = system.data("owner", stored)
    assert (told["kind"], told["distribution"]["name"]) == ("object", "plain")
    assert "lib64" not in told["inside"]


def test_objects_are_part_of_what_an_environment_takes(system: System) -> None:
    both = system.data("show", ONE)["disk"]
    assert both["shared"] > 500_000 > both["own"]
    system.call("remove", TWO)
    alone = system.data("show", ONE)["disk"]
    assert alone["own"] > 500_000
    assert alone["shared"] == 0


def test_a_generation_from_before_there_were_links(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is verified, kept and gone back to as ever, and its successor has links."""
    system = System(tmp_path, capsys)
    system.ship(*WHEELS)
    with monkeypatch.context() as before:  # as the first format was written
        before.setattr(generation, "_layout", lambda declaration: "")
        before.setattr(manifest, "FORMAT", 1)
        system.install()
    old = system.tree().name
    about = system.tree() / ".rpm-venv"
    described = json.loads((about / "generation.json").read_text())
    assert (described["format"], described.get("layout")) == (1, None)
    assert (about / "manifest").read_text().startswith('{"format": 1}\n')
    assert not (system.site() / "plain").is_symlink()
    assert system.findings() == []
    system.call("sync")
    assert system.tree().name == old  # what is there stays
    (system.site() / "plain/data.txt").write_text("changed")
    assert system.findings() == [f"content {ONE}/{SITE}/plain/data.txt"]
    (system.site() / "plain/data.txt").write_text("x" * 500_000)
    system.install()
    assert system.tree().name == old
    system.ship(NEXT)
    system.install()
    new = system.tree().name
    assert (system.site() / "plain").is_symlink()
    system.call("gc")
    assert sorted(os.listdir(system.tree().parent)) == sorted([old, new])
    system.call("rollback", ONE)
    assert system.tree().name == old
    assert (system.site() / "plain/sub/__init__.py").read_text() == "value = 1\n"
    assert system.findings() == []
    system.call("remove", ONE)
    assert os.listdir(system.layout.store) == os.listdir(system.layout.envs) == []


def test_what_was_added_to_an_object_goes_without_its_wheel(system: System) -> None:
    """Such as root's ``python -O`` adds: byte code of another kind."""
    for wheel in WHEELS:
        (system.root / "usr/share/app/wheels" / wheel.filename).unlink()
    inside = system.object(PLAIN) / "site/plain"
    (inside / "__pycache__/__init__.cpython-311.opt-1.pyc").write_bytes(b"x")
    (inside / "more/deep").mkdir(parents=True)
    (inside / "more/deep/x").symlink_to("/etc")
    assert len(system.findings()) == 8
    assert system.call("repair", ONE) == f"repaired {ONE}\n"
    assert system.findings() == []
    assert system.call("repair") == ""


def _kept(system: System) -> Path:
    return system.object(PLAIN) / "links/site%2Fplain"


def test_a_link_is_one_file_for_all_environments(system: System) -> None:
    links = {_kept(system), *(system.site(path) / "plain" for path in (ONE, TWO))}
    (status,) = {(os.lstat(link).st_ino, os.lstat(link).st_nlink) for link in links}
    assert status[1] == len(links)
    system.install("/opt/app3/penv")
    system.call("remove", ONE)
    assert os.lstat(_kept(system)).st_nlink == len(links)
    assert "deep%2F__pycache__" not in str(os.listdir(system.object(NAMED[0]) / "links"))
    assert system.call("repair") == ""  # and objects with such links are as they are to be


def _elsewhere(link: Path) -> None:
    link.unlink()
    link.symlink_to("../../plain")


def _strangers(link: Path) -> None:
    os.lchown(link, 1, 1)


def _regular(link: Path) -> None:
    link.unlink()
    link.write_text("x")


def _full(link: Path) -> None:
    link.unlink()
    link.mkdir()


def _away(link: Path) -> None:
    shutil.rmtree(link.parent)


def _no_directory(link: Path) -> None:
    shutil.rmtree(link.parent)
    link.parent.write_text("")


def _another_directory(link: Path) -> None:
    link.parent.rename(link.parents[3] / "moved")
    link.parent.symlink_to("../../moved")
    _elsewhere(link)


def _open_directory(link: Path) -> None:
    link.parent.chmod(0o777)
    _elsewhere(link)


@pytest.mark.parametrize(
    "damage",
    [
        _elsewhere, _strangers, _regular, _full, _away, _no_directory, _another_directory,
        _open_directory,
    ],
)  # fmt: skip
def test_a_link_that_an_object_keeps_is_not_believed(
    system: System, damage: Callable[[Path], None]
) -> None:
    """It is what others have, or a new one is made; the object's wheel is not needed to mend it."""
    names = sorted(os.listdir(_kept(system).parent))
    other = os.readlink(_kept(system))
    damage(_kept(system))
    before = {file: os.lstat(file).st_mtime_ns for file in system.root.glob("**/moved/*")}
    three = "/opt/app3/penv"
    system.install(three)
    assert os.readlink(system.site(three) / "plain") == other
    assert system.findings(three) == []
    assert before == {file: os.lstat(file).st_mtime_ns for file in system.root.glob("**/moved/*")}
    for wheel in WHEELS:
        (system.root / "usr/share/app/wheels" / wheel.filename).unlink()
    system.call("repair")
    assert system.findings() == []
    assert system.call("repair") == ""
    system.install("/opt/app4/penv")
    assert sorted(os.listdir(_kept(system).parent)) == names
    assert os.readlink(_kept(system)) == other
    assert system.findings() == []


def test_on_another_file_system_than_the_store_is_a_link_of_its_own(system: System) -> None:
    path, other = f"{SITE}/plain", os.readlink(_kept(system))
    tree = system.trees()["plain"]
    before = sorted(os.listdir(_kept(system).parent))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        Path(elsewhere, SITE).mkdir(parents=True)
        with files.directory(Path(elsewhere)) as top:
            shared = SharedLinks(system.layout.store)
            shared.put(top, path, tree)
            shared.put(top, f"{SITE}/sub", replace(tree, inside="site/plain/sub"))
        assert os.readlink(f"{elsewhere}/{path}") == other
        assert os.lstat(f"{elsewhere}/{path}").st_nlink == 1
        assert os.readlink(f"{elsewhere}/{SITE}/sub") == f"{other}/sub"
    assert sorted(os.listdir(_kept(system).parent)) == before


def test_nothing_is_written_through_a_link(system: System) -> None:
    """Another version, a repair of files beside the links, a removal: the object stays the same."""
    stored = {file: file.read_bytes() for file in system.object(PLAIN).rglob("*") if file.is_file()}
    (system.site() / "single.py").unlink()
    (system.site() / "plain").unlink()
    shutil.copytree(system.object(PLAIN) / "site/plain", system.site() / "plain")
    assert f"type {ONE}/{SITE}/plain" in system.findings()
    system.call("repair")
    system.ship(NEXT)
    system.install(ONE)
    system.call("remove", ONE)
    now = {file: file.read_bytes() for file in system.object(PLAIN).rglob("*") if file.is_file()}
    assert now == stored
    assert system.findings() == []


def test_where_the_store_is_not_beside_the_environments_files_are_linked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = System(tmp_path / "root", capsys)
    system.ship(*WHEELS)
    elsewhere = system.root / "data/envs"
    elsewhere.mkdir(parents=True)
    system.layout.home.mkdir(parents=True)
    system.layout.envs.symlink_to("../../../data/envs")
    system.install()
    assert not (system.site() / "plain").is_symlink()
    assert system.findings() == []


def test_links_that_lead_elsewhere_since_the_environments_were_moved(system: System) -> None:
    elsewhere = system.root / "data/deep/envs"
    elsewhere.parent.mkdir(parents=True)
    system.layout.envs.rename(elsewhere)
    system.layout.envs.symlink_to("../../../data/deep/envs")
    assert system.findings(ONE) == [f"target {ONE}/{SITE}/{place}" for place in LINKED]
    system.call("repair", ONE)
    assert system.findings(ONE) == []
    assert (system.site() / "plain/data.txt").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "abc:",
        "abc:x",
        "abc:../site/x",
        "abc:x/../../etc",
        "abc:./site",
        "abc:x//etc",
        "abc:x/",
    ],
)
def test_a_tree_that_leads_elsewhere_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="directory of an object"):
        Tree.parse(text)
    with pytest.raises(ValueError, match="directory of an object"):  # a hostile root's
        Manifest.loads(Manifest((Row("lib", "tree", digest=text),)).dumps())


def test_fapolicyd_knows_all_that_is_behind_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte code too, of a package that bears no link: the kernel opens it by the object's path."""
    system = System(tmp_path, capsys)
    system.layout.trust_files.mkdir(parents=True)
    system.ship(*WHEELS)
    system.install()
    told = "".join(file.read_text() for file in system.layout.trust_files.glob("rpm-venv-*"))
    known = {line.partition(" ")[0] for line in told.splitlines()}
    opened = {
        system.layout.target(Path(os.path.realpath(place)) / name)
        for place, _, names in os.walk(system.tree(), followlinks=True)
        for name in names
        if not os.path.islink(f"{place}/{name}") and f"/{generations.ABOUT}" not in place
    }
    assert any(path.endswith(".pyc") and "/site/reach/" in path for path in opened)
    assert opened <= known


def test_a_name_too_long_to_be_kept_is_no_reason_to_keep_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = f"{'a' * 200}/{'b' * 60}"
    modules = {f"pk/{name}/m.py": "" for name in (long, "c")}
    wheel = make_wheel("long", files={"pk/__init__.py": REACHING, **modules})
    system = System(tmp_path, capsys)
    system.ship(wheel)
    system.install(ONE)
    system.install(TWO)
    names = ["site%2Fpk%2F__pycache__", "site%2Fpk%2Fc%2F__pycache__"]
    assert sorted(os.listdir(system.object(wheel) / "links")) == names
    assert (system.site(TWO) / f"pk/{long}/__pycache__").is_symlink()
    assert os.lstat(system.site(TWO) / "pk/c/__pycache__").st_nlink == 3
    assert system.findings() == []
