"""What rpm loads leans on no newer rpm than 4.14, but where docs/rpm-versions.md says what happens
without; read from the sources, line by line, so that it holds whichever rpm runs the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
MACROS = sorted([*TREE.glob("macros.d/*"), *TREE.glob("rpm_plugin/fileattrs/*")])
LUA = sorted(TREE.glob("rpm_plugin/lua/*.lua"))
SPECS = sorted([*TREE.glob("fedora/*.spec"), *TREE.glob("examples/*/*.spec")])
DOCUMENT = (TREE / "docs" / "rpm-versions.md").read_text()

#: Macros that are built into rpm 4.14 (rpmio/macro.c), and those of ours with such a form.
BUILTINS = {
    *("S", "P", "F", "basename", "dirname", "echo", "error", "expand", "getenv", "lua", "load"),
    *("quote", "suffix", "u2p", "uncompress", "url2path", "warn"),
}
#: Sections, directives and forms of macros that 4.14 takes for text, or does not parse.
NEWER_WORDS = (
    r"%elif", r"%dnl\b", r"%bcond\s", r"%\[", r"%preuntrans", r"%postuntrans", r"%conf\b",
    r"%generate_buildrequires", r"%sourcelist", r"%patchlist", r"%patch\s+\d", r"%autorelease",
    r"%autochangelog", r"%shescape", r"%\{shrink:", r"%\{span:",
)  # fmt: skip
#: What newer versions have and we use, by the word that stands in the sources.
USED = {
    "rpm.spawn": "4.20",
    "rpm.execute": "4.16",
    "macrobody": "4.16",
    "__file_lineno": "4.16",
    "__file_name": "4.15",
    "buildsystem_": "4.20",
}


def _text(path: Path) -> str:
    """A file without its comments, which tell of other versions."""
    mark = "--" if path.suffix == ".lua" else "#"
    lines = path.read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(mark))


ALL = "\n".join(_text(path) for path in (*MACROS, *LUA))


@pytest.mark.parametrize("path", [*MACROS, *LUA, *SPECS], ids=lambda path: path.name)
def test_no_word_is_newer_than_the_oldest_rpm(path: Path) -> None:
    text = _text(path)
    if path.suffix == ".lua":  # patterns for the spec files of others, which may have newer words
        text = "\n".join(re.findall(r"rpm\.expand\((.*)\)", text))
    assert [word for word in NEWER_WORDS if re.search(word, text)] == []
    assert set(re.findall(r"%\{([A-Za-z_]\w*):", text)) <= BUILTINS | {"macrobody"}


def test_macros_have_short_options_alone() -> None:
    options = re.findall(r"^%\w+\(([^)]*)\)", "\n".join(map(_text, MACROS)), re.MULTILINE)
    assert len(options) > 8
    assert [taken for taken in options if not re.fullmatch(r"([A-Za-z]:?)*", taken)] == []


def test_generators_are_commands() -> None:
    """Lua generators are macros with arguments, from 4.16; ``multifile`` is from 4.20."""
    for path in TREE.glob("rpm_plugin/fileattrs/*"):
        assert re.findall(r"^%__venv_(?:provides|requires|conflicts) ", _text(path), re.MULTILINE)
        assert not re.search(r"^%__\w+\(|_protocol", _text(path), re.MULTILINE)


def test_triggers_of_removal_have_one_prefix_and_outlive_the_runtime() -> None:
    """4.18 and 4.19 never fire a %transfiletriggerpostun with several; 4.14 fires all of a package,
    also where the command has gone with it."""
    text = _text(TREE / "fedora" / "venv-rpm-macros.spec")
    triggers = re.findall(r"^%(\w*filetrigger\w+) (.*) -- (.*)\n((?:.+\n)*)", text, re.MULTILINE)
    assert {kind for kind, *_ in triggers} == {
        "filetriggerin", "filetriggerpostun", "transfiletriggerin", "transfiletriggerpostun"
    }  # fmt: skip
    for kind, options, prefixes, script in triggers:
        assert re.fullmatch(r"-n rpm-venv -P 1\d{6}", options)
        # A path that is a whole file name fires no trigger of a transaction.
        assert all(not re.search(r"\.\w{2,}$", prefix) for prefix in prefixes.split())
        assert "$1" not in script
        if kind.endswith("postun"):
            assert len(prefixes.split()) == 1
            assert script.startswith("[ ! -x %{_bindir}/rpm-venv ] || ")


def test_lua_is_that_of_every_rpm() -> None:
    text = "\n".join(map(_text, LUA))
    # Tables of a macro's arguments, and of macros, are from 4.17.
    for path in LUA:
        code = re.sub(r"\".*?\"|\s--\s.*", "", _text(path))
        tables = {name for name in ("opt", "arg", "macros") if f"local {name} =" not in code}
        assert not re.search(rf"(?<![\w.%])(?:{'|'.join(tables)})[.\[]", code), path
    # Lua 5.4's attributes and its warnings.
    assert not re.search(r"<(?:const|close)>|\bwarn\(", text)
    assert set(re.findall(r"\brpm\.(\w+)", text)) == {"expand", "execute", "spawn"}
    assert set(re.findall(r"\bposix\.(\w+)", text)) == {"setenv", "unsetenv"}


def test_what_is_newer_has_a_way_without() -> None:
    module = _text(TREE / "rpm_plugin" / "lua" / "venv.lua")
    for name in ("spawn", "execute"):
        assert re.search(rf"if rpm\.{name} then\n\s+result = rpm\.{name}\(", module)
        assert module.count(f"rpm.{name}(") == 1
    assert re.search(r"else\n\s+result = execute_by_shell\(", module)
    asked = re.search(r'rpm\.expand\("%\{macrobody:.*\n(.*)\n', ALL)
    assert asked
    assert 'not body:match("^%%{macrobody:")' in asked[1]
    for name in ("__file_lineno", "__file_name"):
        assert not re.search(rf"%\{{{name}\}}", ALL)  # with "?": empty where rpm does not know it


@pytest.mark.parametrize("word", USED)
def test_the_document_has_what_is_used(word: str) -> None:
    assert word in ALL
    rows = re.findall(rf"^\|[^|\n]*{re.escape(word)}[^|\n]*\| (\S+) \|", DOCUMENT, re.MULTILINE)
    assert rows == [USED[word]]
