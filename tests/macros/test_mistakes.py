"""Wrong and missing arguments fail the parse, with the macro's name and what is wrong."""

from __future__ import annotations

import pytest

from rpm_venv.errors import UsageError
from rpm_venv.paths import environment_path
from tests.macros.conftest import Macros

LOCK = "-r /usr/share/app1/requirements.txt"

CASES = {
    f"%venv_install {LOCK}": "%venv_install: PATH is missing",
    f"%venv_install {LOCK} /opt/a/b /opt/c/d": "%venv_install: one PATH, not 2",
    f"%venv_install {LOCK} /opt/a/b || :": "(the macro takes its whole line)",
    f"%venv_install {LOCK} opt/app1/penv": "%venv_install: the PATH of an environment is absolute",
    f"%venv_install {LOCK} /opt": "%venv_install: the PATH of an environment is two directories",
    f"%venv_install {LOCK} /opt/a%{{nothing}}": "not /opt/a%{nothing}",
    f"%venv_install {LOCK} /opt/a}}b/c": "not /opt/a?b/c",
    f"%venv_install {LOCK} /opt/a;b/c": "in letters, digits and . _ + @ -",
    f"%venv_install {LOCK} /opt/a/../b": "%venv_install: the PATH of an environment has no '.'",
    f"%venv_install {LOCK} /opt/{'x' * 100}": "has at most 100 characters",
    "%venv_install /opt/app1/penv": "where a %venv_declare above is for this PATH",
    "%venv_install -r requirements.txt /opt/a/b": "%venv_install: -r takes the absolute path",
    "%venv_install -r /a/'b' /opt/a/b": "%venv_install: -r has a character",
    f"%venv_install {LOCK} -w wheels /opt/a/b": "%venv_install: -w takes the absolute path",
    f"%venv_install {LOCK} -w /a -w /b /opt/a/b": "%venv_install: -w is given twice",
    f"%venv_install {LOCK} -x a -x b /opt/a/b": "-x is given twice; separate names with commas",
    f"%venv_install {LOCK} -x a;b /opt/a/b": "%venv_install: -x takes a name, not a;b",
    f"%venv_install {LOCK} -p 'py' /opt/a/b": "%venv_install: -p takes a name",
    f"%venv_install {LOCK} -n a/b /opt/a/b": "%venv_install: -n takes a name",
    f"%venv_install {LOCK} -q /opt/a/b": "Unknown option",
    f"%venv_install {LOCK} \\": "%venv_install: its arguments stand on one line",
    "%venv_remove": "%venv_remove: PATH is missing",
    "%venv_remove penv": "%venv_remove: the PATH of an environment is absolute",
    "%venv_verify": "%venv_verify: PATH is missing",
    "%venv_verify /opt/a/b /opt/c/d": "%venv_verify: one PATH, not 2",
    "%venv_check /opt/a/b": "%venv_check: -r LOCK is missing",
    "%venv_check -r requirements.txt /opt/a/b": "-r takes a source of the package, such as",
    "%venv_check -r /etc/passwd /opt/a/b": "%venv_check: /etc/passwd is no exact lock",
    "%venv_check -r /no/such/lock.txt /opt/a/b": (
        "%venv_check: cannot read /no/such/lock.txt; -r takes a source of the package, such as "
        "%{SOURCE1}"
    ),
    "%venv_requires rpm-venv": "%venv_requires: takes no arguments",
    "%venv_lock requirements.in": "%venv_lock: takes IN and OUT, not 1 words",
    "%venv_lock -a w.whl \\": "%venv_lock: its arguments stand on one line",
    "%venv_lock a b c": "%venv_lock: takes IN and OUT, not 3 words",
}


@pytest.mark.parametrize("line", CASES)
def test_a_mistake_fails_the_parse(macros: Macros, line: str) -> None:
    expansion = macros.expand(line, {"__rpm_venv": str(macros.command)})
    assert CASES[line] in expansion.errors
    assert expansion.code != 0
    assert not expansion.text


PATHS = [
    "/opt/app1/penv", "/opt/app1/penv/", "/opt//app1", "/a/b", "/", "/a", "//", "opt/a", "./a/b",
    "/opt/./x", "/opt/../x", "/opt/x..", "/opt/..x", "/opt/a+b@c_d-e.f", "/opt/\u00e4/b",
    "/opt/a,b/c", "/opt/a=b/c", "/opt/~/c", "/opt/a:b/c",
]  # fmt: skip


@pytest.mark.parametrize("path", [*PATHS, f"/opt/{'x' * 95}", f"/opt/{'x' * 96}"])
def test_macros_and_command_agree_on_the_path_of_an_environment(macros: Macros, path: str) -> None:
    try:
        wanted = environment_path(path)
    except UsageError:
        wanted = ""
    expansion = macros.expand(f"%venv_verify {path}")
    assert (expansion.code == 0) == bool(wanted), expansion
    if wanted:
        assert f" verify --stderr {wanted} " in expansion.text
