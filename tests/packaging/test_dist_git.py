"""The commands of fedpkg, offline: the very rpmbuild calls that rpkg 1.70, its library, composes.

fedpkg itself asks servers for branches and releases; what it runs then are these calls, with the
dist-git clone as the place of everything (pyrpkg.Commands.load_rpmdefines, DistGitLayout). What
``lint`` runs, rpmlint with our rpmlintrc, is in test_release.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.host.project import TREE, ProjectRpms


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
    places = ("_sourcedir", "_specdir", "_builddir", "_srcrpmdir", "_rpmdir")
    defines = [f"{place} {clone}" for place in places]
    defines += ["_rpmfilename %%{ARCH}/%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"]
    defines += ["dist .el9", "rhel 9", "el9 1"]
    words = [word for define in defines for word in ("--define", define)]
    done = subprocess.run(
        ["rpmbuild", *words, *arguments, str(clone / "venv-rpm-macros.spec")],
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
