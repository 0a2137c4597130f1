"""Broken answers from a real server: each one costs one location, and the next one is tried."""

from __future__ import annotations

import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest
from everywheel.errors import SourceError
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.deadline import Deadline
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations
from everywheel.sources.progress import FetchEvent, FetchEventKind, OnBytes
from everywheel.sources.request import PinnedFile, Unavailable
from everywheel.sources.stall import end_when_stalled

CONTENT = bytes(range(256)) * 100
SIZE = len(CONTENT)
OK = b"HTTP/1.1 200 OK\r\n"
GOOD = OK + b"Content-Length: %d\r\n\r\n" % SIZE + CONTENT
POLICY = RetryPolicy(connect_timeout=1.0, read_timeout=0.3, attempts=2, first_delay=0.001)


def redirect(target: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n"


ENDLESS = repeat(b"x" * 65536)
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FOUND, BUSY, PARTIAL = b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 503 Busy\r\n", b"HTTP/1.1 206 Partial\r\n"
INTERRUPTED = "the connection was interrupted (2 attempts)"
INVALID = "the answer is not valid HTTP (2 attempts)"
NOT_RESUMED = "the server does not resume where the transfer was interrupted (2 attempts)"
NO_URL = "redirects to a URL that cannot be fetched"
MORE = f"sends more bytes, but the pinned file has {SIZE}"
# The answers by name, as the pieces that are sent, with the reason that is reported.
ANSWERS: dict[str, tuple[Callable[[], Iterable[bytes]], str]] = {
    "redirect-port": (lambda: [redirect(b"http://127.0.0.1:99999/")], NO_URL),
    "redirect-bracket": (lambda: [redirect(b"http://[::1/x")], NO_URL),
    "redirect-file": (lambda: [redirect(b"file:///etc/passwd")], NO_URL),
    "redirect-gopher": (lambda: [redirect(b"gopher://127.0.0.1/")], NO_URL),
    "redirect-bytes": (lambda: [redirect(b"/\xff\xfe")], NO_URL),
    "redirect-label": (lambda: [redirect(b"http://" + b"x" * 70 + b".example/")], "not a URL that can be fetched"),
    "redirect-empty": (lambda: [redirect(b"")], "more than 10 redirects"),
    "redirect-loop": (lambda: [redirect(b"/redirect-loop")], "more than 10 redirects"),
    "redirect-without-location": (lambda: [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"], "302 Found"),
    "redirect-endless-body": (lambda: chain([FOUND + b"Location: /missing\r\n\r\n"], ENDLESS), "404 Not Found"),
    "busy-endless-body": (lambda: chain([BUSY + b"Retry-After: x\r\n\r\n"], ENDLESS), "503 Busy (2 attempts)"),
    "endless": (lambda: chain([OK + b"\r\n"], ENDLESS), MORE),
    "endless-chunks": (lambda: chain([CHUNKED], repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n")), MORE),
    "endless-chunk-size": (lambda: chain([CHUNKED], ENDLESS), INTERRUPTED),
    "bad-chunk-size": (lambda: [CHUNKED + b"zz\r\nx\r\n0\r\n\r\n"], INTERRUPTED),
    "negative-chunk-size": (lambda: [CHUNKED + b"-5\r\nx\r\n0\r\n\r\n"], INVALID),
    "short-chunk": (lambda: [CHUNKED + b"100\r\nx"], INTERRUPTED),
    "too-large": (
        lambda: [OK + b"Content-Length: 99999999\r\n\r\n"],
        f"has 99999999 bytes, but the pinned file has {SIZE}",
    ),
    "too-short": (lambda: [OK + b"Content-Length: %d\r\n\r\nx" % SIZE], INTERRUPTED),
    "length-text": (lambda: [OK + b"Content-Length: \xb2\r\n\r\n" + CONTENT + b"x"], MORE),
    "length-digits": (lambda: [OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx"], "hash mismatch"),
    "lengths": (lambda: [OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"], INVALID),
    "gzip": (lambda: [OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(CONTENT)], "hash mismatch"),
    "not-gzip": (lambda: [OK + b"Content-Encoding: gzip\r\n\r\nx"], "hash mismatch"),
    "html": (lambda: [OK + b"Content-Type: text/html\r\n\r\n<html></html>"], "hash mismatch"),
    "many-headers": (lambda: chain([OK], repeat(b"A: b\r\n" * 100)), INTERRUPTED),
    "long-header": (lambda: chain([OK, b"A: "], ENDLESS), INTERRUPTED),
    "endless-status": (lambda: chain([b"HTTP/1.1 200 "], ENDLESS), INTERRUPTED),
    "no-http": (lambda: [b"220 ftp server\r\n"], INTERRUPTED),
    "nothing": (lambda: [b""], INTERRUPTED),
    "bad-status": (lambda: [b"HTTP/1.1 999 \x1b[31mx\r\n\r\n"], "999 \x1b[31mx"),
    "missing": (lambda: [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], "404 Not Found"),
    "partial": (lambda: [PARTIAL + b"Content-Range: bytes 7-9/9\r\nContent-Length: 1\r\n\r\nx"], NOT_RESUMED),
}


class Server:
    """Answers each request with the pieces of its path, until the client closes the connection."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=[connection], daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(5)
                request = connection.recv(65536)
                self.requests.append(request)
                path = request.split(b" ")[1].decode().strip("/")
                for piece in [GOOD] if path == "good" else ANSWERS[path][0]():
                    connection.sendall(piece)
        except (OSError, ValueError, IndexError):  # closed, or not HTTP
            pass


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.listener.close()


def fetch(urls: Iterable[str], store: Path) -> tuple[Path, list[FetchEvent]]:
    events: list[FetchEvent] = []
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    file = PinnedFile(label="foo 1.0", filename="foo.tar.gz", sha256=sha256, size=SIZE, urls=tuple(urls))
    locations = SourceLocations(retry_policy=POLICY)
    return fetch_sources([file], store=store, locations=locations, progress=events.append)[sha256], events


@pytest.mark.parametrize("name", ANSWERS)
def test_a_broken_answer_leads_to_the_next_location(name: str, server: Server, tmp_path: Path) -> None:
    path, events = fetch([f"{server.url}/{name}", f"{server.url}/good"], tmp_path)

    assert path.read_bytes() == CONTENT
    (refused,) = [event for event in events if event.kind in (FetchEventKind.REFUSED, FetchEventKind.MISMATCH)]
    assert refused.reason.partition(": sha256")[0] == ANSWERS[name][1]
    assert max((event.size for event in events), default=0) <= SIZE


def test_a_bad_url_leads_to_the_next_location(server: Server, tmp_path: Path) -> None:
    path, _ = fetch(
        ["http://127.0.0.1:99999/x", "http://[::1/x", "ftp://x/y", "http://", f"{server.url}/good"], tmp_path
    )

    assert path.read_bytes() == CONTENT


def test_an_answer_without_tls_leads_to_the_next_location(server: Server, tmp_path: Path) -> None:
    path, events = fetch([f"{server.url}/good".replace("http:", "https:"), f"{server.url}/good"], tmp_path)

    assert path.read_bytes() == CONTENT
    (refused,) = [event for event in events if event.kind is FetchEventKind.REFUSED]
    assert refused.reason == "the certificate or the TLS protocol was refused (2 attempts)"


def test_a_password_is_not_sent_to_the_host_of_a_redirect(server: Server, tmp_path: Path) -> None:
    other = Server()
    ANSWERS["elsewhere"] = (lambda: [redirect(f"{other.url}/good".encode())], "")

    fetch([f"{server.url}/elsewhere".replace("http://", "http://user:secret@")], tmp_path)

    assert b"Authorization: Basic" in server.requests[-1]
    assert b"Authorization" not in other.requests[-1]
    other.listener.close()
    del ANSWERS["elsewhere"]


def test_control_characters_of_a_server_are_escaped_in_the_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        fetch([f"{server.url}/bad-status"], tmp_path)

    assert caught.value.render().splitlines()[-2] == f"  {server.url}/bad-status: 999 \\x1b[31mx"


def test_a_download_without_progress_is_abandoned() -> None:
    stopped = threading.Event()

    def trickle(deadline: Deadline, on_bytes: OnBytes) -> None:
        for size in range(10_000):
            on_bytes(size, 0)
            time.sleep(0.005)
            if not deadline.remaining:
                stopped.set()
                return

    with pytest.raises(Unavailable, match=r"^less than 64 KiB in 0.1 s$"):
        end_when_stalled(trickle, Deadline(60), lambda size, total: None, seconds=0.1)
    assert stopped.wait(5)
