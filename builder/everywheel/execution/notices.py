"""Notices: one-line reports of what a run repaired by itself, such as a damaged file of the store that is made again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("everywheel_notice_listener", default=None)


@contextlib.contextmanager
def listen_to_notices(listener: Callable[[str], None]) -> Iterator[None]:
    """Call a listener with each notice of the body, and of the threads that it starts through `execution.threads`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_notice(message: str) -> None:
    """Report one line to the listener, if there is one."""
    if listener := _LISTENER.get():
        listener(message)
