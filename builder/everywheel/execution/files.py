"""Files: hashes, flushing to the disk, removal, and the errors of a full, read-only or damaged disk."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from everywheel.errors import MachineError
from everywheel.execution.cancellation import check_cancellation

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_OBSTRUCTED = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO, errno.ENOTEMPTY)
_BLOCK = 1 << 20  # bytes

STORE_HINT = "check its owner and mode, or set EVERYWHEEL_STORE to a directory of your own"


def hash_file(path: Path) -> str:
    """Return the sha256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hash_stream(file)


def hash_stream(file: IO[bytes], copy: IO[bytes] | None = None) -> str:
    """Return the sha256 of the rest of an open file in lower-case hex; what is read is also written to `copy`."""
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        check_cancellation()
        digest.update(block)
        if copy is not None:
            copy.write(block)
    return digest.hexdigest()


def flush_file(path: Path) -> None:
    """Flush the content of a file to the disk (fsync)."""
    # Open for writing, which Windows requires.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def is_directory(path: Path) -> bool:
    """Return whether a path is a directory itself, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def remove_path(path: Path) -> None:
    """Remove a file, a link, or a directory with its content, if it exists; links are removed, not followed.

    Directories without write permission are made writable. Raises OSError for what cannot be removed.
    """
    if not is_directory(path):
        path.unlink(missing_ok=True)
        return
    try:
        _remove_tree(path)
    except (OSError, RecursionError) as error:
        # shutil.rmtree calls itself for each level and keeps a file open for it: https://github.com/python/cpython/issues/89727
        if isinstance(error, OSError) and error.errno not in (errno.EMFILE, errno.ENAMETOOLONG):
            raise
        _flatten(path)
        _remove_tree(path)


def _remove_tree(tree: Path) -> None:
    """Remove a directory with its content; its directories without write permission are made writable."""

    def make_writable(function: Callable[..., object], name: str, error: tuple[object, BaseException, object]) -> None:
        path = Path(name)
        if isinstance(error[1], FileNotFoundError):
            return
        if not isinstance(error[1], PermissionError) or (path == tree and function is os.rmdir):
            raise error[1]
        for folder in (path.parent, path):
            if folder.is_relative_to(tree) and is_directory(folder):
                folder.chmod(0o700)
        shutil.rmtree(path) if is_directory(path) else path.unlink()

    shutil.rmtree(tree, onerror=make_writable)


def _flatten(tree: Path) -> None:
    """Move every directory of a tree to its top."""
    folders = [tree]
    while folders:
        folder = folders.pop()
        for child in list(folder.iterdir()):
            if is_directory(child):
                moved = tree / secrets.token_hex(8)
                child.rename(moved)
                folders.append(moved)


@contextmanager
def translate_os_errors(path: Path, hint: str = STORE_HINT) -> Iterator[None]:
    """Raise MachineError, which names `path`, for an OSError of the body about a full disk or a file that is in the way.

    `hint` is the next step for files that must not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise report_full_disk(path) from error
        if error.errno in (*_FORBIDDEN, *_OBSTRUCTED):
            details = {"reason": os.strerror(error.errno or 0).lower()}
            with contextlib.suppress(TypeError, ValueError):
                file = Path(os.fsdecode(error.filename2 or error.filename))
                if file != path and file.is_relative_to(path):
                    details["file"] = str(file)
            raise MachineError(f"cannot write {path}", details=details, hint=hint) from error
        raise


def report_full_disk(path: Path) -> MachineError:
    """Return the error for a disk that is full; `path` is the file or directory that was written."""
    return MachineError(
        "no space left on the disk",
        details={"writing": path},
        hint="`everywheel store gc` removes unused entries; EVERYWHEEL_STORE moves the store to another disk",
    )


def describe_os_error(error: OSError) -> MachineError:
    """Return an error for an OSError of the system, one with an `errno`, that no code expected: its reason and its path."""
    name = error.filename2 or error.filename
    path = None if name is None else os.fsdecode(name)
    if error.errno in _FULL and path is not None:
        return report_full_disk(Path(path))
    reason = error.strerror or str(error)
    return MachineError(reason[:1].lower() + reason[1:], details={} if path is None else {"path": path})
