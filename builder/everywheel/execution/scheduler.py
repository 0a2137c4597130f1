"""Execution of a graph of tasks under one limit of jobs; a failure stops only the tasks that depend on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from typing import Protocol

from everywheel.errors import BuildError, EverywheelError
from everywheel.execution.cancellation import Cancellation, Interrupted, cancellation_scope
from everywheel.execution.files import describe_os_error
from everywheel.execution.jobserver import JobPool
from everywheel.execution.processor_time import measure_processor_time
from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any

_PLACE_WAIT = 0.05  # seconds to wait for the place of a task before the results of ended tasks are processed


class Outcome(StrEnum):
    """The outcome of a task; `found` means that another process has done its work, `skipped` that a requirement failed."""

    DONE = "done"
    FOUND = "found"
    FAILED = "failed"
    SKIPPED = "skipped"


class TaskKind(StrEnum):
    """A step of a plan, the preparation of a compiler, which no plan contains, or the arrival of a result from elsewhere."""

    STEP = "step"
    COMPILER = "compiler"
    ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work with an id; tasks with a higher `priority` are started first.

    `work` is a function, or for executors on other machines a description of the work. The function receives another one, to
    call with the name of each stage, and returns FOUND if another process has done the work.
    """

    id: str
    kind: TaskKind = TaskKind.STEP
    label: str
    requires: tuple[str, ...]
    priority: float
    work: Callable[[Callable[[str], None]], Outcome | None] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one task.

    `seconds` is its wall-clock time, `processor_seconds` the processor time that it and its commands used. `error` is set
    if it failed. `blocked_by` is the label of the failed task because of which it was skipped.
    """

    id: str
    kind: TaskKind = TaskKind.STEP
    label: str
    outcome: Outcome
    seconds: float = 0.0
    processor_seconds: float = 0.0
    error: EverywheelError | None = None
    blocked_by: str = ""


class Executor(Protocol):
    """Where the tasks of an execution run: on this machine (`LocalExecutor`), or on those of a cluster."""

    def acquire(self, timeout: float) -> bool:
        """Reserve the place of one task; return False if none becomes free within `timeout` seconds."""

    def run(self, task: Task, set_stage: Callable[[str], None]) -> Outcome | None:
        """Run a task to its end, in the thread that calls; errors are raised."""

    def release(self) -> None:
        """Return the place of a task that has ended."""


class LocalExecutor:
    """Runs each task by its `work`, with one token of a pool; without a pool, tasks acquire tokens themselves."""

    def __init__(self, pool: JobPool | None) -> None:
        self._pool = pool

    def acquire(self, timeout: float) -> bool:
        """Acquire a token."""
        return self._pool is None or self._pool.acquire(timeout)

    def run(self, task: Task, set_stage: Callable[[str], None]) -> Outcome | None:
        """Do the work of a task."""
        if isinstance(task.work, str):
            raise TypeError(f"{task.label} is described for another machine")
        return task.work(set_stage)

    def release(self) -> None:
        """Release a token."""
        if self._pool is not None:
            self._pool.release()


class ProgressListener(Protocol):
    """Receives the progress of an execution; `stage` is called from several threads."""

    def begin(self, task: Task) -> None: ...
    def stage(self, task: Task, stage: str) -> None: ...
    def end(self, result: Result) -> None: ...


def execute(tasks: Sequence[Task], executor: Executor, listener: ProgressListener) -> tuple[Result, ...]:
    """Run tasks, each after its requirements, in the places of an executor; return the results in order of completion.

    Requirements that are not among the tasks are considered done. Errors of a task are part of its result.
    KeyboardInterrupt ends every running command and is raised again once all tasks have ended.
    """
    with cancellation_scope() as cancellation, DaemonThreads() as threads:
        execution = _Execution(tasks, executor, listener, threads)
        try:
            execution.run(cancellation)
        except BaseException:
            cancellation.cancel()
            raise
    return tuple(execution.results.values())


class _Execution:
    """The state of one execution; only the thread that calls `run` changes it."""

    def __init__(
        self, tasks: Sequence[Task], executor: Executor, listener: ProgressListener, threads: DaemonThreads
    ) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._executor = executor
        self._listener = listener
        self._threads = threads
        self._ready: list[tuple[float, str]] = []  # a heap: the negative priority, and the id
        requirements = {task.id: self._tasks.keys() & set(task.requires) for task in tasks}
        self._sorter = TopologicalSorter(requirements)
        self._sorter.prepare()
        self._running: list[Future[Result]] = []
        self._dependents: dict[str, list[str]] = {}  # found after the first failure
        self.results: dict[str, Result] = {}

    def run(self, cancellation: Cancellation) -> None:
        """Start tasks and process their results until all have ended; raise Interrupted when the execution is canceled."""
        while True:
            cancellation.check()
            self._collect_ready()
            if not self._ready and not self._running:
                return
            if self._ready and self._executor.acquire(_PLACE_WAIT):
                # The task that released the place may have made a task with a higher priority ready.
                self._settle_ended(timeout=0)
                self._collect_ready()
                self._start_first()
            self._settle_ended(timeout=0 if self._ready else TICK)

    def _collect_ready(self) -> None:
        """Collect the tasks whose requirements have ended, except for tasks that were already skipped."""
        while ready := self._sorter.get_ready():
            for id in ready:
                if id in self.results:
                    self._sorter.done(id)
                else:
                    heappush(self._ready, (-self._tasks[id].priority, id))

    def _start_first(self) -> None:
        task = self._tasks[heappop(self._ready)[1]]
        self._listener.begin(task)
        future = self._threads.submit(self._work, task)
        # A callback runs after the result is set: once `run` acquires the place, the result must be available.
        future.add_done_callback(lambda _: self._executor.release())
        self._running.append(future)

    def _work(self, task: Task) -> Result:
        began = time.monotonic()
        outcome, error = Outcome.DONE, None
        with measure_processor_time() as processor_time:
            try:
                outcome = self._executor.run(task, lambda stage: self._listener.stage(task, stage)) or Outcome.DONE
            except EverywheelError as raised:
                error = raised
            except Interrupted:
                error = BuildError(f"{task.label}: canceled")
            except Exception as raised:  # a full disk or a programming error must not end the other tasks
                error = _describe(task, raised)
                error.__cause__ = raised
        return Result(
            id=task.id,
            kind=task.kind,
            label=task.label,
            outcome=outcome if error is None else Outcome.FAILED,
            seconds=time.monotonic() - began,
            processor_seconds=processor_time.seconds,
            error=error,
        )

    def _settle_ended(self, timeout: float) -> None:
        """Process the results of ended tasks, after waiting at most `timeout` seconds for one."""
        ended = wait_for_any(self._running, timeout)
        for future in [future for future in self._running if future in ended]:
            self._running.remove(future)
            result = future.result()
            self._settle(result)
            self._sorter.done(result.id)

    def _settle(self, result: Result) -> None:
        """Store a result and report it; after a failure, skip all tasks that require it directly or indirectly."""
        self.results[result.id] = result
        self._listener.end(result)
        if result.outcome in (Outcome.DONE, Outcome.FOUND):
            return
        if not self._dependents:
            self._dependents = _list_dependents(self._tasks.values())
        blocked = [result.id]
        for blocker in blocked:  # grows
            for id in self._dependents.get(blocker, ()):
                if id not in self.results:
                    blocked.append(id)
                    task = self._tasks[id]
                    self.results[id] = skipped = Result(
                        id=id, kind=task.kind, label=task.label, outcome=Outcome.SKIPPED, blocked_by=result.label
                    )
                    self._listener.end(skipped)


def _list_dependents(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """Return for each id the tasks that require it."""
    dependents: dict[str, list[str]] = {}
    for task in tasks:
        for requirement in task.requires:
            dependents.setdefault(requirement, []).append(task.id)
    return dependents


def _describe(task: Task, raised: Exception) -> EverywheelError:
    """Return an exception that the work of a task did not expect as an error that names the task."""
    if isinstance(raised, OSError) and raised.errno is not None:
        error = describe_os_error(raised)
        error.details = {"step": task.label, **error.details}
        return error
    return BuildError(f"{task.label}: unexpected {type(raised).__name__}: {raised}")
