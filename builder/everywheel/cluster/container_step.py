"""Container steps on a worker: the plan of a wheel that is built in a container, and its build with the worker's runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from everywheel.cluster.step_builder import StageListener, send_result
from everywheel.config.project import Project
from everywheel.containers.build_wheels import (
    ContainerContext,
    build_wheels_in_containers,
    describe_container,
    plan_container,
)
from everywheel.containers.catalog import Catalog, find_catalog, load_catalog
from everywheel.containers.image_choice import list_candidates
from everywheel.containers.runtime import find_runtime
from everywheel.errors import MachineError
from everywheel.execution.scheduler import Outcome
from everywheel.pipeline import BuildOptions
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import Target
from everywheel.remote.exchange import Exchange
from everywheel.remote.lookup import fetch_missing
from everywheel.remote.stores import RemoteStores
from everywheel.sources.progress import ignore_progress
from everywheel.store.local import Store
from everywheel.wheels.build_lock import ensure_build_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerBuilder:
    """Builds the wheel of a target in the build image with a name; `runtime` selects Docker or Podman."""

    target: Target
    image: str
    runtime: str | None
    store: Store
    options: BuildOptions

    def plan(self, project: Project) -> tuple[Project, Plan]:
        """Return the project with the pins for the image, and the plan; raise MachineError for an unknown image."""
        candidates = list_candidates(self.target, self._select(project.root))
        if not candidates:
            raise MachineError(
                f"worker: there is no build image '{self.image}' for {self.target.tag} in docker/images.toml",
                hint="both machines need the same version of everywheel",
            )
        machine = describe_container(candidates[0])
        project = ensure_build_lock(project, self.store, offline=self.options.offline, machine=machine)
        return project, plan_container(project, candidates[0])

    def build(
        self, step: Step, plan: Plan, project: Project, exchanges: Sequence[Exchange], set_stage: Callable[[str], None]
    ) -> Outcome:
        """Build a wheel with its libraries, unless a remote store has them, and send all; return FOUND or DONE.

        Raises the error of the build, and MachineError when no remote store accepts the wheel.
        """
        with self.store.lease(), RemoteStores(exchanges, self.store) as remotes:
            missing = fetch_missing(plan, self.store, remotes, (step.id,))
            if step.id in missing.steps:
                self._build(step, project, set_stage)
            set_stage("send")
            for library in missing.libraries.values():
                if self.store.find(library.key) is not None:
                    remotes.upload(library.key)
            send_result(step, remotes)
        return Outcome.DONE if step.id in missing.steps else Outcome.FOUND

    def _build(self, step: Step, project: Project, set_stage: Callable[[str], None]) -> None:
        with find_runtime(self.runtime) as runtime:
            runtime.remove_orphaned_containers()
            context = ContainerContext(
                project=project,
                catalog=self._select(project.root),
                store=self.store,
                runtime=runtime,
                options=self.options,
            )
            listener = StageListener(step, set_stage, ignore_progress)
            _, results = build_wheels_in_containers(context, [self.target], listener)
        for result in results:
            if result.error is not None:
                raise result.error

    def _select(self, root: Path) -> Catalog:
        """Return the catalog of a project with only the image that the machine with the project has chosen."""
        catalog = load_catalog(find_catalog(root))
        images = {name: image for name, image in catalog.build_images.items() if name == self.image}
        return replace(catalog, build_images=images)
