"""What commands that build share: which targets, their plan, and the run of it with progress and errors in words."""

from __future__ import annotations

from collections.abc import Sequence

from everywheel.cli.progress import ProgressDisplay, make_console, show_failures
from everywheel.config.project import Project
from everywheel.execution.scheduler import Result
from everywheel.pipeline import BuildOptions, build_plan, build_targets
from everywheel.planning.steps import Plan
from everywheel.platforms.target import Target, parse_target
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.native import native_target


def choose_targets(project: Project, targets: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets named on the command line, else the project's own; raise UsageError for an unknown one."""
    return tuple(dict.fromkeys(parse_target(tag) for tag in targets)) or project.targets


def choose_for(engine: EngineName, project: Project, targets: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets; the native engine builds for its own machine unless told otherwise."""
    if engine is EngineName.NATIVE and not targets:
        return (native_target(),)
    return choose_targets(project, targets)


def run_plan(
    plan: Plan, project: Project, store: Store, options: BuildOptions, *, quiet: bool = False
) -> tuple[Result, ...]:
    """Build a plan with progress; print every failure."""
    with ProgressDisplay(make_console(), quiet=quiet) as display:
        results = build_plan(plan, project, store, options, display)
    show_failures(make_console(), results)
    return results


def run_targets(
    project: Project, targets: Sequence[Target], store: Store, options: BuildOptions, *, quiet: bool = False
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the wheels of the targets with progress; print every failure."""
    with ProgressDisplay(make_console(), quiet=quiet) as display:
        plan, results = build_targets(project, targets, store, options, display)
    show_failures(make_console(), results)
    return plan, results


def exit_code(results: Sequence[Result]) -> int:
    """Return the exit code of the first failure, or 0."""
    return next((result.error.exit_code for result in results if result.error is not None), 0)
