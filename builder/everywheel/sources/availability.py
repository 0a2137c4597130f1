"""Knowledge of one run about its locations: the hosts that do not answer, and the layout of each mirror."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from everywheel.sources.request import Unreachable

_MAX_FAILURES = (
    4  # files in succession, each after all attempts of the retry policy; so many are fetched at the same time
)


class Availability:
    """The hosts that did not answer, and the layouts of mirrors; one for a run, shared by its threads.

    A host that does not answer costs the timeouts of some files, not those of every file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._layouts: dict[str, str] = {}

    def find_refusal(self, host: str) -> Unreachable | None:
        """Return why a host is not tried again, if it did not answer several times in succession."""
        with self._lock:
            if host and self._failures[host] >= _MAX_FAILURES:
                return Unreachable(f"not tried, since {host} did not answer: {self._reasons[host]}")
            return None

    def record_answer(self, host: str) -> None:
        """Note that a host answered, even if it does not have the file."""
        with self._lock:
            self._failures.pop(host, None)

    def record_failure(self, host: str, reason: str) -> None:
        """Note that a host did not answer."""
        with self._lock:
            self._failures[host] += 1
            self._reasons[host] = reason

    def record_layout(self, mirror: str, layout: str) -> None:
        """Note the layout in which a mirror had a file."""
        with self._lock:
            self._layouts[mirror] = layout

    def order_layouts(self, mirror: str, layouts: Sequence[str]) -> tuple[str, ...]:
        """Return the layouts, beginning with the one in which the mirror had a file before."""
        with self._lock:
            return tuple(sorted(layouts, key=lambda layout: layout != self._layouts.get(mirror)))
