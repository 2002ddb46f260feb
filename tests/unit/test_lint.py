"""rpm-venv lint: every mistake is found where it is made, and not where it is not made."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from rpm_venv import cli
from rpm_venv.linting import calls, mistakes

TREE = Path(__file__).resolve().parents[2]
#: The macro package is there, and %venv_remove: what a case is not about.
HEAD = "Name: app1\nVersion: 1.0\nBuildRequires: gcc, venv-rpm-macros >= 0.1\n"
PENV = "/opt/app1/penv"
INSTALL = f"%venv_install -r /usr/share/app1/requirements.txt {PENV}"
OURS = f"%post\n{INSTALL}\n%postun\n%venv_remove {PENV}\n"

#: Of each mistake, spec files that make it in their last line but one, and such that do not.
WRONG: dict[str, list[str]] = {
    "removed-without-count": [
        "%postun\nrm -rf /opt/app1/venv\n",
        "%define home /opt/%{name}\n%preun\nrm -fr %{home}/venv/\n",
        "%post\npython3 -m venv /opt/app1/runtime\n%postun\nrm -r --force /opt/app1/runtime\n",
        "%post\ncd /opt/app1\nvirtualenv -p python3 env3\n%postun\nrm -rf /opt/app1\n",
        f"{OURS}%preun sub\nif true; then\nrm -rf {PENV}; fi\n",
        '%postun\nDIR=/opt/app1/venv\n[ -d "$DIR" ] && rm -rf "$DIR"\n',
        "%install\npython3 -m venv %{buildroot}/opt/app1/run\n%postun\nrm -rf /opt/app1/run/*\n",
        '%postun\nif [ "$1" = 0 ]; then\n  echo "gone"\nfi\nrm -rf /opt/app1/venv\n',
    ],
    "removed-on-upgrade": [
        "%pre\nrm -rf /opt/app1/.venv\n",
        '%postun\nif [ "$1" -ge 1 ]; then\n  rm -rf /opt/app1/venv || :\nfi\n',
        "%preun\nif [ $1 -eq 0 ]; then\n  :\nelse\n  rm -rf /opt/app1/venv\nfi\n",
        '%postun\ncase "$1" in\n  0) echo bye;;\n  *) rm -rf /opt/app1/venv;;\nesac\n',
    ],
    "first-install-only": [
        '%post\nif [ "$1" = 1 ]; then\n  python3 -m venv /opt/app1/run\nfi\n',
        "%post\n[ $1 -gt 1 ] || virtualenv-3 /opt/app1/run\n",
        "%post\nif (( $1 == 1 )); then\n  /usr/bin/virtualenv /opt/app1/run\nfi\n",
        f"%postun\n%venv_remove {PENV}\n%post\nif [ $1 -eq 1 ]; then\n{INSTALL}\nfi\n",
        "%post\nif [ ! -d /opt/app1/venv ]; then\n"
        "  /opt/app1/venv/bin/pip install --require-hashes -r lock\nfi\n",
        "%post\ntest -x /opt/app1/venv/bin/python || pip3 install --no-index /opt/x.whl\n",
    ],
    "errors-swallowed": [
        "%post\npython3 -m venv /opt/app1/run || :\n",
        "%post\n/opt/app1/run/bin/pip install x >/dev/null 2>&1\n",
        "%post\n/opt/app1/run/bin/pip install x || true\n",
        "%post\n/opt/app1/run/bin/pip install x &>/dev/null || exit 0\n",
        "%post\npip install x | tee /root/log\n",
        f"%postun\n%venv_remove {PENV}\n%post\n{INSTALL} || :\n",
        f"%postun\n%venv_remove {PENV} 2>/dev/null\n",
        f"{OURS}%posttrans\n%venv_run -u app1 {PENV} migrate || :\n",
        "%post\n{\n  python3 -m venv /opt/app1/run\n} || echo failed\n",
    ],
    "pip-in-scriptlet": [
        "%post\npip install -r /usr/share/app1/requirements.txt\n",
        "%posttrans\nPIP=/opt/app1/run/bin/pip\nHOME=/ $PIP install x\n",
        "%post\nsource /opt/app1/run/bin/activate && python -m pip install x\n",
        "%triggerin -- python3\nuv pip install x\n",
        "%post\nsu - app1 -s /bin/sh -c 'pip install --user x'\n",
        '%post -p <lua>\nos.execute("pip3 install x")\n',
        '%post -p /usr/bin/python3\nsubprocess.run([sys.executable, "-m", "pip", "install"])\n',
        "%post\neasy_install x\n",
    ],
    "pip-upgraded": [
        "%post\n/opt/app1/run/bin/pip install -U pip setuptools\n",
        "%install\npython3 -m venv %{buildroot}/opt/app1/run\n"
        "%{buildroot}/opt/app1/run/bin/python -m pip install --quiet --upgrade pip\n",
    ],
    "no-hashes": [
        "%post\n/opt/app1/run/bin/pip install -r /usr/share/app1/requirements.txt\n",
        "%install\nvirtualenv $RPM_BUILD_ROOT/opt/app1\n"
        "$RPM_BUILD_ROOT/opt/app1/bin/python $RPM_BUILD_ROOT/opt/app1/bin/pip install .\n",
        "%global target %{buildroot}/opt/app1\n%build\n%{__python3} -m venv %{target}\n"
        "source %{target}/bin/activate\npip3 install app1\n",
    ],
    "unfit-path": [
        "%post\npython3 -m venv /var/lib/app1/run\n",
        "BuildSystem: venv\nBuildOption(install): -r lock -c x /var/app1/penv\n",
        "%post\npython3 -m venv %{_localstatedir}/app1\n",
        "%install\nvirtualenv %{buildroot}/usr/local/app1\n",
        "%files\n/usr/local/app1/*\n%install\nvirtualenv /usr/local/app1/\n",
        "%install\n%venv_declare -r lock -c app1 /home/app1/penv\n",
        "%install\n%venv_declare -r lock /root/app1/penv\n",
        "%postun\n%venv_remove /tmp/app1/penv\n%post\n%venv_install -r /a/b /tmp/app1/penv\n",
    ],
    "space-in-path": [
        '%post\npython3 -m venv "/opt/my app/run"\n',
        '%verifyscript\n%venv_verify "/opt/my app/penv"\n',
    ],
    "lock-is-doc": [
        f"{OURS}%files\n%doc README /usr/share/app1/requirements.txt\n",
        f"{OURS}%files sub\n%doc %{{_datadir}}/app1/*.txt\n",
        "%post\npip install --require-hashes -r /opt/app1/lock\n%files\n%doc /opt/app1\n",
        f"%postun\n%venv_remove {PENV}\n%post\n%venv_install -r %{{_docdir}}/app1/lock {PENV}\n",
    ],
    "never-removed": [f"%post\n{INSTALL}\n"],
}
RIGHT: dict[str, list[str]] = {
    "removed-without-count": [
        OURS,
        "%postun\nif [ $1 -eq 0 ]; then\n  rm -rf /opt/app1/venv\nfi\n",
        '%postun\n[ "x$1" = "x0" ] && rm -rf /opt/app1/venv\n',
        "%postun\n[ 0 != ${1:-0} ] || rm -rf /opt/app1/venv\n",
        '%preun\nif [ "$1" -gt 0 ]; then\n  exit 0\nfi\nrm -rf /opt/app1/venv\n',
        "%preun\nif [[ $1 -ge 1 ]]; then echo upgrade\nelif true; then rm -rf /opt/app1/venv; fi\n",
        '%postun\ncase "$1" in\n  0|purge)\n    rm -rf /opt/app1/venv\n    ;;\nesac\n',
        "%postun\n# rm -rf /opt/app1/venv\necho 'rm -rf /opt/app1/venv'\n",
        "%postun\ncat <<EOF\nrm -rf /opt/app1/venv\nEOF\n",
        "%postun\nrm -f /opt/app1/venv\nrm -rf /opt/app1/data\n",
        "%install\nrm -rf %{buildroot}/opt/app1/venv venv\n%check\nrm -rf /opt/app1/venv\n",
        "%postun -p <lua>\nrm -rf /opt/app1/venv\n",
    ],
    "removed-on-upgrade": [
        "%pre\nif [ $1 -eq 1 ]; then\n  rm -rf /opt/app1/venv\nfi\n",
        "%preun\nif [ $1 = 0 -a -d /opt/app1/venv ]; then rm -rf /opt/app1/venv; fi\n",
    ],
    "first-install-only": [
        OURS,
        "%post\nif [ $1 -ge 1 ]; then\n  virtualenv /opt/app1/run\nfi\n",
        "%post\nif [ ! -d /opt/app1/venv ]; then\n  python3 -m venv /opt/app1/venv\nfi\n",
        "%post\nif [ -d /opt/app1/venv ]; then pip install x; fi\n",
    ],
    "errors-swallowed": [
        OURS,
        "%post\npip install x || exit 1\n",
        "%post\npip install x >/root/log 2>&1\nsystemctl restart app1 || :\n",
        "%postun\nif [ $1 = 0 ]; then rm -rf /opt/app1/venv || :; fi\n",
        "%build\npip install x || :\n",
    ],
    "pip-in-scriptlet": [
        OURS,
        "%build\npip install x\n",
        "%post\necho pip install x\n# pip install x\npip list\n",
        "%post\ncat <<'END' > /etc/motd\npip install x\nEND\n",
        "%description\nRun\npip install x\n",
        "%post -p /sbin/ldconfig\n%files\npip install x\n",
        "%changelog\n* never\n- %%post: pip install x\n",
    ],
    "pip-upgraded": [
        "%post\npip install -U pip==24.0\n",
        "%build\npython3 -m venv build-tools\nbuild-tools/bin/pip install -U pip\n",
    ],
    "no-hashes": [
        "%post\npip install --require-hashes -r lock\n",
        "%post\npip install --no-index --find-links /usr/share/app1/wheels app1\n",
        "%check\npython3 -m venv %{buildroot}/x\npip install pytest\n",
        "%build\npython3 -m pip install --root %{buildroot} .\n",
    ],
    "unfit-path": [OURS, "%build\npython3 -m venv /tmp/tools\n", "%post\nvirtualenv /srv/app1\n"],
    "space-in-path": [OURS, '%post\necho "a b"\npython3 -m venv /opt/app1\n'],
    "lock-is-doc": [
        f"{OURS}%files\n%doc README requirements.txt\n/usr/share/app1/requirements.txt\n",
        f"{OURS}%files\n%doc /usr/share/doc/app1\n# %doc /usr/share/app1\n",
    ],
    "never-removed": [OURS, f"%install\n%venv_declare -r l {PENV}\n%post\n%venv_install {PENV}\n"],
}


def words(text: str) -> set[str]:
    return {one.mistake for one in mistakes.find(text)}


@pytest.mark.parametrize(
    ("mistake", "text"), [(name, text) for name, texts in WRONG.items() for text in texts]
)
def test_a_mistake_is_found_where_it_is(mistake: str, text: str) -> None:
    found = [one for one in mistakes.find(HEAD + text) if one.mistake == mistake]
    lines = (HEAD + text).split("\n")
    assert len(found) == 1, found
    last = len(lines) - 1
    closing = {"fi", "esac", "} || echo failed", "}", "  *) "}
    while lines[last - 1] in closing or last == len(lines):
        last -= 1
    assert found[0].line == last, lines[found[0].line - 1]
    assert found[0].reason and found[0].mend


@pytest.mark.parametrize(
    ("mistake", "text"), [(name, text) for name, texts in RIGHT.items() for text in texts]
)
def test_what_is_right_is_no_mistake(mistake: str, text: str) -> None:
    assert mistake not in words(HEAD + text)


def test_every_mistake_has_both() -> None:
    named = {"macros-missing", *WRONG}
    source = Path(mistakes.__file__).read_text()
    assert set(re.findall(r'Finding\(\s*"([\w-]+)"', source)) == named
    assert set(RIGHT) == set(WRONG)


MISSING = "Name: app1\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"%post\n{INSTALL}\n", 3),
        ("%files -f %{venv_files}\n", 2),
        ("%build\n%{venv_wheel}\n", 3),
        ("%post\n%{?systemd_post}\n%if 1\n%venv_remove /a/b\n%endif\n", 5),
    ],
)
def test_the_macro_package_is_missing(text: str, line: int) -> None:
    (found,) = [one for one in mistakes.find(MISSING + text) if one.mistake == "macros-missing"]
    assert found.line == line


@pytest.mark.parametrize(
    "text",
    [
        f"BuildRequires: python3-devel venv-rpm-macros\n%post\n{INSTALL}\n",
        f"%{{?el9:BuildRequires: venv-rpm-macros}}\n%post\n{INSTALL}\n",
        f"%generate_buildrequires\necho venv-rpm-macros\n%post\n{INSTALL}\n",
        "%define venv_install %{__python3} -m pip install\n%build\n%venv_install x\n",
        "%define venv_install() \\\n  pip install %{*} \\\n  --no-index\n%build\n%venv_install x\n",
        "%{!?venv_install:%{error:no macros}}\n",
        "%post\n# %venv_install\n%%venv_install\n%venv_installer\n%{my_venv_install}\n",
        "%{lua:\nprint('x')\n-- %post\n}\n%description\nx\n",
    ],
)
def test_the_macro_package_is_not_missing(text: str) -> None:
    assert "macros-missing" not in words(MISSING + text)


@pytest.mark.parametrize(
    "path", sorted([*TREE.glob("examples/*/*.spec"), *TREE.glob("fedora/*.spec")])
)
def test_our_own_spec_files_make_no_mistake(path: Path) -> None:
    assert mistakes.find(path.read_text()) == []


def test_the_macros_that_lint_knows_are_all_there_are() -> None:
    text = (TREE / "macros.d" / "macros.venv").read_text()
    assert set(calls.MACROS) == set(re.findall(r"^%venv_(\w+)", text, re.MULTILINE))


def test_a_mistake_is_fatal_where_it_breaks_what_our_macros_do() -> None:
    broken = {
        f"%postun\n%venv_remove {PENV}\n%post\nif [ $1 = 1 ]; then\n{INSTALL}\nfi\n": (
            "first-install-only"
        ),
        f"{OURS}%files\n%doc /usr/share/app1\n": "lock-is-doc",
        f"{OURS}%preun\nrm -rf /opt/app1\n": "removed-without-count",
        "%install\n%venv_declare -r lock /run/app1/penv\n": "unfit-path",
    }
    for text, mistake in broken.items():
        assert [one.mistake for one in mistakes.find(HEAD + text) if one.is_fatal] == [mistake]
    by_hand = "%post\npython3 -m venv /tmp/x || :\npip install -U pip x\n%postun\nrm -rf /tmp/x\n"
    assert words(HEAD + by_hand) and not any(one.is_fatal for one in mistakes.find(HEAD + by_hand))


# ---- what no spec file should say


HOSTILE = {
    "braces": "%{" * 3000,
    "quotes": "%post\npip install x\n" + "'\n" * 3001,
    "keywords": "%post\npip install x\n" + "if " * 3000,
    "groups": "%post\npip install x\n" + "{ ( " * 3000,
    "here-documents": "%post\npip install x\n" + "cat <<A <<'B\n" * 1000,
    "cases": "%post\npip install x\n" + "case $1 in\n" * 1000,
    "doubling": "".join(f"%define a{n + 1} %a{n}%a{n}%a{n}\n" for n in range(60))
    + "%post\npip install x\n%a60\n",
    "itself": "%define a %{a}%{b}\n%define b %{a}\n%post\npip install x\n%a venv\n",
    "nothing": "\0\udcff\n%\n%post",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_any_text_is_read_to_its_end(name: str) -> None:
    assert words(HOSTILE[name]) <= {"pip-in-scriptlet", "no-hashes", "errors-swallowed"}


def test_nothing_in_a_spec_file_is_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    spec = tmp_path / "evil.spec"
    spec.write_text(
        f"%(touch {witness})\n%{{lua:os.execute('touch {witness}')}}\n"
        f"%define x %(touch {witness})\nName: %x\nBuildRequires: $(touch {witness})\n"
        f"%include {witness}\n%post\n%x\npip install\n"
    )
    assert cli.main(["lint", str(spec)]) == 3
    assert not witness.exists()


# ---- the command


def test_text_and_json_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.spec", tmp_path / "bad.spec"
    good.write_text(HEAD + OURS)
    bad.write_text("%post\npip install x\n")
    assert cli.main(["lint", str(good)]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main(["lint", str(good), str(bad)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert cli.main(["--json", "lint", str(good), str(bad)]) == 3
    found = json.loads(capsys.readouterr().out)["findings"]
    assert lines == [f"{f['file']}:{f['line']}: {f['reason']}; {f['mend']}" for f in found]
    assert {f["mistake"] for f in found} == {"pip-in-scriptlet", "no-hashes"}
    assert {(f["file"], f["line"]) for f in found} == {(str(bad), 2)}


def test_what_cannot_be_read_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.spec")
    (tmp_path / "directory").mkdir()
    for name in ("pipe.spec", "none.spec", "directory", "a\0b"):
        assert cli.main(["lint", str(tmp_path / name)]) == 2
        assert name.replace("\0", "\\x00") in capsys.readouterr().err
