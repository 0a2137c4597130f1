"""Garbage in a store: what is not used is removed, and what a running command uses is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from everywheel.execution.jobserver import open_job_pool
from everywheel.store.garbage import Garbage, collect_garbage
from everywheel.store.lease import make_lock, remove_free_lock, stop_leases
from everywheel.store.local import Store
from everywheel.store.stamped_dir import ensure_stamped_dir

KEY, OTHER = "ab" * 32, "cd" * 32
DAYS_40 = 40 * 86400
LEASE = (
    "import sys; from pathlib import Path; from everywheel.store.local import Store; store = Store(Path(sys.argv[1]))\n"
    "with store.lease():\n"
    "    (store.root / 'tmp' / 'used').mkdir(); (store.root / 'work' / 'used').mkdir(); store.touch(sys.argv[2])\n"
    "    print(flush=True); sys.stdin.read()"
)
CHURN = (
    "import sys; from pathlib import Path; from everywheel.store.local import Store; store = Store(Path(sys.argv[1]))\n"
    "folders = [store.root / name / 'x' for name in ('tmp', 'work', 'logs', 'tools')]\n"
    "with store.lease():\n"
    "    print(flush=True)\n"
    "    while True:\n"
    "        for folder in folders: folder.mkdir(); (folder / 'file').touch()\n"
    "        for folder in folders: (folder / 'file').unlink(); folder.rmdir()"
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    # Commands that were killed on this machine have left temporary directories, which a collection finds as well.
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    store = Store(tmp_path / "store")
    (tmp_path / "tree").mkdir()
    for key in (KEY, OTHER):
        store.put_tree(key, tmp_path / "tree", name="libfoo", version="1.0", target="t")
        make_old(store.record(key))
    return store


@pytest.fixture
def command(store: Store) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a lease on the store, which uses the entry KEY, a workspace and a temporary directory."""
    arguments = [sys.executable, "-c", LEASE, str(store.root), KEY]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def make_old(path: Path) -> Path:
    """Set the last use of a file to 40 days ago."""
    os.utime(path, (time.time() - DAYS_40,) * 2)
    return path


def collect(store: Store, older_than: float = 0.0) -> Garbage:
    return collect_garbage(store, keep=(), older_than=older_than)


def list_names(store: Store) -> list[str]:
    """Return the files and directories in the directories of the store."""
    paths = store.root.glob("*/*")
    return sorted(path.relative_to(store.root).as_posix() for path in paths if path.name != ".collection.lock")


def test_gc_keeps_what_a_running_command_uses_and_removes_it_after_the_command_was_killed(
    store: Store, command: subprocess.Popen[bytes]
) -> None:
    (make_old(Path(tempfile.mkdtemp(dir=store.root / "tmp")))).joinpath("file")

    garbage = collect(store)

    assert [entry.key for entry in garbage.entries] == [OTHER]
    assert {f"artifacts/{KEY}.json", f"artifacts/{KEY}.tar.gz", "tmp/used", "work/used"} <= set(list_names(store))
    assert len(list((store.root / "tmp").iterdir())) == 1

    command.send_signal(signal.SIGKILL)
    command.wait()

    assert [entry.key for entry in collect(store).entries] == [KEY]
    assert list_names(store) == []


def test_a_command_waits_until_garbage_is_collected(store: Store) -> None:
    began = threading.Event()

    def use() -> None:
        with store.lease():
            began.set()

    thread = threading.Thread(target=use)
    with stop_leases(store.root) as oldest:
        thread.start()
        assert oldest is None
        assert not began.wait(0.1)
    thread.join()
    assert began.is_set()
    assert not [name for name in list_names(store) if name.startswith("leases/")]


def test_a_dry_run_removes_nothing(store: Store) -> None:
    before = list_names(store)

    garbage = collect_garbage(store, keep=(), older_than=0, dry_run=True)

    assert len(garbage.entries) == 2
    assert list_names(store) == before


def test_the_least_recently_used_entries_are_removed_until_the_rest_is_small_enough(store: Store) -> None:
    os.utime(store.record(KEY), (time.time() - 3600, time.time() - 3600))
    os.utime(store.record(OTHER), (time.time() - 7200, time.time() - 7200))
    (size,) = {entry.size for entry in store.entries()}

    def remove(largest: int, *keep: str) -> list[str]:
        return [entry.key for entry in collect_garbage(store, keep=keep, older_than=DAYS_40, largest=largest).entries]

    assert remove(2 * size) == []
    assert remove(2 * size - 1, OTHER) == [KEY]
    store.put_tree(KEY, store.root / "tmp", name="libfoo", version="1.0", target="t")
    assert remove(2 * size - 1) == [OTHER]
    assert [entry.key for entry in store.entries()] == [KEY]


def test_unfinished_entries_and_old_logs_locks_tools_and_results_are_removed(store: Store) -> None:
    root = store.root
    for name in ("artifacts/unfinished", f"artifacts/{'12' * 32}.tar.gz", "locks/free", "smoke/old", "tools/old.lock"):
        make_old(root / name) if (root / name).exists() else (root / name).write_text("")
    for name in (f"wheels/{'12' * 32}", "logs/empty", "logs/project", "logs/recent", "patched"):
        (root / name).mkdir()
    ensure_stamped_dir(root / "tools" / "used", lambda path: None, title="tools")
    ensure_stamped_dir(root / "tools" / "unused", lambda path: None, title="tools")
    (root / "tools" / "incomplete").mkdir()
    (root / "patched" / "foo").touch()
    (root / "logs" / "recent" / "x.log").touch()
    (root / "logs" / "project" / "x.log").touch()
    for name in (
        "smoke/old",
        "logs/project/x.log",
        "logs/empty",
        "logs/project",
        "logs/recent",
        "tools/unused/complete",
    ):
        make_old(root / name)
    ensure_stamped_dir(root / "tools" / "used", lambda path: None, title="tools")

    garbage = collect(store, older_than=30 * 86400)

    assert list_names(store) == ["logs/recent", "tools/used", "tools/used.lock"]
    assert garbage.kept == ()


def test_the_workspace_of_a_failed_step_is_kept_for_a_day(store: Store) -> None:
    (store.root / "work" / "recent").mkdir()
    make_old(Path(store.root / "work" / "old")) if (store.root / "work" / "old").mkdir() else None
    os.utime(store.root / "work" / "old", (time.time() - 2 * 86400,) * 2)

    collect(store, older_than=30 * 86400)

    assert [path.name for path in (store.root / "work").iterdir()] == ["recent"]


@pytest.mark.parametrize("name", ["tools", "zig", "sources"])
def test_what_is_behind_a_link_is_kept(store: Store, tmp_path: Path, name: str) -> None:
    (store.root / name).rmdir()
    (tmp_path / "shared" / "folder").mkdir(parents=True)
    (store.root / name).symlink_to(tmp_path / "shared")

    collect(store)

    assert (tmp_path / "shared" / "folder").is_dir()


def test_a_lock_is_held_once_although_its_file_is_removed(tmp_path: Path) -> None:
    path, held, most = tmp_path / "lock", [0], [0]

    def hold() -> None:
        for _ in range(15):
            with make_lock(path):
                held[0] += 1
                most[0] = max(most[0], held[0])
                time.sleep(0.001)
                held[0] -= 1

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        remove_free_lock(path)
        time.sleep(0.0005)
    for thread in threads:
        thread.join()

    assert most == [1]


def test_the_directory_of_a_killed_job_pool_is_removed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_job_pool(2) as pool:
        collect(store)
        assert pool.path.exists()
        left = tmp_path / "everywheel-left"
        left.mkdir()
        os.mkfifo(left / "jobs")

        garbage = collect(store)

        assert garbage.leftovers == (left,)
        assert not left.exists()
        assert pool.path.exists()


def test_gc_reports_what_it_cannot_remove(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left = store.root / "tmp" / "left"
    left.mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("everywheel.store.garbage.remove_path", refuse)

    assert collect(store).kept == (left,)


def test_gc_succeeds_while_other_commands_remove_their_files(store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", CHURN, str(store.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            for _ in range(400):
                assert collect_garbage(store, keep=(KEY, OTHER), older_than=0.0).leftovers == ()
            assert process.poll() is None
        finally:
            process.kill()
