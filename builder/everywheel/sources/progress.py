"""Events that report the progress of the download of each file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from everywheel.sources.request import PinnedFile

OnBytes = Callable[[int, int], None]
"""A function that receives the bytes of one file so far and in total; the total is 0 if it is unknown."""


class FetchEventKind(StrEnum):
    """The states of one file's download.

    `REFUSED` and `MISMATCH` mean that one location failed and the next one is tried: the location did not provide the
    file, or provided bytes with another hash. `FAILED` means that no location is left.
    """

    CACHED = "cached"
    STARTED = "started"
    BYTES = "bytes"
    REFUSED = "refused"
    MISMATCH = "mismatch"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchEvent:
    """One event of one file's download.

    `location` is a URL, a directory or `package client`. `size` and `total` are in bytes; `total` is 0 where the server
    sends no length. `reason` is why a location failed. `is_upload` is true for a file that is sent to a remote store; it has
    only the first and the last event.
    """

    kind: FetchEventKind
    file: PinnedFile
    location: str = ""
    size: int = 0
    total: int = 0
    reason: str = ""
    is_upload: bool = False


class ProgressCallback(Protocol):
    """A function that receives the events; it is called from several threads and must return quickly."""

    def __call__(self, event: FetchEvent, /) -> None: ...


def ignore_progress(event: FetchEvent, /) -> None:
    """Discard an event."""
