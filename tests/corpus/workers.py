"""Checking pictures in worker processes with limited memory; a process that ends is a difference of its picture."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from archives import Picture
from check_picture import Checked, check_picture
from differences import Difference, Kind, Peer
from encode_picture import Encoded

WORKERS = len(os.sched_getaffinity(0))
MEMORY = 4 << 30
"""The address space of a worker in bytes: a picture that needs more fails, instead of the machine."""


def check_pictures(pictures: Sequence[Picture], *, with_libwebp: bool) -> Iterator[tuple[Picture, Checked]]:
    """Check pictures and yield the results in order; few results are in memory."""
    remaining = deque(pictures)
    while remaining:
        waiting: deque[tuple[Picture, Future[Checked]]] = deque()
        with _start_workers(WORKERS) as pool:
            try:
                while remaining or waiting:
                    while remaining and len(waiting) < 4 * WORKERS:
                        waiting.append((remaining[0], pool.submit(check_picture, remaining[0], with_libwebp)))
                        remaining.popleft()
                    picture, future = waiting[0]
                    checked = future.result()
                    waiting.popleft()
                    yield picture, checked
            except BrokenProcessPool:
                pass
        for picture, _ in waiting:
            yield picture, _check_separately(picture, with_libwebp)


def _check_separately(picture: Picture, with_libwebp: bool) -> Checked:
    """Check a picture in a process of its own."""
    try:
        with _start_workers(1) as pool:
            return pool.submit(check_picture, picture, with_libwebp).result()
    except BrokenProcessPool:
        detail = "the process ended"
        ended = Difference(picture=picture.name, peer=Peer.PROCESS, kind=Kind.ENDED, detail=detail)
        return Checked(differences=(ended,), encoded=Encoded(refusal=detail))


def _start_workers(count: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # libvips cannot be used after fork()
    return ProcessPoolExecutor(count, context, _limit_memory)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
