"""Writing results: to file objects, and to paths as a whole."""

from __future__ import annotations

import io
import os

# TYPE_CHECKING, as in the package itself.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_all(data: bytes, file: Any) -> int:
    """Write to a binary file object; raises BlockingIOError where it takes no more. Return how many bytes."""
    done = file.write(data)
    # A raw file may take less than it is given, and says so; others may say anything.
    while isinstance(file, io.RawIOBase) and (done or 0) < len(data):
        count = file.write(memoryview(data)[done or 0 :])
        if not count:
            raise BlockingIOError(f"the destination took {done or 0} of {len(data)} bytes and would block")
        done = (done or 0) + count
    return len(data)


def write_file(data: bytes, destination: str | os.PathLike[str]) -> int:
    """Write a file as a whole: whoever opens it sees all of the old one or all of the new; return how many bytes."""
    path = os.fsdecode(destination)
    if os.path.exists(path) and not os.path.isfile(path):
        # A pipe or a device is written to, not replaced; as it is named, since a link to it may lead to no name (as
        # /dev/stdout does).
        with open(path, "wb") as file:
            return file.write(data)
    if os.path.islink(path):
        # Only then: whoever works in a folder need not be able to reach it from the root.
        path = os.path.realpath(path)
    part = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.part")
    try:
        # What others may not read in the old file they may not read in the new one either, not even for a moment.
        old = os.stat(path) if os.path.exists(path) else None
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o666 if old is None else 0o600)) as file:
            file.write(data)
        if old is not None:
            _take_after(part, old)
        os.replace(part, path)
    except BaseException as error:
        if os.path.exists(part):
            os.unlink(part)
        if isinstance(error, OSError):
            # Nobody has heard of the part.
            error.filename = os.fspath(destination)
            del error.filename2
        raise
    return len(data)


def _take_after(path: str, old: os.stat_result) -> None:
    """Give a file the permissions of another, and its owner and group if we may."""
    new = os.stat(path)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(path, old.st_uid, old.st_gid)
        except OSError:
            # It is ours then, and runs for nobody else.
            os.chmod(path, old.st_mode & 0o777)
            return
    os.chmod(path, old.st_mode & 0o7777)
