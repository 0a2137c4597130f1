"""The store: complete entries, damaged ones, garbage, and directories with a stamp."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from everywheel.config.project import load_project
from everywheel.errors import MachineError
from everywheel.execution.files import translate_os_errors
from everywheel.libraries.context import project_logs
from everywheel.store.damage import find_damage
from everywheel.store.entry import StoreEntry
from everywheel.store.garbage import collect_garbage
from everywheel.store.local import Store, pack_tree
from everywheel.store.stamped_dir import STAMP, ensure_stamped_dir
from everywheel.store.unpacking import FileConflict

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "lib").mkdir(parents=True)
    (tmp_path / "tree" / "lib" / "libfoo.so.1").write_bytes(b"\x7fELF")
    (tmp_path / "tree" / "lib" / "libfoo.so").symlink_to("libfoo.so.1")
    return tmp_path / "tree"


def put(store: Store, tree: Path, key: str = KEY) -> StoreEntry:
    return store.put_tree(key, tree, name="libfoo", version="1.0", target="manylinux_2_17_x86_64")


def test_a_stored_tree_can_be_unpacked_again(store: Store, tree: Path, tmp_path: Path) -> None:
    put(store, tree)

    store.unpack(KEY, tmp_path / "out")

    assert (tmp_path / "out" / "lib" / "libfoo.so").resolve().read_bytes() == b"\x7fELF"
    assert (tmp_path / "out" / "lib" / "libfoo.so").is_symlink()


def test_files_of_one_name_with_other_content_are_a_conflict(store: Store, tree: Path, tmp_path: Path) -> None:
    put(store, tree)
    file = next(path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())
    name = file.relative_to(tree).as_posix()
    store.unpack(KEY, tmp_path / "out", replace=False)
    store.unpack(KEY, tmp_path / "out", replace=False)
    (tmp_path / "out" / name).write_text("another content")

    with pytest.raises(FileConflict) as raised:
        store.unpack(KEY, tmp_path / "out", replace=False)

    assert raised.value.name == name
    store.unpack(KEY, tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == file.read_bytes()


def test_the_bytes_of_a_packed_tree_do_not_depend_on_times_and_umask(tree: Path, tmp_path: Path) -> None:
    pack_tree(tree, tmp_path / "one.tar.gz", level=1)
    os.utime(tree / "lib" / "libfoo.so.1", (1, 1))
    (tree / "lib" / "libfoo.so.1").chmod(0o600)

    pack_tree(tree, tmp_path / "two.tar.gz", level=1)

    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_an_entry_with_a_truncated_record_or_without_its_file_is_missing(store: Store, tree: Path) -> None:
    entry = put(store, tree)
    record = store.root / "artifacts" / f"{KEY}.json"
    text = record.read_text()

    record.write_text(text[: len(text) // 2])
    half = store.find(KEY)
    record.write_text(text)
    store.path(entry).unlink()

    assert (half, store.find(KEY)) == (None, None)


def test_a_damaged_artifact_is_an_error_and_is_removed(store: Store, tree: Path, tmp_path: Path) -> None:
    path = store.path(put(store, tree))
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    assert [item.key for item in find_damage(store)] == [KEY]
    with pytest.raises(MachineError) as caught:
        store.unpack(KEY, tmp_path / "out")

    assert caught.value.render() == (
        "error: artifact libfoo 1.0 for manylinux_2_17_x86_64 in the store is damaged\n"
        f"  file: {path}\n"
        "  hint: it was removed; run the build again"
    )
    assert store.find(KEY) is None


def test_a_process_that_is_killed_while_it_stores_a_tree_leaves_no_entry(store: Store, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.mkdir()
    for number in range(40):
        (big / str(number)).write_bytes(os.urandom(1_000_000))
    code = (
        "import sys; from pathlib import Path; from everywheel.store.local import Store;"
        f"Store(Path(sys.argv[1])).put_tree({KEY!r}, Path(sys.argv[2]), name='n', version='1', target='t')"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(store.root), str(big)])
    deadline = time.monotonic() + 20
    while not any((store.root / "tmp").glob("*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)

    process.send_signal(signal.SIGKILL)

    assert process.wait() == -signal.SIGKILL
    assert store.find(KEY) is None
    assert store.entries() == []
    assert find_damage(store) == []


def test_two_store_objects_of_one_directory_share_its_entries(store: Store, tree: Path) -> None:
    put(store, tree)

    entry = Store(store.root).find(KEY)

    assert entry is not None
    assert entry.name == "libfoo"


def test_gc_removes_old_entries_that_no_plan_requires(store: Store, tree: Path) -> None:
    for key in ("1" * 64, "2" * 64, "3" * 64):
        put(store, tree, key)
    old = time.time() - 1000
    for key in ("1" * 64, "2" * 64):
        os.utime(store.root / "artifacts" / f"{key}.json", (old, old))

    garbage = collect_garbage(store, keep={"1" * 64}, older_than=500)

    assert [entry.key for entry in garbage.entries] == ["2" * 64]
    assert [entry.key for entry in store.entries()] == ["1" * 64, "3" * 64]


def test_a_full_disk_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught, translate_os_errors(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert caught.value.render() == (
        "error: no space left on the disk\n"
        f"  writing: {tmp_path / 'file'}\n"
        "  hint: `everywheel store gc` removes unused entries; EVERYWHEEL_STORE moves the store to another disk"
    )


def test_an_entry_is_the_same_after_reading_its_record(store: Store, tree: Path) -> None:
    entry = put(store, tree)

    assert store.find(KEY) == entry


def test_a_directory_is_filled_once_and_returned_complete_afterwards(tmp_path: Path) -> None:
    calls = []

    def fill(path: Path) -> None:
        calls.append(sorted(path.iterdir()))
        (path / "file").write_text("content")

    paths = [ensure_stamped_dir(tmp_path / "tools" / "a", fill, title="tools") for _ in range(2)]

    assert paths == [tmp_path / "tools" / "a"] * 2
    assert calls == [[]]


def test_an_interrupted_attempt_is_removed_before_the_next_one(tmp_path: Path) -> None:
    def interrupt(path: Path) -> None:
        (path / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_stamped_dir(tmp_path / "a", interrupt, title="tools")
    ensure_stamped_dir(tmp_path / "a", lambda path: None, title="tools")

    assert [path.name for path in (tmp_path / "a").iterdir()] == [STAMP]


def test_threads_that_need_the_same_directory_fill_it_once(tmp_path: Path) -> None:
    calls = []

    def fill(path: Path) -> None:
        calls.append(path)
        time.sleep(0.1)

    threads = [
        threading.Thread(target=ensure_stamped_dir, args=(tmp_path / "a", fill), kwargs={"title": "tools"})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(calls) == 1


def test_offline_an_incomplete_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        ensure_stamped_dir(tmp_path / "a", lambda path: None, title="build tools", offline=True)

    assert caught.value.render() == (
        "error: build tools: not in the store, and --offline forbids the download\n"
        f"  path: {tmp_path / 'a'}\n"
        "  hint: run the same command once without --offline"
    )


def test_projects_with_one_name_in_one_store_have_logs_of_their_own(store: Store, tmp_path: Path) -> None:
    project = load_project(Path(__file__).parents[2])
    other = dataclasses.replace(project, root=tmp_path)

    logs = {project_logs(store, project), project_logs(store, other)}

    assert len(logs) == 2
    assert {folder.parent for folder in logs} == {store.root / "logs"}
    assert all(folder.name.startswith(f"{project.name}-") for folder in logs)
