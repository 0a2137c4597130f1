"""A server with webpencode that does the work of examples/go-server: /NAME?width=N is the picture as a WebP of that width."""

from __future__ import annotations

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from webpencode import encode

FOLDER = Path(sys.argv[1])
# As in the other server, a thumbnail has one thread, and as many are computed at a time as there are processors.
SLOTS = threading.BoundedSemaphore(len(os.sched_getaffinity(0)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        width = int(parse_qs(url.query)["width"][0])
        with SLOTS:
            original = (FOLDER / Path(url.path).name).read_bytes()
            data = encode(original, width=width, quality=80, keep=(), threads=1)
        self.send_response(200)
        self.send_header("Content-Type", "image/webp")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64


server = Server(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
