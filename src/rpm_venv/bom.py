"""A software bill of materials of one generation, in CycloneDX 1.6 (ECMA-424). Pure.

The same generation of the same package gives the same document: its serial number is a digest of
all the rest of it, and there is no time in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from packaging.licenses import canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rpm_venv import __version__
from rpm_venv.declaration import Package
from rpm_venv.trees.generation import Distribution, Generation

if TYPE_CHECKING:
    from rpm_venv.trees.metadata import Metadata

_MAX_TEXT = 200  # characters of what a METADATA says
_MAX_DEPENDENCIES = 1_000  # of one distribution
_OSI = "License :: "


def document(
    generation: Generation,
    owner: Package | None,
    metadata: Mapping[str, Metadata],
    markers: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The bill of materials, as JSON has it.

    ``owner`` is the package that the environment belongs to, ``metadata`` what its distributions
    say of themselves, by name; ``markers`` the PEP 508 environment of its Python. Without that,
    nothing is said of who needs whom.
    """
    subject = _subject(generation, owner)
    components = [_component(wheel, metadata.get(wheel.name)) for wheel in generation.distributions]
    body: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "rpm-venv", "version": __version__}]
            },
            "component": subject,
            "properties": [
                {"name": "rpm-venv:path", "value": generation.path},
                {"name": "rpm-venv:generation", "value": generation.name},
                {"name": "rpm-venv:python", "value": generation.python},
                {"name": "rpm-venv:python-tag", "value": generation.tag},
            ],
        },
        "components": sorted(components, key=lambda each: str(each["bom-ref"])),
    }
    if markers is not None:
        reference = subject["bom-ref"]
        body["dependencies"] = _dependencies(reference, generation, metadata, markers)
    return {**body, "serialNumber": _serial_number(body)}


def _serial_number(body: Mapping[str, Any]) -> str:
    """A UUID (RFC 9562, version 8: of our own making) of the rest of the document."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digits = hashlib.sha256(text.encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    groups = (digits[:8], digits[8:12], "8" + digits[13:16], variant + digits[17:20], digits[20:32])
    return f"urn:uuid:{'-'.join(groups)}"


def _subject(generation: Generation, owner: Package | None) -> dict[str, Any]:
    """What the document is of: the package, or where there is none, the environment."""
    if owner is None:
        return {"type": "application", "bom-ref": generation.path, "name": generation.path}
    epoch = f"&epoch={owner.epoch}" if owner.epoch else ""
    version = f"{owner.version}-{owner.release}"
    purl = f"pkg:rpm/{_quoted(owner.name)}@{_quoted(version)}?arch={_quoted(owner.arch)}{epoch}"
    return {
        "type": "application",
        "bom-ref": purl,
        "name": owner.name,
        "version": owner.evr,
        "purl": purl,
    }


def _component(wheel: Distribution, metadata: Metadata | None) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(wheel),
        "name": wheel.name,
        "version": wheel.version,
        "purl": purl(wheel),
        "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
        "properties": [{"name": "rpm-venv:wheel", "value": wheel.filename}],
    }
    if metadata is not None:
        summary, licences = _plain(metadata.first("summary")), _licences(metadata)
        component.update({"description": summary} if summary else {})
        component.update({"licenses": licences} if licences else {})
    return component


def purl(wheel: Distribution) -> str:
    """A distribution's package URL, of the type pypi."""
    return f"pkg:pypi/{canonicalize_name(wheel.name)}@{_quoted(wheel.version)}"


def _quoted(text: str) -> str:
    return quote(text, safe=".-_~")


def _licences(metadata: Metadata) -> list[dict[str, Any]]:
    """What it declares: an SPDX expression, else names, else what the classifiers name."""
    for field in ("license-expression", "license"):
        expression = _expression(metadata.first(field))
        if expression:
            return [{"expression": expression, "acknowledgement": "declared"}]
    text = _plain(metadata.first("license"))
    if text and text.upper() != "UNKNOWN":
        return [_named(text)]
    classifiers = (_plain(each) for each in metadata.all("classifier") if each.startswith(_OSI))
    names = dict.fromkeys(each.rpartition(" :: ")[2] for each in classifiers)
    return [_named(name) for name in names if name != "OSI Approved"]


def _named(name: str) -> dict[str, Any]:
    return {"license": {"name": name, "acknowledgement": "declared"}}


def _expression(text: str) -> str:
    """The SPDX expression that a text is; "" for other texts."""
    if not text or len(text) > _MAX_TEXT:
        return ""
    try:
        return canonicalize_license_expression(text)
    except (ValueError, MemoryError, RecursionError):  # brackets in brackets in brackets
        return ""


def _plain(text: str) -> str:
    """A stranger's words as one short line of printable characters."""
    words = " ".join(text[: 4 * _MAX_TEXT].split())
    return "".join(c for c in words if c.isprintable())[:_MAX_TEXT]


def _dependencies(
    subject: str,
    generation: Generation,
    metadata: Mapping[str, Metadata],
    markers: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Who needs whom, among what is there; the subject needs what nothing else does."""
    refs: dict[str, str] = {
        canonicalize_name(wheel.name): purl(wheel) for wheel in generation.distributions
    }
    requirements: dict[str, tuple[Requirement, ...]] = {
        canonicalize_name(name): tuple(_requirements(said)) for name, said in metadata.items()
    }
    edges = _edges(refs, requirements, markers)
    needed = {name for needs in edges.values() for name in needs}
    tops = [ref for name, ref in refs.items() if name not in needed] or list(refs.values())
    return [
        {"ref": subject, "dependsOn": sorted(tops)},
        *(
            {"ref": refs[name], "dependsOn": sorted(refs[need] for need in edges.get(name, ()))}
            for name in sorted(refs)
        ),
    ]


def _requirements(metadata: Metadata) -> Iterator[Requirement]:
    for text in metadata.all("requires-dist")[:_MAX_DEPENDENCIES]:
        try:
            yield Requirement(text)
        except (ValueError, RecursionError):
            continue


def _edges(
    refs: Mapping[str, str],
    requirements: Mapping[str, Sequence[Requirement]],
    markers: Mapping[str, str],
) -> dict[str, set[str]]:
    """The needs of each, with those of the extras that another one asks for."""
    edges: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in refs]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in requirements.get(name, ()):
            need = canonicalize_name(requirement.name)
            if need in refs and need != name and _holds(requirement, markers, extra):
                edges.setdefault(name, set()).add(need)
                waiting.extend((need, asked) for asked in requirement.extras)
    return edges


def _holds(requirement: Requirement, markers: Mapping[str, str], extra: str) -> bool:
    if requirement.marker is None:
        return True
    try:
        return requirement.marker.evaluate({**markers, "extra": extra})
    except (ValueError, KeyError, RecursionError):
        return False
