"""Files: hashes, flushing to the disk, and the errors of a full or read-only disk."""

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
    """Flush the content of a file to the disk (fsync)."""
    # Open for writing, which Windows requires.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Raise MachineError, which names `path`, for an OSError of the body about a full disk or missing permissions."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise report_full_disk(path) from error
        if error.errno in _FORBIDDEN:
            raise MachineError(
                f"cannot write {path}",
                details={"reason": os.strerror(error.errno).lower()},
                hint="check its owner and mode, or set EVERYWHEEL_STORE to a directory of your own",
            ) from error
        raise


def report_full_disk(path: Path) -> MachineError:
    """Return the error for a disk that is full; `path` is the file or directory that was written."""
    return MachineError(
        "no space left on the disk",
        details={"writing": path},
        hint="`everywheel store gc` removes unused entries; EVERYWHEEL_STORE moves the store to another disk",
    )
