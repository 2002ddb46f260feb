"""The tests that a distribution runs on its own systems (fedora/tests), on a throw-away host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host import Hosts
from tests.host.project import ProjectRpms, builder

TESTS = Path(__file__).resolve().parents[2] / "fedora" / "tests"


@pytest.mark.parametrize("test", sorted(path.parent.name for path in TESTS.glob("*/test.sh")))
def test_a_distributions_test_passes(hosts: Hosts, project_rpms: ProjectRpms, test: str) -> None:
    host = hosts.fresh(builder(hosts, project_rpms))
    host.write("/tmp/test.sh", TESTS / test / "test.sh", mode=0o755)
    result = host.run("/tmp/test.sh", env={"TMPDIR": "/tmp"}, check=False)
    assert result.code == 0, str(result)
    host.close()
