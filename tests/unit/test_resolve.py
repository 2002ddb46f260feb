"""Asking uv and pip: real ones, a real index for two small distributions, the configuration."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from rpm_venv.errors import LockError, UnreachableError, VenvError
from rpm_venv.locks import pip, resolve, uv
from rpm_venv.locks.locked import Entry
from rpm_venv.locks.question import Question
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter
from rpm_venv.system.interpreter import Interpreter
from tests.host.wheels import make_wheel

#: pip is wherever these tests run; uv is in the environment that ``make test`` makes.
RESOLVERS = ["pip", *(["uv"] if uv.command() else [])]


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return interpreter.inspect(Layout(), os.path.realpath(sys.executable))


@pytest.fixture(params=RESOLVERS)
def resolver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The one resolver that is found."""
    if request.param == "pip":
        monkeypatch.setattr(uv, "command", lambda: None)
    return str(request.param)


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author without a configuration of pip or uv, but with the machine's certificates."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and name not in ("PIP_CERT", "UV_CACHE_DIR"):
            monkeypatch.delenv(name)


def test_the_index_is_asked_for_one_wheel_each(
    tmp_path: Path, python: Interpreter, resolver: str
) -> None:
    source = tmp_path / "requirements.in"
    source.write_text("six==1.16.0\nidna==3.7\n")
    answer = resolve.resolve(Question(source, python))
    assert answer.resolver == resolver
    assert {str(e): e.hashes for e in answer.entries} == {
        "six 1.16.0": ("8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",),
        "idna 3.7": ("82fee1fc78add43492d3a1898bfa6d8a904cc97d8427f683ed8e798d07761aa0",),
    }
    assert {f.filename for e in answer.entries for f in e.files} == {
        "six-1.16.0-py2.py3-none-any.whl",
        "idna-3.7-py3-none-any.whl",
    }


def test_pips_configuration_says_which_index_is_asked(
    tmp_path: Path,
    python: Interpreter,
    resolver: str,
    unconfigured: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = make_wheel("six", "99.0")  # a name of the public index, a version of the site's
    page = tmp_path / "simple" / "six"
    page.mkdir(parents=True)
    ours.save(page)
    digest = f"#sha256={ours.sha256}"
    (page / "index.html").write_text(f'<a href="{ours.filename}{digest}">{ours.filename}</a>')
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nindex-url = {(tmp_path / 'simple').as_uri()}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    source = tmp_path / "requirements.in"
    source.write_text("six\n")
    answer = resolve.resolve(Question(source, python))
    assert [(str(e), e.hashes) for e in answer.entries] == [("six 99.0", (ours.sha256,))]


def test_local_wheels_are_the_only_place_there_is(
    tmp_path: Path, python: Interpreter, resolver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, elsewhere = tmp_path / "local", tmp_path / "elsewhere"
    for directory, version in ((local, "1.0"), (elsewhere, "2.0")):
        directory.mkdir()
        make_wheel("lib", version).save(directory)
    monkeypatch.setenv("PIP_FIND_LINKS", str(elsewhere))
    monkeypatch.setenv("UV_FIND_LINKS", str(elsewhere))
    source = tmp_path / "requirements.in"
    source.write_text("lib\n")
    answer = resolve.resolve(Question(source, python, wheels=(local,)))
    assert [str(entry) for entry in answer.entries] == ["lib 1.0"]
    source.write_text("six\n")
    with pytest.raises(LockError) as caught:
        resolve.resolve(Question(source, python, wheels=(local,)))
    assert "six" in "\n".join(map(str, caught.value.problems))


def test_a_wheel_given_by_its_path_is_one(
    tmp_path: Path, python: Interpreter, resolver: str
) -> None:
    wheel = make_wheel("app", "1.0", requires=["lib"])
    path = wheel.save(tmp_path)
    local = tmp_path / "local"
    local.mkdir()
    lib = make_wheel("lib")
    lib.save(local)
    source = tmp_path / "requirements.in"
    source.write_text(f"app @ {path.as_uri()}\n")
    answer = resolve.resolve(Question(source, python, wheels=(local,)))
    found = {str(e): (e.hashes, e.files[0].filename) for e in answer.entries}
    assert found == {
        "app 1.0": ((wheel.sha256,), wheel.filename),
        "lib 1.0": ((lib.sha256,), lib.filename),
    }


def test_a_distribution_without_a_wheel_is_refused_with_advice(
    tmp_path: Path, python: Interpreter, resolver: str, unconfigured: None
) -> None:
    source = tmp_path / "requirements.in"
    source.write_text("docopt==0.6.2\n")  # an sdist since 2014
    with pytest.raises(LockError) as caught:
        resolve.resolve(Question(source, python))
    build = f"pip wheel -w wheels -r {source} && rpm-venv lock -w wheels {source} OUT"
    assert caught.value.hint == f"if docopt has no wheel, build it: {build}"


def test_an_index_that_does_not_answer_is_not_one_without_wheels(
    tmp_path: Path,
    python: Interpreter,
    resolver: str,
    unconfigured: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    nowhere |= {"PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0", "NO_PROXY": "127.0.0.1"}
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    source = tmp_path / "requirements.in"
    source.write_text("six\n")
    kept = Entry("six", Version("1.16.0"), ())
    with pytest.raises(UnreachableError) as caught:
        resolve.resolve(Question(source, python, preferred=(kept,)))
    first, *others = caught.value.lines()
    assert f"{source}: the index at 127.0.0.1:9 cannot be reached: " in first
    assert "Connection refused" in first
    assert f"rpm-venv lock -w DIR {source} OUT" in first
    assert "wheel of" not in first
    assert others == []
    assert caught.value.exit_code == 1


def test_a_source_directory_is_no_wheel(tmp_path: Path, python: Interpreter, resolver: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "backend.py").write_text(
        "from pathlib import Path\n"
        "def prepare_metadata_for_build_wheel(directory, settings=None):\n"
        "    info = Path(directory) / 'app-1.0.dist-info'\n"
        "    info.mkdir()\n"
        "    metadata = 'Metadata-Version: 2.1\\nName: app\\nVersion: 1.0\\n'\n"
        "    (info / 'METADATA').write_text(metadata)\n"
        "    return info.name\n"
        "def build_wheel(*arguments):\n"
        "    raise NotImplementedError\n"
    )
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "app"\nversion = "1.0"\n'
    )
    source = tmp_path / "requirements.in"
    source.write_text(f"app @ {project.as_uri()}\n")
    with pytest.raises(LockError):
        resolve.resolve(Question(source, python, wheels=(tmp_path,)))


def _only_python(place: Path, monkeypatch: pytest.MonkeyPatch, pip: str) -> str:
    """The one Python that there is, by its path: all that it does is said by a line of shell."""
    python = place / "python"
    python.write_text(f"#!/bin/sh\n{pip}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(place))
    return str(python)


def test_without_a_resolver_the_error_says_what_to_install(
    tmp_path: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _only_python(tmp_path, monkeypatch, "echo No module named pip >&2; exit 1")
    with pytest.raises(VenvError, match="neither uv nor pip") as caught:
        resolve.resolve(Question(tmp_path / "x", replace(python, path=path)))
    assert "dnf install python3-pip" in caught.value.hint


def test_an_old_pip_is_not_asked(
    tmp_path: Path, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _only_python(tmp_path, monkeypatch, "echo pip 22.2.2 from here")
    assert list(pip.commands(replace(python, path=path))) == []


def test_an_old_uv_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "uv"
    old.write_text("#!/bin/sh\necho uv 0.4.30\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert shutil.which("uv") == str(old)
    assert uv.command() is None


def test_pips_configuration_in_uvs_words() -> None:
    assert uv.as_uv(
        {
            "index-url": "https://site/simple",
            "extra-index-url": "\nhttps://a/simple\nhttps://b/simple",
            "find-links": "/w  /x",
            "trusted-host": "site",
            "cert": "/etc/site.pem",
            "timeout": "60",
            "proxy": "",
        }
    ) == {
        "UV_DEFAULT_INDEX": "https://site/simple",
        "UV_INDEX": "https://a/simple https://b/simple",
        "UV_FIND_LINKS": "/w,/x",
        "UV_INSECURE_HOST": "site",
        "SSL_CERT_FILE": "/etc/site.pem",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


REPORTED = {
    "a wheel of the index": (
        {
            "url": "https://x/lib-1.0-py3-none-any.whl",
            "archive_info": {"hashes": {"sha256": "a" * 64}},
        },
        ("", ("a" * 64,)),
    ),
    "a wheel, as pip before 23.1 said it": (
        {
            "url": "file:///x/lib-1.0-py3-none-any.whl",
            "archive_info": {"hash": "sha256=" + "b" * 64},
        },
        ("", ("b" * 64,)),
    ),
    "an sdist given by its URL": (
        {"url": "https://x/lib-1.0.tar.gz", "archive_info": {"hashes": {"sha256": "a" * 64}}},
        ("archive", ()),
    ),
    "a repository": ({"url": "https://x/y.git", "vcs_info": {"vcs": "git"}}, ("vcs", ())),
    "a directory": ({"url": "file:///x", "dir_info": {}}, ("directory", ())),
}


@pytest.mark.parametrize("info, expected", REPORTED.values(), ids=REPORTED)
def test_pips_report_is_understood(
    info: dict[str, object], expected: tuple[str, tuple[str, ...]]
) -> None:
    item = {"metadata": {"name": "Lib", "version": "1.0"}, "download_info": info}
    entry = pip._from_report(item)
    assert (str(entry), entry.source, entry.hashes) == ("lib 1.0", *expected)


def test_an_index_without_hashes_is_refused() -> None:
    info = {"url": "https://x/lib-1.0-py3-none-any.whl", "archive_info": {}}
    item = {"metadata": {"name": "lib", "version": "1.0"}, "download_info": info}
    with pytest.raises(LockError, match="gives no sha256"):
        pip._from_report(item)


WITHOUT_HASHES = {
    "a hash": ("six==1 --hash=sha256:00\n", "six==1\n"),
    "hashes on lines of their own": (
        "six==1 \\\n --hash=sha256:0 \\\n --hash=md5:1\nb",
        "six==1  \nb\n",
    ),
    "an include": ("-r base.in", "-r /here/base.in\n"),
    "an include without a space": ("-rbase.in", "-r/here/base.in\n"),
    "constraints": ("  --constraint=../c.txt # why", "  --constraint=/here/../c.txt # why\n"),
    "an include from elsewhere": ("-r https://x/y", "-r https://x/y\n"),
    "an include with its whole path": ("-c /etc/c.txt", "-c /etc/c.txt\n"),
    "a name that begins like an option": ("c-r==1", "c-r==1\n"),
}


@pytest.mark.parametrize("text, expected", WITHOUT_HASHES.values(), ids=WITHOUT_HASHES)
def test_requirements_mean_the_same_elsewhere(text: str, expected: str) -> None:
    assert resolve.without_hashes(text, Path("/here")) == expected
