"""Downloads over HTTP, from a real server on this machine that misbehaves in every way a test names."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.http import download, hide_password
from everywheel.sources.request import Unavailable

CONTENT = bytes(range(256)) * 2000
RETRY_POLICY = RetryPolicy(connect_timeout=1.0, read_timeout=0.3, attempts=3, first_delay=0.01)


class Handler(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str]]] = []
    gone: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        span = self.headers.get("Range", "")
        self.seen.append((self.path, span))
        first = [path for path, _ in self.seen].count(self.path) == 1
        getattr(self, f"serve_{self.path.strip('/')}")(first, int(span[6:-1]) if span else 0)

    def send(self, content: bytes, status: int = 200, length: int = 0, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def serve_whole(self, first: bool, start: int) -> None:
        self.send(CONTENT)

    def serve_missing(self, first: bool, start: int) -> None:
        self.send(b"nothing here", 404)

    def serve_busy(self, first: bool, start: int) -> None:
        self.send(b"later", 503) if first else self.send(CONTENT)

    def serve_resumed(self, first: bool, start: int) -> None:
        if first:
            self.send(CONTENT[:70000], length=len(CONTENT), ETag='"one"')
        else:
            span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.send(CONTENT[start:], 206, Content_Range=span, ETag='"one"')

    def serve_restarted(self, first: bool, start: int) -> None:
        self.send(CONTENT[:70000] if first else CONTENT, length=len(CONTENT))

    def serve_replaced(self, first: bool, start: int) -> None:
        if first:
            self.send(b"x" * 70000, length=len(CONTENT), ETag='"one"')
        else:  # the tag no longer fits, so the whole new file comes
            self.send(CONTENT, ETag='"two"')

    def serve_shifted(self, first: bool, start: int) -> None:
        if first:
            self.send(CONTENT[:70000], length=len(CONTENT), ETag='"one"')
        elif start:
            self.send(CONTENT[9:], 206, Content_Range=f"bytes 9-{len(CONTENT) - 1}/{len(CONTENT)}", ETag='"one"')
        else:
            self.send(CONTENT)

    def serve_broken(self, first: bool, start: int) -> None:
        self.send(CONTENT[:70000], length=len(CONTENT))

    def serve_coded(self, first: bool, start: int) -> None:
        self.send(gzip.compress(CONTENT, mtime=0), Content_Encoding="gzip")

    def serve_silent(self, first: bool, start: int) -> None:
        self.gone.wait(5.0)

    def serve_trickle(self, first: bool, start: int) -> None:
        self.send(b"", length=len(CONTENT))
        while not self.gone.wait(0.02):
            self.wfile.write(b"x" * 4096)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen, Handler.gone = [], threading.Event()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    Handler.gone.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def get(url: str, into: Path, seconds: float = 20.0, retry_policy: RetryPolicy = RETRY_POLICY) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    download(url, into, deadline=Deadline(seconds), retry_policy=retry_policy, on_bytes=lambda *news: told.append(news))
    return told


def test_a_file_arrives_whole_and_its_progress_is_told(server: str, tmp_path: Path) -> None:
    told = get(f"{server}/whole", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [size for size, _ in told] == sorted(size for size, _ in told)


def test_a_missing_file_is_asked_for_once(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^404 Not Found$"):
        get(f"{server}/missing", tmp_path / "file")

    assert len(Handler.seen) == 1


def test_a_busy_server_is_asked_again(server: str, tmp_path: Path) -> None:
    get(f"{server}/busy", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_dropped_download_goes_on_where_it_broke_off(server: str, tmp_path: Path) -> None:
    get(f"{server}/resumed", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert Handler.seen[1][1].startswith("bytes=")
    assert Handler.seen[1][1] != "bytes=0-"


@pytest.mark.parametrize("path", ["restarted", "replaced", "shifted"])
def test_a_dropped_download_starts_anew_where_it_cannot_go_on(path: str, server: str, tmp_path: Path) -> None:
    get(f"{server}/{path}", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_connection_that_always_drops_is_given_up(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^the connection was interrupted \(3 attempts\)$"):
        get(f"{server}/broken", tmp_path / "file")

    assert len(Handler.seen) == 3


def test_a_content_coding_is_not_undone(server: str, tmp_path: Path) -> None:
    get(f"{server}/coded", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == gzip.compress(CONTENT, mtime=0)


def test_a_server_that_never_answers_is_given_up(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^no bytes for 0\.1 s \(2 attempts\)$"):
        get(
            f"{server}/silent",
            tmp_path / "file",
            retry_policy=RetryPolicy(read_timeout=0.1, attempts=2, first_delay=0.01),
        )


def test_the_total_time_holds_even_while_bytes_come(server: str, tmp_path: Path) -> None:
    begin = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        get(f"{server}/trickle", tmp_path / "file", seconds=0.4)

    assert time.monotonic() - begin < 3.0


def test_a_closed_port_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^connection refused$"):
        get("http://127.0.0.1:9/file", tmp_path / "file", retry_policy=RetryPolicy(attempts=1))


def test_an_unknown_host_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^host name not found$"):
        get("http://no-such-host.invalid/file", tmp_path / "file", retry_policy=RetryPolicy(attempts=1))


def test_a_scheme_that_cannot_be_fetched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^not a URL that can be fetched$"):
        get("gopher://127.0.0.1/file", tmp_path / "file")


def test_passwords_stay_out_of_messages() -> None:
    assert hide_password("https://me:secret@mirror.example/a") == "https://mirror.example/a"
    assert hide_password("https://mirror.example/a@b") == "https://mirror.example/a@b"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
