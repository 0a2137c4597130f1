"""Trials: each of them makes one cell, in whatever way; what goes wrong in one leaves all others alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.errors import EverywheelError
from everywheel.execution.jobserver import JobPool
from everywheel.execution.scheduler import Outcome, ProgressListener, Result, Task, execute
from everywheel.smoke.result import BAD, SmokeResult, State


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTask:
    """A cell that is still to be filled: `blank` is what is known of it before, `work` gets a function to tell its stage to.

    Slow ones have a higher `priority`: an emulated one that comes last keeps one core busy and the others idle.
    """

    blank: SmokeResult
    work: Callable[[Callable[[str], None]], SmokeResult]
    priority: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.blank.wheel} on {self.blank.image}"


def run_smoke_tasks(trials: Sequence[SmokeTask], jobs: int, watcher: ProgressListener) -> tuple[SmokeResult, ...]:
    """Run every trial, as many at a time as there are jobs, and return a cell for each, in their order.

    A trial that raises EverywheelError makes a cell that could not run.
    """
    cells: dict[str, SmokeResult] = {}
    lock = threading.Lock()

    def task(trial: SmokeTask) -> Task:
        def work(set_stage: Callable[[str], None]) -> Outcome | None:
            cell = trial.work(set_stage)
            with lock:
                cells[trial.id] = cell
            if cell.state in BAD:
                raise EverywheelError(cell.why)
            return None

        return Task(id=trial.id, label=trial.id, requires=(), priority=trial.priority, work=work)

    with TemporaryDirectory(prefix="everywheel-") as folder, JobPool(Path(folder) / "jobs", jobs) as pool:
        results = {result.id: result for result in execute(list(map(task, trials)), pool, watcher)}
    return tuple(cells.get(trial.id) or _break(trial.blank, results[trial.id]) for trial in trials)


def _break(blank: SmokeResult, result: Result) -> SmokeResult:
    error = result.error
    if error is None:
        return replace(blank, state=State.ERROR)
    return replace(blank, state=State.ERROR, why=error.fact, evidence=tuple(error.render().splitlines()[1:]))
