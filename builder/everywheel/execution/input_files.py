"""Files and folders that come from outside, such as recipes and an extension's sources: read with a limit, listed completely.

Nothing is left out silently: what cannot be read is an error that names it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_FILES = 100_000
"""The largest number of files and folders in a folder that is listed; the sources of Linux have fewer."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UnusableFile(Exception):
    """A file or folder cannot be used; the text is its path and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{show_path(path)}: {reason}")


class NotUtf8(UnusableFile):
    """The content of a file is not UTF-8."""


class TooLarge(UnusableFile):
    """A file has more bytes than the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file in a folder: its path relative to the folder, with slashes, where it is, and whether it is executable."""

    name: str
    path: Path
    executable: bool


def show_path(path: Path | str) -> str:
    """Return a path as text; the bytes of a name that is not UTF-8 are shown as `\\xff`."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    The kind is checked before the file is opened, since opening a FIFO would wait for a writer. Raises FileNotFoundError,
    and UnusableFile for anything else that cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UnusableFile(path, f"is {_describe_kind(mode)}, not a file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UnusableFile(path, _describe(error)) from None
    if len(content) > limit:
        raise TooLarge(path, f"is larger than {limit >> 20} MiB")
    return content


def read_text(path: Path, limit: int) -> str:
    """Return the text of a regular file in UTF-8 of at most `limit` bytes; raises the errors of `read_file`."""
    content = read_file(path, limit)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotUtf8(path, f"is not UTF-8 (byte {content[error.start]:#x} in line {line})") from None


def list_files(
    root: Path, *, within: Path | None = None, exclude: Callable[[Path], bool] | None = None
) -> list[ListedFile]:
    """Return all files in a folder and its subfolders, sorted by name; links are followed.

    Files and folders that `exclude` accepts are left out. With `within`, a link must lead to a path in that folder;
    without it, links to missing files are left out. Raises UnusableFile for a folder that cannot be read, for a special
    file, for a link to a folder that contains it, and for a name that is not UTF-8.
    """
    files: list[ListedFile] = []
    count = 0
    folders: list[tuple[Path, tuple[str, ...]]] = [(root, (os.path.realpath(root),))]
    while folders:
        folder, parents = folders.pop()
        try:
            entries = [entry for entry in os.scandir(folder) if exclude is None or not exclude(Path(entry.path))]
        except OSError as error:
            raise UnusableFile(folder, _describe(error)) from None
        count += len(entries)  # folders as well: links between them can make their number grow exponentially
        if count > MAX_FILES:
            raise UnusableFile(root, f"contains more than {MAX_FILES:,} files and folders")
        for entry in entries:
            path = Path(entry.path)
            mode = _check_entry(path, within)
            if stat.S_ISDIR(mode):
                resolved = os.path.realpath(path)
                if resolved in parents:
                    raise UnusableFile(path, "is a link to a folder that contains it")
                folders.append((path, (*parents, resolved)))
            elif mode:
                name = path.relative_to(root).as_posix()
                files.append(ListedFile(name=name, path=path, executable=bool(mode & 0o100)))
    return sorted(files, key=lambda file: file.name.split("/"))


def _check_entry(path: Path, within: Path | None) -> int:
    """Return the mode of a file or folder, and 0 for a link to a missing file if `within` is None."""
    if not is_utf8(path.name):
        raise UnusableFile(path, "has a name that is not UTF-8")
    is_link = False
    try:
        is_link = stat.S_ISLNK(path.lstat().st_mode)
        if is_link and within is not None and leads_out(path, within):
            raise UnusableFile(path, "is a link that leads out of the folder")
        mode = path.stat().st_mode
    except OSError as error:
        if isinstance(error, FileNotFoundError) and is_link and within is None:
            return 0
        raise UnusableFile(path, _describe(error)) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnusableFile(path, f"is {_describe_kind(mode)}, not a file")
    return mode


def is_utf8(name: str) -> bool:
    """Return whether a file name is valid UTF-8; Python represents other bytes as surrogates (PEP 383)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def leads_out(path: Path, folder: Path) -> bool:
    """Return whether a path, with all links resolved, is outside of a folder."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def link_leads_out(name: str, target: str) -> bool:
    """Return whether the target of a link may be outside of the folder that `name` is relative to.

    Only the texts are compared, and `..` is accepted only at the start of the target: links that are created
    later on its way cannot lead it out of the folder.
    """
    parts = PurePosixPath(target).parts
    up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    return target.startswith("/") or ".." in parts[up:] or up >= len(PurePosixPath(name).parts)


def _describe(error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be read: {reason.lower()}"


def _describe_kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "a special file")
