"""The pipeline, for all targets and for one wheel: plan, look up, fetch, build, repair, audit, store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from everywheel.config.pins import digest_pins
from everywheel.config.project import Project
from everywheel.config.recipe import Linkage
from everywheel.errors import AuditError
from everywheel.execution.files import translate_os_errors
from everywheel.execution.jobserver import JobPool, open_job_pool
from everywheel.execution.notices import report_notice
from everywheel.execution.scheduler import LocalExecutor, Outcome, ProgressListener, Result, Task, TaskKind, execute
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import make_plan
from everywheel.planning.steps import LibraryStep, Plan, Step, WheelStep
from everywheel.platforms.target import Target
from everywheel.remote.exchange import Exchange
from everywheel.remote.lookup import fetch_missing
from everywheel.remote.opening import RemoteOptions, open_remotes
from everywheel.remote.stores import RemoteStores
from everywheel.store.lease import hold_lock
from everywheel.store.local import FIXED_TIME, Store
from everywheel.toolchains.compilers import Engine, EngineName
from everywheel.wheels.build_lock import ensure_build_lock

if TYPE_CHECKING:
    from everywheel.libraries.context import BuildContext
    from everywheel.sources.locations import SourceLocations
    from everywheel.sources.progress import FetchEvent
    from everywheel.wheels.pep517 import BackendCall


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The settings of a run.

    Attributes:
        jobs: the number of commands that may run at the same time, in all steps together.
        engine: the engine that builds the steps.
        offline: whether downloads are forbidden.
        keep: whether the workspaces of finished steps are kept.
        timeout: the limit for all downloads together, in seconds.
        results: the ids of the steps whose results are needed; the final steps of the plan if it is empty.
        locations: the locations that sources are fetched from; the default ones if it is None.
        remote: the remote stores.
        pool: the pool of jobs of several runs, which they share; the run has its own if it is None.
    """

    jobs: int
    engine: EngineName = EngineName.ZIG
    offline: bool = False
    keep: bool = False
    timeout: float = 1800.0
    results: tuple[str, ...] = ()
    locations: SourceLocations | None = None
    remote: RemoteOptions = field(default_factory=RemoteOptions)
    pool: JobPool | None = None


class BuildListener(ProgressListener, Protocol):
    """Receives the progress of a run: one call of `expect`, then the downloads, then the tasks.

    `total` is the number of steps to build, `cached` the number of steps that the store already has.
    """

    def expect(self, total: int, cached: int) -> None: ...
    def fetch(self, event: FetchEvent) -> None: ...


class SilentListener:
    """A listener that reports nothing."""

    def expect(self, total: int, cached: int) -> None: ...
    def fetch(self, event: FetchEvent) -> None: ...
    def begin(self, task: Task) -> None: ...
    def stage(self, task: Task, stage: str) -> None: ...
    def end(self, result: Result) -> None: ...


def build_targets(
    project: Project, targets: Sequence[Target], store: Store, options: BuildOptions, listener: BuildListener
) -> tuple[Plan, tuple[Result, ...]]:
    """Plan the wheels of the targets and build them into the store; return the plan and the results.

    Results and errors are those of `build_plan`; `plan_targets` and `ensure_build_lock` raise further errors.
    """
    exchanges = open_remotes(project.remote, options.remote, offline=options.offline)
    project = ensure_build_lock(project, store, offline=options.offline)
    plan = plan_targets(project, targets, options.engine)
    return plan, build_plan(plan, project, store, options, listener, exchanges)


def build_plan(
    plan: Plan,
    project: Project,
    store: Store,
    options: BuildOptions,
    listener: BuildListener,
    exchanges: Sequence[Exchange] | None = None,
) -> tuple[Result, ...]:
    """Build the steps of a plan that neither the store nor a remote has: fetch their sources, then run them as one graph.

    `exchanges` are open remote stores. Returns a result for each missing step and each compiler that failed: the failure of a
    task is not raised. Raises SourceError, MachineError and errors like `open_remotes` before anything is built.
    """
    if exchanges is None:
        exchanges = open_remotes(project.remote, options.remote, offline=options.offline)
    with store.lease(), RemoteStores(exchanges, store, listener.fetch) as remotes:
        missing = fetch_missing(plan, store, remotes, options.results)
        for step in plan.steps.values():
            store.touch(step.key)
        listener.expect(len(missing.steps), len(plan.steps) - len(missing.steps))
        return _build_missing(missing, plan, project, remotes, options, listener) if missing.steps else ()


def _build_missing(
    missing: Plan, plan: Plan, project: Project, remotes: RemoteStores, options: BuildOptions, listener: BuildListener
) -> tuple[Result, ...]:
    from everywheel.libraries.build import check_machine_programs  # slow to import, and a run may have nothing to build
    from everywheel.libraries.context import BuildContext, project_logs
    from everywheel.sources.fetch import fetch_sources
    from everywheel.sources.locations import find_locations
    from everywheel.sources.request import list_source_files
    from everywheel.toolchains.build_tools import ensure_tools
    from everywheel.toolchains.engines import check_engine, open_engine

    store = remotes.store
    check_engine(options.engine)
    check_machine_programs(missing.libraries.values())
    tools = ensure_tools(store.root, offline=options.offline)
    sources = fetch_sources(
        list_source_files(missing.recipes),
        store=store.root,
        locations=options.locations or find_locations(project.sources),
        offline=options.offline,
        timeout=options.timeout,
        progress=listener.fetch,
    )
    with open_job_pool(options.jobs, options.pool) as pool, open_engine(options.engine, store, tools) as engine:
        context = BuildContext(
            store=store,
            logs=project_logs(store, project),
            engine=engine,
            tools=tools,
            sources=sources,
            environment=pool.environment,
            keep=options.keep,
            offline=options.offline,
        )
        results = execute(_make_tasks(missing, plan, project, context, remotes), LocalExecutor(pool), listener)
    return tuple(result for result in results if result.kind is TaskKind.STEP or result.outcome is Outcome.FAILED)


def build_step(
    context: BuildContext,
    step: Step,
    plan: Plan,
    project: Project,
    remotes: RemoteStores,
    set_stage: Callable[[str], None],
) -> Outcome:
    """Build one step, put its result into the store and upload it.

    Returns `FOUND` when another process or machine has built the step in the meantime. Raises BuildError when the build fails,
    AuditError when the audit of a wheel has findings, and MachineError when the store cannot be written.
    """
    lock, on_wait = context.store.lock(step.key), partial(set_stage, "wait for another process")
    with translate_os_errors(context.store.root), hold_lock(lock, on_wait):
        if context.store.find(step.key) is not None or remotes.fetch_step(step):
            return Outcome.FOUND
        if isinstance(step, LibraryStep):
            from everywheel.libraries.build import build_library

            build_library(context, step, plan, set_stage)
        else:
            build_wheel(context, step, plan, project, set_stage)
    remotes.upload(step.key)
    return Outcome.DONE


def build_wheel(
    context: BuildContext, step: WheelStep, plan: Plan, project: Project, set_stage: Callable[[str], None]
) -> None:
    """Build, repair and audit one wheel and put it into the store; one with debug data is not audited, nor released.

    Raises BuildError when the build or the repair fails, and AuditError with all findings when the audit has any.
    """
    from everywheel.libraries.products import list_spellings  # slow to import, and a run may have no wheel to build
    from everywheel.wheels.build_env import build_extension, prepare_call

    set_stage("prepare")
    call = prepare_call(context, step, plan, project)
    set_stage("build")
    project = project.for_python(step.python)
    built = build_extension(call, project, context.store.root)
    set_stage("repair")
    finished = _repair(built, call, context, step, plan)
    if not step.debug_data:
        set_stage("audit")
        _audit(finished, list_spellings((call.workspace, context.store.root)))
    resolution = digest_pins(project.build_pins or ())
    context.store.put_wheel(
        step.key, finished, name=step.name, version=step.version, target=step.platform, resolution=resolution
    )
    context.close_workspace(call.workspace)


def _repair(built: Path, call: BackendCall, context: BuildContext, step: WheelStep, plan: Plan) -> Path:
    """Repair a built wheel; for macOS, also check that the oldest supported system has every symbol that it imports."""
    from everywheel.repair import RepairRequest, WheelTags, repair_wheel
    from everywheel.wheels.linked_archives import find_linked_archives
    from everywheel.wheels.macos_availability import check_availability
    from everywheel.wheels.wheel import read_wheel

    # With the linkage `system`, no library of the prefix becomes part of the wheel.
    unused = [plan.steps[id].name for id in step.link] if call.linkage is Linkage.SYSTEM else []
    request = RepairRequest(
        target=step.target,
        prefix=call.python.prefix,
        patchelf=context.tools.patchelf,
        work=call.workspace / "repair",
        log=call.log,
        epoch=FIXED_TIME,
        exclude={step.python.headers, *unused},
        tags=WheelTags(python=step.python.tag, abi=step.python.abi, platform=step.target.wheel_tag),
        module_exports=call.module_exports,
        native=context.engine.name is EngineName.NATIVE,
        data=call.data,
        linked=find_linked_archives(built, call.toolchain),
        compressed=context.store.root / "compressed",
    )
    repaired = repair_wheel(built, request, call.workspace / "finished")
    for note in repaired.notes:
        report_notice(f"{step.label}: {note}")
    if step.target.os == "darwin":
        wheel, cc = read_wheel(repaired.path), call.toolchain.program("cc")
        environ = {**call.toolchain.environment, **context.environment}
        check_availability(wheel, step.target, cc, label=step.label, folder=call.workspace, environ=environ)
    return repaired.path


def _audit(wheel: Path, build_paths: Sequence[str]) -> None:
    """Raise AuditError when the audit of a finished wheel has findings; no file may contain one of the paths."""
    from everywheel.audit import audit_wheel, fail_on_findings

    try:
        fail_on_findings((audit_wheel(wheel, build_paths),))
    except AuditError as error:
        error.details.setdefault("wheel", wheel)
        raise


def plan_targets(
    project: Project, targets: Sequence[Target], engine: EngineName = EngineName.ZIG, *, debug_data: str = ""
) -> Plan:
    """Plan the wheels of a project for an engine on the build machine itself, or their twins with the debug data of a flag.

    Raises UsageError for recipes that require each other in a cycle, and MachineError without native compilers.
    """
    return make_plan(project, targets, replace(find_identities(engine), debug_data=debug_data))


def _make_tasks(
    missing: Plan, plan: Plan, project: Project, context: BuildContext, remotes: RemoteStores
) -> list[Task]:
    """Return a task for each missing step, and before them one for each target, whose libc zig compiles on first use."""
    steps = missing.steps.values()
    compilers = {
        target: Task(
            id=f"compiler:{target.tag}",
            kind=TaskKind.COMPILER,
            label=f"compiler for {target.tag}",
            requires=(),
            priority=1 + max(plan.priority[step.id] for step in steps if step.target == target),
            work=partial(_prime_compiler, context.engine, target),
        )
        for target in {step.target: None for step in steps}
    }
    builds = [
        Task(
            id=step.id,
            kind=TaskKind.STEP,
            label=step.label,
            requires=(*step.requires, compilers[step.target].id),
            priority=plan.priority[step.id],
            work=partial(build_step, context, step, plan, project, remotes),
        )
        for step in steps
    ]
    return [*compilers.values(), *builds]


def _prime_compiler(engine: Engine, target: Target, set_stage: Callable[[str], None]) -> None:
    engine.prime_cache(target)
