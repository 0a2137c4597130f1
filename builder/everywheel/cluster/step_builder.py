"""Building single steps of a plan: what they require is received from remote stores, and their results are sent there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from everywheel.config.project import Project
from everywheel.errors import MachineError
from everywheel.execution.scheduler import Outcome, Result, Task
from everywheel.pipeline import BuildOptions, build_plan
from everywheel.planning.steps import Plan, Step
from everywheel.remote.exchange import Exchange
from everywheel.remote.stores import RemoteStores
from everywheel.sources.progress import FetchEvent, ProgressCallback
from everywheel.store.local import Store


class StepBuilder:
    """Builds steps into a store and sends them to remote stores; called from several threads, which share a pool of jobs.

    What a step requires is received, or built as well if no remote store has it intact: a remote store that fails costs time.
    """

    def __init__(
        self, store: Store, exchanges: Sequence[Exchange], options: BuildOptions, progress: ProgressCallback
    ) -> None:
        self._store = store
        self._exchanges = tuple(exchanges)
        self._options = options
        self._progress = progress

    def build(self, step: Step, plan: Plan, project: Project, set_stage: Callable[[str], None]) -> Outcome:
        """Build a step of a plan, unless the store or a remote store has it, and send it; return FOUND or DONE.

        Raises the error of the step or of a step that it requires, and MachineError when no remote store accepts the result.
        """
        options = replace(self._options, results=(step.id,))
        selected = plan.select([step.id])
        listener = StageListener(step, set_stage, self._progress)
        results = build_plan(selected, project, self._store, options, listener, self._exchanges)
        for result in results:
            if result.error is not None:
                raise result.error
        set_stage("send")
        send_result(step, RemoteStores(self._exchanges, self._store))
        is_built = any(result.id == step.id and result.outcome is Outcome.DONE for result in results)
        return Outcome.DONE if is_built else Outcome.FOUND


def send_result(step: Step, remotes: RemoteStores) -> None:
    """Send the result of a step to the remote stores; raise MachineError when none accepts it."""
    if not remotes.send(step.key):
        raise MachineError(
            f"{step.label}: no remote store accepted the result",
            details={"remote stores": ", ".join(exchange.name for exchange in remotes.exchanges)},
            hint="the warnings have the reasons; the result is in the store of the machine that built it",
        )


class StageListener:
    """A BuildListener that reports the stages of one step; those of a step that it requires have that one's label."""

    def __init__(self, step: Step, set_stage: Callable[[str], None], progress: ProgressCallback) -> None:
        self._step = step
        self._set_stage = set_stage
        self._progress = progress

    def expect(self, total: int, cached: int) -> None: ...

    def fetch(self, event: FetchEvent) -> None:
        self._progress(event)

    def begin(self, task: Task) -> None:
        if task.id != self._step.id:
            self._set_stage(task.label)

    def stage(self, task: Task, stage: str) -> None:
        self._set_stage(stage if task.id == self._step.id else f"{task.label}: {stage}")

    def end(self, result: Result) -> None: ...
