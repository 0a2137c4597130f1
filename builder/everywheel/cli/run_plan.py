"""Building from the command line: target selection, progress on the terminal, and the exit code."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import Selection
from everywheel.cli.progress import make_console, open_display, show_failures, show_preparation
from everywheel.config.project import Project
from everywheel.containers.command_report import record_progress
from everywheel.execution.scheduler import Result
from everywheel.pipeline import BuildOptions, build_plan
from everywheel.planning.steps import Plan
from everywheel.platforms.target import Target, parse_target
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.native import native_target

STEPS_ARE_KEPT = "finished steps are in the store, and the next run resumes after them"
"""What an interruption leaves of a build."""


def choose_targets(project: Project, tags: Sequence[str], engine: EngineName = EngineName.ZIG) -> tuple[Target, ...]:
    """Return the targets with the given tags; without tags the project's, or for the native engine this machine's.

    Raises UsageError for an unknown tag.
    """
    if engine is EngineName.NATIVE and not tags:
        return (native_target(),)
    return tuple(dict.fromkeys(parse_target(tag) for tag in tags)) or project.targets


def list_target_set(project: Project, target_set: str) -> tuple[str, ...]:
    """Return the tags of the targets that --targets selects: `project`, `release` or `all`."""
    sets = {"project": project.targets, "release": project.released, "all": project.every_target}
    return tuple(target.tag for target in sets[target_set])


def apply_target_set(selection: Selection, target_set: str, root: Path) -> Selection:
    """Return the selection with the targets of --targets, unless targets are named."""
    if target_set == "project" or selection.targets:
        return selection
    return dataclasses.replace(selection, targets=list_target_set(selection.load_project(root), target_set))


def run_plan(
    plan: Plan, project: Project, store: Store, options: BuildOptions, *, quiet: bool = False
) -> tuple[Result, ...]:
    """Build a plan with progress; print every failure."""
    console = make_console()
    with (
        open_display(console, quiet=quiet) as display,
        show_preparation(display),
        describe_interruption(STEPS_ARE_KEPT),
    ):
        results = build_plan(plan, project, store, options, record_progress(display))
    show_failures(console, results)
    return results


def exit_code(results: Sequence[Result]) -> int:
    """Return the exit code of the first failure, or 0."""
    return next((result.error.exit_code for result in results if result.error is not None), 0)
