"""A server on loopback with the part of GitHub's API that `gh release` calls; its data is in memory.

The tests run the real `gh`, which uses plain HTTP only for the host `github.localhost`; HTTP_PROXY directs it to the server.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOST, PROJECT = "github.localhost", "owner/webpencode"
_API, _UPLOADS = f"http://api.{HOST}", f"http://uploads.{HOST}"
_RELEASES = f"/repos/{PROJECT}/releases"


class GitHub(ThreadingHTTPServer):
    """A GitHub server with one repository, which has `tags`.

    `releases` has the created releases by tag, `files` the uploaded files by name, `removed` the names of deleted files, and
    `tokens` every value of the Authorization header.
    """

    def __init__(self, tags: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tags = tags
        self.releases: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.removed: list[str] = []
        self.tokens: set[str] = set()

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that direct `gh` to this server; the workflow sets the token and the remote."""
        return {"GH_HOST": HOST, "HTTP_PROXY": f"http://127.0.0.1:{self.server_port}"}

    def describe_release(self, tag: str) -> dict[str, Any]:
        assets = [
            {"name": name, "url": f"{_API}{_RELEASES}/assets/{name}", "size": len(data)}
            for name, data in self.files.items()
        ]
        return {**self.releases[tag], "assets": assets}

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that `gh` closes: it sends two queries at once and drops the slower response."""


@contextlib.contextmanager
def start_github(*tags: str) -> Iterator[GitHub]:
    with GitHub(tags) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        url, tag = urlsplit(self.path), self.path.rpartition("/")[2]
        if url.path == f"{_RELEASES}/tags/{tag}" and tag in self.server.releases:
            return self.respond(200, self.server.describe_release(tag))
        return self.respond(404, {"message": "Not Found"})

    def do_POST(self) -> None:
        url, body = urlsplit(self.path), self.read_body()
        if url.path == "/graphql":
            return self.respond(200, {"data": self.run_query(json.loads(body))})
        if url.netloc == urlsplit(_UPLOADS).netloc:
            (name,) = parse_qs(url.query)["name"]
            if name in self.server.files:
                return self.respond(422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]})
            self.server.files[name] = body
            return self.respond(201, {"name": name, "state": "uploaded"})
        if url.path == _RELEASES:
            content = json.loads(body)
            self.server.releases[content["tag_name"]] = {
                **content,
                "id": 1,
                "url": f"{_API}{_RELEASES}/1",
                "html_url": f"http://{HOST}/{PROJECT}",
                "author": {"login": "owner"},
                "published_at": "2026-01-01T00:00:00Z",
                "upload_url": f"{_UPLOADS}{_RELEASES}/1/assets{{?name,label}}",
            }
            return self.respond(201, self.server.describe_release(content["tag_name"]))
        return self.respond(404, {"message": "Not Found"})

    def do_DELETE(self) -> None:
        name = self.path.rpartition("/")[2]
        del self.server.files[name]
        self.server.removed.append(name)
        self.respond(204, None)

    def run_query(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of the queries for a tag (--verify-tag) and for a draft of its release, which never exists."""
        if "release(" in body["query"]:
            return {"repository": {"release": None}}
        reference = str(body["variables"]["tagName"]).removeprefix("refs/tags/")
        return {"repository": {"ref": {"id": "1"} if reference in self.server.tags else None}}

    def read_body(self) -> bytes:
        self.server.tokens.add(self.headers["Authorization"])
        return self.rfile.read(int(self.headers["Content-Length"]))

    def respond(self, status: int, content: object) -> None:
        body = json.dumps(content).encode() if content is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...
