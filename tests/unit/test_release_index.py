"""Uploading to an index that takes files, refuses them, or dies: a real server, asked by the real twine."""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import everywheel.release.index
import pytest
import requests
from everywheel.errors import MachineError, ReleaseError
from everywheel.release.index import Index, compare, upload, wait_for
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel
from pypi_simple import PyPISimple

METADATA = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\nSummary: x\n"


class Server(ThreadingHTTPServer):
    """An index in memory; `answers` are given to uploads in turn, then 200. 0 takes the file and hangs up, -1 hangs up,
    -2 never answers. `lists` are given to questions what it has, in turn, then the truth with `hashes`.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: list[int] = []
        self.leave = threading.Event()
        self.lists: list[tuple[int, str] | tuple[int, str, str]] = []
        self.hashes = "sha256"
        self.uploads: list[str] = []
        self.taken: list[str] = []

    @property
    def index(self) -> Index:
        address = f"http://127.0.0.1:{self.server_port}/"
        return Index(upload=address, simple=f"{address}simple/")


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.server.lists:
            self.answer(*self.server.lists.pop(0))
            return
        kind = self.server.hashes
        links = "".join(
            f'<a href="/{name}#{kind}={hashlib.new(kind, data).hexdigest()}">{name}</a>'
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
        if answer == -2:
            self.server.leave.wait(20)
        if answer < 1:
            self.close_connection = True
            self.connection.close()
        else:
            self.answer(answer, "")

    def answer(self, status: int, text: str, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
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
        server.leave.set()
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


def test_any_hash_that_an_index_tells_is_held_against_the_file(server: Server, files: list[Path]) -> None:
    server.hashes, server.files[files[0].name] = "md5", files[0].read_bytes()
    assert compare(files, server.index, "x").there == (files[0],)

    server.files[files[0].name] = b"other"
    with pytest.raises(ReleaseError) as error:
        compare(files, server.index, "x")

    assert error.value.details["there"] == f"md5 {hashlib.md5(b'other').hexdigest()}"


JSON = "application/vnd.pypi.simple.v1+json"
WHERE = "is it the address of its list, which ends in /simple/?"
STRANGERS = "it lists nothing to strangers: put a name and a password for it into ~/.netrc"
LATER = "wait a while, then run the same command again"


@pytest.mark.parametrize(
    ("answer", "reason", "hint"),
    [
        ((200, "[]", JSON), "1 validation error for Project", WHERE),
        (
            (200, '{"meta": {"api-version": "9.0"}, "name": "x", "files": []}', JSON),
            "Repository's version (9.0) has greater major component than supported version",
            WHERE,
        ),
        ((200, "words", "text/plain"), "unsupported Content-Type 'text/plain'", WHERE),
        ((401, ""), "401 Client Error: Unauthorized", STRANGERS),
        ((403, ""), "403 Client Error: Forbidden", STRANGERS),
        ((400, ""), "400 Client Error: Bad Request", WHERE),
        ((429, ""), "429 Client Error: Too Many Requests", LATER),
        ((503, ""), "503 Server Error: Service Unavailable", LATER),
    ],
)
def test_an_index_that_gives_no_list_is_quoted(
    server: Server, files: list[Path], answer: tuple[int, str], reason: str, hint: str
) -> None:
    server.lists = [answer]

    with pytest.raises(MachineError) as error:
        send(files, server)

    assert error.value.fact == f"the index {server.index.simple} does not say what it has"
    assert reason in str(error.value.details["reason"])
    assert (error.value.hint, server.uploads) == (hint, [])


def test_an_error_without_words_goes_by_its_kind(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: PyPISimple, project: str, timeout: float) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(PyPISimple, "get_project_page", fail)
    with pytest.raises(MachineError) as error:
        compare(files, Index(upload="", simple="http://localhost/simple/"), "x")

    assert error.value.details == {"reason": "ConnectionError"}


def test_an_index_that_breaks_is_to_be_asked_again(server: Server, files: list[Path]) -> None:
    server.answers = [500] * 9  # twine tries again by itself

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"{server.index.upload} refused {files[0].name} (HTTP 500): it could not"
    assert error.value.hint == LATER


def test_an_index_that_never_answers_is_left(
    server: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywheel.release.index, "_PATIENCE", 4)
    server.answers = [-2]

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"{server.index.upload} did not take {files[0].name} in 4 seconds"
    assert error.value.details == {"uploaded": "0 of 3 files"}
    assert error.value.hint == "run the same command again: it asks what is there, and nothing is uploaded twice"


def test_who_waits_for_an_index_asks_again_whatever_it_said(
    server: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywheel.release.index, "_PAUSE", 0)
    server.files = {file.name: file.read_bytes() for file in files}
    server.lists = [(503, ""), (404, ""), (503, "")]

    assert wait_for(files, server.index, "x", 60).lacking == ()
    server.lists = [(503, "")]
    with pytest.raises(MachineError):
        wait_for(files, server.index, "x", 0)
