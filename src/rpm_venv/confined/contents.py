"""What is in a wheel and where it goes, with all that is wrong with it: a confined child's work."""

from __future__ import annotations

import json
from typing import NamedTuple

from rpm_venv.confined import dist_info, names, protocol
from rpm_venv.confined.archive import Archive
from rpm_venv.confined.members import Member, Refused

#: In dist-info, what an installer writes; a wheel that brings one speaks for somebody else.
_INSTALLERS_OWN = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_PURE_SCHEMES = ("purelib", "platlib")


class Place(NamedTuple):
    """Where a member goes: a scheme's number and a path in it."""

    scheme: int
    path: str


class Contents:
    """The members of a wheel by where they go, with RECORD's claims, and all that is wrong."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.problems = list(archive.problems)
        self.members = self._named_well()
        self._by_name = {member.name: member for member in self.members}
        self.dist_info = ""
        self.rows: dict[str, dist_info.Row] = {}
        self.places: dict[Member, Place] = {}
        self.meta = b""
        try:
            self.dist_info = self._dist_info()
            self.places = self._places()
            self._check_collisions()
            self.meta = self._meta()
            self.rows = self._record()
        except Refused as refused:
            self.problems.append(refused)

    def _named_well(self) -> list[Member]:
        members = self.archive.members
        plain = [each.name[:-1] if each.name.endswith("/") else each.name for each in members]
        wrong = {*names.wrong(plain)}
        good = []
        for member, name in zip(members, plain):
            if name in wrong:
                self.problems.append(Refused(names.problem(name), member.name))
            elif not member.is_directory:
                good.append(member)
        return good

    def _dist_info(self) -> str:
        tops = {member.name.partition("/")[0] for member in self.members if "/" in member.name}
        found = sorted(top for top in tops if top.lower().endswith(".dist-info"))
        if len(found) != 1:
            listed = f": {', '.join(found)}" if found else ""
            raise Refused(f"{len(found)} dist-info directories where there must be one{listed}")
        return found[0]

    def document(self, name: str, *, required: bool = True) -> bytes:
        """The content of a file in dist-info."""
        member = self._by_name.get(f"{self.dist_info}/{name}")
        if member is None:
            if required:
                raise Refused("is missing", f"{self.dist_info}/{name}")
            return b""
        return self.archive.whole(member)

    def _meta(self) -> bytes:
        """What the wheel says of itself, for root to compare with what it should be."""
        place = self.dist_info
        metadata = dist_info.fields(self.document("METADATA"), f"{place}/METADATA")
        wheel = dist_info.fields(self.document("WHEEL"), f"{place}/WHEEL")
        points = self.document("entry_points.txt", required=False)
        meta = {
            "dist_info": place,
            "name": dist_info.single(metadata, "Name", f"{place}/METADATA"),
            "version": dist_info.single(metadata, "Version", f"{place}/METADATA"),
            "wheel_version": dist_info.single(wheel, "Wheel-Version", f"{place}/WHEEL"),
            "tags": wheel.get("tag", []),
            "commands": dist_info.commands(points, f"{place}/entry_points.txt"),
        }
        encoded = json.dumps(meta).encode()
        if len(encoded) > protocol.MAX_PAYLOAD:
            raise Refused("says more about itself than an installer reads", place)
        return encoded

    def _record(self) -> dict[str, dist_info.Row]:
        where = f"{self.dist_info}/RECORD"
        rows, problems = dist_info.record(self.document("RECORD"), where)
        self.problems += problems
        unhashed = {f"{self.dist_info}/{name}" for name in dist_info.UNHASHED}
        for member in self.members:
            row = rows.get(member.name)
            if member.name in unhashed:
                rows.pop(member.name, None)
            elif row is None:
                self.problems.append(Refused("RECORD does not list it", member.name))
            elif not row.digest:
                self.problems.append(Refused("RECORD has no hash for it", member.name))
            elif row.size not in (-1, member.size):
                self.problems.append(Refused("RECORD has another size for it", member.name))
        there = {member.name for member in self.archive.members}
        missing = sorted(rows.keys() - there - unhashed)
        self.problems += [Refused("RECORD lists it, but it is not there", name) for name in missing]
        return rows

    def _places(self) -> dict[Member, Place]:
        places: dict[Member, Place] = {}
        data_directories = set()
        for member in self.members:
            top, _, rest = member.name.partition("/")
            if not (rest and top.lower().endswith(".data")):
                if not self._is_dropped(member.name):
                    places[member] = Place(protocol.SITE, member.name)
                continue
            data_directories.add(top)
            scheme, _, path = rest.partition("/")
            known = protocol.SCHEMES.index(scheme) if scheme in protocol.SCHEMES[1:] else None
            if scheme in _PURE_SCHEMES:
                known = protocol.SITE
            if known is None or not path:
                self.problems.append(Refused("an unknown install scheme", member.name))
            elif known == protocol.SITE and path.partition("/")[0].lower().endswith(".dist-info"):
                self.problems.append(Refused("a second dist-info directory", member.name))
            elif not self._is_dropped(path):
                places[member] = Place(known, path)
        expected = self.dist_info[: -len(".dist-info")] + ".data"
        for top in sorted(data_directories - {expected}):
            self.problems.append(Refused(f"a data directory that is not {expected}", top))
        return places

    def _is_dropped(self, path: str) -> bool:
        """Whether we make such a file ourselves: byte code, and an installer's notes."""
        parent, _, name = path.rpartition("/")
        if parent == self.dist_info:
            return name in _INSTALLERS_OWN
        return name.endswith(".pyc") and (
            parent == "__pycache__" or parent.endswith("/__pycache__")
        )

    def _check_collisions(self) -> None:
        files: dict[tuple[int, str], str] = {}
        directories: set[tuple[int, str]] = set()
        for member, (scheme, path) in self.places.items():
            key = (scheme, names.folded(path))
            other = files.setdefault(key, member.name)
            if other is not member.name or self._by_name[member.name] is not member:
                self.problems.append(Refused(f"the same file as {other}", member.name))
            parent = key[1].rpartition("/")[0]
            while parent and (scheme, parent) not in directories:
                directories.add((scheme, parent))
                parent = parent.rpartition("/")[0]
        for key in sorted(directories & files.keys()):
            self.problems.append(Refused("a file and a directory at once", files[key]))
