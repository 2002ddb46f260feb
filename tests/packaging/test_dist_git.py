"""The commands of fedpkg, offline: the rpmbuild calls that it and rpkg 1.70, its library, compose.

fedpkg itself asks servers for branches and releases, and no package index has it; what it runs then
are these calls, with the dist-git clone as the place of everything (load_rpmdefines of both).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from examples.example import DICE
from tests.host import Host
from tests.host.project import TREE, ProjectRpms

#: ``fedpkg --release …``: the values of the macros that say which distribution it is.
EL9: Mapping[str, str] = {"dist": "%{?distprefix}.el9", "rhel": "9", "el9": "1"}
F40: Mapping[str, str] = {"dist": "%{?distprefix}.fc40", "fedora": "40", "fc40": "1"}
RECIPES = (TREE / "docs" / "recipes.md").read_text()


def _call(clone: str | Path, release: Mapping[str, str], spec: str, *arguments: str) -> list[str]:
    """An rpmbuild call as fedpkg makes it for a spec file of a clone."""
    places = ("_sourcedir", "_specdir", "_builddir", "_srcrpmdir", "_rpmdir")
    defines = dict.fromkeys(places, str(clone))
    defines["_rpmfilename"] = "%%{ARCH}/%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"
    words = [w for name, value in defines.items() for w in ("--define", f"{name} {value}")]
    words += [w for name, value in release.items() for w in ("--define", f"{name} {value}")]
    words += ["--eval", "%undefine rhel" if "fedora" in release else "%undefine fedora"]
    return ["rpmbuild", *words, *arguments, f"{clone}/{spec}"]


@pytest.fixture(scope="module")
def clone(project_rpms: ProjectRpms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of ``fedora/`` after ``fedpkg sources``: what ``sources`` names is beside it."""
    clone = tmp_path_factory.mktemp("dist-git") / "venv-rpm-macros"
    shutil.copytree(TREE / "fedora", clone)
    dist = project_rpms.macros.parent
    shutil.copy(dist / "sources", clone)
    for name in re.findall(r"\((.*)\)", (clone / "sources").read_text()):
        built = dist / name
        shutil.copy(built if built.exists() else TREE / "build" / "sources" / name, clone)
    subprocess.run(["sha512sum", "--quiet", "-c", "sources"], cwd=clone, check=True)
    return clone


def _rpmbuild(clone: Path, *arguments: str) -> str:
    done = subprocess.run(
        _call(clone, EL9, "venv-rpm-macros.spec", *arguments),
        capture_output=True,
        text=True,
        check=False,
        cwd=clone,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_srpm_prep_install_verify_files_and_local(clone: Path) -> None:
    _rpmbuild(clone, "--nodeps", "-bs")
    assert (clone / "venv-rpm-macros-0.1.0-1.el9.src.rpm").is_file()

    _rpmbuild(clone, "--nodeps", "-bp")
    assert list(clone.glob("**/venv-rpm-macros-0.1.0/macros.d/macros.venv"))

    # rpkg asks for BuildRequires in the rest, which cannot hold where rpm is a guest (Debian).
    # verify-files compares the list of files with what install has left.
    guest = ("--nodeps", "--define", f"_buildrootdir {clone}/root")
    _rpmbuild(clone, *guest, "-bi", "--nocheck")
    _rpmbuild(clone, *guest, "-bl")

    _rpmbuild(clone, *guest, "-ba", "--nocheck")
    built = {path.name for path in (clone / "noarch").iterdir()}
    assert built == {f"{name}-0.1.0-1.el9.noarch.rpm" for name in ("venv-rpm-macros", "rpm-venv")}


def test_the_same_for_an_application(build_host: Host) -> None:
    """The example is what docs/recipes.md says a dist-git of an application has in git."""
    place = "/srv/dice"
    for name, content in DICE.sources().items():
        if name != "pyproject.toml":
            build_host.write(f"{place}/{name}", content)
    (dist_git,) = re.findall(r"^## dist-git\n(.*?)^## ", RECIPES, re.MULTILINE | re.DOTALL)
    in_git = set(re.findall(r"`([\w.]+)`", " ".join(re.findall(r"^\| (.*?) \|", dist_git, re.M))))
    (sources,) = re.findall(r"^```sh\n(.*?)^```", dist_git, re.MULTILINE | re.DOTALL)
    build_host.run("sh", "-euc", sources, cwd=place)
    assert in_git - {".gitignore"} <= {path.name for path in build_host.path(place).iterdir()}
    build_host.run("sha512sum", "--quiet", "-c", "sources", cwd=place)

    # From -bi on as above: what the build requires is not in this host's database.
    for arguments in ("-bs", "-bp", "-bi", "-bl", "-ba"):
        build_host.run(*_call(place, F40, "dice.spec", "--nodeps", arguments), cwd=place)
    left = {path.name for path in build_host.path(place).iterdir()}
    assert "dice-1.0-1.fc40.src.rpm" in left
    ignored = re.findall(r"`\*(\.venv-\w+)/?`", dist_git)
    kept = in_git | set(DICE.sources()) | {"noarch", "dice-1.0-1.fc40.src.rpm"}
    assert {n for n in left - kept if not n.endswith(tuple(ignored))} <= {"dice-1.0"}

    built = f"{place}/noarch/dice-1.0-1.fc40.noarch.rpm"
    provides = build_host.rpm("-qp", "--provides", built).stdout
    assert "venv(/opt/dice/penv)" in provides
    assert "bundled(python3dist(tabulate))" in provides

    source = f"{place}/dice-1.0-1.fc40.src.rpm"
    lint = ("rpmlint", "-r", f"{place}/dice.rpmlintrc", f"{place}/dice.spec", source, built)
    said = build_host.run(*lint, check=False).stdout
    assert "2 packages and 1 specfiles checked" in said, said
    filtered = "unused-rpmlintrc|ghost-files|dangling|dir-or-file-in-opt|source-not-compressed"
    assert not re.findall(rf".* [EW]: (?:{filtered}).*", said)
