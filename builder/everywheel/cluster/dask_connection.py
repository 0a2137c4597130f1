"""The connection of a build to a dask scheduler, and the list of its workers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from distributed import Client

from everywheel.cluster.capabilities import Resources
from everywheel.cluster.scheduler_address import SchedulerAddress, check_scheduler, load_security
from everywheel.errors import MachineError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWorker:
    """A worker of the scheduler: its address, its name, what it offers, and how many steps it runs at the same time."""

    address: str
    name: str
    resources: Resources
    steps: int


def list_workers(client: Client) -> tuple[ClusterWorker, ...]:
    """Return the workers that are connected to the scheduler of a client, sorted by name."""
    try:
        workers = client.scheduler_info()["workers"]
    except (OSError, TimeoutError):
        return ()
    listed = (
        ClusterWorker(
            address=address, name=str(facts["name"]), resources=facts["resources"], steps=int(facts["nthreads"])
        )
        for address, facts in workers.items()
    )
    return tuple(sorted(listed, key=lambda worker: worker.name))


@contextlib.contextmanager
def connect(address: SchedulerAddress) -> Iterator[Client]:
    """Connect to a scheduler; at the end of the body, it cancels everything that the client has submitted.

    Raises UsageError for certificates that cannot be used, and MachineError when no scheduler answers.
    """
    security = load_security(address, "client")
    check_scheduler(address, security, "client")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address.url, security=security, timeout=10, set_as_default=False)
    except (OSError, TimeoutError) as error:
        reason = str(error).splitlines()[0]
        raise MachineError(
            f"{address.name} accepts connections, but does not answer as a dask scheduler",
            details={"reason": reason},
            hint="do scheduler and client have the same version of dask? `everywheel worker` has that of its installation",
        ) from None
    try:
        yield client
    finally:
        client.close(timeout=5)
