"""The shape of the source: imports go one way, and each kind of effect has its own modules."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "rpm_venv"

#: Every module, from the types at the bottom to the command line. A module imports only modules of
#: rows below its own; docs/architecture.md tells what the rows are.
ROWS = (
    ("values", "frozen digest"),
    (
        "types",
        "errors paths shapes report declaration trees.manifest locks.locked locks.amended "
        "locks.plain_version wheels.objects",
    ),
    ("confined", "confined.*"),
    ("wheels", "wheels.wheel wheels.stream"),
    ("advisories", "advisories.*"),
    ("trust", "system.trust system.reading"),
    (
        "edges",
        "system.amendments system.configuration system.declared system.files system.image "
        "system.interpreter "
        "system.programs system.release system.rpmdb system.run_as system.sandbox system.sealed "
        "system.shares",
    ),
    (
        "sharing",
        "system.tree system.sharing system.copying system.labels system.flushing system.stranger",
    ),
    ("locks", "locks.toml locks.requirements locks.pylock locks.lock fetching.complaint"),
    (
        "knowledge",
        "trees.generation environment events steps locks.question locks.pip locks.uv locks.resolve "
        "locks.built locks.exact locks.own "
        "locks.targets locks.project locks.exported locks.uvlock locks.poetrylock locks.carry "
        "locks.amendments locks.fit building.dependencies building.libraries building.source "
        "building.vendored building.rpmbuild",
    ),
    (
        "store",
        "wheels.unpack wheels.queue wheels.batch wheels.afresh wheels.store wheels.packaged "
        "wheels.bring wheels.needs",
    ),
    ("fetching", "fetching.*"),
    ("stages", "trees.* state history log"),
    ("plan", "plan bom"),
    ("facts", "survey system.occupancy choose whole building.payload building.gather"),
    ("making", "making"),
    ("apply", "apply building.buildroot building.prebuilt building.passes"),
    ("amending", "amending"),
    ("linting", "linting.*"),
    ("verbs", "verbs.*"),
    ("command", "cli __main__ terminal words command_line"),
)

#: Which modules may do what. Everything else is a pure function of its arguments.
RUNS_PROGRAMS = {
    "system.programs",
    "system.interpreter",
    "system.rpmdb",
    "system.sandbox",
    "system.stranger",
    "system.run_as",
    "system.shares",
    "trees.processes",
    "locks.question",
    "locks.pip",
    "fetching.download",
    "building.libraries",
    "building.source",
    "building.rpmbuild",
}
WRITES = {
    "system.copying",
    "system.files",
    "system.tree",
    "system.sharing",
    "system.labels",
    "trees.fapolicyd",
    "wheels.store",
    "wheels.batch",
    "trees.assemble",
    "trees.generations",
    "trees.shared_links",
    "state",
    "log",
    "apply",
    "making",
    "fetching.index",
    "fetching.pips",
    "system.stranger",
}
PRINTS = {"cli", "__main__"}


#: Every module by its name.
MODULES = {
    ".".join(file.relative_to(SOURCE).with_suffix("").parts): file
    for file in sorted(SOURCE.rglob("*.py"))
    if file.name != "__init__.py"
}


@dataclass(frozen=True)
class Contents:
    """What is in a module: the dotted names that it calls, and the other names that it has.

    ``ours`` are modules of ours that it imports, also inside functions; not for types alone.
    ``others`` are those of import statements.
    """

    calls: frozenset[str]
    ours: frozenset[str]
    others: frozenset[str]
    attributes: frozenset[str]
    names: frozenset[str]


@functools.cache
def contents(module: str) -> Contents:
    """Each is read once for all questions; its nodes are not kept."""
    tree = ast.parse(MODULES[module].read_text())
    nodes = list(ast.walk(tree))
    return Contents(
        frozenset(ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)),
        frozenset(_imported(tree)),
        frozenset(a.name for node in nodes if isinstance(node, ast.Import) for a in node.names),
        frozenset(node.attr for node in nodes if isinstance(node, ast.Attribute)),
        frozenset(node.id for node in nodes if isinstance(node, ast.Name)),
    )


def row(module: str) -> int:
    """The row a module stands in; a module that is in none has no place yet."""
    folder = module.partition(".")[0] + ".*" if "." in module else module
    for name in (module, folder):  # a module named by itself stands where it is named
        for number, (_, names) in enumerate(ROWS):
            if name in names.split():
                return number
    raise AssertionError(f"{module} has no row: say in ROWS where it belongs")


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below one that is there at run time."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _running(child)


def _imported(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that a module imports, also inside functions; not for types alone."""
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rpm_venv"):
            package = (node.module or "").partition(".")[2]
            for alias in node.names:
                inside = f"{package}.{alias.name}".lstrip(".")
                if inside in MODULES or package:
                    yield inside if inside in MODULES else package


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    here = row(module)
    upward = [
        other
        for other in contents(module).ours
        if row(other) > here or (row(other) == here and ROWS[here][0] in ("edges", "facts"))
    ]
    own_row = ROWS[here][0]
    assert not upward, f"{module} (row {own_row}) imports {upward} from above or beside"


@pytest.mark.parametrize("module", MODULES)
def test_programs_are_run_where_they_may_be(module: str) -> None:
    running = {"os.fork", "os.execv", "os.execve", "os.system", "os.popen", "os.posix_spawn"}
    found = {
        name for name in contents(module).calls if name in running or name.startswith("subprocess.")
    }
    if module not in RUNS_PROGRAMS and not module.startswith("confined."):
        assert not found


@pytest.mark.parametrize("module", MODULES)
def test_files_are_written_where_they_may_be(module: str) -> None:
    changing = {
        "os.rename",
        "os.replace",
        "os.unlink",
        "os.remove",
        "os.mkdir",
        "os.makedirs",
        "os.rmdir",
        "os.symlink",
        "os.link",
        "os.chmod",
        "os.chown",
        "os.utime",
        "os.truncate",
        "shutil.rmtree",
        "shutil.copy",
        "shutil.move",
    }
    methods = ("write_text", "write_bytes", "unlink", "mkdir", "rmdir", "symlink_to", "rename")
    found = {name for name in contents(module).calls if name in changing}
    found |= {name for name in contents(module).calls if name.rpartition(".")[2] in methods}
    author_side = module in (
        "verbs.lock",
        "verbs.deps",
        "locks.question",
        "locks.resolve",
        "locks.uv",
        "fetching.download",
        "building.source",
        "building.vendored",
        "verbs.vendor",
    )
    if module not in WRITES and not module.startswith("confined.") and not author_side:
        assert not found


@pytest.mark.parametrize("module", MODULES)
def test_only_the_command_line_prints_and_exits(module: str) -> None:
    found = contents(module).calls
    if module not in PRINTS and not module.startswith("confined."):
        assert not found & {"print", "sys.exit", "exit"}


@pytest.mark.parametrize("module", MODULES)
def test_the_network_is_left_to_pip(module: str) -> None:
    names = contents(module).others
    local = ("system.sandbox", "log")  # sockets of this machine alone
    if module not in local and not module.startswith("confined."):
        assert not names & {"socket", "urllib.request", "http.client", "ssl"}


def test_no_module_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "base"}
    assert not vague & {module.rpartition(".")[2] for module in MODULES}


#: Who asks what time it is: how long to wait for somebody, how old a database may be, and when
#: something was done.
WAITING = {"state", "system.sandbox", "system.stranger", "trees.processes", "fetching.pips"}
AGES = {name for name in MODULES if name.startswith("advisories.") or name == "verbs.audit"}
TOLD = {"history", "log"}


@pytest.mark.parametrize("module", MODULES)
def test_no_decision_is_the_clocks(module: str) -> None:
    """A clock that is ten years off changes nothing: neither it nor the times of files are asked.

    What counts seconds only to stop waiting asks the one clock that nobody sets.
    """
    asked = {name for name in contents(module).calls if re.match(r"(time|datetime|date)\.", name)}
    asked -= {"time.sleep"}
    times = {"st_mtime", "st_ctime", "st_atime", "st_mtime_ns", "st_ctime_ns", "getmtime"}
    looked_at = contents(module).attributes & times
    named = contents(module).names
    if module in AGES | TOLD:
        return
    assert not looked_at or module == "system.copying"  # which gives a copy its times
    assert asked <= ({"time.monotonic"} if module in WAITING else set())
    assert not named & {"monotonic", "perf_counter", "gmtime", "localtime", "strftime"}


def test_the_document_has_a_line_for_each_file_that_rpm_reads() -> None:
    tree = SOURCE.parents[1]
    document = (tree / "docs" / "architecture.md").read_text()
    named = {tree / name for name in re.findall(r"^\| `(\w[\w.]*/[\w./-]+)` \|", document, re.M)}
    read = {file for place in ("macros.d", "rpm_plugin") for file in (tree / place).rglob("*.*")}
    assert read <= named
    assert all(file.exists() for file in named)
