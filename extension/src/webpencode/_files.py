"""Writing of results: to file objects, and atomically to paths."""

from __future__ import annotations

import io
import os

# See the comment in __init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_all(data: bytes, file: Any) -> int:
    """Write to a binary file object and return the number of bytes; raise BlockingIOError if it would block."""
    done = file.write(data)
    # A raw file may write less than requested, and returns how much; the return value of other objects is unreliable.
    while isinstance(file, io.RawIOBase) and (done or 0) < len(data):
        count = file.write(memoryview(data)[done or 0 :])
        if not count:
            raise BlockingIOError(f"the destination would block after {done or 0} of {len(data)} bytes")
        done = (done or 0) + count
    return len(data)


def write_file(data: bytes, destination: str | os.PathLike[str]) -> int:
    """Write a file atomically, so that readers see either the old or the new content; return the number of bytes."""
    path = os.fsdecode(destination)
    if os.path.exists(path) and not os.path.isfile(path):
        # A pipe or a device is written to instead of replaced. Links are not resolved, because the target may have no
        # name (/dev/stdout).
        with open(path, "wb") as file:
            return file.write(data)
    if os.path.islink(path):
        # Only for links: the current directory may be unreachable by its absolute path.
        path = os.path.realpath(path)
    part = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.part")
    try:
        # Created without access for others, until it gets the permissions of the old file.
        old = os.stat(path) if os.path.exists(path) else None
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o666 if old is None else 0o600)) as file:
            file.write(data)
        if old is not None:
            _copy_permissions(old, part)
        os.replace(part, path)
    except BaseException as error:
        if os.path.exists(part):
            os.unlink(part)
        if isinstance(error, OSError):
            # The user does not know the temporary file.
            error.filename = os.fspath(destination)
            del error.filename2
        raise
    return len(data)


def _copy_permissions(old: os.stat_result, path: str) -> None:
    """Give a file the permissions of the old one, and its owner and group if the process is allowed to."""
    new = os.stat(path)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(path, old.st_uid, old.st_gid)
        except OSError:
            # The file now has another owner: do not keep set-user-ID and set-group-ID bits.
            os.chmod(path, old.st_mode & 0o777)
            return
    os.chmod(path, old.st_mode & 0o7777)
