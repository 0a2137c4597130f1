"""The protocol of a remote: four operations on the files behind a URL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from everywheel.sources.deadline import Deadline
from everywheel.sources.progress import OnBytes
from everywheel.sources.url import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a remote: its path relative to the URL, its size in bytes, and its last change in seconds since 1970.

    Size and time are 0 where the remote does not report them.
    """

    path: str
    size: int = 0
    modified: float = 0.0


class Remote(Protocol):
    """The files behind one URL. Paths are relative to it, and the remote is not trusted.

    Every method raises `Missing` for a file that does not exist, `Unreachable` when the remote does not answer, `Unavailable`
    when it refuses, and may block until the deadline has passed.
    """

    def get(self, path: str, file: Path, limits: Limits, on_bytes: OnBytes) -> None:
        """Write the content of a remote file to a local one; raise WrongSize for more bytes than the limits allow."""

    def put(self, file: Path, path: str, deadline: Deadline) -> None:
        """Write a local file to the remote, so that other machines never read an incomplete one."""

    def list_files(self, folder: str, deadline: Deadline) -> Iterator[RemoteFile]:
        """Yield the files directly in a folder, in any order."""

    def remove(self, path: str, deadline: Deadline) -> None:
        """Remove a file."""
