"""The manual pages and the shells' completions, as the packages install them."""

from __future__ import annotations

import argparse
import importlib
import re

import pytest

from rpm_venv import cli
from tests.host import Host
from tests.host.applications import tiny_application
from tests.host.project import ProjectRpms
from tests.transactions.conftest import Build

_COMPLETED = """\
set -e
. /usr/share/bash-completion/completions/rpm-venv
COMP_WORDS=({words}) COMP_CWORD={last}
$(complete -p rpm-venv | sed 's/.*-F \\([^ ]*\\) .*/\\1/') rpm-venv "${{COMP_WORDS[{last}]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _completed(host: Host, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = _COMPLETED.format(words=" ".join(f"'{word}'" for word in words), last=len(words) - 1)
    return host.run("/bin/bash", "-c", script).stdout.split()


def test_bash_completes_verbs_options_and_environments(host: Host, build: Build) -> None:
    host.publish(build(tiny_application()))
    host.rpm("-i", host.repository_path(build(tiny_application())))
    assert _completed(host, "rpm-venv", "ro") == ["rollback"]
    assert set(_completed(host, "rpm-venv", "")) >= set(cli.VERBS)
    assert "--declared" in _completed(host, "rpm-venv", "verify", "--")
    assert _completed(host, "rpm-venv", "show", "/o") == ["/opt/app1/penv"]


def _options(verb: str) -> set[str]:
    """The options of a verb, by the command's own parser."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"rpm_venv.verbs.{verb}").arguments(parser)
    return {word for action in parser._actions for word in action.option_strings}


def test_completions_and_manual_have_the_options_of_every_verb(host: Host) -> None:
    """Those that are installed, of what the command takes: no more and no less."""
    bash = host.read("/usr/share/bash-completion/completions/rpm-venv")
    zsh = host.read("/usr/share/zsh/site-functions/_rpm-venv")
    page = host.read("/usr/share/man/man8/rpm-venv.8").replace("\\-", "-")
    sections = {part.split("\n", 1)[0]: part for part in page.split("\n.SH ")}
    for verb in cli.VERBS:
        wanted = _options(verb)
        (words,) = re.findall(rf"^_shtab_rpm_venv_{verb}_option_strings=\((.*)\)$", bash, re.M)
        assert set(words.split()) == wanted, verb
        (lines,) = re.findall(rf"^_shtab_rpm_venv_{verb}_options=\((.*?)^\)$", zsh, re.M | re.S)
        named = re.findall(r'"[*]?(?:\([^)]*\))?"?(\{[^}]*\}|-[\w-]+)', lines)
        assert {o for each in named for o in each.strip("{}").split(",")} == wanted, verb
        rows = re.findall(r"^\\fB\\fC(-[\w-]+)[^\t\n]*\t", sections[verb], re.M)
        assert {*rows, "-h", "--help"} == wanted, verb


def test_zsh_finds_its_completion(host: Host) -> None:
    script = "autoload -Uz compinit && compinit -u -D && print $_comps[rpm-venv]"
    found = host.run("zsh", "-fc", f"fpath=(/usr/share/zsh/site-functions $fpath); {script}")
    assert found.stdout == "_rpm-venv\n"
    host.run("zsh", "-n", "/usr/share/zsh/site-functions/_rpm-venv")


def test_every_verb_has_its_place_in_the_manual(host: Host) -> None:
    page = host.read("/usr/share/man/man8/rpm-venv.8")
    assert page.splitlines()[1].startswith('.TH "rpm-venv" "8" "" "rpm-venv ')
    assert [verb for verb in cli.VERBS if f".SH {verb}\n" not in page] == []


@pytest.mark.parametrize("page", ["man8/rpm-venv.8", "man5/rpm-venv.conf.5", "man7/macros.venv.7"])
def test_manual_pages_are_well_formed(host: Host, project_rpms: ProjectRpms, page: str) -> None:
    if page.startswith("man7"):
        host.publish(project_rpms.macros)
        host.rpm("-i", "--nodeps", host.repository_path(project_rpms.macros))
    shown = host.run(
        "groff",
        "-t",
        "-man",
        "-Kutf8",
        "-Tutf8",
        "-P-cbou",
        "-ww",
        "-Wbreak",
        f"/usr/share/man/{page}",
    )
    assert shown.stderr == ""
    assert "SEE ALSO" in shown.stdout
    assert "](" not in shown.stdout
