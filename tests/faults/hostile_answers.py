"""Hostile HTTP answers: a server that sends one for every request of a bad location, and the file for the good one."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from cases import Case, Workspace, expect_exit
from damage import damage_bytes
from damaged_stores import GoodStore
from sandbox import RunResult

_ENDLESS = 4 << 30  # bytes after which an endless answer ends
_BLOCK = bytes(1 << 16)
Answer = Iterator[bytes]


@dataclass(slots=True, kw_only=True)
class HostileServer:
    """An HTTP server on loopback; `/good/…` has the file, and every other path `/<id>/…` the answer of a case."""

    good: bytes
    answers: dict[str, Callable[[], Answer]] = field(default_factory=dict)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def start(self) -> HostileServer:
        """Accept connections in a thread that ends with this process."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    @property
    def url(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}"

    def _accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                if not (block := connection.recv(4096)):
                    return
                request += block
            identifier = request.split(b" ")[1].split(b"/")[1].decode(errors="replace")
            answer = self.answers.get(identifier, partial(_send_file, self.good))
            for block in answer():
                connection.sendall(block)


def make_answer_case(good: GoodStore, server: HostileServer, workspace: Workspace) -> Case:
    """Fetch a source from a location with a hostile answer, with or without a second location that has the file."""
    kind = workspace.random.choice(list(_ANSWERS))
    identifier = workspace.folder.name
    seed = workspace.random.randrange(1 << 32)
    server.answers[identifier] = partial(_ANSWERS[kind], server.good, seed)
    root = shutil.copytree(good.project.root, workspace.folder / "project")
    urls = [f"{server.url}/{identifier}/h0-1.0.tar.gz"]
    with_second = workspace.random.random() < 0.6
    if with_second:
        urls.append(f"{server.url}/good/h0-1.0.tar.gz")
    recipe = root / "recipes" / "h0" / "recipe.toml"
    text = recipe.read_text()
    start = text.index("urls = [")
    # The pinned size bounds what a location can make the command write.
    pins = f"urls = {urls}\nsize = {len(server.good)}".replace("'", '"')
    recipe.write_text(text[:start] + pins + text[text.index("\n", start) :])
    store = workspace.folder / "store"
    store.mkdir()
    for name in ("tools", "zig"):
        (store / name).symlink_to((good.project.store / name).resolve())
    return Case(
        description=f"answer: {kind}, {'a' if with_second else 'no'} second location",
        commands=[
            ["deps", "h0", "-t", "manylinux2014_x86_64", "--timeout", "8", "--prefix", str(workspace.folder / "prefix")]
        ],
        cwd=root,
        variables={"EVERYWHEEL_STORE": str(store), "EVERYWHEEL_MIRRORS": ""},
        check=partial(_check, store, hashlib.sha256(server.good).hexdigest(), with_second),
    )


def _check(store: Path, digest: str, with_second: bool, results: Sequence[RunResult]) -> str | None:
    if problem := expect_exit(results, *((0,) if with_second else (0, 4))):
        return problem
    files = [path for path in (store / "sources").iterdir() if path.is_file()]
    if any(hashlib.sha256(path.read_bytes()).hexdigest() != path.name for path in files):
        return "a file with another hash than its name is in the store"
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file() and not path.is_symlink())
    return f"the store has {size} bytes" if size > 4 << 20 else None


def _head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode("latin-1")


def _send_file(data: bytes) -> Answer:
    yield _head(f"Content-Length: {len(data)}", "Connection: close") + data


def _endless(good: bytes, seed: int) -> Answer:
    yield _head("Connection: close")
    for _ in range(_ENDLESS // len(_BLOCK)):
        yield _BLOCK


def _endless_chunks(good: bytes, seed: int) -> Answer:
    yield _head("Transfer-Encoding: chunked")
    for _ in range(_ENDLESS // len(_BLOCK)):
        yield f"{len(_BLOCK):x}\r\n".encode() + _BLOCK + b"\r\n"


def _endless_headers(good: bytes, seed: int) -> Answer:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in range(10_000_000):
        yield f"X-{number}: {'x' * 1000}\r\n".encode()


def _slow(good: bytes, seed: int) -> Answer:
    yield _head(f"Content-Length: {len(good)}")
    for byte in good:
        yield bytes([byte])
        time.sleep(1)


def _redirect(good: bytes, seed: int) -> Answer:
    location = Random(seed).choice(
        (
            "http://127.0.0.1:99999/",
            "http://[::1",
            "http://",
            "",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "//",
            "http://127.0.0.1:1/",
            "http://user:password@127.0.0.1:1/",
            "/" + "x" * 60_000,
            "http://\xff\xfe/",
            "http://a..b/",
            "http://" + "a" * 300 + ".example/",
            "?",
            "javascript:alert(1)",
            "http://127.0.0.1:-1/",
            "http://127.0.0.1:port/",
        )
    )
    status = Random(seed).choice(("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"))
    yield _head(f"Location: {location}", "Content-Length: 0", "Connection: close", status=status)


def _wrong_length(good: bytes, seed: int) -> Answer:
    length = Random(seed).choice((0, 1, len(good) - 1, len(good) + 1, 1 << 40, -1, "x", "1, 2", ""))
    yield _head(f"Content-Length: {length}", "Connection: close") + good


def _wrong_encoding(good: bytes, seed: int) -> Answer:
    encoding = Random(seed).choice(("gzip", "deflate", "br", "zstd", "x-unknown", "gzip, gzip, gzip"))
    yield _head(f"Content-Encoding: {encoding}", f"Content-Length: {len(good)}") + good


def _bomb(good: bytes, seed: int) -> Answer:
    bomb = gzip.compress(bytes(500 << 20), 9)
    yield _head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}", "Connection: close") + bomb


def _status(good: bytes, seed: int) -> Answer:
    status = Random(seed).choice(
        (
            "404 Not \x1b[31mFound",
            "500 x",
            "200 \x9b2J",
            "999 ?",
            "100 Continue",
            "204 No",
            "206 Partial",
            "304 Same",
            "0 0",
            "",
        )
    )
    yield _head("Content-Length: 4", "Connection: close", status=status) + b"evil"


def _damaged(good: bytes, seed: int) -> Answer:
    answer = _head(f"Content-Length: {len(good)}", "Server: x", "ETag: y", "Connection: close") + good
    yield damage_bytes(answer, Random(seed))


def _chunks(good: bytes, seed: int) -> Answer:
    size = Random(seed).choice(("xyz", "-1", "ffffffffffffffff", "", "0", "5;" + "e" * 70_000))
    yield _head("Transfer-Encoding: chunked") + f"{size}\r\n".encode() + good


def _closed(good: bytes, seed: int) -> Answer:
    yield _head(f"Content-Length: {len(good)}")[: Random(seed).randrange(30)]


def _page(good: bytes, seed: int) -> Answer:
    yield from _send_file(b"<!doctype html><title>Log in</title>" * 100)


_ANSWERS: dict[str, Callable[[bytes, int], Answer]] = {
    "an endless body": _endless,
    "endless chunks": _endless_chunks,
    "endless headers": _endless_headers,
    "a byte a second": _slow,
    "a redirect": _redirect,
    "a redirect again": _redirect,
    "a wrong length": _wrong_length,
    "a wrong encoding": _wrong_encoding,
    "a gzip bomb": _bomb,
    "an invalid status": _status,
    "damaged bytes": _damaged,
    "damaged bytes of a head": _damaged,
    "broken chunks": _chunks,
    "a closed connection": _closed,
    "a page": _page,
}
