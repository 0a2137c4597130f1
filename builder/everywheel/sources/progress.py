"""Progress: what fetching tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from everywheel.sources.request import PinnedFile


class FetchEventKind(StrEnum):
    """What can happen to one file; `refused` is one place's failure, `failed` that of the last one."""

    CACHED = "cached"
    STARTED = "started"
    BYTES = "bytes"
    REFUSED = "refused"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One piece of news about one file.

    `place` is a URL, a folder or `package client`; `size` and `total` are bytes, `total` 0 where nobody said; `text` is
    the place's answer when it refused.
    """

    happening: FetchEventKind
    wanted: PinnedFile
    place: str = ""
    size: int = 0
    total: int = 0
    text: str = ""


class Progress(Protocol):
    """Whoever is told; called from several threads, so it must be quick and take its own lock."""

    def __call__(self, event: Event, /) -> None: ...


def ignore_progress(event: Event, /) -> None:
    """Tell nobody."""
