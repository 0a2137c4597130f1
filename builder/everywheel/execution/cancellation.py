"""Cancellation: ending every command and container of one execution, on Ctrl-C and other signals.

The current `Cancellation` is a context variable (PEP 567): code far below the command line registers with it without
it being passed through every call, and two executions in one process do not share it. Threads inherit it when they are started
through `execution.threads`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The execution that the current code belongs to was canceled."""


class Cancellation:
    """The callbacks that end the commands and containers of one execution, and whether they were called."""

    def __init__(self, outer: Cancellation | None = None) -> None:
        self._outer = outer
        self._lock = threading.Lock()
        self._callbacks: set[Callable[[], None]] = set()
        self._canceled = False

    @property
    def is_canceled(self) -> bool:
        """True once this execution, or one around it, was canceled."""
        return self._canceled or (self._outer is not None and self._outer.is_canceled)

    @contextlib.contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback` when the execution is canceled while the body runs, or at once if it already is."""
        with self._lock:
            self._callbacks.add(callback)
            if self.is_canceled:
                callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.discard(callback)

    def cancel(self) -> None:
        """Call every registered callback; those that are registered later are called at once."""
        with self._lock:
            self._canceled = True
            for callback in self._callbacks:
                callback()

    def request(self) -> None:
        """Set the state without calling back: for a signal handler, which may have interrupted a holder of the lock."""
        self._canceled = True

    def check(self) -> None:
        """Raise Interrupted if the execution was canceled."""
        if self.is_canceled:
            raise Interrupted


_CURRENT: ContextVar[Cancellation | None] = ContextVar("everywheel_cancellation", default=None)


def current_cancellation() -> Cancellation:
    """Return the cancellation of the current execution; outside of an execution, return one that is never canceled."""
    return _CURRENT.get() or Cancellation()


def check_cancellation() -> None:
    """Raise Interrupted if the current execution was canceled.

    It takes less than a microsecond: loops over the members of an archive or the blocks of a file call it each time,
    since a thread receives no KeyboardInterrupt.
    """
    cancellation = _CURRENT.get()
    if cancellation is not None:
        cancellation.check()


def until_canceled(items: Iterable[T]) -> Iterator[T]:
    """Yield items, such as the members of an archive; raise Interrupted before the next one after a cancellation."""
    for item in items:
        check_cancellation()
        yield item


@contextlib.contextmanager
def cancellation_scope() -> Iterator[Cancellation]:
    """Make a new cancellation the current one; canceling the surrounding execution cancels it too."""
    inner = Cancellation(_CURRENT.get())
    with current_cancellation().on_cancel(inner.cancel):
        token = _CURRENT.set(inner)
        try:
            yield inner
        finally:
            _CURRENT.reset(token)
