"""Workers of a dask cluster: a process that offers its capabilities to a scheduler, and the functions that its tasks call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from everywheel.cluster.scheduler_address import SchedulerAddress, check_scheduler, load_security
from everywheel.cluster.worker_service import WorkerService
from everywheel.errors import MachineError
from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.threads import TICK, wait_for_any

T = TypeVar("T")

PLUGIN = "everywheel"
_START_SECONDS = 30.0
_RUNNING = ("executing", "long-running")


def run_described_step(text: str, topic: str) -> str:
    """Build the step that a text describes in the worker that calls this; return the report as text.

    Tasks of a build call this function and `choose_requested_image`, and no other. Events are sent under a topic.
    """
    worker = get_worker()
    plugin = worker.plugins[PLUGIN]
    report: str = plugin.service.run_step(worker.get_current_task(), text, lambda event: worker.log_event(topic, event))
    return report


def choose_requested_image(text: str) -> str:
    """Return the answer of the worker that calls this to the request for a build image in a text."""
    answer: str = get_worker().plugins[PLUGIN].service.choose_image(text)
    return answer


class _ServicePlugin(WorkerPlugin):  # type: ignore[misc]
    """Connects a worker with its service: a task that the scheduler releases while it runs is canceled."""

    name = PLUGIN

    def __init__(self, service: WorkerService) -> None:
        self.service = service

    def transition(self, key: str, start: str, finish: str, **facts: Any) -> None:
        if start in _RUNNING and finish == "released":
            self.service.cancel(key)

    def teardown(self, worker: Worker) -> None:
        self.service.cancel_all()


def serve_worker(
    address: SchedulerAddress,
    service: WorkerService,
    resources: Mapping[str, float],
    *,
    steps: int,
    folder: str,
    on_ready: Callable[[], None],
) -> None:
    """Run steps of a scheduler until it ends the connection or the execution is canceled.

    At most `steps` steps run at the same time. `on_ready` is called when the worker is connected. Raises UsageError and
    MachineError for a scheduler that cannot be used, and MachineError when it ends the connection.
    """
    security = load_security(address, "worker")
    check_scheduler(address, security, "worker")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    protocol = "tls" if address.is_encrypted else "tcp"

    def make_worker() -> Worker:
        return Worker(
            address.url,
            nthreads=steps,
            name=service.name,
            resources=dict(resources),
            security=security,
            plugins=(_ServicePlugin(service),),
            protocol=protocol,
            host=None if address.is_encrypted else address.host,
            local_directory=folder,
            dashboard=False,
            memory_limit=0,
            death_timeout=_START_SECONDS,
        )

    with _event_loop() as loop:
        worker = _call_in(loop, make_worker)
        try:
            _wait(asyncio.run_coroutine_threadsafe(worker.start(), loop))
            on_ready()
            _wait(asyncio.run_coroutine_threadsafe(worker.finished(), loop))
        finally:
            service.cancel_all()
            asyncio.run_coroutine_threadsafe(worker.close(timeout=2, reason="canceled"), loop).result(timeout=5)
    raise MachineError(
        f"the scheduler at {address.name} has ended the connection",
        hint="was it stopped? Start the worker again; results that it has sent are kept",
    )


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, daemon=True).start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)


def _call_in(loop: asyncio.AbstractEventLoop, make: Callable[[], T]) -> T:
    """Return the result of a call in the thread of an event loop."""
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            future.set_exception(error)

    loop.call_soon_threadsafe(call)
    return future.result(_START_SECONDS)


def _wait(future: Future[Any]) -> None:
    """Wait for a coroutine; raise Interrupted when the execution is canceled."""
    while not wait_for_any([future], TICK):
        check_cancellation()
    future.result()
