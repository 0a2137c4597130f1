"""The time that fetching may take: one limit for everything, and one way to stop it early."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


class DeadlineExceeded(Exception):
    """The time is over, or the user pressed Ctrl-C."""


class Deadline:
    """The total time-out, shared by all threads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._stop = threading.Event()

    @property
    def remaining(self) -> float:
        """Seconds left; 0 once stopped."""
        return 0.0 if self._stop.is_set() else max(0.0, self._end - time.monotonic())

    def stop(self) -> None:
        self._stop.set()

    def check(self) -> None:
        """Raise Stopped when no time is left."""
        if not self.remaining:
            raise DeadlineExceeded

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than the time that is left; raise Stopped when it is over."""
        self._stop.wait(min(seconds, self.remaining))
        self.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long one HTTP request may hang and how often it is repeated; seconds, doubled after each attempt."""

    connect: float = 10.0
    read: float = 30.0
    attempts: int = 4
    pause: float = 0.5
