"""The build of one shard: its steps, as soon as the results of other shards that they require are in a remote store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from everywheel.cluster.step_builder import StepBuilder
from everywheel.config.project import Project
from everywheel.errors import UsageError
from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.notices import report_notice
from everywheel.execution.scheduler import LocalExecutor, Outcome, Result, Task, TaskKind, execute
from everywheel.pipeline import BuildListener, BuildOptions, plan_targets
from everywheel.planning.shards import Shard, ShardNumber, split_plan
from everywheel.planning.steps import Plan, Step, WheelStep
from everywheel.platforms.target import Target
from everywheel.remote.exchange import MAX_FAULTS, Exchange
from everywheel.remote.lookup import is_intact
from everywheel.remote.opening import open_remotes
from everywheel.sources.deadline import Deadline
from everywheel.sources.lanes import run_in_lanes
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock

PATIENCE = 900.0
"""Seconds without progress after which a result of another shard is no longer waited for."""
_POLL = 2.0  # seconds between two looks for a result of another shard
_LOOKUPS = 8  # at the same time
_NO_LIMIT = 7 * 86400.0  # seconds; each request has its own limit


def build_shard(
    project: Project,
    targets: Sequence[Target],
    number: ShardNumber,
    store: Store,
    options: BuildOptions,
    listener: BuildListener,
    *,
    patience: float = PATIENCE,
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the steps of one shard that no remote store has, and send them there; return its steps and the results.

    Its wheels are in the store afterwards. A result of another shard that does not arrive is built here.
    Raises UsageError without a remote store that accepts uploads, and errors like `build_targets`.
    """
    exchanges = open_sending_remotes(project, options, "a shard")
    project = ensure_build_lock(project, store, offline=options.offline)
    plan = plan_targets(project, targets, options.engine)
    shard = split_plan(plan, number.count)[number.index - 1]
    with store.lease(), open_job_pool(options.jobs) as pool:
        builder = StepBuilder(store, exchanges, replace(options, pool=pool), listener.fetch)
        missing = _find_missing([plan.steps[id] for id in shard.steps], store, exchanges)
        listener.expect(len(missing), len(shard.steps) - len(missing))
        waiting = _Waiting(store, exchanges, patience)
        tasks = [
            Task(
                id=step.id,
                label=step.label,
                requires=step.requires,
                priority=plan.priority[step.id],
                work=partial(_build, builder, step, plan, project, waiting),
            )
            for step in missing
        ]
        required = {id for step in missing for id in step.requires}
        arrivals = [_await_task(plan.steps[id], shard, waiting) for id in shard.needs if id in required]
        results = execute([*tasks, *arrivals], LocalExecutor(None), listener)
    own = Plan(steps={id: plan.steps[id] for id in shard.steps}, priority=plan.priority)
    return own, tuple(result for result in results if result.kind is TaskKind.STEP)


def open_sending_remotes(project: Project, options: BuildOptions, purpose: str) -> tuple[Exchange, ...]:
    """Open the remote stores of a run; raise UsageError if none accepts uploads, which `purpose` needs."""
    exchanges = open_remotes(project.remote, options.remote, offline=options.offline)
    if not any(exchange.can_send for exchange in exchanges):
        raise UsageError(
            f"{purpose} needs a remote store that accepts uploads: the machines exchange their results through it",
            hint="name a folder or a bucket with --remote, and the key that signs with --remote-sign-key",
        )
    return exchanges


def _find_missing(steps: Sequence[Step], store: Store, exchanges: Sequence[Exchange]) -> list[Step]:
    """Return the steps that no remote store has, and the wheels that the store does not have."""

    def find(step: Step) -> Step | None:
        is_done = is_intact(store, step) if isinstance(step, WheelStep) else _is_sent(step, exchanges)
        return None if is_done and _is_sent(step, exchanges) else step

    tasks = [partial(find, step) for step in steps]
    results = run_in_lanes({"": tasks}, jobs=_LOOKUPS, deadline=Deadline(_NO_LIMIT), per_host=_LOOKUPS)
    missing = {step.id for step in results if step is not None}
    return [step for step in steps if step.id in missing]


def _is_sent(step: Step, exchanges: Sequence[Exchange]) -> bool:
    return any(exchange.look_up(step.key) is not None for exchange in exchanges)


class _Waiting:
    """The wait of a shard for results of others; it ends when nothing has arrived or been built for a while."""

    def __init__(self, store: Store, exchanges: Sequence[Exchange], patience: float) -> None:
        self._store = store
        self._exchanges = exchanges
        self._patience = patience
        self._progress = time.monotonic()
        self._tick = threading.Event()

    def note_progress(self) -> None:
        """Record that a result has arrived or was built."""
        self._progress = time.monotonic()

    def wait_for(self, step: Step, shard: int) -> None:
        """Return when the result of a step is available, or after a notice when it is no longer waited for."""
        while not (self._store.find(step.key) is not None or _is_sent(step, self._exchanges)):
            check_cancellation()
            if all(exchange.faults >= MAX_FAULTS for exchange in self._exchanges):
                report_notice(f"{step.label}: no remote store is usable; it is built here")
                return
            if time.monotonic() - self._progress > self._patience:
                seconds = f"{self._patience:.0f} s without progress"
                report_notice(f"{step.label}: not received from shard {shard} after {seconds}; it is built here")
                return
            self._tick.wait(min(_POLL, self._patience / 4))
        self.note_progress()


def _build(
    builder: StepBuilder,
    step: Step,
    plan: Plan,
    project: Project,
    waiting: _Waiting,
    set_stage: Callable[[str], None],
) -> Outcome:
    outcome = builder.build(step, plan, project, set_stage)
    waiting.note_progress()
    return outcome


def _await_task(step: Step, shard: Shard, waiting: _Waiting) -> Task:
    number = shard.needs[step.id]

    def work(set_stage: Callable[[str], None]) -> None:
        waiting.wait_for(step, number)

    return Task(
        id=step.id,
        kind=TaskKind.ARRIVAL,
        label=f"{step.label}, from shard {number}",
        requires=(),
        priority=0.0,
        work=work,
    )
