"""Remote stores in a folder and on a web server: what is signed is used, and every fault costs time only."""

from __future__ import annotations

import io
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from everywheel.cli.progress import ProgressDisplay
from everywheel.execution.notices import listen_to_notices
from everywheel.execution.retry import RetryPolicy
from everywheel.planning.steps import step_id
from everywheel.remote import exchange, web
from everywheel.remote.lookup import fetch_missing, find_missing
from everywheel.remote.stores import RemoteStores
from everywheel.sources.progress import FetchEvent
from everywheel.store.local import Store
from remote_stores import (
    PLAN,
    TARGET,
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
    send_slowly,
    serve_folder,
    truncate,
)
from rich.console import Console

LABEL = f"artifact {ZLIB.label}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two keys, `ours` and `theirs`."""
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder / "ours")
    make_key(folder / "theirs")
    return folder


@pytest.fixture
def notices() -> Iterator[list[str]]:
    messages: list[str] = []
    with listen_to_notices(messages.append):
        yield messages


def push(folder: Path, key: Path, store: Store) -> None:
    """Upload all entries of a store to a remote in a folder."""
    remotes = RemoteStores(open_exchanges(str(folder), key=key, sign=True), store)
    assert [remotes.send(entry_key) for entry_key in store.list_keys()] == [1] * len(store.list_keys())


@pytest.fixture
def built(tmp_path: Path) -> Store:
    """The store of a machine that has built zlib."""
    store = Store(tmp_path / "built")
    finish(store, ZLIB, bytes(range(256)) * 40)
    return store


@pytest.fixture
def remote(built: Store, keys: Path, tmp_path: Path) -> Path:
    """A remote in a folder that has zlib."""
    push(tmp_path / "remote", keys / "ours", built)
    return tmp_path / "remote"


@pytest.fixture
def fresh(tmp_path: Path) -> Store:
    return Store(tmp_path / "fresh")


def content(store: Store) -> bytes | None:
    entry = store.find(ZLIB.key)
    return None if entry is None else store.path(entry).read_bytes()


def fetch(store: Store, *addresses: str, key: Path) -> bool:
    return RemoteStores(open_exchanges(*addresses, key=key), store).fetch([ZLIB]) == {ZLIB.id}


def change_record(remote: Path, change: Callable[[dict[str, str]], object]) -> None:
    path = remote / "entries" / f"{ZLIB.key}.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


def test_an_entry_arrives_with_its_bytes_and_its_record(remote: Path, keys: Path, built: Store, fresh: Store) -> None:
    assert fetch(fresh, str(remote), key=keys / "ours")
    assert content(fresh) == content(built)
    assert fresh.find(ZLIB.key) == built.find(ZLIB.key)
    assert fresh.find_defect(ZLIB.key) is None


def test_an_entry_arrives_from_a_plain_web_server(remote: Path, keys: Path, built: Store, fresh: Store) -> None:
    with serve_folder(remote) as url:
        assert fetch(fresh, url, key=keys / "ours")

    assert content(fresh) == content(built)


def test_of_a_wheel_that_a_remote_has_no_library_is_received(keys: Path, tmp_path: Path, fresh: Store) -> None:
    """For the other wheel, which no remote has, the libraries are received that the remote has."""
    wheel, other = PLAN.wheels
    libraries = (ZLIB.id, step_id("libpng", TARGET.tag))
    built = Store(tmp_path / "built")
    for id in (wheel, *libraries):
        finish(built, PLAN.steps[id])
    push(tmp_path / "remote", keys / "ours", built)
    remotes = RemoteStores(open_exchanges(str(tmp_path / "remote"), key=keys / "ours"), fresh)

    assert not fetch_missing(PLAN, fresh, remotes, [wheel]).steps
    assert fresh.list_keys() == [PLAN.steps[wheel].key]

    missing = fetch_missing(PLAN, fresh, remotes).steps
    assert sorted(fresh.list_keys()) == sorted(PLAN.steps[id].key for id in (wheel, *libraries))
    assert other in missing
    assert not missing.keys() & {wheel, *libraries}
    assert missing == find_missing(PLAN, fresh).steps


@pytest.mark.parametrize("name", ["theirs", "none", "other purpose"])
def test_an_entry_without_a_signature_of_a_configured_key_is_refused(
    name: str, remote: Path, keys: Path, built: Store, fresh: Store, tmp_path: Path, notices: list[str]
) -> None:
    if name == "theirs":
        push(tmp_path / "other", keys / "theirs", built)
        remote = tmp_path / "other"
    elif name == "none":
        change_record(remote, lambda facts: facts.update(signature=""))
    else:
        from everywheel.sources.signature import sign

        record = json.loads((remote / "entries" / f"{ZLIB.key}.json").read_text())["record"]
        change_record(remote, lambda facts: facts.update(signature=sign(record.encode(), keys / "ours").decode()))

    assert not fetch(fresh, str(remote), key=keys / "ours")
    assert notices == [f"remote store {remote}: entry {ZLIB.key[:12]}: it is not signed by a configured key"]
    assert fresh.list_keys() == []


def test_the_record_of_another_key_is_refused(
    remote: Path, keys: Path, built: Store, fresh: Store, notices: list[str]
) -> None:
    """A signed record under the name of another key would replace one artifact with another."""
    other = PLAN.steps[step_id("libpng", TARGET.tag)]
    finish(built, other)
    push(remote, keys / "ours", built)
    (remote / "entries" / f"{other.key}.json").replace(remote / "entries" / f"{ZLIB.key}.json")

    assert not fetch(fresh, str(remote), key=keys / "ours")
    assert notices == [f"remote store {remote}: entry {ZLIB.key[:12]}: the record has another key"]


def test_a_record_of_another_step_is_refused(keys: Path, tmp_path: Path, fresh: Store, notices: list[str]) -> None:
    built = Store(tmp_path / "built")
    (tmp_path / "tree").mkdir()
    built.put_tree(ZLIB.key, tmp_path / "tree", name="zlib", version="0.1", target=ZLIB.platform)
    push(tmp_path / "remote", keys / "ours", built)

    assert not fetch(fresh, str(tmp_path / "remote"), key=keys / "ours")
    label = f"artifact zlib 0.1 for {ZLIB.platform}"
    assert notices == [f"remote store {tmp_path / 'remote'}: {ZLIB.label}: its entry is that of {label}"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"record": 1, "signature": 2}', '{"record": "é", "signature": "é"}']
)
def test_what_is_not_a_signed_record_is_refused(
    text: str, remote: Path, keys: Path, fresh: Store, notices: list[str]
) -> None:
    (remote / "entries" / f"{ZLIB.key}.json").write_text(text)

    assert not fetch(fresh, str(remote), key=keys / "ours")
    assert notices == [f"remote store {remote}: entry {ZLIB.key[:12]}: it is not a signed record"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "its file has other bytes than the signed ones"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "its file has other bytes than the signed ones"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has more bytes, but the pinned file has {size}"),
        (lambda path: path.unlink(), "its file is missing"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "its file is missing"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/passwd")), "{passwd}"),
    ],
    ids=["other bytes", "truncated", "longer", "missing", "a FIFO", "a link"],
)
def test_a_file_with_other_bytes_is_refused(
    damage: Callable[[Path], object], reason: str, remote: Path, keys: Path, fresh: Store, notices: list[str]
) -> None:
    (path,) = (remote / "files").iterdir()
    size = path.stat().st_size
    damage(path)
    large = Path("/etc/passwd").stat().st_size > size
    passwd = (
        "has more bytes, but the pinned file has {size}" if large else "its file has other bytes than the signed ones"
    )

    assert not fetch(fresh, str(remote), key=keys / "ours")
    expected = reason.format(size=size, passwd=passwd.format(size=size))
    assert notices == [f"remote store {remote}: {LABEL}: {expected}"]
    assert fresh.list_keys() == []
    assert list((fresh.root / "tmp").iterdir()) == []


def test_a_refused_file_is_replaced_by_the_machine_that_builds_the_same_one(
    remote: Path, keys: Path, fresh: Store, tmp_path: Path, notices: list[str]
) -> None:
    """It is one fault, even if it is looked up twice; the record is that of the right bytes, which a second build confirms."""
    (path,) = (remote / "files").iterdir()
    right = path.read_bytes()
    path.write_bytes(right[:-1] + b"x")
    (exchange,) = open_exchanges(str(remote), key=keys / "ours", sign=True)
    remotes = RemoteStores([exchange], fresh)

    assert remotes.fetch([ZLIB]) == remotes.fetch([ZLIB]) == set()
    assert exchange.faults == len(notices) == 1
    finish(fresh, ZLIB, bytes(range(256)) * 40)
    assert remotes.send(ZLIB.key) == 1
    assert path.read_bytes() == right
    assert fetch(Store(tmp_path / "next"), str(remote), key=keys / "ours")


def test_of_two_remotes_that_disagree_none_is_used(
    remote: Path, keys: Path, tmp_path: Path, fresh: Store, notices: list[str]
) -> None:
    other = Store(tmp_path / "other")
    finish(other, ZLIB, b"other bytes")
    push(tmp_path / "second", keys / "ours", other)
    hashes = [next((folder / "files").iterdir()).name[:12] for folder in (remote, tmp_path / "second")]

    assert not fetch(fresh, str(remote), str(tmp_path / "second"), key=keys / "ours")
    assert notices == [
        f"{ZLIB.label}: the remote stores disagree ({remote} has {hashes[0]}, {tmp_path / 'second'} has {hashes[1]}); "
        "it is built here"
    ]


def test_the_second_remote_is_used_when_the_first_has_other_bytes(
    remote: Path, keys: Path, tmp_path: Path, built: Store, fresh: Store
) -> None:
    push(tmp_path / "second", keys / "ours", built)
    next((remote / "files").iterdir()).write_bytes(b"other bytes")

    assert fetch(fresh, str(remote), str(tmp_path / "second"), key=keys / "ours")
    assert content(fresh) == content(built)


def test_another_result_of_the_same_inputs_is_reported_and_not_uploaded(
    remote: Path, keys: Path, tmp_path: Path, notices: list[str]
) -> None:
    before = (remote / "entries" / f"{ZLIB.key}.json").read_bytes()
    other = Store(tmp_path / "other")
    finish(other, ZLIB, b"other bytes")

    assert RemoteStores(open_exchanges(str(remote), key=keys / "ours", sign=True), other).send(ZLIB.key) == 0
    assert (remote / "entries" / f"{ZLIB.key}.json").read_bytes() == before
    assert notices == [f"remote store {remote}: {LABEL}: it has another result of the same inputs, which is kept"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "RETRY_POLICY", RetryPolicy(attempts=3, first_delay=0.01, read_timeout=2.0))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (cut, "the connection was interrupted (3 attempts)"),
        (answer_503, "503 Slow Down (3 attempts)"),
        (answer_403, "403 Forbidden"),
        (change_last_byte, "its file has other bytes than the signed ones"),
        (truncate, "its file has other bytes than the signed ones"),
        (send_slowly, "not finished after 2 s"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_fault_in_the_middle_of_a_file_is_reported(
    fault: Fault,
    reason: str,
    remote: Path,
    keys: Path,
    fresh: Store,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "REQUEST_SECONDS", 1.5 if fault is send_slowly else 120.0)
    with serve_folder(remote) as url, FaultyProxy(url, lambda line: fault if "/files/" in line else None) as proxy:
        assert not fetch(fresh, proxy.url, key=keys / "ours")

    assert notices == [f"remote store {proxy.url}: {LABEL}: {reason}"]
    assert fresh.list_keys() == []
    assert list((fresh.root / "tmp").iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_a_transfer_continues_after_faults(remote: Path, keys: Path, built: Store, fresh: Store) -> None:
    faults = iter([cut, answer_503, None])
    with (
        serve_folder(remote) as url,
        FaultyProxy(url, lambda line: next(faults) if "/files/" in line else None) as proxy,
    ):
        assert fetch(fresh, proxy.url, key=keys / "ours")

    assert content(fresh) == content(built)


def test_a_remote_that_does_not_answer_is_left_out_after_three_faults(
    keys: Path, fresh: Store, notices: list[str], impatient: None
) -> None:
    with FaultyProxy("http://127.0.0.1:9", lambda line: None) as proxy:
        exchanges = open_exchanges(proxy.url, key=keys / "ours")
        missing = fetch_missing(PLAN, fresh, RemoteStores(exchanges, fresh))
        count = len(proxy.heads)
        assert not RemoteStores(exchanges, fresh).fetch(PLAN.steps.values())

        assert len(proxy.heads) == count, "the remote was used again"
    assert missing.steps == find_missing(PLAN, fresh).steps
    assert notices[-1] == f"remote store {proxy.url}: not used anymore in this run, after 3 faults"
    assert len(notices) == 4


def test_an_upload_has_a_row_while_it_runs(built: Store, keys: Path, tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, width=200)
    display, shown = ProgressDisplay(console, live=False, quiet=True), []

    def show(event: FetchEvent) -> None:
        display.fetch(event)
        output.truncate(output.seek(0))
        console.print(display.render())
        shown.append([line.split() for line in output.getvalue().splitlines() if "upload" in line])

    remotes = RemoteStores(open_exchanges(str(tmp_path / "remote"), key=keys / "ours", sign=True), built, show)

    assert remotes.send(ZLIB.key) == 1
    assert shown == [[[*f"{ZLIB.label}: artifact upload 0.0 MB".split()]], []]


def test_a_remote_that_cannot_be_written_costs_no_result(
    built: Store, keys: Path, tmp_path: Path, notices: list[str]
) -> None:
    (tmp_path / "file").touch()
    remotes = RemoteStores(open_exchanges(str(tmp_path / "file"), key=keys / "ours", sign=True), built)

    with remotes:
        remotes.upload(ZLIB.key)

    assert notices == [f"remote store {tmp_path / 'file'}: {LABEL}: not a directory"]
    assert built.find(ZLIB.key) is not None


def test_a_remote_that_is_full_costs_no_result(built: Store, keys: Path, tmp_path: Path, notices: list[str]) -> None:
    """The size of files is limited instead of the disk: the write fails in the middle as well."""
    remotes = RemoteStores(open_exchanges(str(tmp_path / "remote"), key=keys / "ours", sign=True), built)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        assert remotes.send(ZLIB.key) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert notices == [f"remote store {tmp_path / 'remote'}: {LABEL}: file too large"]
    assert [path for path in (tmp_path / "remote").rglob("*") if path.is_file()] == []


def test_nothing_is_uploaded_without_a_key_or_to_a_read_only_remote(built: Store, keys: Path, tmp_path: Path) -> None:
    folder = tmp_path / "remote"
    for exchanges in (
        open_exchanges(str(folder), key=keys / "ours"),
        open_exchanges(f"{folder}#read-only", key=keys / "ours", sign=True),
        open_exchanges("https://example.org/store", key=keys / "ours", sign=True),
    ):
        with RemoteStores(exchanges, built) as remotes:
            remotes.upload(ZLIB.key)

    assert not folder.exists()


def test_a_read_only_folder_that_does_not_exist_is_a_fault(
    keys: Path, tmp_path: Path, fresh: Store, notices: list[str]
) -> None:
    assert not fetch(fresh, f"{tmp_path / 'typo'}#read-only", key=keys / "ours")
    assert notices == [f"remote store {tmp_path / 'typo'}: entry {ZLIB.key[:12]}: no such folder"]
