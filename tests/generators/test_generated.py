"""What the macro lines alone give a package: real rpmbuild, read back with rpm -qp."""

from __future__ import annotations

from tests.generators.conftest import KNOWS_OWNERS, Build
from tests.generators.specs import INSTALL, LOCK, PATH, SHIP_ALL, WHEELS, pylock, sources, spec
from tests.host import RpmTools
from tests.host.realwheels import system_python
from tests.host.wheels import make_lock, make_wheel

#: What scriptlets in sh require of any package.
SHELL = ["/bin/sh", "/bin/sh"]
RUNTIME = "rpm-venv >= 0.1.0"


def test_two_lines_give_provides_requires_and_conflicts(build: Build) -> None:
    built = build(spec(), sources(make_wheel("alpha", "1.0"), make_wheel("beta.two", "2.0rc1")))
    assert built.code == 0, built.output
    assert built.query("--provides") == [
        "bundled(python3dist(alpha)) = 1",
        "bundled(python3dist(beta-two)) = 2~rc1",
        f"venv({PATH})",
    ]
    assert built.query("--requires") == [*SHELL, RUNTIME]
    assert built.query("--conflicts") == [f"venv({PATH})"]


def test_extras_for_another_packages_environment(build: Build) -> None:
    place = "/usr/share/rpm-venv/extras.d/opt-other-penv"
    install = f"install -D -m 0644 -t %{{buildroot}}{place} %{{_sourcedir}}/plugin.txt"
    sections = {"%install": install, "%post": "", "%postun": "", "%files": place}
    built = build(spec(sections), {"plugin.txt": make_lock([make_wheel("plugin", "1.5")])})
    assert built.code == 0, built.output
    assert built.query("--provides") == ["bundled(python3dist(plugin)) = 1.5"]
    assert set(built.query("--requires")) == {*SHELL, RUNTIME, "venv(/opt/other/penv)"}
    refused = build(spec(sections), {"plugin.txt": "plugin>=1\n"})
    assert "plugin.txt" in refused.output
    # Before, rpm drops a line of a generator that is no dependency; the target says it then.
    assert (refused.code != 0) == (RpmTools.from_environment().version() >= KNOWS_OWNERS)


def test_entries_whose_marker_does_not_hold_are_not_bundled(build: Build) -> None:
    here, there = make_wheel("here"), make_wheel("there")
    elsewhere = there.requirement('sys_platform == "win32"')
    lock = f"{here.requirement()}\n{elsewhere}\n"
    built = build(spec(), sources(here, lock=lock))
    assert built.code == 0, built.output
    assert built.query("--provides") == ["bundled(python3dist(here)) = 1", f"venv({PATH})"]


def test_wheels_for_one_python_bind_the_package_to_it(build: Build) -> None:
    minor = system_python()[1]
    bound = make_wheel("compiled", tag=f"cp3{minor}-cp3{minor}-linux_x86_64")
    built = build(spec(), sources(bound, make_wheel("pure")))
    assert built.code == 0, built.output
    assert f"python(abi) = 3.{minor}" in built.query("--requires")


def test_a_stable_abi_binds_to_no_python(build: Build) -> None:
    built = build(spec(), sources(make_wheel("stable", tag="cp39-abi3-linux_x86_64")))
    assert built.code == 0, built.output
    assert built.query("--requires") == [*SHELL, RUNTIME]


def test_a_pylock_gives_its_python_range(build: Build) -> None:
    text = pylock([make_wheel("alpha")], 'requires-python = ">=3.9.2,!=3.10.*,<4"')
    install = f"%venv_install -r %{{_datadir}}/app1/pylock.toml {PATH}"
    built = build(spec({"%post": install}), {"pylock.toml": text})
    assert built.code == 0, built.output
    wanted = "(python(abi) >= 3.9 without python(abi) = 3.10)"
    assert built.query("--requires") == [wanted, *SHELL, RUNTIME]


def test_a_pylock_whose_wheels_are_for_one_python_binds(build: Build) -> None:
    minor = system_python()[1]
    tags = (f"cp3{minor}-cp3{minor}-linux_{arch}" for arch in ("x86_64", "aarch64"))
    text = pylock([make_wheel("compiled", tag=tag) for tag in tags])
    install = f"%venv_install -r %{{_datadir}}/app1/pylock.toml {PATH}"
    built = build(spec({"%post": install}), {"pylock.toml": text})
    assert built.code == 0, built.output
    assert f"python(abi) = 3.{minor}" in built.query("--requires")


def test_wheels_from_an_index_for_several_pythons_do_not_bind(build: Build) -> None:
    minor = system_python()[1]
    here = make_wheel("compiled", tag=f"cp3{minor}-cp3{minor}-linux_x86_64")
    later = make_wheel("compiled", tag=f"cp3{minor + 1}-cp3{minor + 1}-linux_x86_64")
    lock = f"{here.requirement()} --hash=sha256:{later.sha256}\n"
    install = f"%venv_install -r {LOCK} -w {WHEELS} {PATH}"
    built = build(spec({"%post": install}), sources(here, lock=lock))
    assert built.code == 0, built.output
    assert built.query("--requires") == [*SHELL, RUNTIME]


def test_extras_and_groups_decide_what_is_bundled(build: Build) -> None:
    wheels = [make_wheel(name) for name in ("app", "inweb", "intests")]
    text = pylock(wheels, 'extras = ["web"]\ndependency-groups = ["tests"]')
    for name, marker in {
        "inweb": "'web' in extras",
        "intests": "'tests' in dependency_groups",
    }.items():
        text = text.replace(f'name = "{name}"', f'name = "{name}"\nmarker = "{marker}"')
    wanted = f"%venv_install -r %{{_datadir}}/app1/pylock.toml -w {WHEELS} -o"
    second = f"{wanted} -x web -g tests /opt/app1/all"
    files = f"%{{_datadir}}/app1\n%ghost {PATH}\n%ghost /opt/app1/all"
    shipped = {**sources(*wheels), "pylock.toml": text}
    built = build(spec({"%post": f"{wanted} {PATH}"}), shipped)
    assert built.query("--provides") == ["bundled(python3dist(app)) = 1", f"venv({PATH})"]
    built = build(spec({"%post": f"{wanted} {PATH}\n{second}", "%files": files}), shipped)
    bundled = [f"bundled(python3dist({name})) = 1" for name in ("app", "intests", "inweb")]
    assert built.query("--provides")[:3] == bundled


def test_an_interpreter_that_is_asked_for_is_required(build: Build) -> None:
    python = f"python3.{system_python()[1]}"
    built = build(spec({"%post": f"{INSTALL} -p {python}"}), sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    assert f"/usr/bin/{python}" in built.query("--requires")


def test_several_environments_and_locks_in_one_package(build: Build) -> None:
    one, two = make_wheel("panda", "1.0"), make_wheel("panda", "2.0")
    files = {**sources(one, two, lock=make_lock([one])), "second.txt": make_lock([two])}
    second = f"%venv_install -r %{{_datadir}}/app1/second.txt -w {WHEELS} -o /opt/app1/second"
    sections = {
        "%post": f"{INSTALL}\n{second}",
        "%files": f"%{{_datadir}}/app1\n%ghost {PATH}\n%ghost /opt/app1/second",
    }
    built = build(spec(sections), files)
    assert built.code == 0, built.output
    assert built.query("--provides") == [
        "bundled(python3dist(panda)) = 1",
        "bundled(python3dist(panda)) = 2",
        f"venv({PATH})",
        "venv(/opt/app1/second)",
    ]
    assert built.query("--conflicts") == [f"venv({PATH})", "venv(/opt/app1/second)"]


def test_a_subpackage_gets_what_its_own_environment_needs(build: Build) -> None:
    one, two = make_wheel("alpha"), make_wheel("beta")
    ship = (
        f"{SHIP_ALL}\nmkdir -p %{{buildroot}}%{{_datadir}}/web\n"
        "mv %{buildroot}%{_datadir}/app1/second.txt %{buildroot}%{_datadir}/web"
    )
    second = f"-r %{{_datadir}}/web/second.txt -w {WHEELS} -o -n app1-web /opt/web/penv"
    sections = {
        "%package web": "Summary: Web",
        "%description web": "Web.",
        "%post web": f"%venv_install {second}",
        "%postun web": "%venv_remove -n app1-web /opt/web/penv",
        "%files web": "%{_datadir}/web\n%ghost /opt/web/penv",
    }
    files = {**sources(one, two, lock=make_lock([one])), "second.txt": make_lock([two])}
    built = build(spec(sections, ship=ship), files)
    assert built.code == 0, built.output
    assert built.query("--provides") == ["bundled(python3dist(alpha)) = 1", f"venv({PATH})"]
    web = built.query("--provides", name="app1-web")
    assert web == ["bundled(python3dist(beta)) = 1", "venv(/opt/web/penv)"]
    assert "--package app1-web-1.0-1.noarch" in "\n".join(built.query("--scripts", name="app1-web"))


def test_a_spec_file_without_the_macros_is_left_alone(build: Build) -> None:
    plain = {"%post": "true", "%postun": "true", "%files": "%{_datadir}/app1"}
    built = build(spec(plain), sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    assert "rpm-venv" not in built.output
    assert built.query("--requires") == SHELL


def test_requirements_written_out_in_the_preamble(build: Build) -> None:
    built = build(spec(preamble="%venv_requires"), sources(make_wheel("alpha")))
    assert built.code == 0, built.output
    lines = built.query("--qf", "[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\\n]")
    when = {line.partition(" ")[2] for line in lines if line.startswith("rpm-venv ")}
    assert when == {"auto", "pre", "post", "preun", "postun"}
