"""Where bytes land: scratch folders under `<store>/tmp`, and `<store>/sources/<sha256>` for what hashed right."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everywheel.execution.files import flush_file, hash_file, translate_os_errors
from everywheel.sources.request import HashMismatch


def hash_bytes(content: bytes) -> str:
    """Return the sha256 of bytes in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def find_source(store: Path, sha256: str) -> Path | None:
    """Return the store's copy, hashed anew, or None; a damaged copy is thrown away."""
    path = store / "sources" / sha256
    if not path.is_file():
        return None
    if hash_file(path) == sha256:
        return path
    with translate_os_errors(path):
        path.unlink(missing_ok=True)
    return None


def store_source(store: Path, file: Path, sha256: str) -> Path:
    """Move a scratch file into the store; raise WrongBytes with both hashes when it is not what was pinned."""
    return put_file(file, store / "sources" / sha256, sha256)


def put_file(file: Path, path: Path, sha256: str) -> Path:
    """Give a scratch file its lasting name once its hash is right; raise WrongBytes with both hashes otherwise.

    Its content is on the disk before it gets the name, so that what has a name is whole.
    """
    if file.is_symlink():  # apt's `file:` transport links instead of copying
        with translate_os_errors(file):
            original = file.resolve()
            file.unlink()
            shutil.copyfile(original, file)
    found = hash_file(file)
    if found != sha256:
        raise HashMismatch(f"wrong bytes: sha256 {found}, pinned {sha256}")
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        flush_file(file)
        file.replace(path)
    return path


@contextmanager
def open_scratch(store: Path) -> Iterator[Path]:
    """Give a fresh folder under `<store>/tmp`, removed at the end; one that a killed run left behind never counts."""
    folder = store / "tmp" / f"source-{os.getpid()}-{secrets.token_hex(6)}"
    with translate_os_errors(folder):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
