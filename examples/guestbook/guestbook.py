"""A page on which visitors leave a line: guestbook.py CONFIGURATION."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

import bottle


def application(file: Path) -> bottle.Bottle:
    """The pages; the lines are in ``file``."""
    pages = bottle.Bottle()

    @pages.get("/")
    def read() -> str:
        bottle.response.content_type = "text/plain; charset=utf-8"
        return file.read_text() if file.exists() else ""

    @pages.post("/")
    def write() -> str:
        with file.open("a") as lines:
            lines.write(" ".join(bottle.request.forms.line.split()) + "\n")
        return read()

    return pages


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: guestbook.py CONFIGURATION")
    configuration = configparser.ConfigParser()
    with open(sys.argv[1]) as opened:
        configuration.read_file(opened)
    settings = configuration["guestbook"]
    pages = application(Path(settings["file"]))
    bottle.run(pages, host=settings["host"], port=settings.getint("port"), quiet=True)


if __name__ == "__main__":
    main()
