"""A remote store in a bucket of a real server with the protocol of S3, a process of its own, with faults in the middle."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from everywheel.execution.notices import listen_to_notices
from everywheel.remote import exchange
from everywheel.remote.garbage import collect_remote_garbage
from everywheel.remote.stores import RemoteStores
from everywheel.store.local import Store
from remote_stores import (
    ZLIB,
    Fault,
    FaultyProxy,
    answer_403,
    answer_503,
    change_last_byte,
    cut,
    finish,
    make_key,
    open_exchanges,
    refuse_with,
    send_slowly,
    serve_s3,
    truncate,
)

ADDRESS = "s3://bucket/store"
LABEL = f"artifact {ZLIB.label}"
DAY = 86400.0


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that has the bucket `bucket`."""
    with serve_s3() as url:
        yield url


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "ours")


@pytest.fixture(autouse=True)
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and the environment of a user of the server."""
    requests.post(f"{server}/moto-api/reset", timeout=10).raise_for_status()
    requests.put(f"{server}/bucket", timeout=10).raise_for_status()
    variables = {"AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "password", "AWS_ENDPOINT_URL": server}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(exchange, "REQUEST_SECONDS", 120.0)  # a busy machine is slow, too
    return server


@pytest.fixture
def notices() -> Iterator[list[str]]:
    messages: list[str] = []
    with listen_to_notices(messages.append):
        yield messages


@pytest.fixture
def built(tmp_path: Path) -> Store:
    store = Store(tmp_path / "built")
    finish(store, ZLIB, bytes(range(256)) * 40)
    return store


def push(key: Path, store: Store) -> int:
    return RemoteStores(open_exchanges(ADDRESS, key=key, sign=True), store).send(ZLIB.key)


def fetch(key: Path, folder: Path) -> bytes | None:
    store = Store(folder)
    RemoteStores(open_exchanges(ADDRESS, key=key), store).fetch([ZLIB])
    entry = store.find(ZLIB.key)
    return None if entry is None else store.path(entry).read_bytes()


def read(store: Store) -> bytes:
    (entry,) = store.entries()
    return store.path(entry).read_bytes()


def test_an_entry_arrives_with_its_bytes(key: Path, built: Store, tmp_path: Path, notices: list[str]) -> None:
    assert push(key, built) == 1
    assert fetch(key, tmp_path / "fresh") == read(built)
    assert notices == []


def test_a_large_file_is_uploaded_in_parts_and_arrives(key: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "large")
    finish(store, ZLIB, random.Random(1).randbytes(17 << 20))

    assert push(key, store) == 1
    content = fetch(key, tmp_path / "fresh")
    assert content is not None
    assert hashlib.sha256(content).digest() == hashlib.sha256(read(store)).digest()


def test_a_missing_entry_does_not_count_as_a_fault(key: Path, tmp_path: Path, notices: list[str]) -> None:
    assert fetch(key, tmp_path / "fresh") is None
    assert notices == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (cut, "Response payload is not completed"),
        (answer_503, "Service Unavailable"),
        (answer_403, "permission denied: Forbidden"),
        (change_last_byte, "Expected checksum"),  # that of the server; ours is compared after it
        (truncate, "Expected checksum"),
        (send_slowly, "not finished after 4 s"),
    ],
)
def test_a_fault_in_the_middle_of_a_file_is_reported(
    fault: Fault,
    reason: str,
    key: Path,
    built: Store,
    bucket: str,
    tmp_path: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push(key, built)
    if fault is send_slowly:
        monkeypatch.setattr(exchange, "REQUEST_SECONDS", 4.0)
    with FaultyProxy(bucket, lambda line: fault if "GET" in line and "/files/" in line else None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert fetch(key, tmp_path / "fresh") is None

    (notice,) = notices
    assert notice.startswith(f"remote store {ADDRESS}: {LABEL}: {reason}")
    assert list((tmp_path / "fresh" / "tmp").iterdir()) == []


def test_a_transfer_resumes_where_it_was_cut(
    key: Path, built: Store, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(key, built)
    faults = iter([cut, None])
    with FaultyProxy(bucket, lambda line: next(faults) if "/files/" in line else None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert fetch(key, tmp_path / "fresh") == read(built)
        heads = [head for head in proxy.heads if "/files/" in head]

    assert ["range: bytes=" in head.lower() for head in heads] == [False, True]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (refuse_with("507 Insufficient Storage", "XMinioStorageFull"), "XMinioStorageFull"),
        (refuse_with("403 Forbidden", "QuotaExceeded"), "QuotaExceeded"),
    ],
)
def test_a_full_bucket_costs_no_result(
    fault: Fault,
    reason: str,
    key: Path,
    built: Store,
    bucket: str,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FaultyProxy(bucket, lambda line: fault if line.startswith("PUT") else None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert push(key, built) == 0

    assert len(notices) == 1
    assert reason in notices[0]
    assert built.find(ZLIB.key) is not None


def test_a_bucket_that_does_not_exist_is_empty_for_reads_and_refuses_uploads(
    key: Path, built: Store, tmp_path: Path, notices: list[str]
) -> None:
    exchanges = open_exchanges("s3://other/store", key=key, sign=True)

    assert not RemoteStores(exchanges, Store(tmp_path / "fresh")).fetch([ZLIB])
    assert notices == []
    assert RemoteStores(exchanges, built).send(ZLIB.key) == 0
    assert notices == [f"remote store s3://other/store: {LABEL}: the bucket does not exist"]


def test_old_entries_of_a_bucket_are_listed_and_removed(key: Path, built: Store) -> None:
    push(key, built)
    (remote,) = open_exchanges(ADDRESS, key=key, sign=True)
    (entry,) = built.entries()
    assert remote.list_records().keys() == {ZLIB.key}
    assert [(file.size, remote.read_entry(ZLIB.key)) for file in remote.list_files().values()] == [(entry.size, entry)]

    assert collect_remote_garbage(remote, keep=(), older_than=DAY).entries == ()
    assert collect_remote_garbage(remote, keep=(ZLIB.key,), older_than=0, largest=0).entries == ()
    assert collect_remote_garbage(remote, keep=(), older_than=DAY, largest=0).entries == (entry,)
    assert remote.list_records() == {}
    assert remote.list_files() == {}
