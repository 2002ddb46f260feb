"""A source package with its wheels in it, made by one command, and built without a network."""

from __future__ import annotations

import hashlib
import os
import re

from tests.host import Host
from tests.host.applications import tiny_declared
from tests.host.host import HOME, Result
from tests.host.project import TREE
from tests.host.sources import Sdist, make_sdist
from tests.host.wheels import Wheel, make_lock, make_wheel

HERE = "/srv/vendor"
APP = make_wheel("app1", "1", scripts={"app1": "app1:main"}, requires=["old", "fast"])
FAST = [make_wheel("fast", tag=f"cp312-cp312-manylinux_2_17_{m}") for m in ("x86_64", "aarch64")]
PURE = make_wheel("fast", tag="py3-none-any")
OLD = make_sdist("old", "1.5")
FILES: tuple[Wheel | Sdist, ...] = (APP, *FAST, PURE, OLD)
ARCHIVE = f"{HERE}/app1-1-wheels.tar"


def vendor(host: Host, *words: str) -> Result:
    """Call the command with the rpm that is tested."""
    place = os.path.dirname(host.tools.rpmbuild) or "/usr/bin"
    environment = {"PATH": f"{place}:/usr/sbin:/usr/bin:/sbin:/bin", **host.tools.environment}
    command = ("rpm-venv", "vendor", "-w", f"{HERE}/at-hand", "-o", "--output", f"{HERE}/out")
    return host.run(*command, *words, f"{HERE}/app1.spec", env=environment, check=False)


def spec(source: str, options: str) -> str:
    application = tiny_declared(
        wheels=(), ship=False, options=options, sections={"": source} if source else {}
    )
    return application.spec()


def test_a_vendored_source_package_is_built_without_a_network(build_host: Host) -> None:
    host = build_host
    for file in FILES:
        host.write(f"{HERE}/at-hand/{file.filename}", file.content)
    pythons = f"--hash=sha256:{PURE.sha256}"
    pythons += "".join(f" --hash=sha256:{wheel.sha256}" for wheel in FAST)
    host.write(
        f"{HERE}/requirements.txt",
        f"{make_lock([APP])}fast==1.0 {pythons}\nold==1.5 --hash=sha256:{OLD.sha256}\n",
    )

    host.write(f"{HERE}/app1.spec", spec("", ""))
    told = vendor(host)
    assert told.code == 3, told.output
    assert told.stdout.splitlines() == [
        "Source2: %{name}-%{version}-wheels.tar",
        "%venv_declare … -w %{SOURCE2} -o /opt/app1/penv",
    ]
    host.write(
        f"{HERE}/app1.spec",
        spec("Source2: %{name}-%{version}-wheels.tar", "-w %{SOURCE2} -o"),
    )
    first = hashlib.sha256(host.path(ARCHIVE).read_bytes()).digest()
    made = vendor(host, "-p", "3.12", "-p", "python3", "-m", "aarch64", "-m", "x86_64")
    assert made.stdout == f"{HERE}/out/app1-1-1.src.rpm\n", made.output
    known = host.run("tar", "-tf", ARCHIVE).stdout.split()
    assert known == sorted(file.filename for file in FILES)
    assert vendor(host).code == 0
    assert hashlib.sha256(host.path(ARCHIVE).read_bytes()).digest() == first

    host.write(f"{HERE}/requirements.txt", make_lock([APP, FAST[0]]))
    refused = vendor(host, "-p", "3.12", "-m", "x86_64", "-m", "aarch64").output
    assert "there is no wheel of fast 1.0 for Python 3.12 on aarch64; one lock for" in refused

    rebuild = ("unshare", "-n", host.tools.rpmbuild, "--rebuild")
    host.run(*rebuild, made.stdout.strip(), env=host.tools.environment)
    listed = host.rpm("-qpl", f"{HOME}/rpmbuild/RPMS/noarch/app1-1-1.noarch.rpm").stdout
    assert "/wheels/old-1.5-py3-none-any.whl" in listed
    assert f"/wheels/{PURE.filename}" in listed


def test_coprs_makefile_calls_vendor(build_host: Host) -> None:
    """As docs/recipes.md has it, and as Copr calls it."""
    document = (TREE / "docs" / "recipes.md").read_text()
    (makefile,) = re.findall(r"^```make\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)
    host, here = build_host, "/srv/copr"
    host.write(f"{here}/.copr/Makefile", makefile)
    host.write(f"{here}/wheels/{APP.filename}", APP.content)
    host.write(f"{here}/wheels/{PURE.filename}", PURE.content)
    host.write(f"{here}/requirements.txt", make_lock([APP, PURE]))
    host.write(
        f"{here}/app1.spec", spec("Source2: %{name}-%{version}-wheels.tar", "-w %{SOURCE2} -o")
    )
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{here}/wheels"}
    # Copr says which spec file, and says a directory where it was not told.
    words = ["make", "-s", "-f", f"{here}/.copr/Makefile", "srpm", f"outdir={here}/out"]
    host.run(*words, f"spec={here}/", env={**index, **host.tools.environment}, cwd=here)
    listed = host.rpm("-qpl", f"{here}/out/app1-1-1.src.rpm").stdout.split()
    assert "app1-1-wheels.tar" in listed


def test_what_keeps_a_source_package_from_being_made_is_said(build_host: Host) -> None:
    host = build_host
    lock = f"nowhere==1 --hash=sha256:{'0' * 64}\n"
    for text, message in (
        (spec("", "").replace("%venv_declare", "echo"), "it declares no environment"),
        (spec("", "") + "%{error:broken}\n", "rpmspec fails"),
        (spec("", ""), "there is no wheel of nowhere 1 for Python 3."),
    ):
        host.write(f"{HERE}/app1.spec", text)
        host.write(f"{HERE}/requirements.txt", lock)
        refused = vendor(host)
        assert refused.code == 1
        assert message in refused.stderr
    assert "name a directory that has them with -w" in refused.stderr
    assert "one lock for several" not in refused.stderr  # neither -p nor -m asks for several
    host.write(f"{HERE}/requirements.txt", f"app1==1\n{make_lock([PURE])}")
    assert "'app1==1' has no --hash" in vendor(host).stderr
    host.path(f"{HERE}/requirements.txt").unlink()
    assert f"there is no {HERE}/requirements.txt" in vendor(host).stderr
