"""Attempts to fetch a file: one at a time while they are fast, and the next location as well while one is slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from everywheel.execution.threads import DaemonThreads, wait_for_any
from everywheel.sources.cache import open_scratch, store_source
from everywheel.sources.deadline import Deadline
from everywheel.sources.fetch_errors import Outcome
from everywheel.sources.locations import Location, LocationSearch
from everywheel.sources.progress import FetchEvent, FetchEventKind, ProgressCallback
from everywheel.sources.request import HashMismatch, PinnedFile, Unavailable, Unreachable
from everywheel.sources.stall import STALL_BYTES

_SHUTDOWN_TIMEOUT = 1.0  # seconds that slower attempts have for ending once another one has the file


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRun:
    """The store, the locations and the progress callback that all attempts of one run share."""

    store: Path
    search: LocationSearch
    progress: ProgressCallback


def fetch_from(
    location: Location, file: PinnedFile, run: FetchRun, on_size: Callable[[int], None] = lambda size: None
) -> Path:
    """Fetch a file from one location into the store, and return its path there.

    The run remembers whether the location answered. Raises Unavailable with the answer, or DeadlineExceeded.
    """
    availability, deadline = run.search.availability, run.search.deadline
    if (refusal := availability.find_refusal(location.host)) is not None:
        raise refusal
    deadline.check()
    event = FetchEvent(kind=FetchEventKind.STARTED, file=file, location=location.name)
    run.progress(event)

    def report_bytes(size: int, total: int) -> None:
        on_size(size)
        run.progress(replace(event, kind=FetchEventKind.BYTES, size=size, total=total))

    try:
        with open_scratch(run.store) as scratch:
            location.fetch(scratch / "file", report_bytes)
            deadline.check()
            path = store_source(run.store, scratch / "file", file.sha256)
    except Unavailable as reason:
        if isinstance(reason, Unreachable):
            availability.record_failure(location.host, str(reason))
        else:
            availability.record_answer(location.host)
        raise
    availability.record_answer(location.host)
    availability.record_layout(location.mirror, location.layout)
    return path


def fetch_from_any(
    outcome: Outcome,
    list_locations: Callable[[LocationSearch], Iterable[Location]],
    run: FetchRun,
    *,
    gives_up: bool = False,
) -> Outcome:
    """Try locations in order, and return an outcome with the path or with one more reason for each location.

    While all attempts are slow, one more host is tried at the same time; the first one that has the file ends the others.
    With `gives_up`, slow attempts end when no other host is left: the caller has another way to the file.
    """
    file, patience = outcome.file, run.search.locations.patience
    own = replace(
        run, search=replace(run.search, deadline=Deadline(run.search.deadline.remaining, run.search.deadline))
    )
    queue = _Queue(list_locations(own.search))
    attempts: list[_Attempt] = []
    try:
        while True:
            if all(attempt.is_slow(patience) for attempt in attempts):
                location = queue.next_location({attempt.location.host for attempt in attempts})
                if location is not None:
                    attempts.append(_Attempt(location, file, own))
                elif not attempts:
                    return outcome
                elif gives_up:
                    answers = {attempt.location.name: attempt.record_failure(patience, own) for attempt in attempts}
                    return replace(outcome, reasons={**outcome.reasons, **answers})
            ended = wait_for_any([attempt.future for attempt in attempts])
            for attempt in [attempt for attempt in attempts if attempt.future in ended]:
                attempts.remove(attempt)
                result = attempt.find_result()
                run.progress(_report(file, attempt.location, result))
                if isinstance(result, Path):
                    for slower in attempts:
                        if slower.is_slow(patience):
                            slower.record_failure(patience, own)
                    return Outcome(file=file, path=result)
                outcome = outcome.add(attempt.location.name, result)
    finally:
        own.search.deadline.stop()
        wait([attempt.future for attempt in attempts], timeout=_SHUTDOWN_TIMEOUT)


class _Queue:
    """The locations of a file that were not tried yet, in order."""

    def __init__(self, locations: Iterable[Location]) -> None:
        self._locations: Iterator[Location] = iter(locations)

    def next_location(self, slow: Collection[str]) -> Location | None:
        """Return the next location that is not on a slow host; those before it stay in the queue."""
        skipped: list[Location] = []
        for location in self._locations:
            if not location.host or location.host not in slow:
                self._locations = chain(skipped, self._locations)
                return location
            skipped.append(location)
        self._locations = iter(skipped)
        return None


class _Attempt:
    """A fetch that runs in a thread; it is slow while it receives less than STALL_BYTES in the patience of the run."""

    def __init__(self, location: Location, file: PinnedFile, run: FetchRun) -> None:
        self.location = location
        self._received, self._mark, self._since = 0, 0, time.monotonic()
        self.future = DaemonThreads().submit(fetch_from, location, file, run, self._record_size)

    def _record_size(self, size: int) -> None:
        self._received = size

    def is_slow(self, patience: float) -> bool:
        if abs(self._received - self._mark) >= STALL_BYTES:
            self._mark, self._since = self._received, time.monotonic()
        return time.monotonic() - self._since > patience

    def find_result(self) -> Path | Unavailable:
        """Return the path of the file or the answer of the location; raise any other exception of the thread."""
        try:
            return self.future.result()
        except Unavailable as reason:
            return reason

    def record_failure(self, patience: float, run: FetchRun) -> Unreachable:
        """Note that the location was slow, and return that as its answer."""
        reason = Unreachable(f"less than {STALL_BYTES >> 10} KiB in {patience:g} s")
        run.search.availability.record_failure(self.location.host, str(reason))
        return reason


def _report(file: PinnedFile, location: Location, result: Path | Unavailable) -> FetchEvent:
    """Return the last event of an attempt."""
    if isinstance(result, Path):
        size = result.stat().st_size
        return FetchEvent(kind=FetchEventKind.DONE, file=file, location=location.name, size=size)
    kind = FetchEventKind.MISMATCH if isinstance(result, HashMismatch) else FetchEventKind.REFUSED
    return FetchEvent(kind=kind, file=file, location=location.name, reason=str(result))
