"""Capabilities: what a worker offers and a step requires, as resources of dask, by which its scheduler places tasks.

A worker offers each of its capabilities as often as it runs steps at the same time. The name of an engine has the hash of the
code and the packages that can change results: a worker of another version does not fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from types import MappingProxyType

from everywheel.config.pins import describe_machine
from everywheel.planning.keys import find_container_identities, find_identities
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Step, StepKind
from everywheel.platforms.architectures import Arch
from everywheel.platforms.target import build_machine_target
from everywheel.toolchains.compilers import EngineName

_PREFIX = "everywheel"
MEMORY = f"{_PREFIX} GB"
"""The memory of a worker, in units of 10^9 bytes."""
_STEP_MEMORY = {StepKind.LIBRARY: 0.5, StepKind.PROGRAM: 0.5, StepKind.WHEEL: 1.0}
_CONTAINER_MEMORY = 2.0
RUNTIME = f"{_PREFIX} container runtime"
"""The container runtime of a worker, which builds one wheel at a time: a container uses all jobs of its machine."""

Resources = Mapping[str, float]


def describe_version() -> str:
    """Return the version of this toolkit as a resource."""
    return f"{_PREFIX} version {version('everywheel')}"


def describe_engine(engine: EngineName, identities: Identities | None = None) -> str:
    """Return an engine of this machine as a resource; raise MachineError for a native engine without compilers."""
    if engine is EngineName.CONTAINER:  # the image, and what depends on it, is a part of the key of each wheel
        identities = find_container_identities("", "", settings={})
    facts = find_identities(engine) if identities is None else identities
    digest = hashlib.sha256(repr((facts.artifacts, facts.toolchain, facts.packaging)).encode()).hexdigest()
    return f"{_PREFIX} engine {engine} {digest[:16]}"


def describe_wheel_machine() -> str:
    """Return as a resource what the packages of a wheel's build can depend on: the machine and its Python."""
    machine = describe_machine()
    return f"{_PREFIX} wheels {build_machine_target().tag} Python {machine['python_version']}"


def describe_containers(arch: Arch, *, is_native: bool = False) -> str:
    """Return as a resource that containers for an architecture run, in general or without an emulator."""
    return f"{_PREFIX} {'native containers' if is_native else 'containers'} {arch.name}"


def list_capabilities(
    engines: tuple[EngineName, ...], steps: int, memory: float, containers: Mapping[Arch, bool] = MappingProxyType({})
) -> dict[str, float]:
    """Return the resources of a worker on this machine that runs `steps` steps at the same time; memory is in bytes.

    `containers` are the architectures whose containers its runtime runs, with whether it needs no emulator for them.
    """
    names = [describe_version(), describe_wheel_machine(), *map(describe_engine, engines)]
    names += map(describe_containers, containers)
    names += [describe_containers(arch, is_native=True) for arch, is_native in containers.items() if is_native]
    runtime = {RUNTIME: 1.0} if containers else {}
    return {**dict.fromkeys(names, float(steps)), **runtime, MEMORY: round(memory / 1e9, 1)}


def list_requirements(step: Step, engine: EngineName) -> dict[str, float]:
    """Return the resources that a step requires."""
    names = [
        describe_version(),
        describe_engine(engine),
        *([describe_wheel_machine()] if step.kind is StepKind.WHEEL else []),
    ]
    return {**dict.fromkeys(names, 1.0), MEMORY: _STEP_MEMORY[step.kind]}


def list_container_requirements(arch: Arch, workers: Iterable[Resources]) -> dict[str, float]:
    """Return the resources that a wheel requires which is built in a container for an architecture.

    If a worker runs these containers without an emulator, only such a worker fits.
    """
    names = (describe_version(), describe_engine(EngineName.CONTAINER), describe_containers(arch), RUNTIME)
    required = {**dict.fromkeys(names, 1.0), MEMORY: _CONTAINER_MEMORY}
    native = {**required, describe_containers(arch, is_native=True): 1.0}
    return native if any(fits(offered, native) for offered in workers) else required


def fits(offered: Resources, required: Resources) -> bool:
    """Return whether a worker offers what a step requires."""
    return all(offered.get(name, 0.0) >= amount for name, amount in required.items())


def explain_misfit(offered: Resources, required: Resources, engine: EngineName) -> str:
    """Return why a worker does not fit, as a part of a message."""
    versions = [name for name in offered if name.startswith(f"{_PREFIX} version ")]
    if not versions:
        return "it was not started by `everywheel worker`"
    if describe_version() not in offered:
        other, own = (name.rpartition(" ")[2] for name in (versions[0], describe_version()))
        return f"it has version {other} of everywheel, and this machine {own}"
    if not any(name.startswith(f"{_PREFIX} engine {engine} ") for name in offered):
        return "it has no container runtime" if engine is EngineName.CONTAINER else f"it has no engine '{engine}'"
    if describe_engine(engine) not in offered:
        parts = "its compilers differ" if engine is EngineName.NATIVE else "its code or packages differ"
        return f"it has version {versions[0].rpartition(' ')[2]} as well, but {parts} from those of this machine"
    wheels = next((name for name in offered if name.startswith(f"{_PREFIX} wheels ")), "")
    if describe_wheel_machine() in required and describe_wheel_machine() not in offered:
        prefix = f"{_PREFIX} wheels "
        return f"it is {wheels.removeprefix(prefix)}, and this machine {describe_wheel_machine().removeprefix(prefix)}"
    for name in required:
        kind, _, arch = name.removeprefix(f"{_PREFIX} ").rpartition(" ")
        if kind == "containers" and name not in offered:
            return f"it runs no containers for {arch}: it has another processor, and no emulator"
        if kind == "native containers" and name not in offered:
            return f"it would emulate {arch}, which the processor of another worker runs"
    return f"it has only {offered.get(MEMORY, 0.0)} GB of memory"
