"""A site's index on a throw-away host, at an address of its loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.host.host import Host
from tests.host.wheels import Wheel

ADDRESS = "http://127.0.0.1:8000"
_LISTENS = "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"


def serve(host: Host, *wheels: Wheel) -> None:
    """Have an index with these wheels on the host, and make it the site's."""
    for wheel in wheels:
        project = f"/srv/index/simple/{wheel.name}"
        host.write(f"{project}/{wheel.filename}", wheel.content)
        host.write(
            f"{project}/index.html",
            f'<a href="{wheel.filename}#sha256={wheel.sha256}">{wheel.filename}</a>',
        )
    host.write("/etc/pip.conf", f"[global]\nindex-url = {ADDRESS}/simple\n")


@contextmanager
def listening(host: Host) -> Iterator[None]:
    """The index answers, for the time of the block."""
    server = host.start("python3", "-m", "http.server", "-d", "/srv/index", "8000")
    deadline = time.monotonic() + 10
    while host.run("python3", "-c", _LISTENS, check=False).code and time.monotonic() < deadline:
        time.sleep(0.05)
    yield
    server.kill()
    server.communicate()
