"""An application that comes as source: its wheel is built in ``%build`` and joins the lock."""

from __future__ import annotations

from tests.host import Host
from tests.host.applications import answer, tiny_application, tiny_declared
from tests.host.sources import make_sdist, source_files
from tests.host.wheels import make_wheel
from tests.transactions.conftest import Leftovers

_CODE = """\
import library


def main():
    print("app1", library.__version__)
"""

#: A build of its own bytes, with what every system has: files have the time of the build.
_BUILD = """\
mkdir -p tree dist
python3 -m zipfile -e %{_sourcedir}/app1-1-py3-none-any.whl tree
cd tree
python3 -m zipfile -c ../dist/app1-1-py3-none-any.whl *
cd ..
%venv_lock -a dist/app1-1-py3-none-any.whl %{SOURCE1} with-app1.txt
"""

_INSTALL = """\
install -D -m 0644 with-app1.txt %{buildroot}%{_datadir}/app1/requirements.txt
cp -r %{_sourcedir}/wheels %{buildroot}%{_datadir}/app1/
cp dist/*.whl %{buildroot}%{_datadir}/app1/wheels/
"""


def test_a_wheel_built_by_the_package_joins_the_lock(
    host: Host, build_host: Host, leftovers: Leftovers
) -> None:
    library = make_wheel("library", "2.5")
    own = make_wheel(
        "app1", "1", {"app1.py": _CODE}, scripts={"app1": "app1:main"}, requires=["library>=2"]
    )
    application = tiny_application(
        wheels=(library,),
        without=("%install",),
        sections={"%build": _BUILD, "%install": _INSTALL},
        sources={own.filename: own.content},
    )
    package = application.build(build_host)
    host.publish(package)
    host.dnf("install", "app1")
    assert answer(host) == "app1 2.5"
    lock = host.read("/usr/share/app1/requirements.txt")
    assert library.sha256 in lock
    assert own.sha256 not in lock  # of the wheel that was built, not of the one it was built from
    assert "bundled(python3dist(app1)) = 1" in host.rpm("-q", "--provides", "app1").stdout
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_a_source_tree_of_a_declared_environment_joins_the_lock_by_itself(
    host: Host, build_host: Host, leftovers: Leftovers
) -> None:
    """With a library that is an sdist: both are built there, and what is shipped is for any."""
    library = make_sdist("library", "2.5")
    source = make_sdist("app1", "1", source_files("app1", "1", ["library>=2"]))
    application = tiny_declared(
        wheels=(),
        options="-o -c app1",
        sections={"": f"Source0: {source.filename}", "%prep": "%setup -q", "%build": "%venv_wheel"},
        sources={
            "requirements.txt": f"app1==1\nlibrary==2.5 --hash=sha256:{library.sha256}\n",
            f"wheels/{library.filename}": library.content,
            source.filename: source.content,
        },
    )
    package = application.build(build_host)
    assert package.name.endswith(".noarch.rpm")
    host.publish(package)
    host.dnf("install", "app1")
    assert host.run("app1", user=65534).stdout == "app1 1\n"
    provides = host.rpm("-q", "--provides", "app1").stdout
    assert "bundled(python3dist(app1)) = 1" in provides
    assert "bundled(python3dist(library)) = 2.5" in provides
    assert host.rpm("-V", "app1", "rpm-venv").output == ""
    host.dnf("remove", "app1")
    assert leftovers() == {}


def test_a_wheel_that_needs_more_than_the_lock_has_fails_the_build(build_host: Host) -> None:
    own = make_wheel("app1", "1", {"app1.py": _CODE}, requires=["library>=3"])
    application = tiny_application(
        wheels=(make_wheel("library", "2.5"),),
        without=("%install",),
        sections={"%build": _BUILD, "%install": _INSTALL},
        sources={own.filename: own.content},
    )
    built = build_host.rpmbuild(application.spec(), application.all_sources())
    assert built.code != 0
    assert "it needs library>=3, and the lock has library 2.5" in built.output
