"""Command `worker`."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Mapping
from dataclasses import replace
from tempfile import TemporaryDirectory

import click

from everywheel.cli.extras import require_extra
from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import runtime_option, worker_options
from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.containers.native_arches import is_native
from everywheel.errors import MachineError, UsageError, count_noun
from everywheel.execution.jobserver import open_job_pool
from everywheel.pipeline import BuildOptions
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import check_engine
from everywheel.toolchains.native import native_facts


@click.command("worker", short_help="Build steps for a cluster, until it is stopped.")
@click.argument("scheduler", metavar="SCHEDULER")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Steps at the same time [default: the jobs].")
@click.option("--name", metavar="NAME", help="Its name in messages [default: that of the machine].")
@runtime_option
@worker_options
@describe_interruption("running steps were canceled, and other workers build them")
def worker_command(
    scheduler: str, steps: int | None, name: str | None, runtime: str | None, options: BuildOptions
) -> None:
    """Build steps for builds with `--executor`, which reach this machine through a dask scheduler.

    The worker offers what this machine can do: its engines, its memory, the kind of wheels that it can build, and the
    containers that it can run. Results are exchanged through a remote store, which accepts uploads of this machine.

    Example: everywheel worker tls://scheduler:8786 --remote s3://bucket/store --remote-sign-key builder
    """
    with require_extra("cluster"):
        from distributed.system import MEMORY_LIMIT

        from everywheel.cluster.capabilities import list_capabilities
        from everywheel.cluster.dask_worker import serve_worker
        from everywheel.cluster.scheduler_address import parse_scheduler
        from everywheel.cluster.worker_service import WorkerService
    address = parse_scheduler(scheduler)
    containers = _find_containers(runtime)
    engines = _find_engines(has_containers=bool(containers))
    if not engines:
        raise MachineError(
            "this machine has no engine that builds steps",
            hint="`everywheel doctor` shows how to install the compilers for `--engine native`",
        )
    name = name or f"{socket.gethostname()}-{secrets.token_hex(2)}"
    count = steps or options.jobs
    store = open_store()
    with open_job_pool(options.jobs) as pool, TemporaryDirectory(dir=store.root / "tmp", prefix="dask-") as folder:
        service = WorkerService(name, store, replace(options, pool=pool), runtime)
        if not service.can_send:
            raise UsageError(
                "a worker needs a remote store that accepts uploads: its results are sent there",
                hint="name a folder or a bucket with --remote, and the key that signs with --remote-sign-key",
            )
        ensure_tools(store.root, offline=options.offline)

        def report() -> None:
            labels = " and ".join(engines)
            echo(f"worker {name}: connected to {address.name}, {count_noun(count, 'step')} at a time, engines {labels}")
            if containers:
                echo(f"worker {name}: containers for {_describe_containers(containers)}")

        resources = list_capabilities(engines, count, MEMORY_LIMIT, containers)
        serve_worker(address, service, resources, steps=count, folder=folder, on_ready=report)


def _find_containers(runtime: str | None) -> dict[Arch, bool]:
    """Return the architectures whose containers this machine runs, with whether it needs no emulator for them.

    Raises MachineError when a container runtime that was named does not answer.
    """
    from everywheel.containers.qemu import find_emulation_problem
    from everywheel.containers.runtime import find_runtime

    try:
        with find_runtime(runtime):
            pass
    except MachineError:
        if runtime is not None:
            raise
        return {}
    return {arch: is_native(arch) for arch in ARCHES.values() if find_emulation_problem(arch) is None}


def _describe_containers(containers: Mapping[Arch, bool]) -> str:
    return ", ".join(arch.name if own else f"{arch.name} (emulated)" for arch, own in containers.items())


def _find_engines(*, has_containers: bool) -> tuple[EngineName, ...]:
    """Return the engines of this machine."""
    engines = []
    with contextlib.suppress(MachineError):
        check_engine(EngineName.ZIG)
        engines.append(EngineName.ZIG)
    with contextlib.suppress(MachineError):
        native_facts()
        engines.append(EngineName.NATIVE)
    if has_containers:
        engines.append(EngineName.CONTAINER)
    return tuple(engines)


COMMAND = worker_command
