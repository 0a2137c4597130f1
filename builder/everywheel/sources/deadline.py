"""The time limit for fetching, shared by all threads."""

from __future__ import annotations

import threading
import time


class DeadlineExceeded(Exception):
    """No time is left, or the user interrupted the run."""


class Deadline:
    """One time limit for all files or, with a parent, for one; it stops every thread that checks it before it is reached."""

    def __init__(self, seconds: float, parent: Deadline | None = None) -> None:
        self.seconds = seconds
        self._parent = parent
        self._end = time.monotonic() + seconds
        self._stop = threading.Event()

    @property
    def remaining(self) -> float:
        """Seconds left; 0 once stopped, also once the parent is."""
        own = 0.0 if self._stop.is_set() else max(0.0, self._end - time.monotonic())
        return own if self._parent is None else min(own, self._parent.remaining)

    def stop(self) -> None:
        """Set the remaining time to 0, so that every thread ends at its next check."""
        self._stop.set()

    def check(self) -> None:
        """Raise DeadlineExceeded when no time is left."""
        if not self.remaining:
            raise DeadlineExceeded

    def sleep(self, seconds: float) -> None:
        """Wait, at most until the deadline; raise DeadlineExceeded when no time is left afterwards."""
        self._stop.wait(min(seconds, self.remaining))
        self.check()
