"""The thread pool of encode_many()."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait

# See the comment in __init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from webpencode._types import Source

POLL_INTERVAL = 0.25
"""Seconds after which waiting for a result is interrupted to handle signals."""


def encode_in_pool(
    encode: Callable[[Source], bytes], sources: Iterator[Source], count: int
) -> Generator[bytes | Exception, None, None]:
    """Encode sources in `count` threads; yield results or exceptions in the order of the sources."""

    def work(source: Source) -> bytes | Exception:
        try:
            return encode(source)
        except Exception as error:
            _remove_tracebacks(error)
            return error

    def submit() -> Iterator[Future[bytes | Exception]]:
        try:
            for source in sources:
                yield pool.submit(work, source)
        except Exception as error:
            failed: Future[bytes | Exception] = Future()
            failed.set_exception(error)
            yield failed

    pending: deque[Future[bytes | Exception]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="webpencode")
    wait_for_threads = True
    try:
        for future in submit():
            pending.append(future)
            if len(pending) > 2 * count:
                yield _wait_for(pending.popleft())
        while pending:
            yield _wait_for(pending.popleft())
    except KeyboardInterrupt:
        # libwebp cannot be interrupted: do not wait for the images that are being encoded.
        wait_for_threads = False
        raise
    finally:
        pool.shutdown(wait=wait_for_threads, cancel_futures=True)


def _wait_for(future: Future[bytes | Exception]) -> bytes | Exception:
    """Wait for a result, and allow Ctrl-C to interrupt.

    Free-threaded CPython 3.14 does not handle a signal that arrives just before a wait until that wait ends.
    """
    while not future.done():
        wait([future], timeout=POLL_INTERVAL)
    return future.result()


def _remove_tracebacks(error: BaseException) -> None:
    """Remove the tracebacks of an exception and of its causes.

    Their frames refer to the image. A frame of the pool also refers to the exception: only the cyclic garbage collector,
    which free-threaded CPython rarely runs, could free such a reference cycle.
    """
    error.__traceback__ = None
    for cause in (error.__cause__, error.__context__):
        if cause is not None and cause.__traceback__ is not None:
            _remove_tracebacks(cause)
