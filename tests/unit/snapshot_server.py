"""A snapshot service and a mirror on the loopback interface, which serve the files of a store, with faults.

`/file/<sha1>` and, by date, `/archive/debian/<DATE>/<sha1>` are addresses of the snapshot service; `/mirror/<sha256>` is the
mirror.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path

DATE = "20260101T000000Z"
_PAUSE = 0.2  # seconds between two parts of a slow answer


class Fault(StrEnum):
    """How the server answers; BUSY and SHORT are faults of the first request for a path only."""

    NONE = "none"
    MISSING = "404"
    BUSY = "503"
    SLOW = "slow"
    SHORT = "short"
    WRONG = "wrong bytes"
    LONG = "more bytes"
    REDIRECT = "redirect"
    LOOP = "redirect to itself"


@dataclass
class Service:
    """The files of a server by their paths, and the fault of each path; `answers` are the answered paths with their faults."""

    files: dict[str, Path]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    base: str = ""
    answers: list[tuple[str, Fault]] = field(default_factory=list)

    def count(self, part: str) -> int:
        """Return how many answers were for a path that contains `part`."""
        return sum(part in path for path, _ in self.answers)


def list_store_files(store: Path, pinned: Container[str]) -> dict[str, Path]:
    """Return the sources of a store by the paths of the mirror and of the snapshot service; `pinned` are their hashes."""
    files = {}
    for path in sorted((store / "sources").iterdir()):
        if path.name in pinned:
            with path.open("rb") as file:
                sha1 = hashlib.file_digest(file, "sha1").hexdigest()
            files |= {f"/mirror/{path.name}": path, f"/file/{sha1}": path, f"/archive/debian/{DATE}/{sha1}": path}
    return files


def spread_faults(paths: Mapping[str, Path]) -> dict[str, Fault]:
    """Return a fault for each path: the mirror has every third file, and the snapshot service all of them."""
    mirror = cycle((Fault.NONE, Fault.MISSING, Fault.WRONG, Fault.BUSY, Fault.MISSING, Fault.LONG))
    snapshot = cycle((Fault.NONE, Fault.REDIRECT, Fault.SLOW, Fault.BUSY, Fault.SHORT))
    rows = {"/mirror/": mirror, "/file/": snapshot, "/archive/": cycle([Fault.NONE])}
    return {path: next(faults) for start, faults in rows.items() for path in paths if path.startswith(start)}


@contextmanager
def serve(files: Mapping[str, Path], faults: Mapping[str, Fault] = {}) -> Iterator[Service]:
    """Serve files at their paths until the end of the body; `base` of the service is its URL."""
    service = Service(dict(files), faults)
    httpd = _make_server(service)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _make_server(service: Service) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            first = all(path != self.path for path, _ in service.answers)
            fault = service.faults.get(self.path, Fault.NONE) if self.path in service.files else Fault.MISSING
            if fault in (Fault.BUSY, Fault.SHORT) and not first:
                fault = Fault.NONE
            service.answers.append((self.path, fault))
            self.answer(fault)

        def answer(self, fault: Fault) -> None:
            if fault in (Fault.MISSING, Fault.BUSY):
                status = 404 if fault is Fault.MISSING else 503
                self.send_header_lines(status, 0)
                return
            if fault in (Fault.REDIRECT, Fault.LOOP):
                by_date = self.path.replace("/file/", f"/archive/debian/{DATE}/")
                self.send_header_lines(302, 0, by_date if fault is Fault.REDIRECT else self.path)
                return
            content = service.files[self.path].read_bytes()
            if fault is Fault.WRONG:
                content = bytes([content[0] ^ 1]) + content[1:]
            elif fault is Fault.LONG:
                content += b"\0" * 9
            self.send_header_lines(200, len(content))
            if fault is Fault.SHORT:
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            elif fault is Fault.SLOW:
                for start in range(0, len(content), max(1, len(content) // 4)):
                    time.sleep(_PAUSE)
                    self.wfile.write(content[start : start + max(1, len(content) // 4)])
            else:
                self.wfile.write(content)

        def send_header_lines(self, status: int, length: int, location: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    service.base = f"http://127.0.0.1:{httpd.server_port}"
    return httpd
