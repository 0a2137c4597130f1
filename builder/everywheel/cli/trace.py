"""Traces of builds: what ran when, in the JSON format that Perfetto, chrome://tracing and speedscope open.

The format is the Trace Event Format of Chromium: complete events (`ph` is X) with a start and a duration in microseconds.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import UsageError
from everywheel.execution.processor_time import read_processor_time
from everywheel.execution.scheduler import Result, Task
from everywheel.pipeline import BuildListener
from everywheel.sources import FetchEvent, FetchEventKind

_STEPS, _TRANSFERS = 1, 2  # the processes of the trace: each has lanes of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Something that runs: its process and lane in the trace, and its start in seconds.

    `used` is the processor time that its task had used before.
    """

    name: str
    category: str
    process: int
    lane: int
    start: float
    used: float = 0.0


class TraceRecorder:
    """A BuildListener that records tasks, their stages and all transfers, and passes each call on.

    A lane is used by one task after another, so that the number of lanes is that of the tasks that run at the same time.
    """

    def __init__(self, listener: BuildListener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._tasks: dict[str, _Span] = {}
        self._stages: dict[str, _Span] = {}
        self._transfers: dict[str, _Span] = {}
        self._events: list[dict[str, object]] = []

    def expect(self, total: int, cached: int) -> None:
        self._listener.expect(total, cached)

    def fetch(self, event: FetchEvent) -> None:
        key = f"{event.file.sha256} {event.location}"
        with self._lock:
            if event.kind is FetchEventKind.STARTED:
                self._transfers[key] = self._open(self._transfers, event.file.title, "transfer", _TRANSFERS)
            elif event.kind is not FetchEventKind.BYTES and key in self._transfers:
                facts = {"location": event.location, "bytes": event.size, "outcome": event.kind.value}
                self._close(self._transfers.pop(key), **facts)
        self._listener.fetch(event)

    def begin(self, task: Task) -> None:
        with self._lock:
            self._tasks[task.id] = self._open(self._tasks, task.label, task.kind.value, _STEPS)
        self._listener.begin(task)

    def stage(self, task: Task, stage: str) -> None:
        with self._lock:
            used = read_processor_time()
            self._end_stage(task.id, used)
            lane = self._tasks[task.id].lane
            self._stages[task.id] = _Span(
                name=stage, category="stage", process=_STEPS, lane=lane, start=time.monotonic(), used=used
            )
        self._listener.stage(task, stage)

    def end(self, result: Result) -> None:
        with self._lock:
            self._end_stage(result.id, result.processor_seconds)
            if result.id in self._tasks:  # a skipped task has not begun
                facts = {"id": result.id, "outcome": result.outcome.value}
                self._close(self._tasks.pop(result.id), **facts, processor_seconds=round(result.processor_seconds, 3))
        self._listener.end(result)

    def write(self, file: Path) -> None:
        """Write the trace, in which what is still running ends now. Raises UsageError for a file that cannot be written."""
        with self._lock:
            for spans in (self._stages, self._tasks, self._transfers):
                for key in list(spans):
                    self._close(spans.pop(key), outcome="interrupted")
            names = {_STEPS: "steps", _TRANSFERS: "transfers"}
            processes = [
                {"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": name}}
                for process, name in names.items()
            ]
            text = json.dumps({"traceEvents": [*processes, *self._events], "displayTimeUnit": "ms"}, indent=0)
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"the trace cannot be written to {file}",
                details={"reason": (error.strerror or str(error)).lower()},
                hint="name a file in a folder that exists with --trace",
            ) from None

    def _open(self, running: dict[str, _Span], name: str, category: str, process: int) -> _Span:
        used = {span.lane for span in running.values()}
        lane = next(number for number in range(1, len(used) + 2) if number not in used)
        return _Span(name=name, category=category, process=process, lane=lane, start=time.monotonic())

    def _end_stage(self, id: str, used: float) -> None:
        if id in self._stages:
            span = self._stages.pop(id)
            self._close(span, processor_seconds=round(used - span.used, 3))

    def _close(self, span: _Span, **facts: object) -> None:
        self._events.append(
            {
                "name": span.name,
                "cat": span.category,
                "ph": "X",
                "ts": round((span.start - self._began) * 1e6),
                "dur": round((time.monotonic() - span.start) * 1e6),
                "pid": span.process,
                "tid": span.lane,
                "args": facts,
            }
        )


@contextlib.contextmanager
def record_trace(listener: BuildListener, file: Path | None) -> Iterator[BuildListener]:
    """Yield a listener that records a trace, which is written at the end of the body, also of one that fails.

    Without a file, the listener is yielded itself. Raises UsageError at once for a file in a folder that does not exist.
    """
    if file is None:
        yield listener
        return
    recorder = TraceRecorder(listener)
    recorder.write(file)
    try:
        yield recorder
    finally:
        recorder.write(file)
