"""What fails a build, and with which words."""

from __future__ import annotations

import pytest

from tests.generators.conftest import KNOWS_OWNERS, Build
from tests.generators.specs import INSTALL, LOCK, PATH, SHIP_ALL, WHEELS, sources, spec
from tests.host import RpmTools
from tests.host.realwheels import system_python
from tests.host.wheels import make_lock, make_wheel

ALPHA = make_wheel("alpha")
OTHER_ALPHA = make_wheel("alpha", files={"alpha.py": "other = True\n"})


def refusal(build: Build, *words: str, **how: object) -> str:
    """The output of a build that must fail and must say these words."""
    arguments = {"spec": spec(), "sources": sources(ALPHA), **how}
    built = build(arguments["spec"], arguments["sources"])
    assert built.code != 0, built.output
    assert not built.packages
    for word in words:
        assert word in built.output
    return built.output


def test_a_lock_that_is_not_in_the_buildroot(build: Build) -> None:
    refusal(
        build,
        f"%venv_install {PATH}: /usr/share/app1/requirements.txt: the lock is not in the buildroot",
        spec=spec(ship="mkdir -p %{buildroot}%{_datadir}/app1/wheels"),
    )


def test_a_lock_that_is_not_exact_with_every_problem_of_it(build: Build) -> None:
    lock = f"alpha>=1.0\nbeta\n{ALPHA.requirement()}\n"
    output = refusal(build, "line 1", "line 2", sources=sources(ALPHA, lock=lock))
    assert "line 3" not in output
    assert "of your source with: rpm-venv lock requirements.txt requirements-exact.txt" in output


def test_a_lock_that_is_not_exact_for_the_python_that_is_named(build: Build) -> None:
    python = f"python3.{system_python()[1]}"
    refusal(
        build,
        f"of your source with: rpm-venv lock -p {python} requirements.txt requirements-exact.txt",
        spec=spec({"%post": f"{INSTALL} -p {python}"}),
        sources=sources(ALPHA, lock="alpha>=1.0\n"),
    )


def test_a_directory_of_wheels_that_is_not_in_the_buildroot(build: Build) -> None:
    text = INSTALL.replace(WHEELS, "/usr/share/app1/elsewhere")
    refusal(
        build,
        "/usr/share/app1/elsewhere: the directory of wheels is not in the buildroot",
        spec=spec({"%post": text}),
    )


def test_offline_with_a_wheel_missing(build: Build) -> None:
    lock = make_lock([ALPHA, make_wheel("beta", "2.0")])
    refusal(
        build,
        f"%venv_install {PATH}: line 2: with -o, beta 2.0: there is no wheel of it",
        "/usr/share/app1/wheels",
        sources=sources(ALPHA, lock=lock),
    )


def test_offline_with_a_source_distribution_in_the_place_of_a_wheel(build: Build) -> None:
    files = {**sources(lock=make_lock([ALPHA])), "wheels/alpha-1.0.tar.gz": "sdist"}
    refusal(build, "alpha 1.0: there is only a source distribution", sources=files)


def test_offline_without_any_wheels(build: Build) -> None:
    text = f"%venv_install -r {LOCK} -o {PATH}"
    refusal(build, "with -o, alpha 1.0: there is no wheel of it", spec=spec({"%post": text}))


def test_a_wheel_whose_hash_the_lock_does_not_have(build: Build) -> None:
    refusal(
        build,
        f"its sha256 {OTHER_ALPHA.sha256} is not in the lock",
        sources=sources(OTHER_ALPHA, lock=make_lock([ALPHA])),
    )


def test_a_wheel_that_no_lock_names(build: Build) -> None:
    refusal(
        build,
        "gamma-1.0-py3-none-any.whl: no lock names it",
        sources=sources(ALPHA, make_wheel("gamma"), lock=make_lock([ALPHA])),
    )


def test_wheels_for_another_python(build: Build) -> None:
    wheel = make_wheel("compiled", tag="cp39-cp39-linux_x86_64")
    refusal(
        build,
        "compiled-1.0-cp39-cp39-linux_x86_64.whl, which is not for cpython-3",
        sources=sources(wheel),
    )


def test_wheels_that_no_single_python_can_load(build: Build) -> None:
    wheels = [make_wheel(f"for{n}", tag=f"cp3{n}-cp3{n}-linux_x86_64") for n in (9, 10)]
    refusal(build, "the wheels together are for no Python at all", sources=sources(*wheels))


def test_files_where_the_environment_goes(build: Build) -> None:
    refusal(
        build,
        f"%venv_install {PATH}: {PATH}: the buildroot has something else than a symbolic link",
        spec=spec(ship=f"{SHIP_ALL}\nmkdir -p %{{buildroot}}{PATH}/bin"),
    )


def test_problems_of_all_environments_are_told_at_once(build: Build) -> None:
    text = f"{INSTALL}\n%venv_install -r /usr/share/app1/none.txt /opt/app1/second"
    refusal(
        build,
        f"%venv_install {PATH}: line 1: with -o, alpha 1.0",
        "%venv_install /opt/app1/second: /usr/share/app1/none.txt: the lock is not",
        spec=spec({"%post": text}),
        sources=sources(lock=make_lock([ALPHA])),
    )


SUBPACKAGE = {
    "%package web": "Summary: Web",
    "%description web": "Web.",
    "%files": f"%ghost {PATH}",
    "%files web": "%{_datadir}/app1",
}


def test_a_lock_in_another_package_than_the_scriptlet(build: Build) -> None:
    if RpmTools.from_environment().version() < KNOWS_OWNERS:
        pytest.skip("needs rpm 4.16: an older one does not tell a generator the file's package")
    refusal(
        build,
        f"%venv_install {PATH}: the scriptlet is of the package app1 and the lock "
        "/usr/share/app1/requirements.txt is in app1-web",
        spec=spec(SUBPACKAGE),
    )


@pytest.mark.parametrize("header", ["%post web", "%post -n app1-web", "%post -n %{name}-web"])
def test_a_scriptlet_of_a_subpackage_that_does_not_say_so(build: Build, header: str) -> None:
    sections = {**SUBPACKAGE, "%post": "", header: INSTALL}
    refusal(
        build,
        "%venv_install: this scriptlet is of the package app1-web, not of app1; say -n app1-web",
        spec=spec(sections),
    )


def test_a_name_that_is_not_the_scriptlets_package(build: Build) -> None:
    text = f"{INSTALL} -n app1-web"
    refusal(
        build,
        "%venv_install: this scriptlet is of the package app1, not of app1-web; say -n app1",
        spec=spec({**SUBPACKAGE, "%post": text}),
    )


def test_a_scriptlet_that_is_not_for_a_shell(build: Build) -> None:
    sections = {"%post": "", "%post -p <lua>": INSTALL}
    text = spec(sections).replace("\n%post\n\n", "\n")
    refusal(build, "%venv_install: this scriptlet is for <lua>", spec=text)


def test_conditionals_do_not_mislead_about_the_scriptlets_package(build: Build) -> None:
    header = "%if 0\n%post web\n%else\n%post\n%endif"
    text = spec({"%post": "", header: INSTALL}).replace("\n%post\n\n", "\n", 1)
    built = build(text, sources(ALPHA))
    assert built.code == 0, built.output
