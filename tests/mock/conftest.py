"""mock takes minutes, and is not everywhere: ``make mock`` calls it, ``make test`` does not."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("VENV_TEST_MOCK") else ["test_*.py"]
