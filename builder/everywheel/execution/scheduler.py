"""Executing a graph of tasks under one limit of jobs; what fails stops only what depends on it."""

from __future__ import annotations

import contextlib
import heapq
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from everywheel.errors import BuildError, EverywheelError
from everywheel.execution.jobserver import JobPool
from everywheel.execution.process import PROCESSES, Interrupted


class Outcome(StrEnum):
    """How a task ended; `found` means that another process did it meanwhile, `skipped` that something it requires failed."""

    DONE = "done"
    FOUND = "found"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work with an id; the higher `priority` goes first.

    `work` gets a function to which it tells the stage it is in, and may return FOUND when there was nothing left to do.
    """

    id: str
    label: str
    requires: tuple[str, ...]
    priority: float
    work: Callable[[Callable[[str], None]], Outcome | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one task ended; `seconds` of wall time, `error` when it failed, `blocked_by` the failed task when skipped."""

    id: str
    label: str
    outcome: Outcome
    seconds: float = 0.0
    error: EverywheelError | None = None
    blocked_by: str = ""


class ProgressListener(Protocol):
    """Whoever is told how execution goes; called from several threads."""

    def begin(self, task: Task) -> None: ...
    def stage(self, task: Task, stage: str) -> None: ...
    def end(self, result: Result) -> None: ...


def execute(tasks: Sequence[Task], pool: JobPool, watcher: ProgressListener) -> tuple[Result, ...]:
    """Run tasks, each after what it requires and with one token of the pool; return the results in the order they ended.

    Requirements that are not among the tasks count as done. KeyboardInterrupt ends every running command and is raised
    again once all have ended.
    """
    run = _Run({task.id: task for task in tasks}, pool, watcher)
    try:
        run.loop()
    except BaseException:
        PROCESSES.stop()
        raise
    finally:
        run.join()
    return tuple(run.results)


class _Run:
    """The state of one execution; only the thread that calls `loop` touches it."""

    def __init__(self, tasks: Mapping[str, Task], pool: JobPool, watcher: ProgressListener) -> None:
        self._tasks = tasks
        self._pool = pool
        self._watcher = watcher
        self._waiting = {id: {need for need in task.requires if need in tasks} for id, task in tasks.items()}
        self._ready = [(-task.priority, id) for id, task in tasks.items() if not self._waiting[id]]
        heapq.heapify(self._ready)
        self._running = 0
        self._ended: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.results: list[Result] = []

    def loop(self) -> None:
        while self._ready or self._running:
            if self._ready and self._pool.take(0.05):
                # Whoever gave the token back may have made something more urgent ready.
                self._settle_ended(block=False)
                self._start(self._tasks[heapq.heappop(self._ready)[1]])
            self._settle_ended(block=not self._ready)

    def join(self) -> None:
        """Wait until every task that was begun has ended and given its token back."""
        for thread in self._threads:
            thread.join()

    def _start(self, task: Task) -> None:
        self._running += 1
        self._watcher.begin(task)
        thread = threading.Thread(target=self._work, args=(task,), name=task.id, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, task: Task) -> None:
        began = time.monotonic()
        outcome, error = Outcome.DONE, None
        try:
            outcome = task.work(lambda stage: self._watcher.stage(task, stage)) or Outcome.DONE
        except EverywheelError as raised:
            error = raised
        except Interrupted:
            error = BuildError(f"{task.label}: called off")
        except Exception as raised:  # a fault of ours must not leave the loop waiting for ever
            error = BuildError(f"{task.label}: unexpected {type(raised).__name__}: {raised}")
            error.__cause__ = raised
        if error is not None:
            outcome = Outcome.FAILED
        seconds = time.monotonic() - began
        self._ended.put(Result(id=task.id, label=task.label, outcome=outcome, seconds=seconds, error=error))
        self._pool.give()  # only now: whoever takes the token must see the result

    def _settle_ended(self, *, block: bool) -> None:
        for result in self._collect(block=block):
            self._settle(result)

    def _collect(self, *, block: bool) -> Iterator[Result]:
        with contextlib.suppress(queue.Empty):
            # With a time limit even when blocking: only then does Ctrl-C get through.
            yield self._ended.get(timeout=0.2) if block and self._running else self._ended.get_nowait()

    def _settle(self, result: Result) -> None:
        if result.outcome is not Outcome.SKIPPED:
            self._running -= 1
        self.results.append(result)
        self._watcher.end(result)
        for id, needs in self._waiting.items():
            if result.id not in needs:
                continue
            needs.discard(result.id)
            task = self._tasks[id]
            if result.outcome in (Outcome.DONE, Outcome.FOUND):
                if not needs and not any(r.id == id for r in self.results):
                    heapq.heappush(self._ready, (-task.priority, id))
            elif not any(r.id == id for r in self.results):
                needs.add("")  # never becomes ready
                blocked_by = result.blocked_by or result.label
                self._settle(Result(id=id, label=task.label, outcome=Outcome.SKIPPED, blocked_by=blocked_by))
