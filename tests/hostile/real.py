"""Read every wheel of directories as an installation would: ``python -m tests.hostile.real DIR``.

Prints how many there were, how many projects, and each that is refused, with the reasons. Nothing
is written and nothing compiled; sandboxes are left out, so the wheels had better be real ones.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rpm_venv.confined import protocol
from rpm_venv.confined.archive import Archive
from rpm_venv.confined.contents import Contents
from rpm_venv.confined.members import Refused
from rpm_venv.wheels import wheel
from rpm_venv.wheels.wheel import WheelName


def problems(path: Path) -> Iterator[str]:
    """Everything that is wrong with a wheel."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        contents = Contents(Archive(descriptor))
        yield from (f"{each.where}: {each.message}" for each in contents.problems)
        if contents.meta:
            claims = json.loads(contents.meta)
            yield from map(str, wheel.check_claims(WheelName.parse(path.name), claims)[1])
        for member, place in contents.places.items():
            reason = wheel.destination_problem(protocol.SCHEMES[place.scheme], place.path)
            if reason:
                yield f"{member.name}: {reason}"
        for member in contents.archive.members:
            for _ in contents.archive.chunks(member):
                pass
    except Refused as refused:
        yield f"{refused.where}: {refused.message}"
    finally:
        os.close(descriptor)


def main(directories: list[str]) -> int:
    wheels = sorted(path for directory in directories for path in Path(directory).glob("*.whl"))
    refused = 0
    for path in wheels:
        found = list(problems(path))
        refused += bool(found)
        for line in found[:5]:
            print(f"{path.name}: {line}")
    projects = {WheelName.parse(path.name).name for path in wheels}
    print(f"{len(wheels)} wheels of {len(projects)} projects, {refused} refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
