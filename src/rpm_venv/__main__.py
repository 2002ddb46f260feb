"""``python -m rpm_venv``: the command, from a source tree."""

import sys

from rpm_venv.cli import main

if __name__ == "__main__":
    sys.exit(main())
