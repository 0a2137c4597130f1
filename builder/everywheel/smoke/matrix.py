"""The smoke matrix: each wheel on each system that it claims, run for real, or said plainly why it was not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from everywheel.config.project import Project
from everywheel.containers.catalog import Catalog
from everywheel.containers.image_provider import ImageProvider
from everywheel.containers.qemu import check_emulation, find_emulator
from everywheel.containers.runtime import ContainerSpec, Runtime, is_native
from everywheel.execution.files import hash_file
from everywheel.platforms.linux_policy import load_policy
from everywheel.smoke.dependencies import TestDependencies, ensure_portable_python, ensure_test_dependencies
from everywheel.smoke.evaluate import evaluate_result
from everywheel.smoke.matrix_entries import MatrixEntry, explain_no_python, list_pythons
from everywheel.smoke.result import SmokeResult, State
from everywheel.smoke.symbol_check import check_symbols
from everywheel.smoke.task import SmokeTask
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.wheels.wheel import split_filename

_INSIDE = Path(__file__).with_name("inside")
_ROOM = PurePosixPath("/everywheel")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeContext:
    """What every cell of one run shares; `timeout` in seconds, `memory` and `scratch` in bytes, for one container.

    With an `index`, a package index's address, the project is installed by name from there instead of from the file.
    """

    project: Project
    catalog: Catalog
    runtime: Runtime
    store: Store
    tools: Tools
    image_provider: ImageProvider
    timeout: float = 900.0
    memory: int = 2 << 30
    scratch: int = 1 << 30
    offline: bool = False
    index: str = ""


def make_smoke_tasks(pairs: Sequence[MatrixEntry], context: SmokeContext) -> tuple[SmokeTask, ...]:
    """Return the trial of every pair, in their order."""
    return tuple(
        SmokeTask(
            blank=one.cell(State.ERROR),
            work=partial(run_smoke_task, one, context),
            priority=0.0 if is_native(one.target.arch) else 1.0,
        )
        for one in pairs
    )


def run_smoke_task(one: MatrixEntry, context: SmokeContext, set_stage: Callable[[str], None]) -> SmokeResult:
    """Run one wheel on one image and judge what came out of it; where it cannot be run, look its symbols up instead."""
    portables, arch = context.catalog.pythons, one.target.arch
    if lack := explain_no_python(one.wheel.name, list_pythons(one, portables)):
        return _look_up(one, context, set_stage, State.NO_PYTHON, lack)
    set_stage("image")
    supplied = context.image_provider.find(one.image, arch)
    if not supplied.reference:
        return _look_up(one, context, set_stage, State.STATIC, supplied.why)
    own, portable = supplied.python, portables.get(one.image.libc)
    if portable is not None and arch.name not in portable.sha256:
        portable = None
    version = own or (portable.version if portable is not None else "")
    # Of the Pythons that could have been there, the one that is.
    if lack := explain_no_python(one.wheel.name, (version,) if version else ()):
        return _look_up(one, context, set_stage, State.NO_PYTHON, lack)
    if not one.image.cpu:
        check_emulation(arch)
    set_stage("interpreter")
    beside = ensure_test_dependencies(
        one.wheel,
        context.project.smoke.requires,
        one.target,
        one.image.libc_version,
        version,
        context.store,
        offline=context.offline,
    )
    python = None
    if not own and portable is not None:
        python = ensure_portable_python(portable, one.target, context.project, context.store, offline=context.offline)
    set_stage("run")
    with TemporaryDirectory(dir=context.store.root / "tmp") as folder:
        Path(folder).chmod(0o777)
        job = _job(one, context, supplied.reference, beside, python, Path(folder), version)
        ended = context.runtime.run(job)
        result = Path(folder) / "result.json"
        told = json.loads(result.read_text()) if result.is_file() else None
    return evaluate_result(one, ended, told)


def _look_up(
    one: MatrixEntry, context: SmokeContext, set_stage: Callable[[str], None], state: State, lack: str
) -> SmokeResult:
    """Return the cell of what cannot be run, in this state unless the C library does not even have the symbols."""
    set_stage("symbols")
    evidence = check_symbols(one.wheel, one.target, one.image.libc_version, context.tools, context.store)
    return one.cell(State.FAILED if evidence.missing else state, why=evidence.words, lack=lack, evidence=evidence.lines)


def _job(
    one: MatrixEntry,
    context: SmokeContext,
    reference: str,
    beside: TestDependencies,
    python: Path | None,
    result: Path,
    version: str,
) -> ContainerSpec:
    arch, cpu = one.target.arch, one.cpu
    through: tuple[str, ...] = ()
    environment = {"HOME": "/tmp", "LC_ALL": "C.UTF-8", "PYTHONPYCACHEPREFIX": str(_ROOM / "cache")}
    mounts = {
        _INSIDE: _ROOM / "inside",
        **{path: _ROOM / name for name, path in beside.places.items()},
        one.wheel.absolute(): _ROOM / "wheel" / one.wheel.name,
        context.project.root: PurePosixPath("/project"),
    }
    if cpu and is_native(arch):
        mounts[find_emulator(arch)] = _ROOM / "qemu"
        through = (str(_ROOM / "qemu"), "-cpu", cpu)
    elif cpu or (not is_native(arch) and arch.qemu_cpu):
        environment["QEMU_CPU"] = cpu or arch.qemu_cpu
    if python is None:
        interpreter = "python3"
    else:
        mounts[python] = PurePosixPath("/python")
        interpreter = f"/python/bin/python{version}"
        environment["PYTHONHOME"] = "/python"
    # Its own place for each wheel: bytecode of one must never be taken for another's.
    site = f"/tmp/site-{hash_file(one.wheel)[:12]}"
    policy = load_policy(one.target.tag)
    name, number, *_ = split_filename(one.wheel.name)
    order = {
        "wheel": f"{name}=={number}" if context.index else str(_ROOM / "wheel" / one.wheel.name),
        "index": context.index,
        "site": site,
        "command": list(context.project.smoke.command),
        "through": list(through),
        "result": str(_ROOM / "result" / "result.json"),
        "places": [f"{site}/", f"{_ROOM}/", "/python/"],
        "promised": sorted(policy.libraries) if policy is not None else [],
    }
    return ContainerSpec(
        image=reference,
        arch=arch,
        command=(interpreter, str(_ROOM / "inside" / "run.py")),
        mounts=mounts,
        writable={result: _ROOM / "result", beside.cache: _ROOM / "cache"},
        environment={**environment, "EVERYWHEEL_ORDER": json.dumps(order)},
        cwd=PurePosixPath("/project"),
        timeout=context.timeout,
        memory=context.memory,
        scratch=context.scratch,
        network=bool(context.index),
    )
