"""The store's directories for sources: `<store>/sources/<sha256>`, and scratch directories below `<store>/tmp`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everywheel.execution.files import flush_file, hash_file, is_directory, remove_path, translate_os_errors
from everywheel.sources.request import HashMismatch


def hash_bytes(content: bytes) -> str:
    """Return the sha256 of bytes in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def find_source(store: Path, sha256: str) -> Path | None:
    """Return the store's copy after checking its hash, or None; a damaged copy, or anything else of that name, is removed."""
    path = store / "sources" / sha256
    with contextlib.suppress(OSError):
        if path.is_file() and hash_file(path) == sha256:
            return path
    with translate_os_errors(path):
        remove_path(path)
    return None


def store_source(store: Path, file: Path, sha256: str) -> Path:
    """Move a scratch file into the store and return its path; raise HashMismatch when it has another hash."""
    return put_file(file, store / "sources" / sha256, sha256)


def put_file(file: Path, path: Path, sha256: str) -> Path:
    """Move a scratch file to its final path; raise HashMismatch with both hashes when it has another hash.

    The file is flushed to the disk before it is renamed, so a file with a final name is always complete.
    """
    if file.is_symlink():  # apt's `file:` transport links instead of copying
        with translate_os_errors(file):
            original = file.resolve()
            file.unlink()
            shutil.copyfile(original, file)
    actual = hash_file(file)
    if actual != sha256:
        raise HashMismatch(f"hash mismatch: sha256 {actual}, pinned {sha256}", actual=actual)
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        flush_file(file)
        if is_directory(path):
            remove_path(path)
        file.replace(path)
    return path


@contextmanager
def open_scratch(store: Path) -> Iterator[Path]:
    """Create a directory below `<store>/tmp` and remove it at the end; no run reads the directory of another one."""
    directory = store / "tmp" / f"source-{os.getpid()}-{secrets.token_hex(6)}"
    with translate_os_errors(directory):
        directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
