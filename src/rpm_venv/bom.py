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
from rpm_venv.frozen import dataclass, field
from rpm_venv.locks.amended import APPLIED, Outcome
from rpm_venv.system.release import Release
from rpm_venv.trees.generation import Distribution, Generation

if TYPE_CHECKING:
    from rpm_venv.trees.metadata import Metadata

_MAX_TEXT = 200  # characters of what a METADATA says
_MAX_DEPENDENCIES = 1_000  # of one distribution
_MAX_REQUIREMENT = 2_000  # characters of one
_MAX_LOOKS = 200_000  # at requirements, with each extra that is asked for: some seconds
_OSI = "License :: "
#: The namespaces of package URLs that are not what os-release(5) has as ID.
_VENDORS = {"rhel": "redhat", "opensuse-leap": "opensuse", "opensuse-tumbleweed": "opensuse"}


@dataclass(frozen=True)
class Setting:
    """What a generation stands in: the package that the environment belongs to, the distribution,
    what came of the administrator's amendments, and the environment's condition ("" for ok).
    """

    owner: Package | None = None
    release: Release = field(default_factory=Release)
    outcomes: Sequence[Outcome] = ()
    condition: str = ""


def document(
    generation: Generation,
    setting: Setting,
    metadata: Mapping[str, Metadata],
    markers: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The bill of materials, as JSON has it.

    ``metadata`` is what the distributions say of themselves, by name; ``markers`` the PEP 508
    environment of the Python. Without that, nothing is said of who needs whom.
    """
    subject = _subject(generation, setting)
    applied = {(e.name, e.version): e for e in setting.outcomes if e.outcome == APPLIED}
    components = [
        _component(wheel, metadata.get(wheel.name), applied.get((wheel.name, wheel.version)))
        for wheel in generation.distributions
    ]
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
            "properties": _properties(
                path=generation.path,
                generation=generation.name,
                python=generation.python,
                python_tag=generation.tag,
                **({"condition": setting.condition} if setting.condition else {}),
            ),
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


def _properties(**values: str) -> list[dict[str, str]]:
    """What CycloneDX has no field for, under names of our own."""
    return [
        {"name": f"rpm-venv:{name.replace('_', '-')}", "value": value}
        for name, value in values.items()
    ]


def _subject(generation: Generation, setting: Setting) -> dict[str, Any]:
    """What the document is of: the package, or where there is none, the environment."""
    owner = setting.owner
    if owner is None:
        return {"type": "application", "bom-ref": generation.path, "name": generation.path}
    purl = package_url(owner, setting.release)
    return {
        "type": "application",
        "bom-ref": purl,
        "name": owner.name,
        "version": owner.evr,
        "purl": purl,
    }


def package_url(owner: Package, release: Release) -> str:
    """A package's URL, of the type rpm (purl-spec): its qualifiers are in the order of names.

    The vendor is taken to be the distribution that the package is installed on.
    """
    vendor = _VENDORS.get(release.id, release.id)
    namespace = f"{_quoted(vendor)}/" if vendor else ""
    qualifiers = {"arch": owner.arch}
    if release.id and release.version:
        qualifiers["distro"] = f"{release.id}-{release.version}"
    if owner.epoch:
        qualifiers["epoch"] = str(owner.epoch)
    version = _quoted(f"{owner.version}-{owner.release}")
    told = "&".join(f"{name}={_quoted(value)}" for name, value in qualifiers.items())
    return f"pkg:rpm/{namespace}{_quoted(owner.name)}@{version}?{told}"


def _component(
    wheel: Distribution, metadata: Metadata | None, amendment: Outcome | None
) -> dict[str, Any]:
    """A distribution; where an amendment brought it, by which file, and what the lock has."""
    amended: dict[str, str] = {}
    if amendment is not None:
        amended = {amendment.kind: amendment.file, "locked": amendment.was or "none"}
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(wheel),
        "name": wheel.name,
        "version": wheel.version,
        "purl": purl(wheel),
        "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
        "properties": _properties(wheel=wheel.filename, **amended),
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
    for header in ("license-expression", "license"):
        expression = _expression(metadata.first(header))
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
        if len(text) > _MAX_REQUIREMENT:
            continue
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
    left = {name: [*requirements.get(name, ())] for name in refs}
    waiting = [(name, "") for name in refs]
    seen = set(waiting)
    looks = 0
    for name, extra in waiting:  # which grows meanwhile
        looks += len(left[name])
        if looks > _MAX_LOOKS:
            break  # there are more extras than anybody means
        others = []
        for requirement in left[name]:
            need = canonicalize_name(requirement.name)
            if need not in refs or need == name:
                continue
            if not _holds(requirement, markers, extra):
                others.append(requirement)
                continue
            edges.setdefault(name, set()).add(need)
            new = {(need, asked) for asked in requirement.extras} - seen
            seen |= new
            waiting.extend(sorted(new))
        left[name] = others  # the same again would say nothing new
    return edges


def _holds(requirement: Requirement, markers: Mapping[str, str], extra: str) -> bool:
    if requirement.marker is None:
        return True
    try:
        return requirement.marker.evaluate({**markers, "extra": extra})
    except (ValueError, KeyError, RecursionError):
        return False
