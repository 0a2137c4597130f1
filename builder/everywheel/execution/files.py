"""The disk: what a file hashes to, and what to say when it is full or refuses."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everywheel.errors import MachineError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_file(path: Path) -> None:
    """Have a file's content on the disk before anything counts on it; Windows flushes only what is open to be written."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def translate_os_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's `disk full` and `not allowed` into a MachineError that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise report_full_disk(place) from error
        if error.errno in _FORBIDDEN:
            raise MachineError(
                f"cannot write {place}",
                details={"reason": os.strerror(error.errno).lower()},
                hint="check its owner and mode, or set EVERYWHEEL_STORE to a folder of your own",
            ) from error
        raise


def report_full_disk(place: Path) -> MachineError:
    """Return the error for a disk without space left."""
    return MachineError(
        "no space left on the disk",
        details={"writing": place},
        hint="`everywheel store gc` frees what is no longer used; EVERYWHEEL_STORE moves the store to another disk",
    )
