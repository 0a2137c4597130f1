"""Remote stores for tests: keys, entries, and a proxy that fails in the middle of transfers."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from everywheel.config.project import load_project
from everywheel.config.remote_settings import RemoteSettings
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Step, WheelStep, step_id
from everywheel.remote.exchange import Exchange
from everywheel.remote.opening import RemoteOptions, open_remotes
from everywheel.store.local import Store

PROJECT = load_project(Path(__file__).parents[2])
TARGET = PROJECT.targets[0]
PLAN = make_plan(PROJECT, [TARGET], Identities(artifacts="a", toolchain="t", packaging="p"))
ZLIB = PLAN.steps[step_id("zlib", TARGET.tag)]


def make_key(path: Path) -> Path:
    """Create an OpenSSH key; its public key is the file next to it with the suffix .pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "builder", "-f", path], check=True)
    return path


def finish(store: Store, step: Step, content: bytes = b"content") -> None:
    """Put a result of a step into a store, whose bytes depend on the content."""
    if isinstance(step, WheelStep):
        wheel = store.root / "tmp" / f"example-{step.version}-{step.python.tag}-none-any.whl"
        wheel.write_bytes(content)
        store.put_wheel(step.key, wheel, name=step.name, version=step.version, target=step.platform)
        wheel.unlink()
        return
    folder = store.root / "tmp" / "tree"
    folder.mkdir()
    (folder / "file").write_bytes(content)
    store.put_tree(step.key, folder, name=step.name, version=step.version, target=step.platform)
    (folder / "file").unlink()
    folder.rmdir()


def open_exchanges(*addresses: str, key: Path, sign: bool = False) -> tuple[Exchange, ...]:
    """Open remote stores that accept the signatures of a key, and with `sign` also upload to them."""
    options = RemoteOptions(addresses=addresses, keys=key.with_name(f"{key.name}.pub"), sign_key=key if sign else None)
    return open_remotes(RemoteSettings(), options)


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Run Python's http.server for a folder in a process of its own; yield its URL."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split(" port ")[1].split()[0]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@contextlib.contextmanager
def serve_s3() -> Iterator[str]:
    """Run a real server with the protocol of S3, without buckets, in a process of its own; yield its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "Running on" in line)
        # The server writes a line for each request, and would wait for a reader of a full pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield line.split("Running on ")[1].split()[0]
        finally:
            process.terminate()


Fault = Callable[[socket.socket, bytes], None]
"""Sends the answer of the server, whose bytes are passed completely, to a client in another way."""


def cut(client: socket.socket, answer: bytes) -> None:
    """End the connection in the middle of the answer."""
    client.sendall(answer[: answer.index(b"\r\n\r\n") + 4 + 100])


def answer_503(client: socket.socket, answer: bytes) -> None:
    client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def answer_403(client: socket.socket, answer: bytes) -> None:
    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def refuse_with(status: str, code: str) -> Fault:
    """Return the fault that answers as a server of S3 does that refuses a request."""
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    return lambda client, _: client.sendall(answer.encode())


def change_last_byte(client: socket.socket, answer: bytes) -> None:
    client.sendall(answer[:-1] + bytes([answer[-1] ^ 1]))


def truncate(client: socket.socket, answer: bytes) -> None:
    """Send a complete answer with half of the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    half = body[: len(body) // 2]
    client.sendall(head.replace(f"ngth: {len(body)}".encode(), f"ngth: {len(half)}".encode()) + b"\r\n\r\n" + half)


def send_slowly(client: socket.socket, answer: bytes) -> None:
    """Send one byte each 50 ms; no timeout of a socket notices it."""
    for start in range(len(answer)):
        client.sendall(answer[start : start + 1])
        time.sleep(0.05)


class FaultyProxy:
    """A TCP proxy in front of a web server. `plan` maps the path of a request to the fault for it, or to None."""

    def __init__(self, url: str, plan: Callable[[str], Fault | None]) -> None:
        self._server = url.removeprefix("http://").partition(":")
        self._plan = plan
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.heads: list[str] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> FaultyProxy:
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            request = _read_request(client)
            line = request.split(b"\r\n")[0].decode()
            self.heads.append(request.partition(b"\r\n\r\n")[0].decode("latin-1"))
            with socket.create_connection((self._server[0], int(self._server[2]))) as server:
                server.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                answer = b"".join(iter(lambda: server.recv(1 << 16), b""))
            fault = self._plan(line)
            if fault is None:
                client.sendall(answer)
            else:
                fault(client, answer)


def _read_request(client: socket.socket) -> bytes:
    """Return the head of a request and its body, which has a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = client.recv(1 << 16)
        if not received:
            raise ConnectionError
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    if b"expect: 100-continue" in head.lower() and len(body) < length:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:"))
    while len(body) < length:
        body += client.recv(1 << 16)
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
