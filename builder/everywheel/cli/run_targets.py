"""Building the wheels of targets from the command line: on this machine, or one shard on each of several machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from everywheel.cli.failures import describe_interruption
from everywheel.cli.progress import make_console, open_display, show_failures, show_preparation
from everywheel.cli.run_plan import STEPS_ARE_KEPT
from everywheel.cli.trace import record_trace
from everywheel.cluster.shard_build import build_shard
from everywheel.config.project import Project
from everywheel.execution.scheduler import Result
from everywheel.pipeline import BuildOptions, build_targets
from everywheel.planning.shards import ShardNumber
from everywheel.planning.steps import Plan
from everywheel.platforms.target import Target
from everywheel.store.local import Store


def run_targets(
    project: Project,
    targets: Sequence[Target],
    store: Store,
    options: BuildOptions,
    *,
    quiet: bool = False,
    trace: Path | None = None,
    shard: ShardNumber | None = None,
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the wheels of the targets, or the steps of one shard, with progress; print every failure.

    A trace is written to a file if one is named.
    """
    console = make_console()
    with (
        open_display(console, quiet=quiet) as display,
        show_preparation(display),
        describe_interruption(STEPS_ARE_KEPT),
        record_trace(display, trace) as listener,
    ):
        if shard is None:
            plan, results = build_targets(project, targets, store, options, listener)
        else:
            plan, results = build_shard(project, targets, shard, store, options, listener)
    show_failures(console, results)
    return plan, results
