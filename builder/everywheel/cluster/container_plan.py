"""Container steps of a cluster: this machine plans them without a container runtime, and a worker finds the build images."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence

from distributed import Client

from everywheel.cluster.capabilities import Resources, list_container_requirements
from everywheel.cluster.dask_connection import list_workers
from everywheel.cluster.dask_worker import choose_requested_image
from everywheel.cluster.image_request import ImageAnswer, ImageRequest
from everywheel.cluster.planned_steps import PlannedSteps, check_workers
from everywheel.cluster.scheduler_address import SchedulerAddress
from everywheel.config.project import Project
from everywheel.containers.build_wheels import describe_container, plan_container
from everywheel.containers.catalog import Catalog, find_catalog, load_catalog
from everywheel.containers.image_choice import SelectedImage, list_candidates, report_missing_image
from everywheel.errors import MachineError, printable_line
from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.threads import TICK
from everywheel.pipeline import BuildOptions
from everywheel.planning.plan import wheel_id
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock

_REQUEST_SECONDS = 1800.0
"""The time for the answer of a worker, which may have to pull an image, or to end another step first."""


def plan_containers(
    client: Client,
    project: Project,
    targets: Sequence[Target],
    scheduler: SchedulerAddress,
    store: Store,
    options: BuildOptions,
) -> PlannedSteps:
    """Return the wheel of each target as a step; its libraries are built in the same container.

    Raises MachineError when no worker fits or no image is available.
    """
    catalog, workers = load_catalog(find_catalog(project.root)), list_workers(client)
    offered = [worker.resources for worker in workers]
    needed = {target.tag: list_container_requirements(target.arch, offered) for target in targets}
    check_workers(workers, needed, scheduler, options)
    steps: dict[str, Step] = {}
    requires: dict[str, Resources] = {}
    images: dict[str, str] = {}
    for target in targets:
        selected = _find_image(client, target, catalog, needed[target.tag])
        machine = describe_container(selected)
        project = ensure_build_lock(project, store, offline=options.offline, machine=machine)
        id = wheel_id(project, target, project.python)
        steps[id] = plan_container(project, selected).steps[id]
        requires[id], images[id] = needed[target.tag], selected.image.name
    plan = Plan(steps=steps, priority=dict.fromkeys(steps, 0.0))
    return PlannedSteps(project=project, plan=plan, requires=requires, images=images)


def _find_image(client: Client, target: Target, catalog: Catalog, requires: Resources) -> SelectedImage:
    """Return the first candidate that a fitting worker can use; raise MachineError with the reason of each."""
    candidates = list_candidates(target, catalog)
    if not candidates:
        raise report_missing_image(target, catalog, {})
    answer = request_image(client, ImageRequest.of(candidates), requires, target)
    chosen = next((candidate for candidate in candidates if candidate.image.name == answer.name), None)
    if chosen is None:
        reasons = {
            name: printable_line(f"{reason} (worker {answer.worker})") for name, reason in answer.reasons.items()
        }
        raise report_missing_image(target, catalog, reasons)
    return chosen


def request_image(client: Client, request: ImageRequest, requires: Resources, target: Target) -> ImageAnswer:
    """Return the answer of a worker that offers what the steps of a target require; raise MachineError without one."""
    future = client.submit(
        choose_requested_image,
        request.to_json(),
        key=f"image-{target.tag}-{secrets.token_hex(4)}",
        resources=dict(requires),
        retries=0,
        pure=False,
    )
    began = time.monotonic()
    while not future.done() and client.status == "running" and time.monotonic() - began < _REQUEST_SECONDS:
        check_cancellation()
        threading.Event().wait(TICK)
    try:
        return ImageAnswer.parse(future.result(timeout=5))
    except Exception as error:  # of the worker or of dask
        check_cancellation()
        reason = str(error) if future.done() else f"there is no answer after {time.monotonic() - began:.0f} s"
        raise MachineError(
            f"no worker has found a build image for {target.tag}",
            details={"reason": printable_line(reason)},
            hint="the logs of the workers have the cause",
        ) from None
