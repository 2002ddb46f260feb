"""The documents say what is so: options, messages, spec files, paths of links."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.example import EXAMPLES
from rpm_venv import cli, command_line
from tests.host.wheels import make_wheel

TREE = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([TREE / "README.md", *TREE.glob("docs/*.md"), *TREE.glob("examples/*.md")])
EXAMPLE = (TREE / "examples" / "sales-report" / "sales-report.spec").read_text()


def _sections(path: Path) -> dict[str, str]:
    """The sections of a document by their headings of the second rank."""
    parts = re.split(r"^## ", path.read_text(), flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


COMMANDS = _sections(TREE / "docs" / "commands.md")


# ---- docs/commands.md


def _documented_options(section: str) -> set[str]:
    """Every option in the first column of a section's tables, with its metavar."""
    cells = re.findall(r"^\| (`-.*?) \|", section, re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"`(-[^`]*)`", cell)}


def _parser_options(parser: argparse.ArgumentParser) -> set[str]:
    options = set()
    for action in parser._actions:
        metavar = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
        options |= {option + metavar for option in action.option_strings}
    return options


def _verb_parser(verb: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"rpm_venv.verbs.{verb}").arguments(parser)
    return parser


def test_every_verb_has_a_row_and_a_section() -> None:
    document = (TREE / "docs" / "commands.md").read_text()
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\1\) \| (.*?) \|", document, re.MULTILINE)
    assert [name for name, _ in rows] == list(cli.VERBS)
    assert [name for name in COMMANDS if name in cli.VERBS] == list(cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verbs_options_are_those_of_the_document(verb: str) -> None:
    parsed = _parser_options(_verb_parser(verb))
    declared = {re.sub(r"^(-d) .*", r"\1 DECLARATION", option) for option in parsed}
    assert _documented_options(COMMANDS[verb]) == declared


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verbs_synopsis_names_its_operands(verb: str) -> None:
    synopsis = re.search(rf"^`rpm-venv (?:--root DIR )?{verb}(.*)`$", COMMANDS[verb], re.MULTILINE)
    assert synopsis
    operands = [a.metavar for a in _verb_parser(verb)._actions if not a.option_strings]
    words = re.sub(r"-\S+ [A-Z]+|\[OPTION\]", "", synopsis[1])
    assert re.findall(r"[A-Z]+", words) == operands


def test_the_options_of_every_verb_are_those_of_the_document() -> None:
    assert _documented_options(COMMANDS["Options of every verb"]) == _parser_options(
        command_line.parser(cli.VERBS)
    )


def test_the_exit_codes_are_those_of_the_reports() -> None:
    from rpm_venv import report

    rows = re.findall(r"^\| (\d) \|", COMMANDS["Options of every verb"], re.MULTILINE)
    assert list(map(int, rows)) == [report.DONE, report.FAILED, report.USAGE, report.FOUND]


def _words(section: str, heading: str) -> set[str]:
    """The first column of the table with this heading."""
    _, _, table = COMMANDS[section].partition(f"| {heading} |")
    return set(re.findall(r"^\| `([\w ]+)` \|", table.split("\n\n")[0], re.MULTILINE))


def test_the_words_of_verify_and_list_are_those_of_the_code() -> None:
    from rpm_venv import environment
    from rpm_venv.trees import manifest
    from rpm_venv.verbs import list as list_verb
    from rpm_venv.verbs import verify

    conditions = _first_words(environment.__file__, "return") | {"damaged"}
    assert '"damaged"' in Path(list_verb.__file__).read_text()
    assert _words("list", "condition") == conditions
    of_verify = {word for word in ("manifest", "state") if f'"{word}"' in _text(verify)}
    assert _words("verify", "word") == {*manifest.FINDINGS, *of_verify}


def _text(module: object) -> str:
    return Path(str(getattr(module, "__file__", ""))).read_text()


def _first_words(file: str, statement: str) -> set[str]:
    """The words that a module's functions give first in a pair: ``return "failed", …``."""
    return set(re.findall(rf'{statement} "([\w ]+)", ', Path(file).read_text()))


def test_the_examples_of_lock_work(tmp_path: Path) -> None:
    """With an index that has one wheel, and a wheel that the package built."""
    for directory in ("dist", "index", "bin"):
        (tmp_path / directory).mkdir()
    make_wheel("idna", "3.10").save(tmp_path / "index")
    make_wheel("app1", "1.0", requires=["idna"]).save(tmp_path / "dist")
    (tmp_path / "requirements.in").write_text("idna\n")
    command = tmp_path / "bin" / "rpm-venv"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rpm_venv "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(TREE / "src"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "index"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    first, second = re.findall(r"^```sh\n(.*?)^```$", COMMANDS["lock"], re.DOTALL | re.MULTILINE)
    for block in (first, second):
        subprocess.run(["sh", "-euc", block], cwd=tmp_path, env=environment, check=True)
    locked = re.findall(r"^(\w+)==", (tmp_path / "with-app1.txt").read_text(), re.MULTILINE)
    assert locked == ["app1", "idna"]


# ---- docs/troubleshooting.md


def _python_texts(source: str) -> Iterator[str]:
    """Every text in Python code that is no docstring, with ``…`` where it has a value in it."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def _lua_texts(source: str) -> Iterator[str]:
    """Every message of a mistake in Lua code, likewise."""
    joined = re.sub(r'"\s*\.\.\s*"', "", source)
    for call in re.findall(r"\bfail\((.*?)\)\n", joined, re.DOTALL):
        pieces = re.split(r'"([^"]*)"', call)
        yield "".join(
            text if number % 2 else "…" * bool(text.strip()) for number, text in enumerate(pieces)
        )


def _templates() -> Iterator[str]:
    for path in sorted((TREE / "src" / "rpm_venv").rglob("*.py")):
        yield from _python_texts(path.read_text())
    for path in sorted((TREE / "rpm_plugin" / "lua").glob("*.lua")):
        yield from _lua_texts(path.read_text())


TEMPLATES = [" ".join(template.split()) for template in _templates()]
MESSAGES = re.findall(
    r"^### (.*)$", (TREE / "docs" / "troubleshooting.md").read_text(), re.MULTILINE
)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_explained_exists(message: str) -> None:
    fixed = [re.escape(part.strip()) for part in message.split("…")]
    pattern = re.compile(".*".join(fixed))
    assert any(pattern.search(template) for template in TEMPLATES)


# ---- all documents


def _blocks(path: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)


#: What the tests do with each block of each document, by the block's first line: the test that
#: runs, builds or expands it, or why that cannot be. A block of output or of a file's lines is
#: ``shown``.
_EXPANSION = "tests/macros/test_macros_document.py::test_the_expansion_is_what_rpm_makes"
_FOLLOWED = "tests/transactions/test_examples.py::test_the_readme_can_be_followed"
_MOVED = "tests/transactions/test_moving.py::test_the_old_package_comes_over"
_LOCKED = "tests/unit/test_documents.py::test_the_examples_of_lock_work"
_SHOWN = "shown"
_EXPANDED = {
    block.split("\n", 1)[0]
    for name, section in _sections(TREE / "docs" / "macros.md").items()
    if name.startswith("venv_")
    for pair in re.findall(r"```spec\n(.*?)```\n\nbecomes\n\n```sh\n(.*?)```", section, re.DOTALL)
    for block in pair
}
BLOCKS = {
    "README.md": {
        "%post": "tests/unit/test_documents.py::test_the_spec_files_in_the_readme_are_the_examples",
        "make rpms": "tests/transactions/test_examples.py::"
        "test_the_readmes_packages_can_be_installed",
        "rpm-venv lock requirements.in requirements.txt": _FOLLOWED,
        "Name:           sales-report": _FOLLOWED,
        'rpmbuild -bb --define "_sourcedir $PWD" --define "_rpmdir $PWD" sales-report.spec': (
            _FOLLOWED
        ),
        "%install": _FOLLOWED,
        "# rpm-venv list": _FOLLOWED,
    },
    "docs/architecture.md": {"lock ──► fetch ──► store ──► assemble ──► switch": _SHOWN},
    "docs/cheat-sheet.md": {
        "Name:           app1": "tests/transactions/test_moving.py::"
        "test_the_package_of_the_cheat_sheet",
    },
    "docs/commands.md": {
        "CVE-2024-3651 until=2027-01-31 package=idna path=/opt/app1/penv reason=names come from "
        "our own list": _SHOWN,
        "rpm-venv lock requirements.in requirements.txt": _LOCKED,
        "rpm-venv lock -a dist/app1-1.0-py3-none-any.whl requirements.txt with-app1.txt": _LOCKED,
        "rpm-venv lock -p 3.9 -p 3.12 -m x86_64 -m aarch64 requirements.in requirements.txt": (
            "not run: uv asks the index for other Pythons; tests/unit/test_lock_verb.py has its own"
        ),
        "Source2: %{name}-%{version}-wheels.tar": (
            "tests/transactions/test_vendored.py::"
            "test_a_vendored_source_package_is_built_without_a_network"
        ),
        "tar -xf %{SOURCE2} -C %{buildroot}%{_datadir}/app1/wheels": _SHOWN,
        "app1.spec:31: /opt/app1/venv is removed without a look at $1: an upgrade runs %postun of "
        "the old version after %post of the new one, and takes the new environment away; "
        "%venv_remove /opt/app1/venv in %postun does it on erase alone": _SHOWN,
        'rpmbuild -bb --define "advisories $PWD/all.zip" '
        "/usr/share/venv-rpm-macros/rpm-venv-advisories.spec": (
            "not run: the records are those of the whole index; "
            "tests/transactions/test_looking.py builds it from some"
        ),
        "rpm-venv lock tls.in /etc/rpm-venv/overrides.d/CVE-2026-1234.txt": (
            "not run: there is no such fix; tests/transactions/test_administrator.py has one"
        ),
    },
    "docs/macros.md": {
        **dict.fromkeys(_EXPANDED, _EXPANSION),
        "%pretrans -p <lua>": "tests/transactions/test_packaged_environments.py::"
        "test_a_directory_in_the_way_of_the_link",
        "Name:           app1": "tests/generators/test_build_system.py::"
        "test_a_dozen_lines_are_a_package",
        "%build": "tests/macros/test_macros_document.py::"
        "test_the_guard_is_there_where_the_macros_are_not",
        'local venv = require "venv"': "tests/macros/test_macros_document.py::"
        "test_the_example_in_lua_is_one_call",
    },
    "docs/moving.md": {
        "Name:           app1": _MOVED,
        "Name:           virtualenv-app1": _MOVED,
        "Source: app1": "not run: dh-virtualenv makes packages of Debian, with debhelper",
        "#!/usr/bin/make -f": "not run: dh-virtualenv makes packages of Debian, with debhelper",
    },
    "docs/recipes.md": {
        "copr-cli modify --repo copr://OWNER/venv-rpm-macros \\": "not run: Copr takes an account",
        "%post": "tests/transactions/test_example_packages.py::"
        "test_a_service_is_restarted_into_the_new_environment",
        "rpm-venv vendor -p 3.9 -p 3.12 -m x86_64 -m aarch64 app1.spec": (
            "not run: Copr takes an account"
        ),
        ".PHONY: srpm": "tests/transactions/test_vendored.py::test_coprs_makefile_calls_vendor",
        "rpm-venv vendor dice.spec": "not run: fedpkg takes an account and a lookaside cache",
        "sha512sum --tag dice-1.0.tar.gz dice-1.0-wheels.tar > sources": (
            "tests/packaging/test_dist_git.py::test_the_same_for_an_application"
        ),
        "[global]": _SHOWN,
    },
    "docs/performance.md": {
        "make bench": "not run: it takes minutes of a quiet machine; tests/bench/test_counts.py",
        "python -m tests.bench.counted --record": "tests/bench/test_counts.py::"
        "test_no_work_takes_more_than_was_recorded",
    },
    "examples/README.md": {
        "pip download --require-hashes --no-deps --only-binary :all: -r requirements.txt "
        "-d wheels": "tests/transactions/test_examples.py::"
        "test_an_examples_source_package_holds_the_wheels",
    },
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_is_run_or_says_why_not(path: Path) -> None:
    lines = {text.split("\n", 1)[0] for _, text in _blocks(path)}
    assert lines == set(BLOCKS.get(str(path.relative_to(TREE)), {}))


def test_the_documents_that_sources_name_exist() -> None:
    sources = [*TREE.glob("src/**/*.py"), *TREE.glob("rpm_plugin/*/*"), *TREE.glob("macros.d/*")]
    named = {name for path in sources for name in re.findall(r"docs/[\w-]+\.md", path.read_text())}
    assert len(named) > 3
    assert {name for name in named if not (TREE / name).is_file()} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_only_shown_is_no_program(path: Path) -> None:
    known = BLOCKS.get(str(path.relative_to(TREE)), {})
    for language, text in _blocks(path):
        if known[text.split("\n", 1)[0]] == _SHOWN:
            assert language in ("", "text", "ini")


def test_what_runs_the_blocks_exists() -> None:
    places = {place for known in BLOCKS.values() for place in known.values()}
    for place in sorted(places - {_SHOWN}):
        if place.startswith("not run: "):
            for file in re.findall(r"tests/[\w/.]+\.py", place):
                assert (TREE / file).exists(), file
            continue
        file, _, name = place.partition("::")
        assert f"def {name}(" in (TREE / file).read_text(), place


# ---- what documents say of the command and the macros


def _inline(path: Path) -> list[str]:
    """What a document has in single back quotes, outside of blocks."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_call_in_a_text_is_one_that_the_command_takes(path: Path) -> None:
    common = command_line.parser(cli.VERBS)
    for call in _inline(path):
        words = [word for word in call.split() if word not in ("--root", "DIR", "--json")]
        if words[:1] != ["rpm-venv"] or len(words) < 2 or words[1] in ("VERB", "…"):
            continue
        if words[1].startswith("-"):
            assert words[1] in common._option_string_actions, call
            continue
        assert words[1] in cli.VERBS, call
        known = _verb_parser(words[1])._option_string_actions
        command = words.index("COMMAND…") if "COMMAND…" in words else len(words)
        options = {word for word in words[2:command] if re.fullmatch(r"-\w|--[\w-]+", word)}
        assert options - {"--help", "-h"} <= set(known), call


MACROS = set(re.findall(r"^%(venv_\w+)", (TREE / "macros.d/macros.venv").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_macro_that_a_document_names_exists(path: Path) -> None:
    named = set(re.findall(r"%\{?!?\??(venv_\w+)", path.read_text()))
    of_others = set(re.findall(r"%(?:global|define) (venv_\w+)", path.read_text()))
    assert named - of_others <= MACROS


def test_every_document_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", (TREE / "docs/README.md").read_text()))
    assert linked == {path.name for path in TREE.glob("docs/*.md")} - {"README.md"}


def test_every_example_is_in_the_table_and_has_a_spec_file_of_its_name() -> None:
    directories = {path.parent.name for path in (TREE / "examples").glob("*/*.spec")}
    table = re.findall(
        r"^\| \[([\w-]+)\]\(\1\) \|", (TREE / "examples/README.md").read_text(), re.M
    )
    assert directories == set(table) == {example.name for example in EXAMPLES}
    assert all(example.spec for example in EXAMPLES)


def test_the_spec_files_in_the_readme_are_the_examples() -> None:
    blocks = [text for language, text in _blocks(TREE / "README.md") if language == "spec"]
    lines, whole, _ = blocks  # tests/transactions/test_examples has the third
    assert whole == EXAMPLE
    assert lines in EXAMPLE


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_a_document_lead_to_a_heading(path: Path) -> None:
    text = path.read_text()
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings


def test_the_targets_of_make_in_the_readme_exist() -> None:
    makefile = (TREE / "Makefile").read_text()
    for target in re.findall(r"`?\bmake (\w+)", (TREE / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
