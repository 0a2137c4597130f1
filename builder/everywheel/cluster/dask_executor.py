"""The executor of a dask cluster: each task is a description that a fitting worker builds, and its result is verified here."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import Client
from distributed import Future as DaskFuture

from everywheel.cluster.capabilities import Resources, fits
from everywheel.cluster.dask_connection import ClusterWorker, list_workers
from everywheel.cluster.dask_worker import run_described_step
from everywheel.cluster.step_description import InvalidDescription, StepReport
from everywheel.errors import EverywheelError, MachineError, SourceError, printable_line
from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.notices import report_notice
from everywheel.execution.process import CommandListener
from everywheel.execution.scheduler import Outcome, Task
from everywheel.execution.threads import TICK

ATTEMPTS = 3
"""How often a step is tried on different workers."""
_REFRESH = 2.0  # seconds for which the list of workers is used
_NO_WORKER_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedStep:
    """A step for a cluster: its description as text, what it requires, and the check of a result, which returns a fault."""

    text: str
    label: str
    requires: Resources
    verify: Callable[[StepReport], str]
    make_error: Callable[[StepReport], EverywheelError | None]


class _Failed(Exception):
    """An attempt failed in a way that another worker may not; the text is the reason."""

    def __init__(self, reason: str, worker: str, error: EverywheelError | None = None) -> None:
        super().__init__(reason)
        self.worker = worker
        self.error = error


class DaskExecutor:
    """Runs described tasks on the workers of a scheduler.

    There are as many places as fitting workers have. A step whose worker dies, exceeds the limit of seconds, fails for a
    reason of its machine or returns a result that is not in the remote store is built by another worker.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        steps: Mapping[str, DescribedStep],
        *,
        run: str,
        limit: float,
        commands: CommandListener | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._steps = steps
        self._kinds = list({tuple(sorted(step.requires.items())): step.requires for step in steps.values()}.values())
        self._topic = f"everywheel-{run}"
        self._limit = limit
        self._commands = commands
        self._lock = threading.Lock()
        self._used = 0
        self._avoided: set[str] = set()
        self._workers: tuple[ClusterWorker, ...] = ()
        self._listed = float("-inf")
        self._without_worker: dict[tuple[str, ...], float] = {}  # since when, by what steps require
        self._events: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        client.subscribe_topic(self._topic, self._receive)

    def acquire(self, timeout: float) -> bool:
        """Reserve the place of a task; raise MachineError when no fitting worker is left for a while."""
        fitting = [worker for requires in self._kinds for worker in self._list_fitting(requires, set())]
        total = sum({worker.address: worker.steps for worker in fitting}.values())
        with self._lock:
            if self._used < total:
                self._used += 1
                return True
        threading.Event().wait(timeout)
        return False

    def release(self) -> None:
        """Return the place of a task that has ended."""
        with self._lock:
            self._used -= 1

    def run(self, task: Task, set_stage: Callable[[str], None]) -> Outcome | None:
        """Have a step built; raise its error, or MachineError when no worker could build it."""
        step, reasons, avoided = self._steps[task.id], list[str](), set[str]()
        for attempt in range(ATTEMPTS):
            try:
                return self._try(task, step, attempt, avoided, set_stage)
            except _Failed as failure:
                reasons.append(f"{failure.worker}: {failure}")
                avoided.add(failure.worker)
                if failure.error is not None and (
                    attempt == ATTEMPTS - 1 or not self._list_fitting(step.requires, avoided)
                ):
                    raise failure.error from None
                report_notice(f"{step.label}: worker {failure.worker}: {failure}")
            set_stage("wait for another worker")
            if attempt == ATTEMPTS - 1 or not self._await_worker(step, avoided):
                break
        raise MachineError(
            f"{step.label}: no worker has built this step",
            details={f"attempt {number}": reason for number, reason in enumerate(reasons, 1)},
            hint="the logs of the workers have the causes; finished steps are in the remote store",
        )

    def _await_worker(self, step: DescribedStep, avoided: set[str]) -> bool:
        """Return whether a worker fits that has not failed, after waiting a while for one."""
        began = time.monotonic()
        while not self._list_fitting(step.requires, avoided):
            check_cancellation()
            if time.monotonic() - began > _NO_WORKER_SECONDS:
                return False
            threading.Event().wait(TICK)
        return True

    def _try(
        self, task: Task, step: DescribedStep, attempt: int, avoided: set[str], set_stage: Callable[[str], None]
    ) -> Outcome:
        began: dict[str, float] = {}
        names = {"worker": "?"}

        def receive(event: Mapping[str, Any]) -> None:
            worker = str(event.get("name", "?"))  # dask adds `worker`, the address
            if worker in avoided:  # a worker that was too slow, and does not know it yet
                return
            if worker not in began:
                began.clear()
                began[worker] = time.monotonic()
                names["worker"] = worker
            set_stage(printable_line(f"{event.get('stage', '')} on {worker}"))

        set_stage("queued")
        self._events[task.id] = receive
        future = self._submit(task, step, attempt, avoided)
        try:
            while not future.done():
                check_cancellation()
                self._check_connection()
                if began and not self._is_connected(names["worker"]):
                    began.clear()  # it has died, and the scheduler gives the step to another one
                started = next(iter(began.values()), None)
                if started is None:
                    self._list_fitting(step.requires, avoided)
                elif time.monotonic() - started > self._limit:
                    self._avoid(names["worker"])
                    raise _Failed(f"it has not ended after {self._limit:.0f} s", names["worker"])
                threading.Event().wait(TICK)
            return self._settle(future, step, names["worker"])
        finally:
            self._events.pop(task.id, None)
            with contextlib.suppress(Exception):
                future.release()

    def _submit(self, task: Task, step: DescribedStep, attempt: int, avoided: set[str]) -> DaskFuture:
        fitting = self._list_fitting(step.requires, avoided)
        is_restricted = bool(avoided or self._avoided) and bool(fitting)
        return self._client.submit(
            run_described_step,
            step.text,
            self._topic,
            key=f"{task.id}-{attempt}-{secrets.token_hex(4)}",
            workers=[worker.address for worker in fitting] if is_restricted else None,
            resources=dict(step.requires),
            priority=task.priority,
            retries=0,
            pure=False,
        )

    def _settle(self, future: DaskFuture, step: DescribedStep, worker: str) -> Outcome:
        """Return the outcome of a task that has ended, after its result was verified."""
        try:
            text = future.result(timeout=30)
            report = StepReport.parse(text)
        except InvalidDescription as error:
            self._avoid(worker)
            raise _Failed(f"its answer is {error}", worker) from None
        except Exception as error:  # of dask, such as KilledWorker, or of the code of the worker
            check_cancellation()
            self._check_connection()
            raise _Failed(_explain(error), worker) from None
        for notice in report.notices:
            report_notice(printable_line(f"worker {report.worker}: {notice}"))
        failure = step.make_error(report)
        if isinstance(failure, MachineError | SourceError):
            raise _Failed(failure.fact, report.worker, failure)
        if failure is not None:
            raise failure
        if fault := step.verify(report):
            self._avoid(report.worker)
            raise _Failed(fault, report.worker)
        return Outcome.DONE if report.outcome is Outcome.DONE else Outcome.FOUND

    def _avoid(self, worker: str) -> None:
        """Give no further steps of this run to a worker."""
        with self._lock:
            self._avoided.add(worker)
            self._listed = float("-inf")

    def _list_fitting(self, requires: Resources, avoided: set[str]) -> list[ClusterWorker]:
        """Return the workers that fit; raise MachineError if there has been none for a while."""
        self._renew_list()
        with self._lock:
            workers, shunned = self._workers, self._avoided | avoided
        fitting = [worker for worker in workers if worker.name not in shunned and fits(worker.resources, requires)]
        kind, now = tuple(requires), time.monotonic()
        if fitting or (avoided and any(fits(worker.resources, requires) for worker in workers)):
            self._without_worker.pop(kind, None)
        elif now - self._without_worker.setdefault(kind, now) > _NO_WORKER_SECONDS:
            raise MachineError(
                f"no worker is left at {self._name} that fits",
                hint=f"start one with `everywheel worker {self._name}`; finished steps are in the remote store",
            )
        return fitting

    def _renew_list(self, age: float = _REFRESH) -> None:
        with self._lock:
            if time.monotonic() - self._listed > age:
                self._workers, self._listed = list_workers(self._client), time.monotonic()

    def _is_connected(self, worker: str) -> bool:
        """Return whether a worker is connected; one that is not in the last list may have come since."""
        for age in (_REFRESH, 0.0):
            self._renew_list(age)
            with self._lock:
                if any(known.name == worker for known in self._workers):
                    return True
        return False

    def _check_connection(self) -> None:
        if self._client.status != "running":
            raise MachineError(
                f"the connection to the scheduler at {self._name} was lost",
                hint="was it stopped? Run the build again: finished steps are in the remote store",
            )

    def _receive(self, event: tuple[float, Any]) -> None:
        """Pass an event of a worker on; it is called in the thread of dask."""
        facts = event[1]
        receiver = self._events.get(str(facts.get("step"))) if isinstance(facts, dict) else None
        if receiver is not None and "stage" in facts:
            with contextlib.suppress(KeyError):  # the task has just ended
                receiver(facts)
        elif receiver is not None and self._commands is not None:
            label = str(facts.get("label"))
            if "command" in facts:
                self._commands.begin(label, str(facts["command"]))
            else:
                self._commands.output(label, str(facts.get("line")))


def _explain(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        return "it and other workers died while they built this step"
    return printable_line(f"{type(error).__name__}: {error}")
