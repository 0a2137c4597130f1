"""Wheels from containers: for each target a build image, one run of cibuildwheel, the audit, and the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.audit import audit_wheel, fail_on_findings
from everywheel.config.pins import describe_machine, digest_pins
from everywheel.config.project import Project
from everywheel.containers.catalog import Catalog
from everywheel.containers.cibuildwheel import ContainerBuild, build_in_container, image_identity
from everywheel.containers.image_choice import SelectedImage, choose_image
from everywheel.containers.local_build_image import make_local_build_image
from everywheel.containers.payload import ensure_payload
from everywheel.containers.qemu import check_emulation
from everywheel.containers.runtime import Runtime
from everywheel.containers.user_settings import find_user_settings
from everywheel.errors import AuditError
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.scheduler import LocalExecutor, Outcome, ProgressListener, Result, Task, execute
from everywheel.libraries.context import project_logs
from everywheel.libraries.source_tree import stage_patched_source
from everywheel.pipeline import BuildOptions
from everywheel.planning.keys import find_container_identities
from everywheel.planning.plan import make_plan, wheel_id
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target, base_target
from everywheel.remote.lookup import find_missing, is_intact
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import find_locations
from everywheel.sources.progress import ProgressCallback, ignore_progress
from everywheel.sources.request import list_source_files
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerContext:
    """Settings and services that all wheels of one run share."""

    project: Project
    catalog: Catalog
    store: Store
    runtime: Runtime
    options: BuildOptions


def describe_container(selected: SelectedImage) -> dict[str, str]:
    """Return the environment of markers of the Python in a build image."""
    return describe_machine(selected.image.python, selected.target.arch.name)


def plan_container(project: Project, selected: SelectedImage) -> Plan:
    """Plan one target like the native engine in the container, where only the first of the Pythons is available."""
    return make_plan(
        replace(project, pythons=project.pythons[:1]),
        [selected.target],
        find_container_identities(
            image_identity(selected.reference), selected.image.tag, settings=find_user_settings(project)
        ),
        machine=base_target(selected.target.libc, selected.target.arch),
    )


def build_wheels_in_containers(
    context: ContainerContext,
    targets: Sequence[Target],
    listener: ProgressListener,
    progress: ProgressCallback = ignore_progress,
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the wheel of each target in a container, one after the other; each container uses all jobs of the machine.

    Returns the plan of all targets, and a result for each wheel that was not in the store. Raises SourceError when a source
    is unavailable, MachineError and UsageError for missing requirements before anything is built.
    """
    images, store, options = context.runtime.images, context.store, context.options
    selected = [choose_image(target, context.catalog, images, pull=not options.offline) for target in targets]
    projects = [
        ensure_build_lock(context.project, store, offline=options.offline, machine=describe_container(image))
        for image in selected
    ]
    plans = [plan_container(project, image) for project, image in zip(projects, selected, strict=True)]
    tasks = []
    for project, image, plan in zip(projects, selected, plans, strict=True):
        missing = find_missing(plan, store, is_stored=partial(is_intact, store))
        wheel = plan.steps[wheel_id(project, image.target, project.python)]
        if wheel.id not in missing.steps:
            continue
        check_emulation(image.target.arch)
        sources = fetch_sources(
            list_source_files(plan.recipes),
            store=store.root,
            locations=find_locations(project.sources),
            offline=options.offline,
            timeout=options.timeout,
            progress=progress,
        )
        for library in missing.libraries.values():
            stage_patched_source(store, library, sources)
        label = f"{wheel.name} {wheel.version} for {image.target.tag} in {image.image.name}"
        work = partial(_build_wheel, replace(context, project=project), image, wheel)
        tasks.append(Task(id=wheel.id, label=label, requires=(), priority=0.0, work=work))
    with open_job_pool(1) as pool:
        results = execute(tasks, LocalExecutor(pool), listener) if tasks else ()
    steps = {id: step for plan in plans for id, step in plan.steps.items()}
    return Plan(steps=steps, priority=dict.fromkeys(steps, 0.0)), tuple(results)


def _build_wheel(
    context: ContainerContext, selected: SelectedImage, wheel: Step, set_stage: Callable[[str], None]
) -> Outcome:
    """Prepare image and payload, build one wheel in a container, audit it, and put it into the store."""
    project, store, options = context.project, context.store, context.options
    target, image = selected.target, selected.image
    if image.bootstrap is not None:
        set_stage("build the image")
        make_local_build_image(
            image,
            target.arch,
            project,
            context.runtime.images,
            store,
            offline=options.offline,
        )
    set_stage("fetch packages for the container")
    libc = (*image.libc_version, 5) if image.libc == "musl" else image.libc_version
    pins, tests, offline = project.build_pins or (), project.smoke.requires, options.offline
    payload = ensure_payload(target, libc, image.python, pins, tests, store, offline=offline)
    build = ContainerBuild(
        project=project,
        target=target,
        image=image,
        reference=selected.reference,
        payload=payload,
        store=store,
        runtime=context.runtime,
        jobs=options.jobs,
        log=project_logs(store, project) / f"container-{target.tag}.log",
    )
    with store.lock(wheel.key), TemporaryDirectory(dir=store.root / "tmp") as folder:
        finished = build_in_container(build, Path(folder), set_stage)
        set_stage("audit")
        try:
            fail_on_findings((audit_wheel(finished),))
        except AuditError as error:
            error.details.setdefault("log", build.log)
            raise
        resolution = digest_pins(pins)
        store.put_wheel(
            wheel.key, finished, name=wheel.name, version=wheel.version, target=target.tag, resolution=resolution
        )
    return Outcome.DONE
