"""Building in containers: for each target a build image, then one run of cibuildwheel, then audit, then the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.audit import audit_wheel, fail_on_findings
from everywheel.config.project import Project
from everywheel.containers.catalog import BuildImage, Catalog
from everywheel.containers.cibuildwheel import ContainerBuild, build_in_container, image_identity
from everywheel.containers.local_build_image import (
    build_image_target,
    local_build_image_reference,
    make_local_build_image,
)
from everywheel.containers.lock import pinned_build_reference
from everywheel.containers.payload import ensure_payload
from everywheel.containers.qemu import check_emulation
from everywheel.containers.runtime import Runtime
from everywheel.containers.runtime_images import RuntimeImages
from everywheel.errors import AuditError, MachineError
from everywheel.execution.jobserver import JobPool
from everywheel.execution.scheduler import Outcome, ProgressListener, Result, Task, execute
from everywheel.libraries.source_tree import stage_patched_source
from everywheel.pipeline import BuildOptions, find_missing
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import make_plan, wheel_id
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target, base_target
from everywheel.sources import ProgressCallback, fetch_sources, find_locations, ignore_progress, list_source_files
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedImage:
    """The build image for a target, and the name under which the runtime has it, or will."""

    target: Target
    image: BuildImage
    reference: str


def choose_image(target: Target, catalog: Catalog, images: RuntimeImages, *, pull: bool = True) -> SelectedImage:
    """Return the first build image of the catalog that keeps a target's promise and can be had.

    Images of a registry are pulled, or without `pull` must be here; those that are made from packages are made later.
    Raises MachineError when there is none, with what each one said.
    """
    answers: dict[str, str] = {}
    for image in catalog.builds.values():
        if not image.can_build(target):
            continue
        if image.bootstrap is not None:
            return SelectedImage(target=target, image=image, reference=local_build_image_reference(image, target.arch))
        pinned = pinned_build_reference(image, target.arch)
        try:
            if not pinned:
                raise MachineError("unlocked", details={"reason": "it has no digest: `everywheel images lock`"})
            if not images.find(pinned, target.arch):
                if not pull:
                    raise MachineError("not here", details={"reason": "it was not pulled yet"})
                images.pull(pinned, target.arch)
        except MachineError as error:
            answers[image.name] = str(error.details.get("reason", error.fact))
            continue
        return SelectedImage(target=target, image=image, reference=pinned)
    raise MachineError(f"no build image for {target.tag} can be had", details=answers, hint=_advise(target, catalog))


def _advise(target: Target, catalog: Catalog) -> str:
    """Say which lower promise could be kept with an image that can be made here."""
    for image in catalog.builds.values():
        if image.bootstrap is not None and image.libc == target.libc and target.arch.name in image.arches:
            lowest = build_image_target(image, target.arch).tag
            return f"{image.name} can be made here and promises {lowest}: `--target {lowest}`"
    return "name an image under [build] of docker/images.toml"


def plan_container(project: Project, chosen: SelectedImage) -> Plan:
    """Plan one target as the native engine plans it inside the image, which has the first of the Pythons only."""
    return make_plan(
        replace(project, pythons=project.pythons[:1]),
        [chosen.target],
        find_identities(EngineName.NATIVE, image_identity(chosen.reference)),
        machine=base_target(chosen.target.libc, chosen.target.arch),
    )


def build_wheels_in_containers(
    project: Project,
    targets: Sequence[Target],
    catalog: Catalog,
    store: Store,
    runtime: Runtime,
    options: BuildOptions,
    watcher: ProgressListener,
    progress: ProgressCallback = ignore_progress,
) -> tuple[Plan, tuple[Result, ...]]:
    """Build the wheel of every target in a container, one after the other; each container has all of the machine's jobs.

    Returns the plan of all targets, and a result for each wheel that was not in the store. Raises SourceError when a source
    cannot be had, and MachineError and UsageError for what is missing before anything runs.
    """
    chosen = [choose_image(target, catalog, runtime.images, pull=not options.offline) for target in targets]
    plans = [plan_container(project, one) for one in chosen]
    tasks = []
    for one, plan in zip(chosen, plans, strict=True):
        missing = find_missing(plan, store)
        wheel = plan.steps[wheel_id(project, one.target, project.python)]
        if wheel.id not in missing.steps:
            continue
        check_emulation(one.target.arch)
        sources = fetch_sources(
            list_source_files(plan.recipes),
            store=store.root,
            locations=find_locations(),
            offline=options.offline,
            timeout=options.timeout,
            progress=progress,
        )
        for recipe in missing.recipes:
            stage_patched_source(store, recipe, sources)
        tasks.append(_task(project, one, wheel, catalog, store, runtime, options))
    with TemporaryDirectory(prefix="everywheel-") as folder, JobPool(Path(folder) / "jobs", 1) as pool:
        results = execute(tasks, pool, watcher) if tasks else ()
    steps = {id: step for plan in plans for id, step in plan.steps.items()}
    return Plan(steps=steps, priority=dict.fromkeys(steps, 0.0)), tuple(results)


def _task(
    project: Project,
    chosen: SelectedImage,
    wheel: Step,
    catalog: Catalog,
    store: Store,
    runtime: Runtime,
    options: BuildOptions,
) -> Task:
    def work(set_stage: Callable[[str], None]) -> Outcome:
        target, image = chosen.target, chosen.image
        if image.bootstrap is not None:
            set_stage("make the build image")
            portable = catalog.pythons[image.libc]
            make_local_build_image(
                image, target.arch, portable, project, runtime.images, store, offline=options.offline
            )
        set_stage("fetch what goes into the container")
        libc = (*image.libc_version, 5) if image.libc == "musl" else image.libc_version
        requirements = [*project.backend.requires, *project.smoke.requires]
        payload = ensure_payload(target, libc, image.python, requirements, store, offline=options.offline)
        build = ContainerBuild(
            project=project,
            target=target,
            image=image,
            reference=chosen.reference,
            facts=image_identity(chosen.reference),
            payload=payload,
            store=store,
            runtime=runtime,
            jobs=options.jobs,
            log=store.root / "logs" / f"container-{target.tag}.log",
        )
        with store.lock(wheel.key), TemporaryDirectory(dir=store.root / "tmp") as folder:
            finished = build_in_container(build, Path(folder), set_stage)
            set_stage("audit")
            try:
                fail_on_findings((audit_wheel(finished),))
            except AuditError as error:
                error.details.setdefault("log", build.log)
                raise
            store.put_wheel(wheel.key, finished, name=wheel.name, version=wheel.version, target=target.tag)
        return Outcome.DONE

    label = f"{wheel.name} {wheel.version} for {chosen.target.tag} in {chosen.image.name}"
    return Task(id=wheel.id, label=label, requires=(), priority=0.0, work=work)
