"""Capabilities: what a worker offers and a step requires, as resources of dask, by which its scheduler places tasks.

A worker offers each of its capabilities as often as it runs steps at the same time. The name of an engine has the hash of the
code and the packages that can change results: a worker of another version does not fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version

from everywheel.config.pins import describe_machine
from everywheel.planning.keys import find_identities
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import Step, StepKind
from everywheel.platforms.target import build_machine_target
from everywheel.toolchains.compilers import EngineName

_PREFIX = "everywheel"
MEMORY = f"{_PREFIX} GB"
"""The memory of a worker, in units of 10^9 bytes."""
_STEP_MEMORY = {StepKind.LIBRARY: 0.5, StepKind.PROGRAM: 0.5, StepKind.WHEEL: 1.0}

Resources = Mapping[str, float]


def describe_version() -> str:
    """Return the version of this toolkit as a resource."""
    return f"{_PREFIX} version {version('everywheel')}"


def describe_engine(engine: EngineName, identities: Identities | None = None) -> str:
    """Return an engine of this machine as a resource; raise MachineError for a native engine without compilers."""
    facts = find_identities(engine) if identities is None else identities
    digest = hashlib.sha256(repr((facts.artifacts, facts.toolchain, facts.packaging)).encode()).hexdigest()
    return f"{_PREFIX} engine {engine} {digest[:16]}"


def describe_wheel_machine() -> str:
    """Return as a resource what the packages of a wheel's build can depend on: the machine and its Python."""
    machine = describe_machine()
    return f"{_PREFIX} wheels {build_machine_target().tag} Python {machine['python_version']}"


def list_capabilities(engines: tuple[EngineName, ...], steps: int, memory: float) -> dict[str, float]:
    """Return the resources of a worker on this machine that runs `steps` steps at the same time; memory is in bytes."""
    names = [describe_version(), describe_wheel_machine(), *map(describe_engine, engines)]
    return {**dict.fromkeys(names, float(steps)), MEMORY: round(memory / 1e9, 1)}


def list_requirements(step: Step, engine: EngineName) -> dict[str, float]:
    """Return the resources that a step requires."""
    names = [
        describe_version(),
        describe_engine(engine),
        *([describe_wheel_machine()] if step.kind is StepKind.WHEEL else []),
    ]
    return {**dict.fromkeys(names, 1.0), MEMORY: _STEP_MEMORY[step.kind]}


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
        return f"it has no engine '{engine}'"
    if describe_engine(engine) not in offered:
        parts = "its compilers differ" if engine is EngineName.NATIVE else "its code or packages differ"
        return f"it has version {versions[0].rpartition(' ')[2]} as well, but {parts} from those of this machine"
    wheels = next((name for name in offered if name.startswith(f"{_PREFIX} wheels ")), "")
    if describe_wheel_machine() in required and describe_wheel_machine() not in offered:
        prefix = f"{_PREFIX} wheels "
        return f"it is {wheels.removeprefix(prefix)}, and this machine {describe_wheel_machine().removeprefix(prefix)}"
    return f"it has only {offered.get(MEMORY, 0.0)} GB of memory"
