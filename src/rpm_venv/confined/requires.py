"""Run by its text: what wheels need, by their METADATA, as JSON on stdout.

Arguments: files of METADATA. For each a pair: the values of Requires-Dist, and Requires-Python. It
imports nothing of ours, because it may run where a stranger cannot read our files.
"""

# No annotations that need more than an interpreter's core: nothing is imported but json and sys.
import json
import sys

_MAX_LINES = 2000


def needs(data: bytes) -> "tuple[list[str], str]":
    """The values of Requires-Dist, and of Requires-Python ("" for none), in METADATA's header."""
    requires, python = [], ""
    for line in data.replace(b"\r\n", b"\n").partition(b"\n\n")[0].split(b"\n"):
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name.lower() == "requires-dist":
            requires.append(value.strip())
        elif name.lower() == "requires-python":
            python = value.strip()
    return requires[:_MAX_LINES], python


def main() -> None:
    found = []
    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            found.append(needs(file.read()))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
