"""Building the wheels of targets from the command line: on this machine, or one shard on each of several machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from everywheel.cli.extras import require_extra
from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import Selection
from everywheel.cli.plan import check_shard
from everywheel.cli.progress import (
    CommandPrinter,
    is_verbose,
    make_console,
    open_display,
    show_failures,
    show_preparation,
)
from everywheel.cli.run_plan import STEPS_ARE_KEPT
from everywheel.cli.trace import TraceFiles, record_trace
from everywheel.cluster.scheduler_address import parse_scheduler
from everywheel.config.project import Project
from everywheel.errors import UsageError
from everywheel.execution.scheduler import Result
from everywheel.pipeline import BuildListener, BuildOptions, build_targets
from everywheel.planning.shards import ShardNumber
from everywheel.planning.steps import Plan
from everywheel.platforms.target import Target
from everywheel.store.local import Store

_NO_FILES = TraceFiles()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRequest:
    """The options of a build on a cluster: the address of the scheduler, the selection, and the limit for one step."""

    scheduler: str
    selection: Selection
    step_seconds: int


def _build_on_cluster(
    project: Project,
    targets: Sequence[Target],
    request: ClusterRequest,
    store: Store,
    options: BuildOptions,
    listener: BuildListener,
) -> tuple[Plan, tuple[Result, ...]]:
    scheduler, selection = parse_scheduler(request.scheduler), request.selection
    with require_extra("cluster"):
        from everywheel.cluster.cluster_build import ClusterOptions, build_on_cluster
    cluster = ClusterOptions(
        scheduler=scheduler,
        config=selection.config,
        profiles=selection.profiles,
        pythons=selection.pythons,
        requires=selection.requires,
        step_seconds=request.step_seconds,
        commands=CommandPrinter(make_console()) if is_verbose() else None,
    )
    return build_on_cluster(project, targets, cluster, store, options, listener)


def choose_machines(
    shard: ShardNumber | None, executor: str | None, selection: Selection, step_timeout: int
) -> ShardNumber | ClusterRequest | None:
    """Return where the steps are built; None means this machine."""
    check_shard(shard, selection.engine)
    if executor is None:
        return shard
    if shard is not None:
        raise UsageError(
            "--shard and --executor exclude each other", hint="a scheduler distributes the steps by itself"
        )
    parse_scheduler(executor)
    return ClusterRequest(scheduler=executor, selection=selection, step_seconds=step_timeout)


def run_targets(
    project: Project,
    targets: Sequence[Target],
    store: Store,
    options: BuildOptions,
    *,
    quiet: bool = False,
    files: TraceFiles = _NO_FILES,
    where: ShardNumber | ClusterRequest | None = None,
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the wheels of the targets with progress, all of them here, on a cluster, or one shard; print every failure.

    The build is recorded in `files`.
    """
    console = make_console()
    with (
        open_display(console, quiet=quiet) as display,
        show_preparation(display),
        describe_interruption(STEPS_ARE_KEPT),
        record_trace(display, replace(files, title=f"Build of {project.name} {project.version}")) as listener,
    ):
        if where is None:
            plan, results = build_targets(project, targets, store, options, listener)
        elif isinstance(where, ShardNumber):
            from everywheel.cluster.shard_build import build_shard  # slow to import

            plan, results = build_shard(project, targets, where, store, options, listener)
        else:
            plan, results = _build_on_cluster(project, targets, where, store, options, listener)
    show_failures(console, results)
    return plan, results
