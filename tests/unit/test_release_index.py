"""Uploading to an index that takes files, refuses them, or dies: a real server, asked by the real twine."""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.errors import MachineError, ReleaseError
from builder.release.index import Index, compare, upload
from builder.wheel import Wheel, WheelFile, pack_wheel

METADATA = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\nSummary: x\n"


class Server(ThreadingHTTPServer):
    """An index in memory; `answers` are given to uploads in turn, then 200. 0 takes the file and hangs up, -1 hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: list[int] = []
        self.uploads: list[str] = []
        self.taken: list[str] = []

    @property
    def index(self) -> Index:
        address = f"http://127.0.0.1:{self.server_port}/"
        return Index(upload=address, simple=f"{address}simple/")


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        links = "".join(
            f'<a href="/{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a>'
            for name, data in self.server.files.items()
        )
        self.answer(200 if links else 404, f"<!DOCTYPE html><html><body>{links}</body></html>")

    def do_POST(self) -> None:
        kind = f"Content-Type: {self.headers['Content-Type']}\n\n".encode()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(kind + body)
        part = next(part for part in parts.iter_parts() if part.get_filename())
        name, data = str(part.get_filename()), part.get_payload(decode=True)
        assert isinstance(data, bytes)
        self.server.uploads.append(name)
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if answer in (0, 200):
            self.server.taken.append(name)
            self.server.files[name] = data
        if answer in (0, -1):
            self.close_connection = True
            self.connection.close()
        else:
            self.answer(answer, "")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("TWINE_USERNAME", "nobody")
    monkeypatch.setenv("TWINE_PASSWORD", "nothing")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three small wheels."""
    made = []
    for platform in ("manylinux2014_x86_64", "musllinux_1_2_x86_64", "win_amd64"):
        info = {"METADATA": METADATA, "WHEEL": b"Wheel-Version: 1.0\n"}
        held = {f"x-1.0.dist-info/{name}": WheelFile(data=data) for name, data in info.items()}
        wheel = Wheel(name="x", version="1.0", build="", python="cp311", abi="abi3", platform=platform, files=held)
        made.append(pack_wheel(wheel, tmp_path, epoch=1577836800))
    return made


def send(files: list[Path], server: Server) -> list[str]:
    told: list[str] = []
    upload(files, server.index, "x", told.append)
    return told


def test_everything_is_uploaded_in_its_order(server: Server, files: list[Path]) -> None:
    told = send(files, server)

    assert told == [f"uploaded: {file.name}" for file in files]
    assert server.files == {file.name: file.read_bytes() for file in files}


def test_what_is_there_is_not_uploaded_again(server: Server, files: list[Path]) -> None:
    server.files[files[0].name] = files[0].read_bytes()

    told = send(files, server)

    assert told[0] == f"there already: {files[0].name}"
    assert server.uploads == [file.name for file in files[1:]]


def test_an_index_that_refuses_is_quoted(server: Server, files: list[Path]) -> None:
    server.answers = [200, 403]

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"{server.index.upload} refused {files[1].name} (HTTP 403): it does not let you"
    assert error.value.details == {"uploaded": "1 of 3 files"}
    assert any("403" in line for line in error.value.excerpt)
    assert error.value.hint == "is the token of this project, and its publisher this workflow and environment?"


@pytest.mark.parametrize("end", [0, -1], ids=["after it took the file", "before"])
def test_an_index_that_dies_is_gone_on_with_and_nothing_is_published_twice(
    server: Server, files: list[Path], end: int
) -> None:
    server.answers = [200, end]

    with pytest.raises(ReleaseError) as error:
        send(files, server)
    send(files, server)

    assert error.value.fact == f"{server.index.upload} went away while {files[1].name} was uploaded"
    assert error.value.details == {"uploaded": "1 of 3 files"}
    assert error.value.hint == "run the same command again: it asks what is there, and nothing is uploaded twice"
    assert server.taken == [file.name for file in files]


def test_other_bytes_under_one_name_are_refused_before_anything_is_uploaded(server: Server, files: list[Path]) -> None:
    server.files[files[2].name] = b"other"

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"the index has another {files[2].name}"
    assert error.value.details["there"] == f"sha256 {hashlib.sha256(b'other').hexdigest()}"
    assert server.uploads == []


def test_an_index_that_is_not_there_is_named(files: list[Path]) -> None:
    with pytest.raises(MachineError) as error:
        compare(files, Index(upload="", simple="http://127.0.0.1:9/simple/"), "x")

    assert error.value.fact == "the index http://127.0.0.1:9/simple/ does not say what it has"
