"""The smoke matrix: a task for each wheel on each image, run in a container or, without an image, by checking symbols."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from everywheel.config.project import Project
from everywheel.containers.catalog import Catalog
from everywheel.containers.image_provider import ImageProvider
from everywheel.containers.native_arches import is_native
from everywheel.containers.portable_python import ensure_portable_python
from everywheel.containers.qemu import check_emulation, find_emulator
from everywheel.containers.runtime import ContainerSpec, Runtime
from everywheel.errors import EverywheelError
from everywheel.execution.files import hash_file
from everywheel.execution.jobserver import open_job_pool
from everywheel.execution.scheduler import LocalExecutor, Outcome, ProgressListener, Result, Task, execute
from everywheel.platforms.linux_policy import load_policy
from everywheel.smoke.dependencies import TestDependencies, ensure_test_dependencies
from everywheel.smoke.evaluate import evaluate_result
from everywheel.smoke.imports import INSIDE
from everywheel.smoke.inside.protocol import SmokeReport, SmokeRequest
from everywheel.smoke.matrix_entries import MatrixEntry, explain_no_python, list_portables, list_pythons
from everywheel.smoke.modules import list_modules
from everywheel.smoke.result import FAILED_STATES, SmokeResult, SmokeState
from everywheel.smoke.symbol_check import check_symbols
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.wheels.wheel import split_filename

_ROOT = PurePosixPath("/everywheel")
_REPORT = "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeContext:
    """Settings and services that all entries of one run share; `timeout` in seconds, `memory` and `tmpfs_size` in bytes.

    With `index`, the address of a package index, the project is installed by name from there instead of from the file.
    """

    project: Project
    catalog: Catalog
    runtime: Runtime
    store: Store
    tools: Tools
    image_provider: ImageProvider
    timeout: float = 900.0
    memory: int = 2 << 30
    tmpfs_size: int = 1 << 30
    offline: bool = False
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTask:
    """A smoke test to be run: `initial` is its result before it ran, `work` receives a function that shows its stage.

    Slow tasks have a higher `priority`: an emulated one that starts last keeps one core busy while the others are idle.
    """

    initial: SmokeResult
    work: Callable[[Callable[[str], None]], SmokeResult]
    priority: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.initial.wheel} on {self.initial.image}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interpreter:
    """Python of a container: its version such as `3.13`, and the folder of a portable one (None: the image's own)."""

    version: str
    portable: Path | None


def make_smoke_tasks(entries: Sequence[MatrixEntry], context: SmokeContext) -> tuple[SmokeTask, ...]:
    """Return the task of each entry, in their order."""
    return tuple(
        SmokeTask(
            initial=entry.make_result(SmokeState.ERROR),
            work=partial(run_smoke_task, entry, context),
            priority=0.0 if is_native(entry.target.arch) else 1.0,
        )
        for entry in entries
    )


def run_smoke_tasks(tasks: Sequence[SmokeTask], jobs: int, listener: ProgressListener) -> tuple[SmokeResult, ...]:
    """Run each task, as many at a time as there are jobs, and return a result for each, in their order.

    An EverywheelError in a task becomes a result of the state ERROR and does not affect the other tasks.
    """
    smoke_results: dict[str, SmokeResult] = {}
    lock = threading.Lock()

    def schedule(task: SmokeTask) -> Task:
        def work(set_stage: Callable[[str], None]) -> Outcome | None:
            result = task.work(set_stage)
            with lock:
                smoke_results[task.id] = result
            if result.state in FAILED_STATES:
                raise EverywheelError(result.message)
            return None

        return Task(id=task.id, label=task.id, requires=(), priority=task.priority, work=work)

    with open_job_pool(jobs) as pool:
        task_results = {
            result.id: result for result in execute(list(map(schedule, tasks)), LocalExecutor(pool), listener)
        }
    return tuple(smoke_results.get(task.id) or _make_error(task.initial, task_results[task.id]) for task in tasks)


def _make_error(initial: SmokeResult, result: Result) -> SmokeResult:
    error = result.error
    if error is None:
        return replace(initial, state=SmokeState.ERROR)
    return replace(initial, state=SmokeState.ERROR, message=error.fact, evidence=tuple(error.render().splitlines()[1:]))


def run_smoke_task(entry: MatrixEntry, context: SmokeContext, set_stage: Callable[[str], None]) -> SmokeResult:
    """Run one wheel on one image and evaluate the result; if it cannot be run, check its symbols instead."""
    portables, arch = context.catalog.portable_pythons, entry.target.arch
    if reason := explain_no_python(entry.wheel.name, list_pythons(entry, portables)):
        return _check_symbols(entry, context, set_stage, SmokeState.NO_PYTHON, reason)
    set_stage("image")
    image = context.image_provider.find(entry.image, arch)
    if not image.reference:
        return _check_symbols(entry, context, set_stage, SmokeState.STATIC, image.reason)
    portable = next(iter(list_portables(entry, portables)), None)
    version = image.python or (portable.version if portable is not None else "")
    # `list_pythons` returned every Python that the image may have; `version` is the one of the image that was provided.
    if reason := explain_no_python(entry.wheel.name, (version,) if version else ()):
        return _check_symbols(entry, context, set_stage, SmokeState.NO_PYTHON, reason)
    if not entry.image.cpu:
        check_emulation(arch)
    set_stage("interpreter")
    dependencies = ensure_test_dependencies(
        entry.wheel,
        context.project.smoke.requires,
        entry.target,
        entry.image.libc_version,
        version,
        context.store,
        offline=context.offline,
    )
    folder = None
    if not image.python and portable is not None:
        folder = ensure_portable_python(portable, entry.target, context.project, context.store, offline=context.offline)
    interpreter = _Interpreter(version=version, portable=folder)
    set_stage("run")
    with TemporaryDirectory(dir=context.store.root / "tmp") as name:
        result_folder = Path(name)
        result_folder.chmod(0o777)
        spec = _make_spec(entry, context, image.reference, dependencies, interpreter, result_folder)
        container = context.runtime.run(spec)
        report = SmokeReport.read(result_folder / _REPORT)
    result = evaluate_result(entry, container, report)
    return replace(result, image_digest=image.digest, image_reference=image.pinned)


def _check_symbols(
    entry: MatrixEntry, context: SmokeContext, set_stage: Callable[[str], None], state: SmokeState, reason: str
) -> SmokeResult:
    """Return the result of a wheel that cannot be run: `state`, or FAILED if the C library does not have all symbols."""
    set_stage("symbols")
    check = check_symbols(entry.wheel, entry.target, entry.image.libc_version, context.tools, context.store)
    return entry.make_result(
        SmokeState.FAILED if check.missing else state, message=check.message, reason=reason, evidence=check.evidence
    )


def _make_spec(
    entry: MatrixEntry,
    context: SmokeContext,
    reference: str,
    dependencies: TestDependencies,
    interpreter: _Interpreter,
    result_folder: Path,
) -> ContainerSpec:
    """Return the container of an entry, which writes its report into `result_folder`."""
    arch, cpu = entry.target.arch, entry.cpu
    emulator: tuple[str, ...] = ()
    environment = {"HOME": "/tmp", "LC_ALL": "C.UTF-8", "PYTHONPYCACHEPREFIX": str(_ROOT / "cache")}
    mounts = {
        INSIDE: _ROOT / "inside",
        **{path: _ROOT / name for name, path in dependencies.mounted_folders.items()},
        entry.wheel.absolute(): _ROOT / "wheel" / entry.wheel.name,
        context.project.root: PurePosixPath("/project"),
    }
    if cpu and is_native(arch):
        mounts[find_emulator(arch)] = _ROOT / "qemu"
        emulator = (str(_ROOT / "qemu"), "-cpu", cpu)
    elif cpu or (not is_native(arch) and arch.qemu_cpu):
        # Read by the QEMU that binfmt_misc starts for each program in the container.
        environment["QEMU_CPU"] = cpu or arch.qemu_cpu
    program = "python3"
    if interpreter.portable is not None:
        mounts[interpreter.portable] = PurePosixPath("/python")
        program = f"/python/bin/python{interpreter.version}"
        environment["PYTHONHOME"] = "/python"
    request = _make_request(entry, context, emulator)
    return ContainerSpec(
        image=reference,
        arch=arch,
        command=(program, str(_ROOT / "inside" / "run.py"), request.to_argument()),
        mounts=mounts,
        writable={result_folder: _ROOT / "result", dependencies.cache: _ROOT / "cache"},
        environment=environment,
        cwd=PurePosixPath("/project"),
        timeout=context.timeout,
        memory=context.memory,
        tmpfs_size=context.tmpfs_size,
        network=bool(context.index),
    )


def _make_request(entry: MatrixEntry, context: SmokeContext, emulator: tuple[str, ...]) -> SmokeRequest:
    # A folder of its own for each wheel: cached bytecode of one must not be loaded for another.
    site = f"/tmp/site-{hash_file(entry.wheel)[:12]}"
    policy = load_policy(entry.target.tag)
    name, version, *_ = split_filename(entry.wheel.name)
    return SmokeRequest(
        requirement=f"{name}=={version}" if context.index else str(_ROOT / "wheel" / entry.wheel.name),
        index=context.index,
        site=site,
        modules=list_modules(entry.wheel, context.project.smoke),
        command=context.project.smoke.command,
        emulator=emulator,
        report=str(_ROOT / "result" / _REPORT),
        allowed_folders=(f"{site}/", f"{_ROOT}/", "/python/"),
        promised_libraries=tuple(sorted(policy.libraries)) if policy is not None else (),
    )
