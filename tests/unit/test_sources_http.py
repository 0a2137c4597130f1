"""Downloads over HTTP from a real server on this machine, with one kind of failure for each path."""

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
from everywheel.sources.http import download
from everywheel.sources.request import Unavailable
from everywheel.sources.url import Limits, hide_password

CONTENT = bytes(range(256)) * 2000
RETRY_POLICY = RetryPolicy(connect_timeout=1.0, read_timeout=0.3, attempts=3, first_delay=0.01)


class Handler(BaseHTTPRequestHandler):
    requests: ClassVar[list[tuple[str, str]]] = []
    stopped: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        span = self.headers.get("Range", "")
        self.requests.append((self.path, span))
        first = [path for path, _ in self.requests].count(self.path) == 1
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

    def serve_limited(self, first: bool, start: int) -> None:
        self.send(b"later", 429, Retry_After="7") if first else self.send(CONTENT)

    def serve_unreliable(self, first: bool, start: int) -> None:
        number = len(self.requests)
        if number in (1, 3):
            self.send(b"later", 503)
        else:
            self.send(CONTENT[:70000], length=len(CONTENT))

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
        else:  # the validator no longer matches, so the server sends the whole new file
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
        self.stopped.wait(5.0)

    def serve_trickle(self, first: bool, start: int) -> None:
        self.send(b"", length=len(CONTENT))
        while not self.stopped.wait(0.01):
            self.wfile.write(b"x" * 4096)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.requests, Handler.stopped = [], threading.Event()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    Handler.stopped.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def get(
    url: str, path: Path, seconds: float = 20.0, retry_policy: RetryPolicy = RETRY_POLICY, size: int = 1 << 20
) -> list[tuple[int, int]]:
    events: list[tuple[int, int]] = []
    limits = Limits(deadline=Deadline(seconds), size=size)
    download(url, path, limits=limits, retry_policy=retry_policy, on_bytes=lambda *event: events.append(event))
    return events


def test_a_file_is_downloaded_and_its_progress_reported(server: str, tmp_path: Path) -> None:
    events = get(f"{server}/whole", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert events[-1] == (len(CONTENT), len(CONTENT))
    assert [size for size, _ in events] == sorted(size for size, _ in events)


def test_a_missing_file_is_requested_once(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^404 Not Found$"):
        get(f"{server}/missing", tmp_path / "file")

    assert len(Handler.requests) == 1


def test_a_request_to_a_busy_server_is_repeated(server: str, tmp_path: Path) -> None:
    get(f"{server}/busy", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_an_interrupted_transfer_is_resumed(server: str, tmp_path: Path) -> None:
    get(f"{server}/resumed", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert Handler.requests[1][1].startswith("bytes=")
    assert Handler.requests[1][1] != "bytes=0-"


class RecordingDeadline(Deadline):
    """A deadline that records the delays instead of waiting."""

    def __init__(self) -> None:
        super().__init__(20.0)
        self.delays: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)


@pytest.mark.parametrize(("max_delay", "delay"), [(30.0, 7.0), (5.0, 5.0)])
def test_a_server_chooses_the_delay_up_to_the_longest_of_the_policy(
    max_delay: float, delay: float, server: str, tmp_path: Path
) -> None:
    deadline = RecordingDeadline()
    policy = RetryPolicy(max_delay=max_delay)

    download(
        f"{server}/limited",
        tmp_path / "file",
        limits=Limits(deadline=deadline),
        retry_policy=policy,
        on_bytes=lambda *event: None,
    )

    assert deadline.delays == [delay]


def test_repeated_requests_and_resumed_transfers_share_the_attempts_and_delays(server: str, tmp_path: Path) -> None:
    deadline = RecordingDeadline()
    policy = RetryPolicy(attempts=4, first_delay=1.0, factor=3.0, max_delay=5.0)

    with pytest.raises(Unavailable, match=r"^the connection was interrupted \(4 attempts\)$"):
        download(
            f"{server}/unreliable",
            tmp_path / "file",
            limits=Limits(deadline=deadline),
            retry_policy=policy,
            on_bytes=lambda *event: None,
        )

    assert len(Handler.requests) == 4
    assert deadline.delays == list(policy.delays) == [1.0, 3.0, 5.0]


def test_no_request_is_made_after_the_deadline(server: str, tmp_path: Path) -> None:
    deadline = Deadline(20.0)
    deadline.stop()

    with pytest.raises(DeadlineExceeded):
        download(
            f"{server}/whole",
            tmp_path / "file",
            limits=Limits(deadline=deadline),
            retry_policy=RETRY_POLICY,
            on_bytes=lambda *event: None,
        )

    assert Handler.requests == []


def test_the_deadline_ends_the_wait_between_attempts(server: str, tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceeded):
        get(f"{server}/broken", tmp_path / "file", seconds=0.1, retry_policy=RetryPolicy(first_delay=10.0))

    assert len(Handler.requests) == 1


@pytest.mark.parametrize("path", ["restarted", "replaced", "shifted"])
def test_an_interrupted_transfer_starts_again_when_it_cannot_be_resumed(path: str, server: str, tmp_path: Path) -> None:
    get(f"{server}/{path}", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_transfer_that_is_always_interrupted_fails_after_all_attempts(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^the connection was interrupted \(3 attempts\)$"):
        get(f"{server}/broken", tmp_path / "file")

    assert len(Handler.requests) == 3


def test_a_content_coding_is_not_decoded(server: str, tmp_path: Path) -> None:
    get(f"{server}/coded", tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == gzip.compress(CONTENT, mtime=0)


def test_a_server_that_never_answers_fails_after_all_attempts(server: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^no bytes for 0\.1 s \(2 attempts\)$"):
        get(
            f"{server}/silent",
            tmp_path / "file",
            retry_policy=RetryPolicy(read_timeout=0.1, attempts=2, first_delay=0.01),
        )


def test_the_deadline_ends_a_transfer_that_is_still_receiving_bytes(server: str, tmp_path: Path) -> None:
    begin = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        get(f"{server}/trickle", tmp_path / "file", seconds=0.15)

    assert time.monotonic() - begin < 3.0


def test_a_closed_port_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^connection refused$"):
        get("http://127.0.0.1:9/file", tmp_path / "file", retry_policy=RetryPolicy(attempts=1))


def test_an_unknown_host_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^host name not found$"):
        get("http://no-such-host.invalid/file", tmp_path / "file", retry_policy=RetryPolicy(attempts=1))


def test_a_scheme_that_cannot_be_fetched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^not a URL that can be fetched$"):
        get("gopher://127.0.0.1/file", tmp_path / "file")


def test_passwords_are_not_in_messages() -> None:
    assert hide_password("https://me:secret@mirror.example/a") == "https://mirror.example/a"
    assert hide_password("https://mirror.example/a@b") == "https://mirror.example/a@b"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
