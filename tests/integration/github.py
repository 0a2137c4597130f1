"""What GitHub's own client asks of GitHub for a release, answered from memory on loopback: a release and its files.

`gh` is the real one. It speaks plain HTTP to the host `github.localhost` alone, and through the proxy that it is told of.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOST, PROJECT = "github.localhost", "somebody/webpencode"
_API, _UPLOADS = f"http://api.{HOST}", f"http://uploads.{HOST}"
_RELEASES = f"/repos/{PROJECT}/releases"


class GitHub(ThreadingHTTPServer):
    """A repository with some tags: the releases that were made, by tag, and the files that each has."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tags = tags
        self.releases: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.removed: list[str] = []
        self.tokens: set[str] = set()

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes `gh` ask here, beside the token that a workflow gives it and the remote of its clone."""
        return {"GH_HOST": HOST, "HTTP_PROXY": f"http://127.0.0.1:{self.server_port}"}

    def show(self, tag: str) -> dict[str, Any]:
        assets = [
            {"name": name, "url": f"{_API}{_RELEASES}/assets/{name}", "size": len(data)}
            for name, data in self.files.items()
        ]
        return {**self.releases[tag], "assets": assets}

    def handle_error(self, request: object, client_address: object) -> None:
        """It asks in two ways at once and hangs up on the slower answer."""


@contextlib.contextmanager
def start_github(*tags: str) -> Iterator[GitHub]:
    with GitHub(tags) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        place, tag = urlsplit(self.path), self.path.rpartition("/")[2]
        if place.path == f"{_RELEASES}/tags/{tag}" and tag in self.server.releases:
            return self.answer(200, self.server.show(tag))
        return self.answer(404, {"message": "Not Found"})

    def do_POST(self) -> None:
        place, body = urlsplit(self.path), self.read()
        if place.path == "/graphql":
            return self.answer(200, {"data": self.query(json.loads(body))})
        if place.netloc == urlsplit(_UPLOADS).netloc:
            (name,) = parse_qs(place.query)["name"]
            if name in self.server.files:
                return self.answer(422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]})
            self.server.files[name] = body
            return self.answer(201, {"name": name, "state": "uploaded"})
        if place.path == _RELEASES:
            told = json.loads(body)
            self.server.releases[told["tag_name"]] = {
                **told,
                "id": 1,
                "url": f"{_API}{_RELEASES}/1",
                "html_url": f"http://{HOST}/{PROJECT}",
                "author": {"login": "somebody"},
                "published_at": "2026-01-01T00:00:00Z",
                "upload_url": f"{_UPLOADS}{_RELEASES}/1/assets{{?name,label}}",
            }
            return self.answer(201, self.server.show(told["tag_name"]))
        return self.answer(404, {"message": "Not Found"})

    def do_DELETE(self) -> None:
        name = self.path.rpartition("/")[2]
        del self.server.files[name]
        self.server.removed.append(name)
        self.answer(204, None)

    def query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Whether the tag is there (--verify-tag), and whether there is a draft of its release, which there never is."""
        if "release(" in asked["query"]:
            return {"repository": {"release": None}}
        reference = str(asked["variables"]["tagName"]).removeprefix("refs/tags/")
        return {"repository": {"ref": {"id": "one"} if reference in self.server.tags else None}}

    def read(self) -> bytes:
        self.server.tokens.add(self.headers["Authorization"])
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status: int, told: object) -> None:
        body = json.dumps(told).encode() if told is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None: ...
