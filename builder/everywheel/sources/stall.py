"""Downloads that hardly make progress: they are abandoned, so that the next location is tried in time."""

from __future__ import annotations

import time
from collections.abc import Callable

from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any
from everywheel.sources.deadline import Deadline
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import Unreachable

STALL_BYTES = 64 << 10
STALL_SECONDS = 300.0
"""A download that receives less than STALL_BYTES in this time is abandoned; all attempts of a RetryPolicy take less time."""


def end_when_stalled(
    fetch: Callable[[Deadline, OnBytes], None],
    deadline: Deadline,
    on_bytes: OnBytes,
    *,
    seconds: float = STALL_SECONDS,
) -> None:
    """Call `fetch` in a thread with a deadline of its own; raise Unreachable when it stalls, or what it raises.

    A server can send one byte of a header or body at a time, which no timeout of a socket notices.
    """
    own = Deadline(deadline.remaining)
    received = 0

    def report(size: int, total: int) -> None:
        nonlocal received
        received = size
        on_bytes(size, total)

    future = DaemonThreads().submit(fetch, own, report)
    mark, since = 0, time.monotonic()
    try:
        while not wait_for_any([future], min(TICK, seconds)):
            deadline.check()
            if abs(received - mark) >= STALL_BYTES:
                mark, since = received, time.monotonic()
            elif time.monotonic() - since > seconds:
                raise Unreachable(f"less than {STALL_BYTES >> 10} KiB in {seconds:.3g} s")
        future.result()
    finally:
        own.stop()
