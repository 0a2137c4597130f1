"""Command `worker`."""

from __future__ import annotations

import contextlib
import secrets
import socket
from dataclasses import replace
from tempfile import TemporaryDirectory

import click

from everywheel.cli.extras import require_extra
from everywheel.cli.failures import describe_interruption
from everywheel.cli.options import worker_options
from everywheel.cli.output import echo
from everywheel.cli.store_lease import open_store
from everywheel.errors import MachineError, UsageError, count_noun
from everywheel.execution.jobserver import open_job_pool
from everywheel.pipeline import BuildOptions
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import check_engine
from everywheel.toolchains.native import native_facts


@click.command("worker", short_help="Build steps for a cluster, until it is stopped.")
@click.argument("scheduler", metavar="SCHEDULER")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Steps at the same time [default: the jobs].")
@click.option("--name", metavar="NAME", help="Its name in messages [default: that of the machine].")
@worker_options
@describe_interruption("running steps were canceled, and other workers build them")
def worker_command(scheduler: str, steps: int | None, name: str | None, options: BuildOptions) -> None:
    """Build steps for builds with `--executor`, which reach this machine through a dask scheduler.

    The worker offers what this machine can do: its engines, its memory and the kind of wheels that it can build. Results are
    exchanged through a remote store, which accepts uploads of this machine.

    Example: everywheel worker tls://scheduler:8786 --remote s3://bucket/store --remote-sign-key builder
    """
    with require_extra("cluster"):
        from distributed.system import MEMORY_LIMIT

        from everywheel.cluster.capabilities import list_capabilities
        from everywheel.cluster.dask_worker import serve_worker
        from everywheel.cluster.scheduler_address import parse_scheduler
        from everywheel.cluster.worker_service import WorkerService
    address = parse_scheduler(scheduler)
    engines = _find_engines()
    if not engines:
        raise MachineError(
            "this machine has no engine that builds steps",
            hint="`everywheel doctor` shows how to install the compilers for `--engine native`",
        )
    name = name or f"{socket.gethostname()}-{secrets.token_hex(2)}"
    count = steps or options.jobs
    store = open_store()
    with open_job_pool(options.jobs) as pool, TemporaryDirectory(dir=store.root / "tmp", prefix="dask-") as folder:
        service = WorkerService(name, store, replace(options, pool=pool))
        if not service.can_send:
            raise UsageError(
                "a worker needs a remote store that accepts uploads: its results are sent there",
                hint="name a folder or a bucket with --remote, and the key that signs with --remote-sign-key",
            )
        ensure_tools(store.root, offline=options.offline)

        def report() -> None:
            labels = " and ".join(engines)
            echo(f"worker {name}: connected to {address.name}, {count_noun(count, 'step')} at a time, engines {labels}")

        resources = list_capabilities(engines, count, MEMORY_LIMIT)
        serve_worker(address, service, resources, steps=count, folder=folder, on_ready=report)


def _find_engines() -> tuple[EngineName, ...]:
    """Return the engines of this machine that build single steps."""
    engines = []
    with contextlib.suppress(MachineError):
        check_engine(EngineName.ZIG)
        engines.append(EngineName.ZIG)
    with contextlib.suppress(MachineError):
        native_facts()
        engines.append(EngineName.NATIVE)
    return tuple(engines)


COMMAND = worker_command
