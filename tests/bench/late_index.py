"""An index far away: the wheels of a directory, each answer later than it could be.

    python -m tests.bench.late_index WHEELS MILLISECONDS

Answers as PyPI does: pages as HTML (PEP 503) and JSON (PEP 691), metadata beside each wheel (PEP
658), parts of files, connections that stay open. Prints its address and serves until it is killed.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import sys
import time
import zipfile
from collections import Counter, defaultdict
from http import HTTPStatus
from pathlib import Path

_JSON = "application/vnd.pypi.simple.v1+json"


class Answers:
    """Every path that there is, with what it answers: read and hashed before anybody asks."""

    def __init__(self, wheels: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.html: dict[str, bytes] = {}
        self.json: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        projects: dict[str, list[tuple[str, str, str, int]]] = defaultdict(list)
        for wheel in sorted(wheels.iterdir()):
            metadata = _metadata(wheel)
            self.files[f"/files/{wheel.name}"] = content = wheel.read_bytes()
            self.files[f"/files/{wheel.name}.metadata"] = metadata
            digests = (hashlib.sha256(data).hexdigest() for data in (content, metadata))
            name = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
            projects[name].append((wheel.name, *digests, len(content)))  # type: ignore[arg-type]
        for name, found in projects.items():
            self.html[f"/simple/{name}/"] = "".join(
                f'<a href="/files/{file}#sha256={digest}" data-core-metadata="sha256={about}">'
                f"{file}</a>\n"
                for file, digest, about, _ in found
            ).encode()
            files = [
                {
                    "filename": file,
                    "url": f"/files/{file}",
                    "hashes": {"sha256": digest},
                    "core-metadata": {"sha256": about},
                    "size": size,
                }
                for file, digest, about, size in found
            ]
            page = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
            self.json[f"/simple/{name}/"] = json.dumps(page).encode()


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return archive.read(name)


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256  # many at once is what is measured
    daemon_threads = True

    def __init__(self, answers: Answers, delay: float) -> None:
        self.answers = answers
        self.delay = delay
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # a head and its page in one packet

    def do_GET(self) -> None:
        time.sleep(self.server.delay)
        answers = self.server.answers
        kind, pages = "text/html", answers.html
        if _JSON in self.headers.get("Accept", ""):
            kind, pages = _JSON, answers.json
        content = pages.get(self.path)
        if content is None:
            kind, content = "application/octet-stream", answers.files.get(self.path)
        if content is None:
            self.send_response(HTTPStatus.NOT_FOUND)
            content = b""
        else:
            content = self._part(content)
            self.send_header("Content-Type", kind)
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def _part(self, content: bytes) -> bytes:
        """What of this was asked for, and the head of that answer."""
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.send_response(HTTPStatus.OK)
            return content
        first, last = wanted.groups()
        start = int(first) if first else max(len(content) - int(last), 0)
        end = min(int(last) + 1, len(content)) if first and last else len(content)
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        return content[start:end]

    def log_message(self, format: str, *args: object) -> None:
        """Silence: what is printed is the address."""


def main() -> int:
    wheels, milliseconds = sys.argv[1:]
    server = _Server(Answers(Path(wheels)), int(milliseconds) / 1000)
    print(f"http://127.0.0.1:{server.server_port}/simple/", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
