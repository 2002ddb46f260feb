"""``rpm-venv audit`` and ``advisories``: what they say, and their exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import cli
from rpm_venv.advisories import database
from rpm_venv.errors import UsageError, VenvError
from rpm_venv.paths import Layout
from rpm_venv.report import DONE, FAILED, FOUND, Report
from tests.unit import environments
from tests.unit.advisories import fixed, introduced, record


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two environments, one of them with something to find, and a database in its place."""
    layout = Layout(tmp_path / "root")
    environments.make(layout, distributions={"Demo": "1.0+local", "fine": "2"})
    environments.make(layout, "/opt/app2/penv", {"fine": "2"}, package=None)
    _database(
        layout,
        record("GHSA-1", "demo", introduced("0"), fixed("1.1"), aliases=["CVE-1"]),
        record("PYSEC-1", "demo", introduced("0"), fixed("1.1"), aliases=["CVE-1"], summary="Bad."),
        record("PYSEC-2", "fine", introduced("0"), fixed("2")),
    )
    return layout


def _database(layout: Layout, *records: dict[str, Any]) -> None:
    place = database.default(layout)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for one in records:
        (place / f"{one['id']}.json").write_text(json.dumps(one))


def _audit(layout: Layout, *arguments: str) -> Report:
    return cli.call(["--root", str(layout.root), "audit", *arguments])


def test_what_is_found(layout: Layout) -> None:
    report = _audit(layout)
    assert report.exit_code == FOUND
    assert report.text == (
        "/opt/app1/penv (app1-1.0-1.noarch)",
        "  Demo 1.0+local  PYSEC-1, GHSA-1, CVE-1  fixed in 1.1",
        "      Bad.",
    )
    first, second = report.data["environments"]
    assert (first["path"], first["package"], first["distributions"]) == (
        "/opt/app1/penv", "app1-1.0-1.noarch", 2,
    )  # fmt: skip
    (found,) = first["vulnerabilities"]
    assert (found["id"], found["aliases"], found["fixed"]) == (
        "PYSEC-1",
        ["GHSA-1", "CVE-1"],
        ["1.1"],
    )
    assert second["vulnerabilities"] == []
    assert report.data["database"]["newest"] == "2024-05-06"
    assert report.data["database"]["age_days"] > 365
    assert f"{report.data['database']['age_days']} days ago" in report.talk[-1]


def test_one_environment_or_all_of_them(layout: Layout) -> None:
    assert _audit(layout, "/opt/app2/penv").exit_code == DONE
    assert _audit(layout, "/opt/app2/penv").text == ()
    assert _audit(layout, "--all").exit_code == FOUND
    with pytest.raises(UsageError):
        _audit(layout, "--all", "/opt/app2/penv")


def test_one_whose_state_is_gone_is_among_all(layout: Layout) -> None:
    before = _audit(layout, "--all")
    layout.state_file("/opt/app1/penv").unlink()
    after = _audit(layout, "--all")
    assert after.exit_code == FOUND
    first, second = after.data["environments"]
    assert first == {**before.data["environments"][0], "package": ""}
    assert second == before.data["environments"][1]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("CVE-1 until=2999-01-01 reason=not reached", DONE),
        ("GHSA-1 until=2999-01-01 package=demo path=/opt/app1/penv reason=x", DONE),
        ("PYSEC-1 until=2999-01-01 path=/opt/app2/penv reason=x", FOUND),
        ("PYSEC-1 until=2999-01-01 package=fine reason=x", FOUND),
        ("PYSEC-1 until=2024-01-01 reason=was not reached", FOUND),
    ],
)
def test_ignores(layout: Layout, line: str, code: int) -> None:
    (layout.root / "etc/rpm-venv").mkdir(parents=True)
    (layout.root / "etc/rpm-venv/audit.ignore").write_text(f"{line}\n")
    report = _audit(layout)
    assert report.exit_code == code
    said = "\n".join(report.text)
    assert ("ignored until 2999-01-01: " in said) == (code == DONE)
    if "2024" in line:
        assert "was ignored until 2024-01-01: was not reached" in said
        assert any("audit.ignore:1: the ignore of PYSEC-1 has expired" in t for t in report.talk)


def test_a_database_that_is_too_old_is_not_usable(layout: Layout) -> None:
    with pytest.raises(VenvError, match=r"days old, and 30 days are allowed"):
        _audit(layout, "--max-age", "30")
    (layout.root / "etc").mkdir()
    (layout.root / "etc/rpm-venv.conf").write_text("audit-max-age = 30\n")
    with pytest.raises(VenvError, match=r"days old, and 30 days are allowed"):
        _audit(layout)
    assert _audit(layout, "--max-age", "30000").exit_code == FOUND


def test_without_a_database_the_exit_code_is_1(layout: Layout) -> None:
    shutil.rmtree(database.default(layout))
    assert cli.main(["--root", str(layout.root), "audit"]) == FAILED


def test_what_cannot_be_looked_at_is_not_clean(layout: Layout) -> None:
    generation = environments.make(layout, "/opt/app3/penv", {"fine": "2"})
    file = layout.real(layout.generation_target("/opt/app3/penv", generation.name))
    (file / ".rpm-venv/generation.json").write_text("{}")
    report = _audit(layout, "/opt/app3/penv")
    assert report.exit_code == FAILED
    assert report.talk[0].startswith("/opt/app3/penv: not audited: generation")
    assert _audit(layout).exit_code == FOUND  # what was found goes first


def test_an_environment_that_is_not_there_is_named_and_has_nothing(layout: Layout) -> None:
    layout.real("/opt/app2/penv").unlink()
    report = _audit(layout, "/opt/app2/penv")
    assert report.exit_code == DONE
    assert report.talk[0] == "/opt/app2/penv: not audited: there is nothing at this path"


def test_an_index_made_of_records_finds_the_same(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = _audit(layout).data["environments"]
    place = database.default(layout)
    (place / "broken.json").write_text("{")
    assert cli.main(["advisories", str(place)]) == DONE
    assert capsys.readouterr() == (
        "20240506\n",
        "rpm-venv: skipped: broken.json: not JSON: Expecting property name enclosed in double "
        "quotes: line 1 column 2 (char 1)\n",
    )
    made = tmp_path / database.INDEX
    assert cli.main(["advisories", str(place), str(made)]) == DONE
    report = _audit(layout, "--db", str(made))
    assert report.data["environments"] == expected
    assert "1 unreadable and skipped (broken.json: not JSON" in report.talk[-1]
