"""``BuildSystem: venv``: a whole spec file in a dozen lines, where rpm can do it (4.20)."""

from __future__ import annotations

import re

from tests.generators.conftest import TREE, Build
from tests.host import RpmTools
from tests.host.sources import make_sdist, source_files
from tests.host.wheels import make_wheel

(SPEC,) = (
    block
    for block in re.findall(
        r"^```spec\n(.*?)^```$", (TREE / "docs" / "macros.md").read_text(), re.DOTALL | re.MULTILINE
    )
    if "BuildSystem:" in block
)


def test_a_dozen_lines_are_a_package(build: Build) -> None:
    """The spec file of docs/macros.md. An rpm before 4.20 says what it does not know."""
    library = make_wheel("library", "2.5")
    source = make_sdist("app1", "1.0", source_files("app1", "1.0", ["library>=2"]))
    sources = {
        "requirements.txt": f"library==2.5 --hash=sha256:{library.sha256}\n",
        f"wheels/{library.filename}": library.content,
        source.filename: source.content,
    }
    text = SPEC.replace("-c app1", "-o -w %{_sourcedir}/wheels -c app1")
    built = build(f"{text}\n%post\n:\n", sources)  # what rpm makes of the tag comes after it
    if RpmTools.from_environment().version() < (4, 20):
        assert built.code != 0
        assert re.search(r"line \d+: Unknown tag: BuildSystem: +venv", built.output)
        return
    assert built.code == 0, built.output
    assert "warning:" not in built.output
    files = built.query("-l")
    assert {"/opt/app1/penv", "/usr/bin/app1", "/usr/share/rpm-venv/opt-app1-penv"} <= set(files)
    wheels = {name.rpartition("/")[2] for name in files if name.endswith(".whl")}
    assert wheels == {library.filename, "app1-1.0-py3-none-any.whl"}
    provides = built.query("--provides")
    assert {"bundled(python3dist(app1)) = 1", "venv(/opt/app1/penv)"} <= set(provides)


def test_a_mistake_in_its_options_is_named(build: Build) -> None:
    text = SPEC.replace("/opt/app1/penv", "/run/app1/penv")
    source = make_sdist("app1", "1.0", source_files("app1", "1.0", []))
    built = build(text, {"requirements.txt": "", source.filename: source.content})
    assert built.code != 0
    if RpmTools.from_environment().version() >= (4, 20):
        assert "app1.spec:12: /run/app1/penv is below /run: it is gone after a boot" in built.output
