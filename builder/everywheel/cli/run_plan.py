"""What commands that build share: which targets, their plan, and the run of it with progress and errors in words."""

from __future__ import annotations

from collections.abc import Sequence

from everywheel.cli.progress import ProgressDisplay, make_console, show_failures
from everywheel.config.project import Project
from everywheel.execution.scheduler import Result
from everywheel.pipeline import BuildOptions, build_plan, default_jobs, find_missing
from everywheel.planning.keys import packaging_identity, toolchain_identity
from everywheel.planning.plan import Plan, make_plan
from everywheel.platforms.target import Target, parse_target
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.native import native_facts, native_target


def choose_targets(project: Project, targets: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets named on the command line, else the project's own; raise UsageError for an unknown one."""
    return tuple(dict.fromkeys(parse_target(tag) for tag in targets)) or project.targets


def choose_for(engine: EngineName, project: Project, targets: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets; the native engine builds for its own machine unless told otherwise."""
    if engine is EngineName.NATIVE and not targets:
        return (native_target(),)
    return choose_targets(project, targets)


def plan_project(project: Project, targets: Sequence[Target], engine: EngineName = EngineName.ZIG) -> Plan:
    """Plan a project for an engine that works on this very machine."""
    facts = native_facts() if engine is EngineName.NATIVE else ""
    return make_plan(project, targets, toolchain=toolchain_identity(engine, facts), packaging=packaging_identity())


def run_plan(
    plan: Plan,
    project: Project,
    store: Store,
    *,
    jobs: int | None,
    offline: bool,
    timeout: int,
    keep: bool,
    quiet: bool,
    engine: EngineName = EngineName.ZIG,
) -> tuple[Result, ...]:
    """Build a plan with progress; print every failure."""
    missing = find_missing(plan, store)
    console = make_console()
    options = BuildOptions(jobs=jobs or default_jobs(), engine=engine, offline=offline, timeout=timeout, keep=keep)
    with ProgressDisplay(console, len(missing.steps), len(plan.steps) - len(missing.steps), quiet) as screen:
        results = build_plan(plan, store, options, screen, project=project, progress=screen.fetch)
    if any(result.error is not None for result in results):
        show_failures(console, results)
    return results


def exit_code(results: Sequence[Result]) -> int:
    """Return the exit code of the first failure, or 0."""
    return next((result.error.exit_code for result in results if result.error is not None), 0)
