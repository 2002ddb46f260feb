"""What a release is: the same bytes wherever it is built, and clean for rpmlint."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.host.project import TREE, ProjectRpms

#: What Fedora's rpmlint knows and Debian's, which is openSUSE's, does not. Fedora's own file has
#: much more, nothing of which is about us; in rpmlint 2.4 its licences are those before SPDX's.
_FEDORA = """\
ValidLicenses = ["MIT", "Apache-2.0", "BSD-2-Clause"]
CompressExtension = "gz"
Filters = [
    "no-group-tag",
    "no-buildroot-tag",
    "no-packager-tag",
    "no-signature",
    "requires-on-release",
    "hardcoded-library-path",
    "postin-without-ghost-file-creation",
    # Debian's rpmbuild does not compress manual pages: rpmlint takes .conf.5 for a section then.
    "manpage-not-compressed",
    "bad-manual-page-folder .* expected folder: man(conf|venv)$",
]
"""


@pytest.fixture(scope="module")
def second(project_rpms: ProjectRpms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release from the source archive alone: elsewhere, another day, umask, zone and name."""
    first = project_rpms.macros.parent
    place = tmp_path_factory.mktemp("elsewhere")
    (archive,) = first.glob("venv-rpm-macros-*.tar.gz")
    source = next(first.glob("venv-rpm-macros-*.src.rpm"))
    needs = _rpm("-qp", "--requires", str(source))
    options = "" if "pytest" in needs else "--without check"
    wheels = place / "tree" / "build" / "sources"
    wheels.mkdir(parents=True)
    for wheel in (TREE / "build" / "sources").glob("*.whl"):
        shutil.copy(wheel, wheels)
    script = f"""set -e
        hostname another.example.org
        umask 077
        tar -xzf {archive} --no-same-permissions --strip-components=1
        DIST={place}/source sh fedora/build.sh --srpm {options}
        DIST={place}/dist faketime -f +40d sh fedora/build.sh --without check
        mv -f {place}/source/*.src.rpm {place}/dist
    """
    subprocess.run(
        ["unshare", "--uts", "sh", "-c", script],
        cwd=place / "tree",
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "TZ": "Asia/Kolkata",
            "SOURCE_DATE_EPOCH": _rpm("-qp", "--qf", "%{buildtime}", str(source)),
        },
        check=True,
        capture_output=True,
    )
    return place / "dist"


def _rpm(*arguments: str) -> str:
    return subprocess.run(
        ["rpm", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def _digests(directory: Path) -> dict[str, str]:
    kinds = (".rpm", ".gz")
    files = [path for path in directory.iterdir() if path.suffix in kinds]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_release_is_the_same_bytes_twice(project_rpms: ProjectRpms, second: Path) -> None:
    first = project_rpms.macros.parent
    digests = _digests(first)
    assert len(digests) == 4, digests
    assert _digests(second) == digests
    assert (second / "sources").read_text() == (first / "sources").read_text()


def test_rpmlint_has_nothing_to_say(project_rpms: ProjectRpms, tmp_path: Path) -> None:
    first = project_rpms.macros.parent
    configuration = tmp_path / "fedora.toml"
    configuration.write_text(_FEDORA)
    fedora = TREE / "fedora"
    done = subprocess.run(
        [
            "rpmlint",
            *("--config", str(configuration)),
            *("--rpmlintrc", str(fedora / "venv-rpm-macros.rpmlintrc")),
            *map(str, sorted(first.glob("*.rpm"))),
            str(fedora / "venv-rpm-macros.spec"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert " 0 errors, 0 warnings" in done.stdout, done.stdout + done.stderr
    assert "3 packages and 1 specfiles checked" in done.stdout
