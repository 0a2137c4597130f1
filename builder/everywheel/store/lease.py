"""Leases: which commands use a store at the moment, so that `everywheel store gc` keeps what they use.

A lease is a file and a lock that a command holds; the operating system releases the lock when the process ends, however it
ends. What a command uses is touched by it or created after its lease, so everything that was used since the oldest living
lease began is kept. No lease begins while garbage is collected.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from everywheel.execution.files import remove_path, translate_os_errors

_COLLECTION = ".collection.lock"
_SUFFIX = ".lock"


def make_lock(path: Path) -> FileLock:
    """Return the lock of a file, after removing anything else of that name, such as a directory or a link.

    A lock file is removed only while its lock is held; filelock then makes the others, which wait for the removed file,
    create a new one. Raises MachineError when the file cannot be created.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with translate_os_errors(path):
            remove_path(path)
    return FileLock(path)


@contextlib.contextmanager
def hold_lock(lock: FileLock, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock during the body; `on_wait` is called when another process holds it."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def hold_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a file during the body, and yield whether it was free."""
    lock = make_lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def open_lease(root: Path) -> Iterator[None]:
    """Hold a lease on a store during the body. Raises MachineError for a store that cannot be written."""
    start = root / "leases" / secrets.token_hex(8)
    lock = make_lock(start.with_name(start.name + _SUFFIX))
    with translate_os_errors(root), _collection_lock(root):
        lock.acquire()
        start.touch()
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            start.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)


@contextlib.contextmanager
def stop_leases(root: Path) -> Iterator[float | None]:
    """Let no lease begin during the body; yield the time when the oldest living one began, or None if there is none.

    Times are those of the file system, in seconds since 1970. The files of leases whose processes have ended are removed.
    """
    with translate_os_errors(root), _collection_lock(root):
        oldest = None
        names = {path.name.removesuffix(_SUFFIX) for path in (root / "leases").iterdir() if path.name != _COLLECTION}
        for start in sorted(root / "leases" / name for name in names):
            lock = start.with_name(start.name + _SUFFIX)
            with hold_if_free(lock) as is_free, contextlib.suppress(FileNotFoundError):
                if is_free:
                    remove_path(start)
                    lock.unlink()
                else:
                    began = start.stat().st_mtime
                    oldest = began if oldest is None else min(began, oldest)
        yield oldest


def _collection_lock(root: Path) -> FileLock:
    return make_lock(root / "leases" / _COLLECTION)


def remove_free_lock(path: Path) -> bool:
    """Remove a lock file unless a process holds its lock; return whether it was removed."""
    with hold_if_free(path) as is_free:
        if is_free:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        return is_free
