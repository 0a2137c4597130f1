"""Threads that do not delay the end of the process, as a concurrent.futures executor.

ThreadPoolExecutor cannot be used: the interpreter waits for its threads at exit, so that Ctrl-C during a download would only
take effect once the server answers (https://github.com/python/cpython/issues/80961).
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any, ParamSpec, TypeVar

from everywheel.execution.cancellation import current_cancellation

P = ParamSpec("P")
T = TypeVar("T")

TICK = 0.2
"""The longest time in seconds that a wait may block: on Windows, Ctrl-C takes effect only between two waits."""

_PATIENCE = 0.8  # seconds that threads have after a cancellation: one call that packs a large file can take longer


class DaemonThreads(Executor):
    """Runs each call in a daemon thread of its own, at most `limit` of them at the same time, in the caller's context."""

    def __init__(self, limit: int | None = None) -> None:
        self._slots = None if limit is None else threading.Semaphore(limit)
        self._calls: list[tuple[threading.Thread, Future[Any]]] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a thread for a call; the current cancellation and command listener are also those of the thread."""
        future: Future[T] = Future()
        context = contextvars.copy_context()

        def work() -> None:
            if self._slots is not None:
                self._slots.acquire()
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(context.run(fn, *args, **kwargs))
            except BaseException as error:  # `result` raises it again
                future.set_exception(error)
            finally:
                if self._slots is not None:
                    self._slots.release()

        thread = threading.Thread(target=work, daemon=True)
        self._calls.append((thread, future))
        thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait until every thread has ended, including the callbacks of its future; a short time after a cancellation."""
        cancellation, deadline = current_cancellation(), float("inf")
        for thread, future in self._calls if wait else ():
            # Ctrl-C can end `start` before the thread runs; its call is canceled then, and there is nothing to wait for.
            if not thread.is_alive() and future.cancel():
                continue
            while True:
                thread.join(TICK)
                if not thread.is_alive():
                    break
                if cancellation.is_canceled:
                    deadline = min(deadline, time.monotonic() + _PATIENCE)
                if time.monotonic() > deadline:
                    return


def wait_for_any(futures: Iterable[Future[T]], timeout: float = TICK) -> set[Future[T]]:
    """Return the futures that are done, after waiting at most `timeout` seconds for the first of them."""
    return wait(futures, timeout=timeout, return_when=FIRST_COMPLETED).done
