"""Encoding on several cores: the threads of encode_many()."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait

# TYPE_CHECKING, as in the package itself.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from webpencode._types import Source

HEARING = 0.25
"""Seconds after which a wait ends, to begin again."""


def encode_in_pool(
    encode: Callable[[Source], bytes], sources: Iterator[Source], count: int
) -> Generator[bytes | Exception, None, None]:
    """Encode sources on so many threads; yield results, exceptions among them, in the order of the sources."""

    def work(source: Source) -> bytes | Exception:
        try:
            return encode(source)
        except Exception as error:
            _forget_frames(error)
            return error

    def submit() -> Iterator[Future[bytes | Exception]]:
        try:
            for source in sources:
                yield pool.submit(work, source)
        except Exception as error:
            ended: Future[bytes | Exception] = Future()
            ended.set_exception(error)
            yield ended

    waiting: deque[Future[bytes | Exception]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="webpencode")
    patient = True
    try:
        for future in submit():
            waiting.append(future)
            if len(waiting) > 2 * count:
                yield _wait_for(waiting.popleft())
        while waiting:
            yield _wait_for(waiting.popleft())
    except KeyboardInterrupt:
        # Nothing stops libwebp; whoever wants an end gets it without those at work.
        patient = False
        raise
    finally:
        pool.shutdown(wait=patient, cancel_futures=True)


def _wait_for(future: Future[bytes | Exception]) -> bytes | Exception:
    """Return a result when it is there, and hear Ctrl-C meanwhile.

    CPython 3.14 without a GIL hears nothing, until a wait ends, of a signal that came in the instant before it.
    """
    while not future.done():
        wait([future], timeout=HEARING)
    return future.result()


def _forget_frames(error: BaseException) -> None:
    """Take the tracebacks off an error and off what led to it.

    Their frames hold the image. And one of them, the pool's, holds the error in turn: without the collector of cycles, which
    a CPython without a GIL seldom runs, all of it would stay.
    """
    error.__traceback__ = None
    for cause in (error.__cause__, error.__context__):
        if cause is not None and cause.__traceback__ is not None:
            _forget_frames(cause)
