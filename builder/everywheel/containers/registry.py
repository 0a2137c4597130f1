"""Asking registries, which may be busy."""

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
    """What a registry gave (an id, a digest), or nothing and the reason; and how often it was asked."""

    found: str
    reason: str
    tries: int


def query_registry(ask: Callable[[], str], retry_policy: RetryPolicy = REGISTRY_RETRIES) -> RegistryAnswer:
    """Query a registry, and repeat the query after the delays of the policy while the registry is busy.

    `ask` raises MachineError where nothing is given. Raises Interrupted when the run is called off.
    """
    reason, tries = "", 0
    for delay in (0.0, *retry_policy.delays):
        _wait(delay)
        tries += 1
        try:
            return RegistryAnswer(found=ask(), reason="", tries=tries)
        except MachineError as error:
            reason = str(error.details.get("reason") or error.fact)
        if not is_busy(reason):
            break
    return RegistryAnswer(found="", reason=reason, tries=tries)


def _wait(seconds: float) -> None:
    """Wait, but no longer than until the run is called off."""
    canceled, cancellation = threading.Event(), current_cancellation()
    with cancellation.on_cancel(canceled.set):
        canceled.wait(seconds)
    cancellation.check()


def is_busy(words: str) -> bool:
    """Tell whether a registry may well give an image in a moment that it did not give now: a limit of rate, a time-out."""
    return _BUSY.search(words) is not None


def is_image_missing(words: str) -> bool:
    """Tell whether a registry answered, and only does not have, or give, this one image."""
    return not is_busy(words) and re.search(r"not found|unknown|denied|unauthorized|no match", words, re.I) is not None
