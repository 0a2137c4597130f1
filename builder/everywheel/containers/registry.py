"""Queries to image registries, repeated while a registry is busy."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from everywheel.errors import MachineError
from everywheel.execution.cancellation import current_cancellation
from everywheel.execution.retry import RetryPolicy

REGISTRY_RETRIES = RetryPolicy(attempts=4, first_delay=2.0, factor=4.0, max_delay=30.0)
"""Longer delays than for downloads: registries limit how often they are queried."""
_BUSY = re.compile(
    r"toomanyrequests|too many requests|rate limit|\b(429|500|502|503|504)\b|service unavailable|bad gateway|"
    r"timeout|connection timed out|deadline exceeded|connection reset|unexpected eof",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAnswer:
    """Answer of a registry: `value` (an id, a digest) or, if that is empty, the reason; and the number of queries."""

    value: str
    reason: str
    attempts: int


def query_registry(query: Callable[[], str], retry_policy: RetryPolicy = REGISTRY_RETRIES) -> RegistryAnswer:
    """Query a registry, and repeat the query after the delays of the policy while the registry is busy.

    `query` raises MachineError if the registry returns nothing. Raises Interrupted when the run is canceled.
    """
    reason, attempts = "", 0
    for delay in (0.0, *retry_policy.delays):
        _wait(delay)
        attempts += 1
        try:
            return RegistryAnswer(value=query(), reason="", attempts=attempts)
        except MachineError as error:
            reason = str(error.details.get("reason") or error.fact)
        if not is_busy(reason):
            break
    return RegistryAnswer(value="", reason=reason, attempts=attempts)


def _wait(seconds: float) -> None:
    """Wait, but at most until the run is canceled."""
    canceled, cancellation = threading.Event(), current_cancellation()
    with cancellation.on_cancel(canceled.set):
        canceled.wait(seconds)
    cancellation.check()


def is_busy(reason: str) -> bool:
    """Return whether the same query may succeed later: the reason is a rate limit, a timeout or a server error."""
    return _BUSY.search(reason) is not None


def is_image_missing(reason: str) -> bool:
    """Return whether the registry is reachable but does not have this image, or denies access to it."""
    return (
        not is_busy(reason) and re.search(r"not found|unknown|denied|unauthorized|no match", reason, re.I) is not None
    )
