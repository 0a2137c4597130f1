"""Building: from a plan to finished artifacts and wheels; what is in the store already is not done again."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from everywheel.config.project import Project
from everywheel.errors import MachineError
from everywheel.execution.files import translate_os_errors
from everywheel.execution.jobserver import JobPool
from everywheel.execution.scheduler import Outcome, ProgressListener, Result, Task, execute
from everywheel.libraries.build import BuildContext, build_library
from everywheel.planning.plan import Plan, Step, StepKind
from everywheel.platforms.target import Target, build_machine_target
from everywheel.sources import (
    ProgressCallback,
    SourceLocations,
    fetch_sources,
    find_locations,
    ignore_progress,
    list_source_files,
)
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools, ensure_tools
from everywheel.toolchains.compilers import Engine, EngineName
from everywheel.toolchains.native import NativeEngine
from everywheel.toolchains.zig import ZigEngine
from everywheel.wheels.build_env import build_wheel_step


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build: `jobs` for the whole machine, whether the network may be used, whether workspaces are kept."""

    jobs: int
    engine: EngineName = EngineName.ZIG
    offline: bool = False
    keep: bool = False
    timeout: float = 1800.0


def default_jobs() -> int:
    """Return $EVERYWHEEL_JOBS, else the number of processors that this process may use."""
    named = os.environ.get("EVERYWHEEL_JOBS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_missing(plan: Plan, store: Store) -> Plan:
    """Return the part of a plan that is not in the store; what only finished steps require is left out."""
    missing: dict[str, Step] = {}
    needed = set(plan.steps) - {need for step in plan.steps.values() for need in step.requires}
    for id in reversed(list(plan.steps)):
        step = plan.steps[id]
        if id in needed and store.find(step.key) is None:
            missing[id] = step
            needed |= set(step.requires)
    return Plan(steps={id: missing[id] for id in plan.steps if id in missing}, priority=plan.priority)


def build_plan(
    plan: Plan,
    store: Store,
    options: BuildOptions,
    watcher: ProgressListener,
    *,
    project: Project,
    progress: ProgressCallback = ignore_progress,
    locations: SourceLocations | None = None,
) -> tuple[Result, ...]:
    """Build what is missing of a plan: fetch the sources, then run every step under one limit of jobs.

    Returns one result for each step that was missing. Raises SourceError before anything is built when a source cannot
    be had, MachineError when the tools cannot.
    """
    missing = find_missing(plan, store)
    if not missing.steps:
        return ()
    check_engine(options.engine)
    tools = ensure_tools(store.root, offline=options.offline)
    sources = fetch_sources(
        list_source_files(missing.recipes),
        store=store.root,
        locations=find_locations() if locations is None else locations,
        offline=options.offline,
        timeout=options.timeout,
        progress=progress,
    )
    engine = start_engine(options.engine, store, tools)
    with _job_pool(options.jobs) as pool:
        site = BuildContext(
            store=store,
            engine=engine,
            tools=tools,
            sources=sources,
            environment=pool.environment,
            keep=options.keep,
            offline=options.offline,
        )
        tasks = [*_warm_tasks(missing, site), *(_task(step, plan, site, project) for step in missing.steps.values())]
        results = execute(tasks, pool, watcher)
    return tuple(result for result in results if result.id in missing.steps or result.outcome is Outcome.FAILED)


def check_engine(name: EngineName) -> None:
    """Raise MachineError where this machine cannot start what an engine writes."""
    if name is EngineName.ZIG and build_machine_target().os == "windows":
        raise MachineError(
            "the zig engine does not run on Windows: its compiler wrappers are shell scripts",
            hint="`--engine native` builds for this machine with MinGW-w64's gcc; zig builds for Windows on Linux",
        )


def start_engine(name: EngineName, store: Store, tools: Tools) -> Engine:
    """Return an engine that works on this very machine."""
    return NativeEngine(store=store.root) if name is EngineName.NATIVE else ZigEngine(store=store, tools=tools)


@contextlib.contextmanager
def _job_pool(jobs: int) -> Iterator[JobPool]:
    with tempfile.TemporaryDirectory(prefix="everywheel-") as folder, JobPool(Path(folder) / "jobs", jobs) as pool:
        yield pool


def _warm_tasks(missing: Plan, site: BuildContext) -> Iterator[Task]:
    """Yield one task for each target that is compiled for: zig makes that target's libc on first use."""
    targets: dict[str, tuple[Target, float]] = {}
    for id, step in missing.steps.items():
        priority = max(missing.priority[id], targets.get(step.target.tag, (step.target, 0.0))[1])
        targets[step.target.tag] = (step.target, priority)
    for tag, (target, priority) in targets.items():
        yield Task(
            id=_warm_id(tag),
            label=f"compiler for {tag}",
            requires=(),
            priority=priority + 1,
            work=_bind(site.engine.prime_cache, target),
        )


def _bind(function: Callable[[Target], None], target: Target) -> Callable[[Callable[[str], None]], None]:
    return lambda set_stage: function(target)


def _warm_id(tag: str) -> str:
    return f"compiler:{tag}"


def _task(step: Step, plan: Plan, site: BuildContext, project: Project) -> Task:
    def work(set_stage: Callable[[str], None]) -> Outcome:
        with _hold_lock(site.store.lock(step.key), set_stage):
            if site.store.find(step.key) is not None:
                return Outcome.FOUND  # another process made it while this one waited
            with translate_os_errors(site.store.root):
                if step.kind is StepKind.WHEEL:
                    build_wheel_step(site, step, plan, project, set_stage)
                else:
                    build_library(site, step, plan, set_stage)
        return Outcome.DONE

    requires = (*step.requires, _warm_id(step.target.tag))
    return Task(id=step.id, label=step.label, requires=requires, priority=plan.priority[step.id], work=work)


@contextlib.contextmanager
def _hold_lock(lock: FileLock, set_stage: Callable[[str], None]) -> Iterator[None]:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        set_stage("wait for another process")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def export_wheels(plan: Plan, store: Store, wheelhouse: Path) -> dict[str, Path]:
    """Copy the plan's finished wheels into the wheelhouse, where they are not there already; return them by step."""
    wheelhouse.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    for step in plan.steps.values():
        entry = store.find(step.key) if step.kind is StepKind.WHEEL else None
        if entry is None:
            continue
        store.touch(step.key)
        wheel = store.path(entry)
        final = wheelhouse / wheel.name
        if not final.exists() or final.read_bytes() != wheel.read_bytes():
            unfinished = wheelhouse / f".{wheel.name}.{os.getpid()}"
            shutil.copyfile(wheel, unfinished)
            unfinished.replace(final)
        found[step.id] = final
    return found
