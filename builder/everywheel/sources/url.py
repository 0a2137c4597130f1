"""URLs in messages, and the bounds of a download; separate from `sources.http`, whose packages are slow to import."""

from __future__ import annotations

import re
from dataclasses import dataclass

from everywheel.sources.deadline import Deadline

LARGEST_SOURCE = 4 << 30
"""The largest accepted file in bytes, for a recipe that does not pin the size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one download: the time, and the size in bytes, which is that of the pin or the largest accepted one."""

    deadline: Deadline
    size: int = LARGEST_SOURCE
    is_pinned: bool = False

    def describe_size(self) -> str:
        return f"the pinned file has {self.size}" if self.is_pinned else f"at most {self.size} are accepted"


def find_host(url: str) -> str:
    """Return the host and port of a URL of any form, such as `example.org:8000`; empty without a host."""
    return re.split(r"[/?#]", hide_password(url).partition("://")[2], maxsplit=1)[0]


def hide_password(url: str) -> str:
    """Return a URL for messages: without user name and password."""
    scheme, separator, rest = url.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}{separator}{rest[host.rfind('@') + 1 :]}"
