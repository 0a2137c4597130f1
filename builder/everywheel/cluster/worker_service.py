"""The service of a worker: it turns descriptions into steps of its own plans, builds them and sends the results.

The service belongs to one process, whose steps share one pool of jobs. Projects and plans are kept as long as they are used by
the steps of a run.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from everywheel.cluster.image_request import ImageRequest, answer_request
from everywheel.cluster.project_files import locate_project, receive_project, restore_pins
from everywheel.cluster.step_builder import StepBuilder
from everywheel.cluster.step_description import LONGEST_LOG, StepDescription, StepReport, describe_error
from everywheel.config.project import Project
from everywheel.config.remote_settings import RemoteSettings
from everywheel.errors import BuildError, EverywheelError, MachineError
from everywheel.execution.cancellation import Cancellation, Interrupted, cancellation_scope
from everywheel.execution.files import describe_os_error
from everywheel.execution.notices import listen_to_notices
from everywheel.execution.process import CommandListener, listen_to_commands
from everywheel.execution.scheduler import Outcome
from everywheel.libraries.context import project_logs
from everywheel.pipeline import BuildOptions, plan_targets
from everywheel.planning.steps import Plan, Step
from everywheel.platforms.target import parse_target
from everywheel.recognition.project_loader import load_project
from everywheel.remote.exchange import Exchange
from everywheel.remote.opening import open_remotes
from everywheel.sources.progress import ignore_progress
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName
from everywheel.wheels.build_lock import ensure_build_lock

if TYPE_CHECKING:
    from everywheel.cluster.container_step import ContainerBuilder

Emit = Callable[[dict[str, str]], None]
"""Sends an event of a step to the machine that runs the build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The values that the steps of one run share: remote stores, whose faults are counted, and plans by project and target."""

    id: str
    exchanges: tuple[Exchange, ...]
    plans: dict[tuple[str, ...], tuple[Project, Plan]]


class WorkerService:
    """Builds described steps in one process.

    `name` is that of the worker in reports, and `runtime` the container runtime for container steps.
    """

    def __init__(self, name: str, store: Store, options: BuildOptions, runtime: str | None = None) -> None:
        """Raise UsageError or MachineError for remote stores that cannot be used."""
        self.name = name
        self._store = store
        self._options = options
        self._runtime = runtime
        self._lock = threading.Lock()  # held for moments only: the worker's event loop acquires it to cancel a step
        self._planning = threading.Lock()
        self._running: dict[str, Cancellation] = {}
        self._run = self._open_run("")

    @property
    def can_send(self) -> bool:
        """True if a remote store accepts uploads."""
        return any(exchange.can_send for exchange in self._run.exchanges)

    def run_step(self, task: str, text: str, emit: Emit) -> str:
        """Build the step that a text describes and return the report as text; `task` identifies it in `cancel`."""
        description = StepDescription.parse(text)
        notices: list[str] = []
        log, outcome, sha256, error = "", Outcome.FAILED, "", None
        with self._cancelable(task), listen_to_notices(notices.append), _send_commands(description, emit):
            try:
                emit({"step": description.id, "stage": "receive", "name": self.name})
                step, plan, project, run = self._make_step(description)
                path = project_logs(self._store, project) / _name_log(step, description)
                try:
                    outcome = self._build(step, plan, project, run, description, emit)
                finally:
                    log = _read_end(path)
                entry = self._store.find(step.key)
                sha256 = entry.sha256 if entry is not None else ""
            except EverywheelError as raised:
                error = describe_error(raised)
            except Interrupted:
                error = describe_error(BuildError(f"{description.label}: canceled"))
            except OSError as raised:
                error = describe_error(describe_os_error(raised))
        report = StepReport(
            worker=self.name, outcome=outcome, sha256=sha256, log=log, notices=tuple(notices), error=error
        )
        return report.to_json()

    def choose_image(self, text: str) -> str:
        """Return the answer to a request for a build image as text; registries may have to send the image."""
        from everywheel.containers.runtime import find_runtime  # only container steps need a runtime

        request = ImageRequest.parse(text)
        with find_runtime(self._runtime) as runtime:
            pull = not self._options.offline
            return answer_request(request, self.name, runtime.images, pull=pull).to_json()

    def cancel(self, task: str) -> None:
        """Cancel a running step: its commands end."""
        with self._lock:
            cancellation = self._running.get(task)
        if cancellation is not None:
            cancellation.cancel()

    def cancel_all(self) -> None:
        """Cancel all running steps."""
        for task in list(self._running):
            self.cancel(task)

    @contextlib.contextmanager
    def _cancelable(self, task: str) -> Iterator[None]:
        with cancellation_scope() as cancellation:
            with self._lock:
                self._running[task] = cancellation
            try:
                yield
            finally:
                with self._lock:
                    del self._running[task]

    def _open_run(self, id: str) -> _Run:
        exchanges = open_remotes(RemoteSettings(), self._options.remote, offline=self._options.offline)
        return _Run(id=id, exchanges=exchanges, plans={})

    def _make_step(self, description: StepDescription) -> tuple[Step, Plan, Project, _Run]:
        """Plan the target of a step on this machine; raise MachineError if the plan has another key for the step."""
        with self._planning:
            if self._run.id != description.run:
                self._run = self._open_run(description.run)
            run = self._run
            facts = (*description.profiles, "", *description.pythons, "", *description.requires)
            plan_key = (
                description.project,
                description.target,
                description.engine,
                description.linkage,
                description.root,
                description.config,
                description.image,
                *facts,
            )
            if plan_key not in run.plans:
                run.plans[plan_key] = self._plan(description, run.exchanges)
            project, plan = run.plans[plan_key]
        step = plan.steps.get(description.id)
        if step is None or step.key != description.key:
            raise MachineError(
                f"{description.label}: worker {self.name} plans this step with another key",
                details={"key here": description.key[:12], "on the worker": "none" if step is None else step.key[:12]},
                hint="both need the same version of everywheel and the same Python, and the project an `everywheel.lock`",
            )
        return step, plan, project, run

    def _plan(self, description: StepDescription, exchanges: Sequence[Exchange]) -> tuple[Project, Plan]:
        folder = receive_project(description.project, self._store, exchanges)
        root, config = locate_project(folder, description.root, description.config)
        options = {"python": list(description.pythons), "requires": list(description.requires)}
        loaded = load_project(
            root,
            description.profiles,
            description.linkage,
            config=config,
            options={key: values for key, values in options.items() if values},
        )
        named = replace(loaded, name=description.name, version=description.version)
        project = restore_pins(named, folder, self._store)
        if description.engine is EngineName.CONTAINER:
            return self._container_builder(description).plan(project)
        project = ensure_build_lock(project, self._store, offline=self._options.offline)
        return project, plan_targets(project, [parse_target(description.target)], description.engine)

    def _container_builder(self, description: StepDescription) -> ContainerBuilder:
        from everywheel.cluster.container_step import ContainerBuilder  # only container steps need a runtime

        return ContainerBuilder(
            target=parse_target(description.target),
            image=description.image,
            runtime=self._runtime,
            store=self._store,
            options=replace(self._options, engine=EngineName.CONTAINER),
        )

    def _build(
        self, step: Step, plan: Plan, project: Project, run: _Run, description: StepDescription, emit: Emit
    ) -> Outcome:
        def set_stage(stage: str) -> None:
            emit({"step": step.id, "stage": stage, "name": self.name})

        if description.engine is EngineName.CONTAINER:
            return self._container_builder(description).build(step, plan, project, run.exchanges, set_stage)
        options = replace(self._options, engine=description.engine)
        return StepBuilder(self._store, run.exchanges, options, ignore_progress).build(step, plan, project, set_stage)


class _CommandSender:
    """A CommandListener that sends commands and their output as events of a step."""

    def __init__(self, step: str, emit: Emit) -> None:
        self._step = step
        self._emit = emit

    def begin(self, label: str, command: str) -> None:
        self._emit({"step": self._step, "label": label, "command": command})

    def output(self, label: str, line: str) -> None:
        self._emit({"step": self._step, "label": label, "line": line})


def _send_commands(description: StepDescription, emit: Emit) -> contextlib.AbstractContextManager[None]:
    listener: CommandListener = _CommandSender(description.id, emit)
    return listen_to_commands(listener) if description.verbose else contextlib.nullcontext()


def _name_log(step: Step, description: StepDescription) -> str:
    is_container = description.engine is EngineName.CONTAINER
    return f"container-{description.target}.log" if is_container else f"{step.name}-{step.platform}.log"


def _read_end(log: Path) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LONGEST_LOG))
            return file.read(LONGEST_LOG).decode(errors="replace")
    except OSError:
        return ""
