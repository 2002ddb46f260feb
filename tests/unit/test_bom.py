"""``rpm-venv sbom``: what it says, always the same, and as CycloneDX's own schema has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rpm_venv import bom, cli, state
from rpm_venv.declaration import Package
from rpm_venv.errors import VenvError
from rpm_venv.locks.amended import Outcome
from rpm_venv.paths import Layout
from rpm_venv.trees import generations
from rpm_venv.trees.generation import Generation
from rpm_venv.trees.metadata import Metadata
from tests.hostile.building import cpu_limited
from tests.unit import environments

PATH = "/opt/app1/penv"
SITE = "lib/python3.11/site-packages"


def refuse_invalid(document: Mapping[str, Any]) -> None:
    """``AssertionError`` where a document is not as the official schema of CycloneDX 1.6 says."""
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None


def _describe(
    layout: Layout, generation: Generation, name: str, header: str, version: str = "1.0"
) -> Path:
    top = generations.directory(layout, PATH, generation.name)
    file = top / SITE / f"{name}-{version}.dist-info" / "METADATA"
    file.parent.mkdir(parents=True)
    file.write_text(f"Name: {name}\nVersion: {version}\n{header}")
    return file


def _sbom(layout: Layout) -> Mapping[str, Any]:
    return cli.call(["--root", str(layout.root), "sbom", PATH]).data


def _component(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in document["components"] if each["name"] == name)
    return dict(found)


def test_what_it_says(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    generation = environments.make(
        layout, distributions={"App_1": "1.0", "dep.x": "2.0+local.1", "extra": "1!3"}
    )
    said = {
        ("App_1", "1.0"): (
            "License-Expression: mit or apache-2.0\nSummary: It is.\n"
            "Requires-Dist: Dep-X[more]>=1\nRequires-Dist: absent\n"
            "Requires-Dist: extra; extra == 'x'\n"
        ),
        ("dep_x", "2.0+local.1"): (
            "License: Our own words\nRequires-Dist: extra; extra == 'more'\nRequires-Dist: ((((\n"
        ),
        ("extra", "1!3"): (
            "License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n"
            "Classifier: Topic :: X\n"
        ),
    }
    for (name, version), header in said.items():
        _describe(layout, generation, name, header, version)
    document = _sbom(layout)
    refuse_invalid(document)
    assert document["metadata"]["component"]["purl"] == "pkg:rpm/app1@1.0-1?arch=noarch"
    first = _component(document, "App_1")
    assert first["purl"] == first["bom-ref"] == "pkg:pypi/app-1@1.0"
    assert first["hashes"] == [{"alg": "SHA-256", "content": f"{1:064x}"}]
    assert first["description"] == "It is."
    assert first["licenses"] == [{"expression": "MIT OR Apache-2.0", "acknowledgement": "declared"}]
    second = _component(document, "dep.x")
    assert second["purl"] == "pkg:pypi/dep-x@2.0%2Blocal.1"
    assert second["licenses"][0]["license"]["name"] == "Our own words"
    third = _component(document, "extra")
    assert third["purl"] == "pkg:pypi/extra@1%213"
    assert third["licenses"][0]["license"]["name"] == "MIT License"
    needs = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
    assert needs == {
        "pkg:rpm/app1@1.0-1?arch=noarch": [first["purl"]],
        first["purl"]: [second["purl"]],
        second["purl"]: [third["purl"]],
        third["purl"]: [],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=fedora\nVERSION_ID=44\n", "fedora/app1@1.0-1?arch=noarch&distro=fedora-44"),
        ('ID="rhel"\nVERSION_ID="9.4"\n', "redhat/app1@1.0-1?arch=noarch&distro=rhel-9.4"),
        ("ID='opensuse-leap'\nVERSION_ID=15.6\n",
         "opensuse/app1@1.0-1?arch=noarch&distro=opensuse-leap-15.6"),
        ("NAME=ID=x\nID=arch\nID_LIKE=fedora\n", "arch/app1@1.0-1?arch=noarch"),
        ("ID=Some One\nVERSION_ID=$(id)\n", "app1@1.0-1?arch=noarch"),
        ("\0" * 99_999, "app1@1.0-1?arch=noarch"),
    ],
)  # fmt: skip
def test_the_vendor_is_the_distribution(tmp_path: Path, text: str, expected: str) -> None:
    environments.make(Layout(tmp_path), distributions={"app": "1.0"})
    (tmp_path / "usr/lib/os-release").write_text(text)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    document = _sbom(Layout(tmp_path))
    refuse_invalid(document)
    assert document["metadata"]["component"]["purl"] == f"pkg:rpm/{expected}"


def test_what_an_administrator_changed_is_told(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    generation = environments.make(layout, distributions={"tls": "2.1", "plugin": "1", "web": "1"})
    known = state.read(layout, PATH)
    assert known is not None
    place = "/etc/rpm-venv"
    outcomes = (
        Outcome("override", "tls", "2.1", f"{place}/overrides.d/x.txt", "line 1", "applied", "2.0"),
        Outcome("override", "web", "1", f"{place}/overrides.d/x.txt", "line 2", "pending"),
        Outcome("extra", "plugin", "1", f"{place}/extras.d/a.txt", "line 1", "applied"),
    )
    state.write(layout, replace(known, outcomes=outcomes, left="0" * 20))
    document = _sbom(layout)
    refuse_invalid(document)
    told = {
        each["name"]: {p["name"][9:]: p["value"] for p in each["properties"]}
        for each in (document["metadata"] | {"name": ""}, *document["components"])
    }
    assert told["tls"]["override"] == f"{place}/overrides.d/x.txt"
    assert told["tls"]["locked"] == "2.0"
    assert (told["plugin"]["extra"], told["plugin"]["locked"]) == (
        f"{place}/extras.d/a.txt",
        "none",
    )
    assert told["web"].keys() == {"wheel"}
    assert (told[""]["generation"], told[""]["condition"]) == (generation.name, "rolled back")


def test_the_same_generation_gives_the_same_document(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    environments.make(layout, distributions={"app": "1.0"})
    first, again = _sbom(layout), _sbom(layout)
    assert first == again
    assert "timestamp" not in first["metadata"]
    other = Layout(tmp_path / "other")
    environments.make(other, distributions={"app": "1.1"})
    assert _sbom(other)["serialNumber"] != first["serialNumber"]


def test_text_and_json_are_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environments.make(Layout(tmp_path), distributions={"app": "1.0"}, package=None)
    printed = []
    for option in ((), ("--json",)):
        assert cli.main(["--root", str(tmp_path), *option, "sbom", PATH]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    document = json.loads(printed[0])
    refuse_invalid(document)
    assert document["metadata"]["component"]["name"] == PATH


@pytest.mark.parametrize(
    "header",
    [
        "License-Expression: " + "(" * 90 + "\nLicense: \x1b[2J\x00 \u202e words\n",
        "License: " + "x" * 100_000 + "\nSummary: " + "y\x07" * 100_000,
        "Classifier: License ::\nClassifier: License :: \nClassifier: License :: OSI Approved\n",
        "Requires-Dist: " + "(" * 5_000 + "\nRequires-Dist: a; " + "(" * 500 + "\n",
        "Requires-Dist: app\nRequires-Dist: app[app]; extra == 'app'\n",
        "\n\nSummary: not in the header\n",
        "License-Expression: MIT OR\nLicense-Expression: MIT\n",
    ],
    ids=["brackets", "long", "hollow", "nested", "itself", "body", "twice"],
)
def test_whatever_a_distribution_says_the_document_is_valid(tmp_path: Path, header: str) -> None:
    layout = Layout(tmp_path)
    generation = environments.make(layout, distributions={"app": "1.0"})
    _describe(layout, generation, "app", header)
    document = _sbom(layout)
    refuse_invalid(document)
    text = json.dumps(document, ensure_ascii=False)
    assert text.isprintable()
    assert len(text) < 4_000


def test_a_version_of_more_digits_than_python_reads_is_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    generation = environments.make(layout, distributions={"app": "1" * 5_000})
    _describe(layout, generation, "app", "")
    assert len(_component(_sbom(layout), "app")["version"]) == 5_000


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    generation = environments.make(layout, distributions={"app": "1.0"})
    (tmp_path / "secret").write_text("Summary: a secret\n")
    file = _describe(layout, generation, "app", "")
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    assert "description" not in _component(_sbom(layout), "app")


def test_without_its_python_nothing_is_said_of_dependencies() -> None:
    generation = Generation("0" * 20, PATH, "/usr/bin/python3", "cpython-311", False, ())
    document = bom.document(generation, bom.Setting(), {}, None)
    refuse_invalid(document)
    assert "dependencies" not in document


def test_without_a_generation_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VenvError, match="no generation"):
        _sbom(Layout(tmp_path))


@pytest.mark.parametrize(
    ("needs", "tops"), [({"a": ["b"], "b": ["a"]}, ["a", "b"]), ({"a": [], "b": []}, ["a", "b"])]
)
def test_a_circle_of_needs_has_no_top(needs: dict[str, Sequence[str]], tops: list[str]) -> None:
    layout_free = Generation("0" * 20, PATH, "/p", "t", False, _wheels(*needs))
    metadata = {name: Metadata({"requires-dist": list(others)}) for name, others in needs.items()}
    setting = bom.Setting(Package.parse("app-2:1-1.x86_64"))
    document = bom.document(layout_free, setting, metadata, {})
    refuse_invalid(document)
    assert document["metadata"]["component"]["purl"] == "pkg:rpm/app@1-1?arch=x86_64&epoch=2"
    assert document["dependencies"][0]["dependsOn"] == [f"pkg:pypi/{name}@1" for name in tops]


def test_extras_without_an_end_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of twenty thousand would be looked for in each of a thousand lines: for minutes."""
    monkeypatch.setattr(bom, "_MAX_LOOKS", 5_000, raising=False)
    asked = [f"b[{','.join(f'e{n}x{m}' for m in range(200))}]" for n in range(100)]
    needs = {"a": asked, "b": [f"c; extra == 'n{n}'" for n in range(1000)], "c": ["d"], "d": []}
    metadata = {name: Metadata({"requires-dist": lines}) for name, lines in needs.items()}
    generation = Generation("0" * 20, PATH, "/p", "t", False, _wheels(*needs))
    with cpu_limited(10):
        document = bom.document(generation, bom.Setting(), metadata, {"python_version": "3.11"})
    found = {each["ref"]: each["dependsOn"] for each in document["dependencies"][1:]}
    assert found["pkg:pypi/a@1"] == ["pkg:pypi/b@1"]
    assert found["pkg:pypi/c@1"] == ["pkg:pypi/d@1"]


def _wheels(*names: str) -> Any:
    from rpm_venv.trees.generation import Distribution

    return tuple(Distribution(name, "1", f"{name}-1-py3-none-any.whl", "0" * 64) for name in names)
