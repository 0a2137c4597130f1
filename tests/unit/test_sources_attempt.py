"""Slow locations: the next one is tried at the same time, and the first one with the pinned bytes ends the others."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.errors import SourceError
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations
from everywheel.sources.progress import FetchEvent, FetchEventKind
from everywheel.sources.request import PinnedFile
from snapshot_server import Fault, serve

PATIENCE = 0.3
CONTENT = b"The pinned bytes." * 1000
WRONG = b"x" * len(CONTENT)


def pin(name: str, content: bytes, *urls: str) -> PinnedFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return PinnedFile(label="foo 1.0", filename=name, sha256=sha256, size=len(content), urls=urls)


def locate(*mirrors: str) -> SourceLocations:
    return SourceLocations(mirrors=mirrors, snapshot="", archives=(), patience=PATIENCE)


@contextmanager
def serve_silence() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def serve_late(content: bytes, delay: float) -> Iterator[str]:
    """A server that answers one request after a delay in seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                time.sleep(delay)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + content)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "file").write_bytes(CONTENT)
    with serve({"/file": tmp_path / "file"}) as service:
        yield f"{service.base}/file"


def assert_stored(store: Path, *contents: bytes) -> None:
    names = {hashlib.sha256(content).hexdigest(): content for content in contents}
    assert {path.name: path.read_bytes() for path in (store / "sources").iterdir()} == names
    assert list((store / "tmp").iterdir()) == []


def test_a_mirror_that_never_answers_costs_the_patience_only(upstream: str, tmp_path: Path) -> None:
    events: list[FetchEvent] = []
    with serve_silence() as mirror:
        begin = time.monotonic()
        fetch_sources(
            [pin("file", CONTENT, upstream)],
            store=tmp_path / "store",
            locations=locate(mirror, mirror.replace("127.0.0.1", "localhost")),
            progress=events.append,
        )
        elapsed = time.monotonic() - begin

    # Each mirror has four layouts, but only the first one is tried.
    assert 2 * PATIENCE <= elapsed < 4 * PATIENCE + 2
    assert [event.location for event in events if event.kind is FetchEventKind.DONE] == [upstream]
    assert_stored(tmp_path / "store", CONTENT)


def test_a_slow_location_may_still_be_the_first_with_the_file(tmp_path: Path) -> None:
    with serve_late(CONTENT, 3 * PATIENCE) as late, serve_silence() as silent:
        events: list[FetchEvent] = []
        fetch_sources(
            [pin("file", CONTENT, f"{late}/file", f"{silent}/file")],
            store=tmp_path / "store",
            locations=locate(),
            progress=events.append,
        )

    started = [event.location for event in events if event.kind is FetchEventKind.STARTED]
    assert started == [f"{late}/file", f"{silent}/file"]
    assert [event.location for event in events if event.kind is FetchEventKind.DONE] == [f"{late}/file"]
    assert_stored(tmp_path / "store", CONTENT)


def test_a_slow_location_with_wrong_bytes_does_not_end_the_others(tmp_path: Path) -> None:
    with serve_late(WRONG, 2 * PATIENCE) as lying, serve_late(CONTENT, 3 * PATIENCE) as late:
        fetch_sources(
            [pin("file", CONTENT, f"{lying}/file", f"{late}/file")], store=tmp_path / "store", locations=locate()
        )

    assert_stored(tmp_path / "store", CONTENT)


def test_a_host_that_was_slow_several_times_is_not_tried_again(upstream: str, tmp_path: Path) -> None:
    """Five files are requested one after another; the fifth does not wait."""
    (tmp_path / "folder").mkdir()
    contents = [bytes([number]) * 10 for number in range(5)]
    files = {f"/{number}": tmp_path / f"{number}" for number in range(5)}
    for content, path in zip(contents, files.values(), strict=True):
        path.write_bytes(content)
    with serve(files) as service, serve_silence() as silent:
        pins = [
            pin(f"{number}", content, f"{silent}/{number}", f"{service.base}/{number}")
            for number, content in enumerate(contents)
        ]
        begin = time.monotonic()
        fetch_sources(pins, store=tmp_path / "store", locations=locate(), jobs=1)
        elapsed = time.monotonic() - begin

    assert 4 * PATIENCE <= elapsed < 5 * PATIENCE + 2
    assert_stored(tmp_path / "store", *contents)


def test_patches_come_from_their_archive_when_a_mirror_never_answers(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz") as tar:
        member = tarfile.TarInfo("debian/patches/a.patch")
        member.size = len(CONTENT)
        tar.addfile(member, io.BytesIO(CONTENT))
    (tmp_path / "archive").write_bytes(content.getvalue())
    with serve({"/archive": tmp_path / "archive"}) as service, serve_silence() as mirror:
        archive = pin("foo_1.0-1.debian.tar.xz", content.getvalue(), f"{service.base}/archive")
        patch = replace(pin("a.patch", CONTENT), archive=archive, member="debian/patches/a.patch")
        begin = time.monotonic()
        fetch_sources([patch], store=tmp_path / "store", locations=locate(mirror))
        elapsed = time.monotonic() - begin

    assert 2 * PATIENCE <= elapsed < 10 * PATIENCE
    assert_stored(tmp_path / "store", CONTENT, content.getvalue())


def test_every_location_is_named_when_slow_ones_have_no_file_either(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WRONG)
    with (
        serve_late(WRONG, 2 * PATIENCE) as lying,
        serve({"/file": tmp_path / "file"}, {"/file": Fault.MISSING}) as none,
        pytest.raises(SourceError) as caught,
    ):
        fetch_sources(
            [pin("file", CONTENT, f"{lying}/file", f"{none.base}/file")],
            store=tmp_path / "store",
            locations=locate(),
        )

    assert {name: str(reason) for name, reason in caught.value.details.items()} == {
        "pinned": f"sha256 {hashlib.sha256(CONTENT).hexdigest()}",
        "store": "missing",
        f"{none.base}/file": "404 Not Found",
        f"{lying}/file": f"hash mismatch: sha256 {hashlib.sha256(WRONG).hexdigest()}, "
        f"pinned {hashlib.sha256(CONTENT).hexdigest()}",
    }
    assert list((tmp_path / "store" / "sources").glob("*")) == []
