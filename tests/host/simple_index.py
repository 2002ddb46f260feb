"""A simple index (PEP 503) on the loopback interface, and a site that is configured to use it."""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rpm_venv.paths import Layout
from tests.host.wheels import Wheel


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A directory that a stranger can reach: pytest's own are closed to others."""
    top = Path(tempfile.mkdtemp(prefix="rpm-venv-test-", dir="/var/tmp"))
    top.chmod(0o755)
    yield top
    shutil.rmtree(top)


class Index:
    """A simple index (PEP 503) on the loopback interface, and how it answers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.status = 200
        self.password = ""
        self.asked: list[str] = []
        self.delay = 0.0
        self.most = 0  # requests at a time
        self._now = 0
        self._counting = threading.Lock()
        handler = functools.partial(_Handler, self, directory=str(directory))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    @contextmanager
    def counted(self, path: str) -> Iterator[None]:
        """While a request is answered, late by ``delay`` seconds."""
        with self._counting:
            self.asked.append(path)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            time.sleep(self.delay)
            yield
        finally:
            with self._counting:
                self._now -= 1

    def add(self, *wheels: Wheel, digest: str = "") -> None:
        for wheel in wheels:
            place = self.directory / wheel.name
            place.mkdir(exist_ok=True)
            wheel.save(place)
            with open(place / "index.html", "a") as page:
                sha256 = digest or wheel.sha256
                page.write(f'<a href="{wheel.filename}#sha256={sha256}">{wheel.filename}</a>\n')


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, index: Index, *args: object, directory: str) -> None:
        self.index = index
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        with self.index.counted(self.path):
            self._answer()

    def _answer(self) -> None:
        wanted = "Basic " + base64.b64encode(self.index.password.encode()).decode()
        status = self.index.status
        if self.index.password and self.headers.get("Authorization") != wanted:
            status = 401
        if status == 200:
            super().do_GET()
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silence: a test's output is its own."""


@contextmanager
def serving(directory: Path) -> Iterator[Index]:
    """An index of what is put into a new directory, while it is needed."""
    directory.mkdir()
    index = Index(directory)
    thread = threading.Thread(target=index.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield index
    finally:
        index.server.shutdown()
        thread.join()
        index.server.server_close()


def configure(layout: Layout, url: str, more: str = "") -> Path:
    file = layout.real("/etc/pip.conf")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[global]\nindex-url = {url}\nretries = 0\ntimeout = 2\n{more}")
    file.chmod(0o600)  # as a file with credentials in it should be
    return file
