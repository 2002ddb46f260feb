"""Overrides and extras: what the administrator's lines do to a lock, purely."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rpm_venv.errors import LockError
from rpm_venv.locks import amendments, fit, lock
from rpm_venv.locks.amended import (
    EXTRA,
    OVERRIDE,
    Amendment,
    Amendments,
    Outcome,
    refuse_broken,
)
from rpm_venv.locks.amendments import Amended
from rpm_venv.locks.fit import Needs
from rpm_venv.paths import Layout
from rpm_venv.system import amendments as administrator
from rpm_venv.system.amendments import Text

PATH = "/opt/app1/penv"
MARKERS = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}


def line(name: str, version: str, digit: str = "0", marker: str = "") -> str:
    return f"{name}=={version}{marker} --hash=sha256:{digit * 64}\n"


def override(text: str, name: str = "cve.txt") -> Text:
    return Text(OVERRIDE, f"/etc/rpm-venv/overrides.d/{name}", text.encode())


def extra(text: str, name: str = "opt-app1-penv.txt") -> Text:
    return Text(EXTRA, f"/etc/rpm-venv/extras.d/{name}", text.encode())


def amend(*texts: Text, refused: dict[Amendment, str] | None = None) -> Amended:
    """The amended lock of an environment that has ``web 1.0`` and ``tls 2.0``."""
    own = lock.parse((line("web", "1.0", "a") + line("tls", "2.0", "b")).encode(), "r.txt")
    return amendments.amend(own.entries, amendments.parse(texts), PATH, MARKERS, refused or {})


def contents(amended: Amended) -> list[str]:
    return [str(entry) for entry in amended.entries]


def told(amended: Amended) -> list[str]:
    return [
        f"{o.name} {o.version} {o.outcome} {o.was} {o.reason}".strip() for o in amended.outcomes
    ]


# ---- what a line does


def test_an_override_stands_for_an_older_version_with_its_hashes() -> None:
    amended = amend(override("# CVE-1\n" + line("TLS", "2.0.1", "c")))
    assert contents(amended) == ["tls 2.0.1", "web 1.0"]
    assert amended.entries[0].hashes == ("c" * 64,)
    (outcome,) = amended.outcomes
    assert outcome == Outcome(
        OVERRIDE, "tls", "2.0.1", "/etc/rpm-venv/overrides.d/cve.txt", "line 2", "applied", "2.0"
    )
    assert outcome.line() == (
        "/etc/rpm-venv/overrides.d/cve.txt: line 2: tls 2.0.1 is applied in place of 2.0"
    )


@pytest.mark.parametrize("version", ["1.9", "2.0", "2.0rc1"])
def test_an_override_never_takes_a_version_of_the_package_back(version: str) -> None:
    amended = amend(override(line("tls", version)))
    assert contents(amended) == ["tls 2.0", "web 1.0"]
    assert told(amended) == [f"tls {version} superseded 2.0"]


def test_a_patched_local_version_is_newer_than_what_it_patches() -> None:
    assert contents(amend(override(line("tls", "2.0+site.1")))) == ["tls 2.0+site.1", "web 1.0"]


def test_an_override_of_what_is_not_there_is_no_matter() -> None:
    amended = amend(override(line("other", "9")))
    assert (contents(amended), told(amended)) == (["tls 2.0", "web 1.0"], [])


def test_of_several_overrides_the_newest_counts_and_equals_add_their_wheels() -> None:
    amended = amend(
        override(line("tls", "2.1", "c")),
        override(line("tls", "2.2", "d"), "other.txt"),
        override(line("tls", "2.2", "e"), "third.txt"),
    )
    assert contents(amended) == ["tls 2.2", "web 1.0"]
    assert amended.entries[0].hashes == ("d" * 64, "e" * 64)
    assert told(amended) == ["tls 2.1 superseded 2.2", "tls 2.2 applied 2.0", "tls 2.2 applied 2.0"]
    assert amended.was("tls") == "2.0"


def test_markers_decide_for_each_python() -> None:
    text = line("tls", "2.1", marker=' ; python_version < "3.11"') + line(
        "tls", "2.2", marker=' ; python_version >= "3.11"'
    )
    assert contents(amend(override(text))) == ["tls 2.2", "web 1.0"]


def test_an_extra_joins_its_environment_alone() -> None:
    assert contents(amend(extra(line("plugin", "1")))) == ["plugin 1", "tls 2.0", "web 1.0"]
    assert contents(amend(extra(line("plugin", "1"), "opt-app2-penv.txt"))) == [
        "tls 2.0",
        "web 1.0",
    ]


def test_an_extra_does_not_change_what_the_lock_has() -> None:
    amended = amend(extra(line("tls", "2.1") + line("web", "1.0")))
    assert contents(amended) == ["tls 2.0", "web 1.0"]
    assert told(amended) == [
        "tls 2.1 pending 2.0 the environment has tls 2.0; an override can raise it",
        "web 1.0 superseded 1.0",
    ]


def test_an_override_counts_for_an_extra_as_well() -> None:
    amended = amend(extra(line("plugin", "1")), override(line("plugin", "1.1")))
    assert contents(amended) == ["plugin 1.1", "tls 2.0", "web 1.0"]
    assert amended.was("plugin") == ""


def test_what_did_not_fit_leaves_the_lock_and_the_next_best() -> None:
    texts = override(line("tls", "2.2")), override(line("tls", "2.1"), "b.txt")
    best = amend(*texts).applied["tls"]
    amended = amend(*texts, refused={best: "it does not fit"})
    assert contents(amended) == ["tls 2.1", "web 1.0"]
    assert "tls 2.2 pending 2.0 it does not fit" in told(amended)


# ---- files that are wrong


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls>=2.1\n", "range"),
        ("tls==2.1\n", "no --hash"),
        (line("tls", "2.1") + line("tls", "2.2"), "conflicts"),
        ("-r /etc/passwd\n", "another file"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_wrong_file_is_wrong_as_a_whole(text: str, problem: str) -> None:
    data = (line("web", "9") + text).encode("latin-1")
    read = amendments.parse([Text(OVERRIDE, "/etc/rpm-venv/overrides.d/x.txt", data)])
    assert read.overrides == ()
    (broken,) = read.broken
    assert any(problem in str(each) for each in broken.problems)
    assert "web" in broken.names


def test_a_wrong_override_is_an_error_where_it_concerns_an_environment() -> None:
    read = amendments.parse([override("tls>=2.1\n")])
    followed = Outcome(OVERRIDE, "web", "2", "/etc/rpm-venv/overrides.d/cve.txt", "", "applied")
    assert read.broken_for(PATH, ["web"], ()) == ()
    for names, outcomes in ((["tls"], ()), (["web"], (followed,))):
        with pytest.raises(LockError) as caught:
            refuse_broken(read.broken_for(PATH, names, outcomes))
        assert "/etc/rpm-venv/overrides.d/cve.txt" in caught.value.lines()[0]
        assert "line 1" in caught.value.lines()[1]


def test_a_wrong_file_of_extras_leaves_the_environment_without_them() -> None:
    amended = amend(extra("plugin\n"))
    assert contents(amended) == ["tls 2.0", "web 1.0"]
    (outcome,) = amended.outcomes
    assert "opt-app1-penv.txt is not applied: line 1: 'plugin' is a" in outcome.line()


@pytest.mark.parametrize("name", ["app1.txt", "opt-..-etc.txt", "-opt-app1.txt"])
def test_a_file_of_extras_is_called_after_a_path(name: str) -> None:
    (broken,) = amendments.parse([extra(line("plugin", "1"), name)]).broken
    assert "not that of an environment's path" in str(broken.problems[0])


# ---- whether anything changed


def test_the_digest_is_of_what_concerns_an_environment() -> None:
    def digest(*texts: Text) -> str:
        return amendments.parse(texts).digest(PATH, ["tls", "web"])

    one = override(line("tls", "2.1"))
    assert digest() == digest(override(line("other", "1"))) == Amendments().digest(PATH, []) == ""
    assert digest(one) == digest(override("# why\n\n" + line("tls", "2.1")))
    different = [
        digest(one),
        digest(override(line("tls", "2.2"))),
        digest(override(line("tls", "2.1", "1"))),
        digest(override(line("tls", "2.1"), "other.txt")),
        digest(one, extra(line("plugin", "1"))),
        digest(override("tls")),
    ]
    assert len(set(different)) == len(different)


# ---- whether wheels fit


def misfits(*wheels: Needs, **amended: str) -> dict[str, str]:
    return fit.misfits(wheels, amended, MARKERS)


def test_what_the_other_wheels_allow_is_told_by_their_requirements() -> None:
    web = Needs("web", "1.0", ("tls<2.1,>=2", "unknown"))
    assert misfits(web, Needs("tls", "2.0.9"), tls="2.0") == {}
    assert misfits(web, Needs("tls", "2.1"), tls="2.0") == {"tls": "web 1.0 needs tls<2.1,>=2"}
    assert misfits(web, Needs("tls", "2.1")) == {}, "the package's own affair"
    assert misfits(web, Needs("tls", "3"), tls="2.5") == {}, "it was broken before"


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("tls>=2", ""),
        ("tls>=3", "it needs tls>=3, and the environment has tls 2.0"),
        ("colour", "it needs colour, which the environment does not have"),
        ('colour; sys_platform == "win32"', ""),
        ('colour; extra == "pretty"', ""),
        ("not a requirement at all", ""),
        ("x" * 3000, ""),
        ('a; ' + "(" * 40 + 'python_version > "3"' + ")" * 40, ""),
    ],
)  # fmt: skip
def test_what_an_amended_wheel_needs_must_be_there(requirement: str, reason: str) -> None:
    found = misfits(Needs("plugin", "1", (requirement,)), Needs("tls", "2.0"), plugin="")
    assert found == ({"plugin": reason} if reason else {})


def test_extras_that_others_ask_for_count() -> None:
    asks = Needs("web", "1.0", ("plugin[pretty]",))
    plugin = Needs("plugin", "1", ('colour; extra == "pretty"', 'plugin[pretty]; extra == "all"'))
    assert misfits(asks, plugin, plugin="0.9") == {
        "plugin": 'it needs colour; extra == "pretty", which the environment does not have'
    }


def test_an_amended_wheel_for_another_python_does_not_fit() -> None:
    found = misfits(Needs("tls", "2.1", python=">=3.12"), Needs("web", "1", python=">=4"), tls="2")
    assert found == {"tls": "it is for Python >=3.12"}


# ---- the files of a system


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    os.chmod(tmp_path, 0o755)
    (tmp_path / "etc/rpm-venv/overrides.d").mkdir(parents=True)
    (tmp_path / "etc/rpm-venv/extras.d").mkdir(parents=True)
    return Layout(tmp_path)


def test_files_are_read_in_order_and_nothing_else(layout: Layout) -> None:
    place = layout.root / "etc/rpm-venv"
    for name in ("overrides.d/b.txt", "overrides.d/a.txt", "overrides.d/.a.txt.swp"):
        (place / name).write_text(line("tls", "2.1"))
    for name in ("overrides.d/README", "overrides.d/.hidden.txt", "extras.d/opt-app1-penv.txt"):
        (place / name).write_text("x")
    read = administrator.read(layout)
    assert [text.file.removeprefix("/etc/rpm-venv/") for text in read] == [
        "overrides.d/a.txt", "overrides.d/b.txt", "extras.d/opt-app1-penv.txt",
    ]  # fmt: skip
    assert [text.problem for text in read] == [""] * 3
    assert administrator.read(Layout(layout.root / "nowhere")) == ()


PLACES = ["etc/rpm-venv/overrides.d", "usr/share/rpm-venv/extras.d/opt-app1-penv"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mode", [0o666, 0o664, 0o602])
def test_a_file_that_others_may_write_to_is_not_believed(
    layout: Layout, mode: int, place: str
) -> None:
    file = layout.root / place / "x.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line("tls", "2.1"))
    file.chmod(mode)
    (text,) = administrator.read(layout)
    assert (text.data, "others may write to it" in text.problem) == (b"", True)
    assert amendments.parse([text]).overrides == ()


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file away")
def test_a_strangers_file_or_directory_is_not_believed(layout: Layout, where: str) -> None:
    place = layout.root / where
    place.mkdir(parents=True, exist_ok=True)
    (place / "x.txt").write_text(line("tls", "2.1"))
    os.chown(place / "x.txt", 65534, 65534)
    (text,) = administrator.read(layout)
    assert (text.data, text.problem) == (b"", "it belongs to the user with id 65534")
    os.chown(place, 65534, 65534)
    (text,) = administrator.read(layout)
    assert (text.data, "belongs to the user with id 65534" in text.problem) == (b"", True)


def test_packages_bring_extras_for_environments_alone(layout: Layout) -> None:
    """What is called after no environment is nothing; the wheels beside the locks are found."""
    top = layout.root / "usr/share/rpm-venv/extras.d"
    for name in ("opt-app1-penv", "opt-app2-penv", "nothing", "..x"):
        (top / name).mkdir(parents=True)
        (top / name / "plugin.txt").write_text(line("plugin", "1.0"))
    read = administrator.read(layout)
    assert [text.file.removeprefix("/usr/share/rpm-venv/extras.d/") for text in read] == [
        "opt-app1-penv/plugin.txt", "opt-app2-penv/plugin.txt",
    ]  # fmt: skip
    assert set(amendments.parse(read).extras) == {PATH, "/opt/app2/penv"}
    assert administrator.wheels(layout, PATH) == ("/usr/share/rpm-venv/extras.d/opt-app1-penv",)


def test_links_and_what_is_no_file_are_refused(layout: Layout) -> None:
    place = layout.root / "etc/rpm-venv/overrides.d"
    (place / "link.txt").symlink_to("/etc/passwd")
    (place / "directory.txt").mkdir()
    os.mkfifo(place / "pipe.txt")
    assert [text.problem for text in administrator.read(layout)] == [
        "cannot be read: not a regular file",
        "it is a link; put the file itself there",
        "cannot be read: not a regular file",
    ]
    assert [text.data for text in administrator.read(layout)] == [b""] * 3


def test_an_outcome_is_what_it_was_after_json() -> None:
    (outcome,) = amend(override(line("tls", "2.1"))).outcomes
    assert Outcome.from_json(outcome.to_json()) == outcome
    assert replace(outcome, outcome="superseded").line().endswith("is superseded by 2.0")
