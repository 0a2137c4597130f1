"""Frames of an image as headless Chromium shows them: a page decodes files with WebCodecs and sends the pixels back."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import numpy as np
from timeline import Frame

PAGE = Path(__file__).with_suffix(".html")
SECONDS = 120
"""The longest time for a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A file as Chromium shows it; `error` is why it does not, and `plays` is 0 for an infinite animation."""

    error: str
    plays: int
    delays: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    path: Path

    def read_frames(self) -> Iterator[Frame]:
        """Yield the frames."""
        with self.path.open("rb") as file:
            for delay, (width, height) in zip(self.delays, self.sizes, strict=True):
                pixels = np.frombuffer(file.read(width * height * 4), np.uint8).reshape(height, width, 4)
                yield Frame(delay=delay, pixels=pixels)


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """A running Chromium; a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._files: queue.Queue[tuple[str, bytes, Path]] = queue.Queue()
        self._results: queue.Queue[dict[str, Any]] = queue.Queue()
        self._path = Path(self._folder.name) / "none"
        self._count = 0

    def __enter__(self) -> Self:
        browser = self

        class Handler(_Handler):
            chromium = browser

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        options = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        )
        self._process = subprocess.Popen(
            [
                find_chromium() or "chromium",
                *options,
                f"--user-data-dir={self._folder.name}/profile",
                f"http://127.0.0.1:{self._server.server_port}/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._server.shutdown()
        self._folder.cleanup()

    def show(self, data: bytes, media_type: str) -> Shown:
        """Decode a file; raises TimeoutError if Chromium does not answer."""
        self._count += 1
        path = Path(self._folder.name) / str(self._count)
        path.touch()
        self._files.put((media_type, data, path))
        try:
            result = self._results.get(timeout=SECONDS)
        except queue.Empty:
            raise TimeoutError(f"Chromium did not decode a file within {SECONDS} s") from None
        return Shown(
            error=result["error"] or ("" if result["delays"] else "no frames"),
            plays=int(result["plays"]),
            delays=tuple(round(delay) for delay in result["delays"]),
            sizes=tuple((width, height) for width, height in result["sizes"]),
            path=path,
        )

    def take_file(self) -> tuple[str, bytes]:
        """Return media type and bytes of the next file; raises queue.Empty if there is none."""
        media_type, data, self._path = self._files.get(timeout=10)
        return media_type, data

    def add_frame(self, pixels: bytes) -> None:
        """Append the pixels of a frame of the current file."""
        with self._path.open("ab") as file:
            file.write(pixels)

    def finish_file(self, result: bytes) -> None:
        """Store the properties of the current file."""
        self._results.put(json.loads(result))


class _Handler(BaseHTTPRequestHandler):
    chromium: Chromium

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != "/next":
            self._answer(200 if self.path == "/" else 404, "text/html", PAGE.read_bytes())
            return
        try:
            self._answer(200, *self.chromium.take_file())
        except queue.Empty:
            self._answer(202, "text/plain", b"wait")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/frame":
            self.chromium.add_frame(body)
        else:
            self.chromium.finish_file(body)
        self._answer(200, "text/plain", b"")

    def _answer(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
