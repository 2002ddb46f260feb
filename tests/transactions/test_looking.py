"""What an administrator sees of an installed application, on a real host."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from tests.host import Host
from tests.host.applications import tiny_application
from tests.transactions.conftest import Build
from tests.unit.advisories import fixed, introduced, record
from tests.unit.test_bom import refuse_invalid

TREE = Path(__file__).resolve().parents[2]
PATH = "/opt/app1/penv"


def _advisories(build_host: Host, tmp_path: Path) -> Path:
    """The package of a database, as docs/commands.md builds it."""
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as members:
        one = record("PYSEC-1", "App1", introduced("0"), fixed("2"), aliases=["CVE-1"])
        members.writestr("PYSEC-1.json", json.dumps(one))
    build_host.write("/srv/all.zip", archive.read_bytes())
    spec = build_host.read("/usr/share/venv-rpm-macros/rpm-venv-advisories.spec")
    assert spec == (TREE / "fedora/rpm-venv-advisories.spec").read_text()
    (package,) = build_host.build(spec, defines={"advisories": "/srv/all.zip"})
    assert package.name == "rpm-venv-advisories-20240506-1.noarch.rpm"
    return package


def _told(host: Host, *words: str, code: int = 0) -> dict[str, Any]:
    result = host.run("rpm-venv", "--json", *words, check=False)
    assert result.code == code, result
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def test_an_application_is_known_from_all_sides(
    host: Host, build: Build, build_host: Host, tmp_path: Path
) -> None:
    host.publish(build(tiny_application()), _advisories(build_host, tmp_path))
    host.dnf("install", "app1")
    _audited(host)
    _listed(host)
    _owned(host)
    _remembered(host, build)


def _audited(host: Host) -> None:
    """The database comes as a package, and leaves nothing for the triggers to do."""
    without = host.run("rpm-venv", "audit", check=False)
    assert without.code == 1
    assert "no usable database of advisories" in without.stderr
    assert host.dnf("install", "rpm-venv-advisories").stderr == ""
    host.rpm("-V", "rpm-venv-advisories")
    (environment,) = _told(host, "audit", PATH, code=3)["environments"]
    assert environment["package"] == "app1-1-1.noarch"
    (found,) = environment["vulnerabilities"]
    assert (found["id"], found["aliases"], found["fixed"]) == ("PYSEC-1", ["CVE-1"], ["2"])


def _listed(host: Host) -> None:
    host.write("/etc/os-release", 'ID="rhel"\nVERSION_ID="9.4"\n')
    document = _told(host, "sbom", PATH)
    refuse_invalid(document)
    assert document == _told(host, "sbom", PATH)
    assert document["metadata"]["component"]["purl"] == (
        "pkg:rpm/redhat/app1@1-1?arch=noarch&distro=rhel-9.4"
    )
    (component,) = document["components"]
    wheels = tiny_application().wheels
    assert isinstance(wheels, tuple)
    assert component["purl"] == "pkg:pypi/app1@1"
    assert component["hashes"] == [{"alg": "SHA-256", "content": wheels[0].sha256}]


def _owned(host: Host) -> None:
    """A command of it by the name that the shell finds it by, and byte code."""
    host.shell(f"ln -s {PATH}/bin/app1 /usr/bin/app1-command")
    files = host.shell(f"ls -d {PATH}/lib/python*/site-packages/__pycache__/app1.*.pyc").stdout
    for file in ("/usr/bin/app1-command", files.strip()):
        found = _told(host, "owner", file)
        assert (found["path"], found["package"]) == (PATH, "app1-1-1.noarch")
        assert found["distribution"]["name"] == "app1"
    unknown = host.run("rpm-venv", "owner", "/usr/bin/rpm-venv", check=False)
    assert unknown.code == 1
    assert "belongs to rpm-venv-" in unknown.stderr


def _remembered(host: Host, build: Build) -> None:
    """An upgrade that fails, one that does not, and a package that goes behind rpm-venv's back."""
    broken = {"%post": "rm %{_datadir}/app1/wheels/*"}
    host.publish(build(tiny_application("2", before=broken)))
    host.dnf("upgrade", "app1", check=False)
    host.publish(build(tiny_application("3")))
    host.dnf("upgrade", "app1")
    host.rpm("-e", "--justdb", "app1")
    (listed,) = _told(host, "list")["environments"]
    assert (listed["condition"], listed["package"]) == ("orphaned", "app1-3-1.noarch")
    mended = f"install its package, or remove it with: rpm-venv remove {PATH}\n"
    assert host.run("rpm-venv", "list").stderr.endswith(mended)
    (finding,) = _told(host, "verify", code=3)["findings"]
    assert (finding["kind"], finding["path"]) == ("orphaned", PATH)
    host.run("rpm-venv", "remove", PATH)
    told = _told(host, "history", PATH)
    assert told["untold"] == {}
    events = [(one["action"], one["outcome"], one["package"]) for one in told["events"]]
    assert events == [
        ("install", "done", "app1-1-1.noarch"),
        ("install", "failed", "app1-2-1.noarch"),
        ("install", "done", "app1-3-1.noarch"),
        ("remove", "done", "app1-3-1.noarch"),
    ]
    first, failed, second, last = told["events"]
    assert (first["before"], failed["before"]) == ("", first["generation"])
    assert (second["before"], last["before"]) == (first["generation"], second["generation"])
    assert failed["reason"]
    assert len({one["lock"] for one in (first, failed, second)}) == 3
    assert host.rpm("-qf", "/usr/lib/rpm-venv/history").stdout.startswith("rpm-venv-")
