"""Processor time of a piece of work: of its thread, and of the commands that it runs, with everything that they start."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar


class ProcessorTime:
    """The processor time since the creation of the object, in seconds, user and system."""

    def __init__(self) -> None:
        self._began = time.thread_time()
        self._commands = 0.0
        self._lock = threading.Lock()

    def add_command(self, seconds: float) -> None:
        """Add the time of a command that has ended, from any thread."""
        with self._lock:
            self._commands += seconds

    @property
    def seconds(self) -> float:
        """The sum until now, for the thread that created the object."""
        return time.thread_time() - self._began + self._commands


_MEASURED: ContextVar[ProcessorTime | None] = ContextVar("everywheel_processor_time", default=None)


@contextlib.contextmanager
def measure_processor_time() -> Iterator[ProcessorTime]:
    """Yield the processor time of the body, to which the commands of the body are added."""
    measured = ProcessorTime()
    token = _MEASURED.set(measured)
    try:
        yield measured
    finally:
        _MEASURED.reset(token)


def add_command_time(seconds: float) -> None:
    """Add the processor time of a command to that of the current work, if it is measured."""
    if (measured := _MEASURED.get()) is not None:
        measured.add_command(seconds)


def read_processor_time() -> float:
    """Return the processor time that the current work has used until now; 0 if it is not measured."""
    measured = _MEASURED.get()
    return 0.0 if measured is None else measured.seconds
