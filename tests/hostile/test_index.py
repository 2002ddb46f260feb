"""An index that does harm, or is broken: said in one line, in bounded time and space."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpm_venv.confined import protocol
from rpm_venv.errors import VenvError
from rpm_venv.fetching import fetch, pips
from rpm_venv.locks import lock
from rpm_venv.paths import Layout
from rpm_venv.system import interpreter, sandbox
from rpm_venv.system.interpreter import Interpreter
from tests.host.simple_index import reachable_directory
from tests.hostile.conftest import Tally
from tests.hostile.wheels import Wheel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")

GOOD = Wheel().archive().to_bytes()
SHA256 = hashlib.sha256(GOOD).hexdigest()
NAME = Wheel().filename
Answer = Callable[[str, "Peer"], None]


class Peer:
    """The other end of a connection: what a server says, byte by byte."""

    def __init__(self, connection: socket.socket, server: Server) -> None:
        self.connection = connection
        self.server = server

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(self, status: str = "200 OK", **headers: object) -> None:
        lines = [f"HTTP/1.1 {status}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def whole(self, data: bytes, **headers: str) -> None:
        self.head(Content_Type="text/html", Content_Length=len(data), **headers)
        self.send(data)

    def page(self, link: str = NAME) -> None:
        self.whole(f'<a href="{link}#sha256={SHA256}">{NAME}</a>'.encode())


class Server:
    """A server on this machine that answers as it is told to."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                request = b""
                while b"\r\n\r\n" not in request:
                    data = connection.recv(4096)
                    if not data:
                        return
                    request += data
                self.answer(request.split()[1].decode(), Peer(connection, self))
        except OSError:
            pass  # the client has had enough


def _wheel(answer: Callable[[Peer], None], link: str = NAME) -> Answer:
    """Answer the index page as it should be, and the wheel in some other way."""

    def respond(path: str, peer: Peer) -> None:
        if path.endswith("/"):
            peer.page(link)
        else:
            answer(peer)

    return respond


def _forever(peer: Peer, data: bytes) -> None:
    while True:
        peer.send(data)


def _endless_wheel(peer: Peer) -> None:
    peer.head(Content_Type="application/zip")
    _forever(peer, random.randbytes(1 << 16))


def _endless_page(path: str, peer: Peer) -> None:
    peer.head(Content_Type="text/html")
    _forever(peer, b'<a href="demo-1.0-py3-none-any.whl">x</a>\n' * 4000)


def _bomb(path: str, peer: Peer) -> None:
    peer.whole(gzip.compress(bytes(1 << 28)), Content_Encoding="gzip")


def _trickle(peer: Peer) -> None:
    peer.head(Content_Type="application/zip", Content_Length=1 << 20)
    while True:
        peer.send(b"x")
        time.sleep(0.2)


def _silence(path: str, peer: Peer) -> None:
    time.sleep(60)


def _truncated(peer: Peer) -> None:
    peer.head(Content_Type="application/zip", Content_Length=len(GOOD))
    peer.send(GOOD[:-30])


def _redirect(to: str) -> Callable[[Peer], None]:
    return lambda peer: peer.head("302 Found", Location=to, Content_Length=0)


HOSTILE: dict[str, tuple[Answer, str]] = {
    # pip does follow it, as nobody, and what it finds is not what the lock names.
    "redirect to a file": (_wheel(_redirect("file:///etc/passwd")), "not the lock's|pip failed"),
    "redirect in a circle": (
        lambda path, peer: _redirect(path)(peer),
        "redirects",
    ),
    "link to a file": (_wheel(lambda peer: None, "file:///etc/passwd#"), "no wheel|pip failed"),
    "another wheel": (
        _wheel(lambda peer: peer.whole(Wheel(version="1.0").archive().to_bytes() + b"x")),
        "not the lock's",
    ),
    "an empty wheel": (_wheel(lambda peer: peer.whole(b"")), "not the lock's"),
    "a truncated wheel": (_wheel(_truncated), "pip failed|not the lock's|cannot be"),
    "a wheel without end": (_wheel(_endless_wheel), "."),
    "a page without end": (_endless_page, "."),
    "a compressed page of 256 megabytes": (_bomb, "."),
    "a byte now and then": (_wheel(_trickle), "took too long"),
    "silence": (_silence, "cannot be reached"),
    "no HTTP": (lambda path, peer: peer.send(b"\x1b[2J\xff\0" * 99), "cannot be reached|pip"),
    "terminal codes in a reason": (
        lambda path, peer: peer.head("500 \x1b[2Jowned\x07", Content_Length=0),
        "answers 500|cannot be",
    ),
    "a page that is a wheel": (lambda path, peer: peer.whole(GOOD), "no wheel|pip failed"),
    "nothing": (lambda path, peer: None, "cannot be reached|pip failed"),
}


@pytest.fixture(scope="module")
def python() -> Interpreter:
    return interpreter.inspect(Layout(), "/usr/bin/python3")


@pytest.fixture
def place() -> Iterator[Path]:
    """A staging directory that nobody can reach: pytest's own are closed to others."""
    with reachable_directory() as top:
        (top / "fetch").mkdir(mode=0o700)
        yield top / "fetch"


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits that hold, scaled down: what is tested is that they do."""
    monkeypatch.setattr(protocol, "MAX_WHEEL", 8 << 20)
    monkeypatch.setattr(protocol, "PROGRAM_MEMORY", 160 << 20)
    monkeypatch.setattr(pips, "_TIMEOUT", 8)


def ask(layout: Layout, python: Interpreter, place: Path, url: str, more: str = "") -> None:
    """Fetch the good wheel from the index at ``url``."""
    file = layout.real("/etc/pip.conf")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[global]\nindex-url = {url}\nretries = 0\ntimeout = 2\n{more}")
    entries = lock.parse(f"demo==1.0 --hash=sha256:{SHA256}\n".encode(), "lock").entries
    fetch.from_index(layout, entries, python, place)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_index_is_named(
    tmp_path: Path, python: Interpreter, place: Path, tally: Tally, name: str
) -> None:
    answer, reason = HOSTILE[name]
    server = Server(answer)
    begun = time.monotonic()
    with pytest.raises(VenvError, match=reason) as caught:
        ask(Layout(tmp_path), python, place, server.url)
    server.listener.close()
    assert time.monotonic() - begun < 30
    assert caught.value.line().isprintable()
    assert sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) < 32 << 20
    tally("index", "refused")


def test_what_a_redirect_brings_is_believed_by_its_hash(
    tmp_path: Path, python: Interpreter, place: Path, tally: Tally
) -> None:
    other = Server(lambda path, peer: peer.whole(GOOD))
    server = Server(_wheel(_redirect(f"{other.url}elsewhere/{NAME}")))
    ask(Layout(tmp_path), python, place, server.url)
    assert [path.read_bytes() for path in place.rglob("*.whl")] == [GOOD]
    tally("index", "accepted")


def test_a_link_with_a_path_in_its_name_stays_in_its_directory(
    tmp_path: Path, python: Interpreter, place: Path, tally: Tally
) -> None:
    server = Server(_wheel(lambda peer: peer.whole(GOOD), f"..%2f..%2f..%2fescaped%2f{NAME}"))
    try:
        ask(Layout(tmp_path), python, place, server.url)
    except VenvError as error:
        assert error.line().isprintable()
    assert not list(place.parent.parent.rglob("escaped*"))
    assert {path.parent.name for path in place.parent.rglob("*.whl")} <= {"wheels"}
    tally("index", "made safe")


def _certificate(tmp_path: Path, first: str, last: str) -> ssl.SSLContext:
    """A server's certificate for 127.0.0.1 that is its own authority, valid between two dates."""
    (tmp_path / "ca.conf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\n"
        "default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n"
        "[e]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=CA:TRUE\n"
        "[req]\ndistinguished_name=d\n[d]\n"
    )
    (tmp_path / "index.txt").write_text("")
    (tmp_path / "serial").write_text("01\n")
    commands = (
        "req -new -newkey rsa:2048 -nodes -keyout key.pem -out req.pem -subj /CN=127.0.0.1",
        f"ca -batch -selfsign -keyfile key.pem -in req.pem -out cert.pem -startdate {first}"
        f" -enddate {last}",
    )
    for command in commands:
        subprocess.run(
            ["openssl", *command.split(), "-config", "ca.conf"],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("unknown", "not trusted.*CERTIFICATE_VERIFY_FAILED"),
        ("expired", "not trusted"),
        ("good", ""),
    ],
)
def test_certificates(
    tmp_path: Path, python: Interpreter, place: Path, tally: Tally, kind: str, reason: str
) -> None:
    last = "200102000000Z" if kind == "expired" else "20991231000000Z"
    server = Server(
        _wheel(lambda peer: peer.whole(GOOD)), _certificate(tmp_path, "20000101000000Z", last)
    )
    trusted = "" if kind == "unknown" else f"cert = {place.parent / 'cert.pem'}\n"
    shutil.copy(tmp_path / "cert.pem", place.parent / "cert.pem")
    (place.parent / "cert.pem").chmod(0o644)
    if not reason:
        ask(Layout(tmp_path), python, place, server.url, trusted)
        tally("index", "accepted")
        return
    with pytest.raises(VenvError, match=reason):
        ask(Layout(tmp_path), python, place, server.url, trusted)
    tally("index", "refused")


@pytest.mark.parametrize("asked", ["no", "yes"])
def test_each_layer_that_pip_or_a_reader_lacks_is_named_once(
    place: Path, tally: Tally, asked: str
) -> None:
    """An install by a root that may not make namespaces, as in many containers."""
    server = Server(_wheel(lambda peer: peer.whole(GOOD)))
    root = place.parent
    (root / "etc").mkdir()
    (root / "etc/pip.conf").write_text(f"[global]\nindex-url = {server.url}\nretries = 0\n")
    (root / "etc/rpm-venv.conf").write_text(f"require-sandbox = {asked}\n")
    (root / "lock.txt").write_text(f"demo==1.0 --hash=sha256:{SHA256}\n")
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-m", "rpm_venv", "--root", root,
         "install", "-r", "/lock.txt", "/opt/app/penv"],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if asked == "yes" else 0), done.stderr
    assert len(done.stderr.splitlines()) == 1
    for layer in ("namespaces", "processes"):
        assert done.stderr.count(sandbox.LAYERS[layer]) == 1
    assert (sandbox.LAYERS["network"] in done.stderr) is (asked == "no")  # pip has it anyway
    assert os.path.lexists(root / "opt/app/penv") is (asked == "no")
    tally("index", "accepted" if asked == "no" else "refused")
