"""What each macro turns into: the line that ``rpm -q --scripts`` will show."""

from __future__ import annotations

import subprocess
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.macros.conftest import Macros

FAIL_LATER = " || trap 'exit 1' 0"
NEVRA = "app1-1.0-2.el9.noarch"
LOCK = "/usr/share/app1/requirements.txt"
INSTALL = f"/usr/bin/rpm-venv install -r {LOCK}"

CASES = {
    f"%venv_install -r {LOCK} /opt/app1/penv": (
        f"{INSTALL} --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install -r {LOCK} -w /usr/share/app1/wheels -o /opt/app1/penv": (
        f"{INSTALL} -w /usr/share/app1/wheels -o --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install -so -p python3.12 -r {LOCK} /opt/app1/penv": (
        f"{INSTALL} -p python3.12 -s -o --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install -r {LOCK} -p /usr/libexec/python3 /opt/app1/penv": (
        f"{INSTALL} -p /usr/libexec/python3 --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install -r {LOCK} -x web,cli -g docs /opt/app1/penv": (
        f"{INSTALL} -x web -x cli -g docs --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install -r {LOCK} -n app1-web /opt//app1/penv/": (
        f"{INSTALL} --package app1-web-1.0-2.el9.noarch /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install /opt/app1/penv -r {LOCK}": (
        f"{INSTALL} --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    ),
    f"%venv_install -r {LOCK} /srv/a_b/C++/x@1-2": (
        f"{INSTALL} --package {NEVRA} /srv/a_b/C++/x@1-2{FAIL_LATER}"
    ),
    "%venv_remove /opt/app1/penv": (
        f'/usr/bin/rpm-venv remove --package {NEVRA} --count "$1" /opt/app1/penv{FAIL_LATER}'
    ),
    "%venv_remove -n app1-web /opt/app1/penv": (
        "/usr/bin/rpm-venv remove --package app1-web-1.0-2.el9.noarch "
        f'--count "$1" /opt/app1/penv{FAIL_LATER}'
    ),
    "%venv_verify /opt/app1/penv": f"/usr/bin/rpm-venv verify --stderr /opt/app1/penv{FAIL_LATER}",
    "%venv_requires": "\n".join(
        f"Requires({scriptlet}): rpm-venv >= 0.1.0"
        for scriptlet in ("pre", "post", "preun", "postun")
    ),
    "%venv_lock requirements.in requirements.txt": (
        "/usr/bin/rpm-venv lock requirements.in requirements.txt"
    ),
    "%venv_lock -p python3.12 -w a -w b in.txt out.txt": (
        "/usr/bin/rpm-venv lock -p python3.12 -w a -w b in.txt out.txt"
    ),
    "%venv_lock -a dist/app1-1.0-py3-none-any.whl in.txt $RPM_BUILD_ROOT/out.txt": (
        "/usr/bin/rpm-venv lock -a dist/app1-1.0-py3-none-any.whl in.txt $RPM_BUILD_ROOT/out.txt"
    ),
}


@pytest.mark.parametrize("line", CASES)
def test_a_line_of_a_spec_file_becomes_one_command(macros: Macros, line: str) -> None:
    expansion = macros.expand(line)
    assert (expansion.code, expansion.errors) == (0, "")
    assert expansion.text == CASES[line]


def test_the_command_is_a_macro(macros: Macros) -> None:
    expansion = macros.expand("%venv_verify /opt/app1/penv", {"__rpm_venv": "/other/rpm-venv"})
    assert expansion.text.startswith("/other/rpm-venv verify ")


def test_an_epoch_is_part_of_the_packages_name(macros: Macros) -> None:
    expansion = macros.expand("%venv_remove /opt/app1/penv", {"epoch": "3"})
    assert "--package app1-3:1.0-2.el9.noarch " in expansion.text


def test_the_lines_after_a_macro_stay(macros: Macros) -> None:
    expansion = macros.expand("before\n%venv_verify /opt/app1/penv\nafter %%{x}")
    assert expansion.text.splitlines()[::2] == ["before", "after %{x}"]


ALPHA = f"alpha==1.0 --hash=sha256:{'0' * 64}"
BETA = f"beta==2.0 ; python_version < '4' and os_name == 'posix' --hash=sha256:{'1' * 64}"
PYLOCK = f"""# A comment with $HOME, `id`, %(id) and %{{name}}
lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "alpha"
version = "1.0"
[[packages.wheels]]
name = "alpha-1.0-py3-none-any.whl"
url = "https://files.invalid/a%20b%2Dc%%d.whl"
hashes = {{sha256 = "{"0" * 64}"}}
"""
LOCKS = {
    "continued": f"{ALPHA} \\\n    --hash=sha256:{'2' * 64}\n\n# $HOME `id` %(id)\n",
    "marker": f"{ALPHA}\n{BETA}\n",
    "pylock": PYLOCK,
}


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("shell", ["/bin/sh", "bash"])
def test_a_check_carries_the_condensed_lock_to_the_command(
    macros: Macros, tmp_path: Path, kind: str, shell: str
) -> None:
    lock = tmp_path / ("pylock.toml" if kind == "pylock" else "requirements.txt")
    lock.write_text(LOCKS[kind])
    command = tmp_path / "command"
    command.write_text(f'#!/bin/sh\n[ $1 = check ] || exec {macros.command} "$@"\necho "$@"\ncat\n')
    command.chmod(0o755)
    line = f"%venv_check -r {lock} -o /opt/app1/penv\necho after"
    expansion = macros.expand(line, {"__rpm_venv": str(command)})
    assert (expansion.code, expansion.errors) == (0, "")
    said = run([shell], expansion.text)
    call = f"check -r - -o --package {NEVRA} /opt/app1/penv"
    condensed = run([str(macros.command), "lock", str(lock), "-"])
    assert "$HOME" not in condensed
    assert said == f"{call}\n{condensed}after\n"


def run(command: list[str], text: str = "") -> str:
    return subprocess.run(command, input=text, stdout=PIPE, text=True, check=True).stdout


def test_macros_are_the_same_however_often_a_spec_file_is_parsed(macros: Macros) -> None:
    line = f"%venv_install -r {LOCK} /opt/app1/penv"
    once = macros.expand(f"{line}\n%{{__venv_declarations}} %{{__venv_locks}}")
    twice = macros.expand(f"{line}\n{line}\n%{{__venv_declarations}} %{{__venv_locks}}")
    assert once.text.splitlines()[-1] == twice.text.splitlines()[-1]
    assert once.text.splitlines()[-1] == (
        f"-d '-n app1 -r {LOCK} /opt/app1/penv' /usr/share/app1/requirements[.]txt"
    )


DECLARE = "%venv_declare -r requirements.txt /opt/app1/penv"


def test_an_install_of_what_is_declared_needs_no_options(macros: Macros) -> None:
    made = macros.expand(f"{DECLARE}\n%venv_install /opt/app1/penv")
    line = f"/usr/bin/rpm-venv install --package {NEVRA} /opt/app1/penv{FAIL_LATER}"
    assert made.text.splitlines()[1] == line
    for mistake in ("%venv_install /opt/app1/other", "%venv_install -o /opt/app1/penv"):
        assert "-r LOCK is missing" in macros.expand(f"{DECLARE}\n{mistake}").errors


def test_a_declaration_passes_all_of_its_options(macros: Macros) -> None:
    text = "%venv_declare -so -b lock -c a,b -w w -p python3.12 -g x,y -n sub -r l.txt /opt/a/b"
    made = macros.expand(text, {"buildroot": "/root", "_builddir": "/build", "_bindir": "/bin"})
    assert made.text == (
        "/usr/bin/rpm-venv --root /root declare -r l.txt -w w -b lock"
        " --built /build/app1-1.0-2.el9.noarch.venv-wheels -c a -c b -p python3.12 -s -o"
        " -g x -g y --package sub-1.0-2.el9.noarch --bindir /bin"
        " --files /build/sub-1.0-2.el9.noarch.venv-files /opt/a/b"
    )


def test_a_wheel_is_built_where_its_declaration_looks(macros: Macros) -> None:
    made = macros.expand("%venv_wheel -p python3.12 sub/$x", {"_builddir": "/b"})
    place = "/b/app1-1.0-2.el9.noarch.venv-wheels"
    assert made.text == f"/usr/bin/rpm-venv wheel --wheeldir {place} -p python3.12 sub/$x"
    assert f" --built {place} " in macros.expand(DECLARE, {"_builddir": "/b"}).text


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("", "--built /b/w --built /b/app1-1.0-2.el9.noarch.venv-wheels "),
        ("-a none ", ""),
        ("-a dist/a-1-py3-none-any.whl,b.whl ", "-a dist/a-1-py3-none-any.whl -a b.whl "),
    ],
)
def test_a_declaration_finds_the_wheels_of_its_build(
    macros: Macros, option: str, words: str
) -> None:
    known = {"buildroot": "/root", "_builddir": "/b", "_pyproject_wheeldir": "%{_builddir}/w"}
    made = macros.expand(f"%venv_declare -r l.txt {option}/opt/a/b", known)
    assert made.text.startswith(
        f"/usr/bin/rpm-venv --root /root declare -r l.txt {words}--package "
    )
