"""A step of the application in %post: %venv_run, with real rpm, in both shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.host import Host
from tests.host.applications import Application, tiny_application, tiny_declared
from tests.transactions.conftest import Build

LOG = "/srv/steps"
_WRITE = (
    "import os, sys, app1; "
    f'print(os.getuid(), os.getcwd(), sys.argv[1:], file=open("{LOG}/log", "a"))'
)
SUCCEEDS = f"%venv_run -u nobody /opt/app1/penv python -c '{_WRITE}' --to \"a b\" \\\n  '$(id)'"
FAILS = (
    "%venv_run -u nobody /opt/app1/penv python -c 'print(\"no table\"); raise SystemExit(3)'\n"
    "echo the rest runs"
)


@pytest.mark.parametrize("shape", [tiny_application, tiny_declared])
def test_a_step_runs_as_its_user_and_its_failure_is_told(
    host: Host, build: Build, shape: Callable[..., Application]
) -> None:
    host.write(f"{LOG}/log", "")
    host.run("chmod", "-R", "a+rwX", LOG)
    good, bad = (
        build(shape(version, sections={"%post": step}))
        for version, step in (("1", SUCCEEDS), ("2", FAILS))
    )
    host.publish(good, bad)
    said = host.rpm("-U", host.repository_path(good))
    assert said.output.strip() == ""
    uid, rest = host.read(f"{LOG}/log").split(" ", 1)
    assert int(uid) == int(host.run("id", "-u", "nobody").stdout) != 0
    assert rest.endswith(" ['--to', 'a b', '$(id)']\n")

    said = host.rpm("-U", host.repository_path(bad), check=False)
    assert "run as nobody, ended with exit code 3: no table; mend it, then: rpm-venv run -u" in (
        said.output
    )
    assert "the rest runs" in said.output
    assert "%post(app1-2-1.noarch) scriptlet failed, exit status 1" in said.output
    if shape is tiny_declared:
        return
    refusals = {
        ("-u", "root", "app1"): "root runs no application's code",
        ("-u", "nobody", "app9"): "there is no command app9 in the environment; there are: app1",
        ("-u", "nobody", "../../bin/sh"): "COMMAND is the name of a command in /opt/app1/penv/bin",
        ("-u", "nobody"): "COMMAND is missing",
    }
    for (option, user, *command), message in refusals.items():
        words = ("rpm-venv", "run", option, user, "/opt/app1/penv", *command)
        done = host.run(*words, check=False)
        assert (done.code != 0, message in done.output) == (True, True), done.output
    away = host.run(
        "rpm-venv", "--root", "/srv", "run", "-u", "nobody", "/opt/app1/penv", "app1", check=False
    )
    assert "call it there: chroot /srv rpm-venv run" in away.output
    assert host.run("rpm-venv", "run", "-u", "nobody", "/opt/app1/penv", "app1").stdout == (
        "app1 2\n"
    )
    host.run("rm", "/opt/app1/penv")
    gone = host.run("rpm-venv", "run", "-u", "nobody", "/opt/app1/penv", "app1", check=False)
    assert "app1 is not run: the environment is missing: the path is not there" in gone.output
