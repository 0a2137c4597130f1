"""The time limit for fetching, shared by all threads."""

from __future__ import annotations

import threading
import time


class DeadlineExceeded(Exception):
    """No time is left, or the user interrupted the run."""


class Deadline:
    """One time limit for all files, and a way to stop every thread before it is reached."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._stop = threading.Event()

    @property
    def remaining(self) -> float:
        """Seconds left; 0 once stopped."""
        return 0.0 if self._stop.is_set() else max(0.0, self._end - time.monotonic())

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
