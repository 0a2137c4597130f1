"""The build of a project on a cluster: the plan is made here, workers build its steps, and results are received here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from everywheel.cluster.capabilities import Resources, list_requirements
from everywheel.cluster.dask_connection import connect, list_workers
from everywheel.cluster.dask_executor import DaskExecutor, DescribedStep
from everywheel.cluster.planned_steps import PlannedSteps, check_settings, check_workers
from everywheel.cluster.project_files import PackedProject, pack_project
from everywheel.cluster.scheduler_address import SchedulerAddress
from everywheel.cluster.shard_build import open_sending_remotes
from everywheel.cluster.step_description import StepDescription, StepReport
from everywheel.config.project import Project
from everywheel.errors import EverywheelError, MachineError
from everywheel.execution.files import translate_os_errors
from everywheel.execution.process import CommandListener
from everywheel.execution.scheduler import Result, Task, execute
from everywheel.libraries.context import project_logs
from everywheel.pipeline import BuildListener, BuildOptions, plan_targets
from everywheel.planning.steps import Plan, Step, StepKind
from everywheel.platforms.target import Target
from everywheel.remote.lookup import fetch_missing
from everywheel.remote.stores import RemoteStores
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_lock import ensure_build_lock

STEP_SECONDS = 3600.0
"""The time after which a step on a worker is built by another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """The settings of a build on a cluster.

    Attributes:
        scheduler: the address of the scheduler.
        config, profiles, pythons, requires: what a command has selected in addition to the project's settings.
        step_seconds: the limit for one step on one worker.
        commands: receives the commands of the workers and their output, None if they are not shown.
    """

    scheduler: SchedulerAddress
    config: Path | None = None
    profiles: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    step_seconds: float = STEP_SECONDS
    commands: CommandListener | None = None


def build_on_cluster(
    project: Project,
    targets: Sequence[Target],
    cluster: ClusterOptions,
    store: Store,
    options: BuildOptions,
    listener: BuildListener,
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the steps that neither the store nor a remote store has on the workers of a cluster; return plan and results.

    Each result is received into the store, where it is compared with its signed hash. Workers build programs for themselves.
    Raises UsageError without a remote store that accepts uploads, MachineError without a scheduler or a fitting worker, and
    errors like `build_targets`.
    """
    if options.engine is EngineName.CONTAINER:
        check_settings(project)
    exchanges = open_sending_remotes(project, options, "a cluster")
    with (
        connect(cluster.scheduler) as client,
        store.lease(),
        RemoteStores(exchanges, store, listener.fetch) as remotes,
    ):
        if options.engine is EngineName.CONTAINER:
            from everywheel.cluster.container_plan import plan_containers  # only this engine needs build images

            planned = plan_containers(client, project, targets, cluster.scheduler, store, options)
        else:
            planned = _plan_steps(project, targets, store, options)
        project, plan = planned.project, planned.plan
        missing = fetch_missing(plan, store, remotes, options.results)
        steps = [step for step in missing.steps.values() if step.kind is not StepKind.PROGRAM]
        listener.expect(len(steps), len(plan.steps) - len(steps))
        if not steps:
            return plan, ()
        requires = {step.id: planned.requires[step.id] for step in steps}
        check_workers(list_workers(client), requires, cluster.scheduler, options)
        packed = pack_project(project, store, cluster.config)
        if not remotes.send(packed.key):
            raise MachineError(
                "no remote store has accepted the files of the project",
                details={"remote stores": ", ".join(exchange.name for exchange in exchanges)},
                hint="the warnings above have the reasons",
            )
        run = secrets.token_hex(8)
        maker = _Descriptions(planned=planned, packed=packed, cluster=cluster, options=options, run=run)
        described = {step.id: maker.make_step(step, requires[step.id], remotes) for step in steps}
        limit, commands = cluster.step_seconds, cluster.commands
        executor = DaskExecutor(client, cluster.scheduler.name, described, run=run, limit=limit, commands=commands)
        return plan, execute([_make_task(step, plan, described) for step in steps], executor, listener)


def _plan_steps(project: Project, targets: Sequence[Target], store: Store, options: BuildOptions) -> PlannedSteps:
    project = ensure_build_lock(project, store, offline=options.offline)
    plan = plan_targets(project, targets, options.engine)
    requires = {id: list_requirements(step, options.engine) for id, step in plan.steps.items()}
    return PlannedSteps(project=project, plan=plan, requires=requires)


def _make_task(step: Step, plan: Plan, described: Mapping[str, DescribedStep]) -> Task:
    return Task(
        id=step.id,
        label=step.label,
        requires=step.requires,
        priority=plan.priority[step.id],
        work=described[step.id].text,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Descriptions:
    """Describes the steps of one run."""

    planned: PlannedSteps
    packed: PackedProject
    cluster: ClusterOptions
    options: BuildOptions
    run: str

    def make_step(self, step: Step, requires: Resources, remotes: RemoteStores) -> DescribedStep:
        """Return a step for the executor, with the check of its result."""
        return DescribedStep(
            text=self.describe(step),
            label=step.label,
            requires=requires,
            verify=partial(_verify, step, remotes),
            make_error=partial(_make_error, step, project_logs(remotes.store, self.planned.project)),
        )

    def describe(self, step: Step) -> str:
        """Return the description of a step as text."""
        project = self.planned.project
        return StepDescription(
            run=self.run,
            project=self.packed.key,
            root=self.packed.root,
            config=self.packed.config,
            name=project.name,
            version=project.version,
            id=step.id,
            key=step.key,
            label=step.label,
            target=self._find_target(step).tag,
            engine=self.options.engine,
            linkage=project.linkage,
            profiles=self.cluster.profiles,
            pythons=self.cluster.pythons,
            requires=self.cluster.requires,
            image=self.planned.images.get(step.id, ""),
            verbose=self.cluster.commands is not None,
        ).to_json()

    def _find_target(self, step: Step) -> Target:
        """Return a target whose plan has the step: headers are shared by several."""
        wheels = self.planned.plan.wheels.values()
        return next(wheel.target for wheel in wheels if step.id == wheel.id or step.id in wheel.link)


def _verify(step: Step, remotes: RemoteStores, report: StepReport) -> str:
    """Receive the result of a step from a remote store; return what differs from the report, or an empty text."""
    if remotes.store.find(step.key) is None:
        remotes.fetch([step], report.sha256)
    entry = remotes.store.find(step.key)
    if entry is None:
        return "its result did not arrive intact from a remote store"
    if entry.sha256 != report.sha256:
        return f"its result is {report.sha256[:12]}, but the signed one is {entry.sha256[:12]}"
    return ""


def _make_error(step: Step, logs: Path, report: StepReport) -> EverywheelError | None:
    """Write the log of a step where those of this machine are, and return the error of its report, if there is one."""
    log = logs / f"{step.name}-{step.platform}.log"
    if report.log:
        with translate_os_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(report.log, encoding="utf-8")
    return report.make_error(log)
