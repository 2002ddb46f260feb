"""OSV records written for tests: one for each rule, and what they say of which version."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]


def record(
    identifier: str,
    project: str = "demo",
    *events: dict[str, str],
    versions: list[str] | None = None,
    kind: str = "ECOSYSTEM",
    **fields: Any,
) -> Record:
    """A record about one project, with at most one range."""
    affected: Record = {"package": {"ecosystem": "PyPI", "name": project}}
    if events:
        affected["ranges"] = [{"type": kind, "events": list(events)}]
    if versions is not None:
        affected["versions"] = versions
    return {
        "id": identifier,
        "modified": "2024-05-06T07:08:09Z",
        "details": f"About {project}.",
        "affected": [affected],
        **fields,
    }


def introduced(version: str) -> dict[str, str]:
    return {"introduced": version}


def fixed(version: str) -> dict[str, str]:
    return {"fixed": version}


def last(version: str) -> dict[str, str]:
    return {"last_affected": version}


def limit(version: str) -> dict[str, str]:
    return {"limit": version}


_TWO_RANGES = record("TEST-two-ranges", "demo", introduced("0"), fixed("1"))
_TWO_RANGES["affected"][0]["ranges"].append(
    {"type": "ECOSYSTEM", "events": [introduced("2"), fixed("3")]}
)
_TWO_ENTRIES = record("TEST-two-entries", "demo", introduced("0"), fixed("1"))
_TWO_ENTRIES["affected"].append(record("x", "demo", versions=["7"])["affected"][0])
_GIT_AND_VERSIONS = record(
    "TEST-git", "demo", introduced("0"), fixed("a" * 40), kind="GIT", versions=["1.0", "1.1"]
)

#: Rule: the record, versions that it is about, versions that it is not about.
CASES: dict[str, tuple[Record, str, str]] = {
    "all of them": (record("T-1", "demo", introduced("0")), "0.dev0 0a1 1 2024.1 junk 1!0", ""),
    "up to a fix": (
        record("T-2", "demo", introduced("0"), fixed("1.2")),
        "0.0.1 1.1 1.2rc1 1.2.dev3 1.1.post4",
        "1.2 1.2.0 1.2.post1 2 1!0.1",
    ),
    "between two": (
        record("T-3", "demo", introduced("1.0"), fixed("1.2")),
        "1.0 1 1.0.0 1.0.post1 1.1",
        "0.9 1.0rc1 1.0.dev1 1.2",
    ),
    "several times": (
        record(
            "T-4",
            "demo",
            introduced("1"),
            fixed("2"),
            introduced("3"),
            fixed("3.5"),
            introduced("4"),
        ),
        "1 1.9 3 3.4 4 9",
        "0.9 2 2.9 3.5 3.9",
    ),
    "events in any order": (
        record("T-5", "demo", fixed("3.5"), introduced("3"), fixed("2"), introduced("1")),
        "1 1.9 3 3.4",
        "0.9 2 2.9 3.5 9",
    ),
    "not in the order of strings": (
        record("T-6", "demo", introduced("1.9"), fixed("1.10")),
        "1.9 1.9.5",
        "1.10 1.8 1.100",
    ),
    "up to the last that is": (
        record("T-7", "demo", introduced("1"), last("2")),
        "1 1.5 2 2.0",
        "0.9 2.0.1 2.post1 3",
    ),
    "one version": (record("T-8", "demo", introduced("2"), last("2")), "2 2.0", "1 2.1"),
    "fixed where introduced": (record("T-9", "demo", introduced("2"), fixed("2")), "", "1 2 3"),
    "a fix, and again": (
        record("T-10", "demo", introduced("1"), fixed("2"), introduced("2"), fixed("3")),
        "1 2 2.5",
        "0 3",
    ),
    "a limit": (record("T-11", "demo", introduced("1"), limit("2")), "1 1.9", "0.9 2 3"),
    "several limits": (
        record("T-12", "demo", introduced("1"), limit("2"), limit("4")),
        "1 3.9",
        "0.9 4",
    ),
    "no limit": (record("T-13", "demo", introduced("1"), limit("*")), "1 99", "0.9"),
    "a fix and a limit": (
        record("T-14", "demo", introduced("1"), fixed("3"), limit("2")),
        "1 1.9",
        "2 2.5 3",
    ),
    "one by one": (
        record("T-15", "demo", versions=["1.0", "2.0rc1"]),
        "1.0 1 1.0.0 v1.0 2.0rc1 2.0.c1",
        "1.0.1 2.0 1.0.post0 2.0rc2",
    ),
    "listed and in ranges": (
        record("T-16", "demo", introduced("1"), fixed("2"), versions=["0.5", "1.5"]),
        "0.5 1 1.5 1.7",
        "0.4 2",
    ),
    "a local version": (
        record("T-17", "demo", introduced("1"), fixed("2"), versions=["0.5"]),
        "1.0+cu118 1.9+local.7 0.5+x",
        "2.0+cu118 0.9+z",
    ),
    "listed with its local part": (
        record("T-18", "demo", versions=["1.0+bad"]),
        "1.0+bad",
        "1.0 1.0+good",
    ),
    "fixed by a local version": (
        record("T-19", "demo", introduced("0"), fixed("1.0+fix")),
        "1.0 0.9+fix",
        "1.0.post1 2",
    ),
    "no version of PEP 440": (
        record("T-20", "demo", versions=["2013-01-21T20:33", "bulbasaur"]),
        "2013-01-21T20:33 bulbasaur",
        "2013.1 Bulbasaur 2013-01-21",
    ),
    "a bound that is none": (
        record("T-21", "demo", introduced("0"), fixed("0.2.0-n653")),
        "0.1 0.2.0 0.2.0-n652",
        "0.2.0-n653 0.2.0-n654 0.3 1",
    ),
    "listed beside a bound that is none": (
        record("T-22", "demo", introduced("0"), fixed("1.0-x"), versions=["1.0"]),
        "1.0 1.0.0 0.9",
        "2",
    ),
    "an epoch": (record("T-23", "demo", introduced("1!0"), fixed("1!2")), "1!0 1!1", "99 1!2 2!0"),
    "semantic versions": (
        record("T-24", "demo", introduced("1.0.0"), fixed("2.0.0-1"), kind="SEMVER"),
        "1.0.0 1.5 1.99.9",
        "2.0.0 2.0.0rc1 0.9.9",
    ),
    "semantic build metadata": (
        record("T-25", "demo", introduced("0"), fixed("2.0.0+build.7"), kind="SEMVER"),
        "1.9.9",
        "2.0.0",
    ),
    "commits": (_GIT_AND_VERSIONS, "1.0 1.1", "0.9 1.2"),
    "two ranges": (_TWO_RANGES, "0.5 2 2.9", "1 1.5 3"),
    "two entries": (_TWO_ENTRIES, "0.5 7", "1 6"),
    "withdrawn": (
        record("T-26", "demo", introduced("0"), withdrawn="2024-06-01T00:00:00Z"),
        "",
        "0 1 2",
    ),
    "another project": (record("T-27", "other", introduced("0")), "", "1"),
    "another ecosystem": (
        {
            **record("T-28", "demo", introduced("0")),
            "affected": [
                {
                    "package": {"ecosystem": "npm", "name": "demo"},
                    "ranges": [{"type": "SEMVER", "events": [introduced("0")]}],
                }
            ],
        },
        "",
        "1",
    ),
    "the name in another spelling": (record("T-29", "De.Mo", introduced("0")), "", "1"),
    "nothing but a name": (record("T-30", "demo"), "", "1"),
}
