"""The steps of a build on a cluster, with what each requires of a worker, compared with the workers that are connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from everywheel.cluster.capabilities import Resources, explain_misfit, fits
from everywheel.cluster.dask_connection import ClusterWorker
from everywheel.cluster.scheduler_address import SchedulerAddress
from everywheel.config.project import Project
from everywheel.containers.user_settings import find_user_settings
from everywheel.errors import MachineError, UsageError
from everywheel.execution.notices import report_notice
from everywheel.pipeline import BuildOptions
from everywheel.planning.steps import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSteps:
    """The plan of a project, what each step requires of a worker, and the build image of each wheel for containers."""

    project: Project
    plan: Plan
    requires: Mapping[str, Resources]
    images: Mapping[str, str] = field(default_factory=dict)


def check_workers(
    workers: Sequence[ClusterWorker],
    requires: Mapping[str, Resources],
    scheduler: SchedulerAddress,
    options: BuildOptions,
) -> None:
    """Report workers that fit no step; raise MachineError if there is a step that no worker fits."""
    unfit = {
        worker.name: explain_misfit(worker.resources, needed, options.engine)
        for worker in workers
        for needed in [next((r for r in requires.values() if not fits(worker.resources, r)), None)]
        if needed is not None
    }
    is_possible = all(any(fits(worker.resources, needed) for worker in workers) for needed in requires.values())
    if not is_possible:
        raise MachineError(
            f"no worker at {scheduler.name} can build this project",
            details={f"worker {name}": reason for name, reason in unfit.items()} or {"workers": "none is connected"},
            hint=f"start one with `everywheel worker {scheduler.name}` on a machine with this version of everywheel",
        )
    for worker in workers:
        if not any(fits(worker.resources, needed) for needed in requires.values()):
            report_notice(f"worker {worker.name} is not used: {unfit[worker.name]}")


def check_settings(project: Project) -> None:
    """Raise UsageError for environment variables that cibuildwheel reads on this machine: workers have their own."""
    variables = find_user_settings(project)
    if variables:
        raise UsageError(
            "the workers of a cluster do not have the variables of this machine that cibuildwheel reads",
            details={"variables": ", ".join(variables)},
            hint="set them in [tool.cibuildwheel] of pyproject.toml, or leave out `--executor`",
        )
