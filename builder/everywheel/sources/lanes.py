"""Parallel work on many hosts, with at most a few requests to each of them at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from itertools import zip_longest
from queue import Empty, SimpleQueue
from typing import TypeVar

from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any
from everywheel.sources.deadline import Deadline

_PER_HOST = 2
_SHUTDOWN_TIMEOUT = 1.0  # seconds that threads have for ending their downloads when everything stops

T = TypeVar("T")


def run_in_lanes(
    tasks: Mapping[str, Sequence[Callable[[], T]]], *, jobs: int, deadline: Deadline, per_host: int = _PER_HOST
) -> Iterator[T]:
    """Run the tasks of each host in order, and yield the results of all hosts in the order in which they end.

    At most `per_host` tasks of a host, and `jobs` of all hosts, run at the same time. An exception in a task, Ctrl-C included,
    stops all of them through the deadline.
    """
    results: SimpleQueue[T] = SimpleQueue()
    lanes: list[list[Callable[[], None]]] = []
    for calls in tasks.values():
        queue = deque(calls)
        lanes.append([partial(_work, queue, results)] * min(per_host, len(calls)))
    threads = DaemonThreads(jobs)
    # The first lane of every host, then the second one: with few jobs, no host waits for both lanes of another.
    running = [threads.submit(lane) for row in zip_longest(*lanes) for lane in row if lane is not None]
    try:
        while running:
            ended = wait_for_any(running, TICK)
            running = [future for future in running if future not in ended]
            for future in ended:
                future.result()
            yield from _drain(results)
    except BaseException:
        deadline.stop()
        wait(running, timeout=_SHUTDOWN_TIMEOUT)
        raise


def _work(queue: deque[Callable[[], T]], results: SimpleQueue[T]) -> None:
    while True:
        try:
            task = queue.popleft()
        except IndexError:
            return
        results.put(task())


def _drain(results: SimpleQueue[T]) -> Iterator[T]:
    while True:
        try:
            yield results.get_nowait()
        except Empty:
            return
