"""Comparing with an index and uploading to it: a real server on loopback, and the real twine and pypi-simple."""

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
from everywheel.release.index import Index, check_complete, compare, upload, wait_until_listed
from everywheel.release.rehearsal import check_uploads
from everywheel.wheels.wheel import Wheel, WheelFile, pack_wheel
from pypi_simple import PyPISimple
from twine import repository

METADATA = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\nSummary: x\n"
STORE_AND_CLOSE, CLOSE, NO_ANSWER, DUPLICATE = 0, -1, -2, -3
AGAIN = "run the same command again: it compares with the index first and uploads no file twice"


class Server(ThreadingHTTPServer):
    """An index in memory.

    `answers` are the HTTP status codes, or constants above, of the next uploads; after these, uploads succeed. `lists` are
    the answers to the next queries of the file list; after these, the list is that of `files` with hashes of kind `hashes`.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: list[int] = []
        self.finished = threading.Event()
        self.lists: list[tuple[int, str] | tuple[int, str, str]] = []
        self.hashes = "sha256"
        self.uploads: list[str] = []
        self.stored: list[str] = []

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
        if answer in (STORE_AND_CLOSE, 200):
            self.server.stored.append(name)
            self.server.files[name] = data
        if answer == NO_ANSWER:
            self.server.finished.wait(20)
        if answer == DUPLICATE:
            self.answer(400, "File already exists", "text/plain")
        elif answer < 1:
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

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("TWINE_USERNAME", "user")
    monkeypatch.setenv("TWINE_PASSWORD", "password")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.finished.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three small wheels."""
    wheels = []
    for platform in ("manylinux2014_x86_64", "musllinux_1_2_x86_64", "win_amd64"):
        info = {"METADATA": METADATA, "WHEEL": b"Wheel-Version: 1.0\n"}
        content = {f"x-1.0.dist-info/{name}": WheelFile(data=data) for name, data in info.items()}
        wheel = Wheel(name="x", version="1.0", build="", python="cp311", abi="abi3", platform=platform, files=content)
        wheels.append(pack_wheel(wheel, tmp_path, epoch=1577836800))
    return wheels


def send(files: list[Path], server: Server) -> list[str]:
    lines: list[str] = []
    upload(files, server.index, "x", lines.append)
    return lines


def test_all_files_are_uploaded_in_order(server: Server, files: list[Path]) -> None:
    lines = send(files, server)

    assert lines == [f"uploaded: {file.name}" for file in files]
    assert server.files == {file.name: file.read_bytes() for file in files}


def test_twine_prints_nothing(server: Server, files: list[Path], capfd: pytest.CaptureFixture[str]) -> None:
    server.answers = [500]  # twine logs a warning and tries again

    send(files, server)

    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_present_is_not_uploaded_again(server: Server, files: list[Path]) -> None:
    server.files[files[0].name] = files[0].read_bytes()

    lines = send(files, server)

    assert lines[0] == f"already present: {files[0].name}"
    assert server.uploads == [file.name for file in files[1:]]


def test_a_rejection_is_quoted(server: Server, files: list[Path]) -> None:
    server.answers = [200, 403]

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"{server.index.upload} rejected {files[1].name} (HTTP 403): permission denied"
    assert error.value.details == {"uploaded": "1 of 3 files"}
    assert any("403" in line for line in error.value.excerpt)
    assert error.value.hint == (
        "check that the token belongs to this project, or that the trusted publisher names this workflow and environment"
    )


def test_twine_skips_on_pypi_a_file_that_its_list_does_not_show_yet(
    server: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "TEST_WAREHOUSE", server.index.upload)
    server.answers = [DUPLICATE]

    send(files, server)

    assert server.stored == [file.name for file in files[1:]]


def test_another_index_reports_a_file_that_its_list_does_not_show(server: Server, files: list[Path]) -> None:
    server.answers = [409]

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    fact = f"{server.index.upload} rejected {files[0].name} (HTTP 409): the index has a file of that name"
    assert error.value.fact == fact


@pytest.mark.parametrize("answer", [STORE_AND_CLOSE, CLOSE], ids=["after storing the file", "before storing the file"])
def test_after_a_lost_connection_the_upload_resumes_and_no_file_is_published_twice(
    server: Server, files: list[Path], answer: int
) -> None:
    server.answers = [200, answer]

    with pytest.raises(ReleaseError) as error:
        send(files, server)
    send(files, server)

    assert error.value.fact == f"lost the connection to {server.index.upload} during the upload of {files[1].name}"
    assert error.value.details == {"uploaded": "1 of 3 files"}
    assert error.value.hint == AGAIN
    assert server.stored == [file.name for file in files]


def test_a_different_file_of_the_same_name_stops_the_upload_before_it_begins(server: Server, files: list[Path]) -> None:
    server.files[files[2].name] = b"other"

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"the index has a different file named {files[2].name}"
    assert error.value.details["index"] == f"sha256 {hashlib.sha256(b'other').hexdigest()}"
    assert server.uploads == []


def test_an_index_that_cannot_be_reached_is_named(files: list[Path]) -> None:
    with pytest.raises(MachineError) as error:
        compare(files, Index(upload="", simple="http://127.0.0.1:9/simple/"), "x")

    assert error.value.fact == "cannot list the files of x on http://127.0.0.1:9/simple/"


def test_any_hash_algorithm_of_an_index_is_compared(server: Server, files: list[Path]) -> None:
    server.hashes, server.files[files[0].name] = "md5", files[0].read_bytes()
    assert compare(files, server.index, "x").present == (files[0],)

    server.files[files[0].name] = b"other"
    with pytest.raises(ReleaseError) as error:
        compare(files, server.index, "x")

    assert error.value.details["index"] == f"md5 {hashlib.md5(b'other').hexdigest()}"


JSON = "application/vnd.pypi.simple.v1+json"
URL = "check the URL of its simple API, which usually ends in /simple/"
CREDENTIALS = "the index requires authentication: add its host, a user name and a password to ~/.netrc"
LATER = "wait a while, then run the same command again"


@pytest.mark.parametrize(
    ("answer", "reason", "hint"),
    [
        ((200, "[]", JSON), "1 validation error for Project", URL),
        (
            (200, '{"meta": {"api-version": "9.0"}, "name": "x", "files": []}', JSON),
            "Repository's version (9.0) has greater major component than supported version",
            URL,
        ),
        ((200, "text", "text/plain"), "unsupported Content-Type 'text/plain'", URL),
        ((401, ""), "401 Client Error: Unauthorized", CREDENTIALS),
        ((403, ""), "403 Client Error: Forbidden", CREDENTIALS),
        ((400, ""), "400 Client Error: Bad Request", URL),
        ((429, ""), "429 Client Error: Too Many Requests", LATER),
        ((503, ""), "503 Server Error: Service Unavailable", LATER),
    ],
)
def test_an_index_without_a_readable_list_is_quoted(
    server: Server, files: list[Path], answer: tuple[int, str], reason: str, hint: str
) -> None:
    server.lists = [answer]

    with pytest.raises(MachineError) as error:
        send(files, server)

    assert error.value.fact == f"cannot list the files of x on {server.index.simple}"
    assert reason in str(error.value.details["reason"])
    assert (error.value.hint, server.uploads) == (hint, [])


def test_an_error_without_a_text_is_named_by_its_type(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: PyPISimple, project: str, timeout: float) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(PyPISimple, "get_project_page", fail)
    with pytest.raises(MachineError) as error:
        compare(files, Index(upload="", simple="http://localhost/simple/"), "x")

    assert error.value.details == {"reason": "ConnectionError"}


def test_a_server_error_suggests_another_attempt(server: Server, files: list[Path]) -> None:
    server.answers = [500] * 9  # twine itself tries five times

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"{server.index.upload} rejected {files[0].name} (HTTP 500): server error"
    assert error.value.hint == LATER


def test_an_index_that_never_answers_is_abandoned(
    server: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywheel.release.index, "_TIMEOUT", 0.5)
    server.answers = [NO_ANSWER]

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"the upload of {files[0].name} to {server.index.upload} timed out"
    assert error.value.details == {"uploaded": "0 of 3 files"}
    assert error.value.hint == AGAIN


def test_missing_credentials_are_reported(server: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWINE_PASSWORD")

    with pytest.raises(ReleaseError) as error:
        send(files, server)

    assert error.value.fact == f"twine cannot upload {files[0].name}"
    assert error.value.excerpt == ("Credential not found for password.",)


def test_waiting_for_an_index_repeats_the_query_after_any_error(
    server: Server, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywheel.release.index, "_PAUSE", 0)
    server.files = {file.name: file.read_bytes() for file in files}
    server.lists = [(503, ""), (404, ""), (503, "")]

    assert wait_until_listed(files, server.index, "x", 60).missing == ()
    server.lists = [(503, "")]
    with pytest.raises(MachineError):
        wait_until_listed(files, server.index, "x", 0)


def test_a_rehearsal_uploads_twice_and_lists_every_file(server: Server, files: list[Path]) -> None:
    lines: list[str] = []

    check_uploads(files, server.index, "x", lines.append)

    assert server.stored == [file.name for file in files]
    assert lines == [f"{state}: {file.name}" for state in ("uploaded", "present") for file in files]


def test_a_rehearsal_fails_when_a_file_is_uploaded_again(server: Server, files: list[Path]) -> None:
    server.lists = [(404, "")] * 2  # the list of the index is empty before the second upload too

    with pytest.raises(ReleaseError) as error:
        check_uploads(files, server.index, "x", lambda line: None)

    assert error.value.fact == "a second upload sent 3 of 3 files again"


def test_an_incomplete_index_is_an_error(server: Server, files: list[Path]) -> None:
    server.files[files[0].name] = files[0].read_bytes()

    with pytest.raises(ReleaseError) as error:
        check_complete(compare(files, server.index, "x"))

    assert error.value.fact == "2 of 3 files are missing on the index"
    assert error.value.details == {"missing": f"{files[1].name}, {files[2].name}"}
