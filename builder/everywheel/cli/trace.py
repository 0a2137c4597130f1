"""Traces of builds: what ran when, in the JSON format that Perfetto, chrome://tracing and speedscope open, and as a page.

The format is the Trace Event Format of Chromium: complete events (`ph` is X) with a start and a duration in microseconds.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from everywheel.cli.options import collect_options
from everywheel.cli.timeline import STAGE, STEPS, TRANSFER, TRANSFERS, read_timeline
from everywheel.errors import UsageError
from everywheel.execution.processor_time import read_processor_time
from everywheel.execution.scheduler import Result, Task
from everywheel.pipeline import BuildListener
from everywheel.sources.progress import FetchEvent, FetchEventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFiles:
    """The files in which a build is recorded: the trace as JSON, and its timeline as a page with a title."""

    trace: Path | None = None
    page: Path | None = None
    title: str = "build"


_FILE = click.Path(path_type=Path, dir_okay=False)
trace_options = collect_options(
    "files",
    TraceFiles,
    click.option("--trace", type=_FILE, metavar="FILE", help="Write when each step ran, for viewers like Perfetto."),
    click.option("--html", "page", type=_FILE, metavar="FILE", help="Write when each step ran, as a page."),
)
"""The options of the files, which a command receives as `files`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Something that runs: its process and lane in the trace, and its start in seconds.

    `used` is the processor time that its task had used before, `requires` are the ids of the tasks that a task requires.
    """

    name: str
    category: str
    process: int
    lane: int
    start: float
    used: float = 0.0
    requires: tuple[str, ...] = ()


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
        self._events: list[dict[str, Any]] = []

    def expect(self, total: int, cached: int) -> None:
        self._listener.expect(total, cached)

    def fetch(self, event: FetchEvent) -> None:
        key = f"{event.file.sha256} {event.location}"
        with self._lock:
            if event.kind is FetchEventKind.STARTED:
                self._transfers[key] = self._open(self._transfers, event.file.title, TRANSFER, TRANSFERS)
            elif event.kind is not FetchEventKind.BYTES and key in self._transfers:
                facts = {"location": event.location, "bytes": event.size, "outcome": event.kind.value}
                self._close(self._transfers.pop(key), **facts)
        self._listener.fetch(event)

    def begin(self, task: Task) -> None:
        with self._lock:
            span = self._open(self._tasks, task.label, task.kind.value, STEPS)
            self._tasks[task.id] = replace(span, requires=task.requires)
        self._listener.begin(task)

    def stage(self, task: Task, stage: str) -> None:
        with self._lock:
            used = read_processor_time()
            self._end_stage(task.id, used)
            lane = self._tasks[task.id].lane
            self._stages[task.id] = _Span(
                name=stage, category=STAGE, process=STEPS, lane=lane, start=time.monotonic(), used=used
            )
        self._listener.stage(task, stage)

    def end(self, result: Result) -> None:
        with self._lock:
            self._end_stage(result.id, result.processor_seconds)
            if result.id in self._tasks:  # a skipped task has not begun
                facts = {"id": result.id, "outcome": result.outcome.value}
                self._close(self._tasks.pop(result.id), **facts, processor_seconds=round(result.processor_seconds, 3))
        self._listener.end(result)

    def write(self, files: TraceFiles) -> None:
        """Write the files, in which what is still running ends now; raise UsageError for one that cannot be written."""
        with self._lock:
            for id, span in self._tasks.items():
                self._close(span, id=id, outcome="interrupted")
            for spans in (self._stages, self._transfers):
                for span in spans.values():
                    self._close(span, outcome="interrupted")
            for spans in (self._stages, self._tasks, self._transfers):
                spans.clear()
        if files.trace is not None:
            _write(files.trace, "--trace", "the trace", _format_trace(self._events))
        if files.page is not None:
            from everywheel.cli.timeline_page import render_timeline  # most builds write no page

            _write(files.page, "--html", "the timeline", render_timeline(read_timeline(self._events), files.title))

    def _open(self, running: dict[str, _Span], name: str, category: str, process: int) -> _Span:
        used = {span.lane for span in running.values()}
        lane = next(number for number in range(1, len(used) + 2) if number not in used)
        return _Span(name=name, category=category, process=process, lane=lane, start=time.monotonic())

    def _end_stage(self, id: str, used: float) -> None:
        if id in self._stages:
            span = self._stages.pop(id)
            self._close(span, processor_seconds=round(used - span.used, 3))

    def _close(self, span: _Span, **facts: object) -> None:
        facts |= {"requires": span.requires} if span.requires else {}
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


def _format_trace(events: Sequence[Mapping[str, Any]]) -> str:
    names = {STEPS: "steps", TRANSFERS: "transfers"}
    processes = [
        {"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": name}}
        for process, name in names.items()
    ]
    return json.dumps({"traceEvents": [*processes, *events], "displayTimeUnit": "ms"}, indent=0)


def _write(file: Path, option: str, content: str, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{content} cannot be written to {file}",
            details={"reason": (error.strerror or str(error)).lower()},
            hint=f"name a file in a folder that exists with {option}",
        ) from None


@contextlib.contextmanager
def record_trace(listener: BuildListener, files: TraceFiles) -> Iterator[BuildListener]:
    """Yield a listener that records a build, whose files are written at the end of the body, also of one that fails.

    Without a file, the listener is yielded itself. Raises UsageError at once for a file in a folder that does not exist, and
    if both are one file.
    """
    if files.trace is not None and files.page is not None and files.trace.resolve() == files.page.resolve():
        raise UsageError(f"--trace and --html both name {files.page}", hint="name two files")
    if files.trace is None and files.page is None:
        yield listener
        return
    recorder = TraceRecorder(listener)
    recorder.write(files)
    try:
        yield recorder
    finally:
        recorder.write(files)
