"""The remote stores of a run: entries are received from the first that has them, and finished ones are sent to all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import partial

from everywheel.execution.files import translate_os_errors
from everywheel.execution.notices import report_notice
from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any
from everywheel.planning.steps import Step, StepKind
from everywheel.remote.exchange import Exchange
from everywheel.sources.deadline import Deadline
from everywheel.sources.lanes import run_in_lanes
from everywheel.sources.progress import FetchEvent, FetchEventKind, ProgressCallback, ignore_progress
from everywheel.sources.request import PinnedFile
from everywheel.store.entry import EntryKind, StoreEntry
from everywheel.store.lease import hold_if_free
from everywheel.store.local import Store

PARALLEL = 8
"""The number of entries that are transferred at the same time."""
_FOREVER = 7 * 86400.0  # seconds; each request has its own limit


class RemoteStores:
    """The remote stores of a run, in order, and the store that they exchange entries with; there may be none.

    As a context manager, it waits at the end of the body for the uploads that were started in it.
    """

    def __init__(
        self, exchanges: Sequence[Exchange], store: Store, progress: ProgressCallback = ignore_progress
    ) -> None:
        self.exchanges = tuple(exchanges)
        self.store = store
        self._progress = progress
        self._uploads = DaemonThreads(PARALLEL)
        self._running: list[Future[int]] = []

    def fetch(self, steps: Iterable[Step], sha256: str = "") -> set[str]:
        """Receive the results of steps into the store, several at the same time; return the ids of those that arrived.

        `sha256` decides between remotes that disagree, as in `fetch_step`. Raises MachineError when the store is not writable.
        """
        tasks = [partial(self._fetch_unlocked, step, sha256) for step in steps]
        results = run_in_lanes({"": tasks}, jobs=PARALLEL, deadline=Deadline(_FOREVER), per_host=PARALLEL)
        return {id for id in results if id is not None}

    def _fetch_unlocked(self, step: Step, sha256: str) -> str | None:
        with translate_os_errors(self.store.root), hold_if_free(self.store.root / "locks" / step.key) as is_free:
            # Another process that holds the lock builds the step or receives it.
            return step.id if is_free and self.fetch_step(step, sha256) else None

    def fetch_step(self, step: Step, sha256: str = "") -> bool:
        """Receive the result of a step, whose lock the caller holds; return whether it arrived.

        If two remotes have different files of one key, none of them is used, except one with `sha256`: that of a result that
        was built in this run.
        """
        offers = [
            (exchange, entry)
            for exchange in self.exchanges
            if (entry := exchange.look_up(step.key)) is not None and _is_for(entry, step, exchange)
        ]
        built = [(exchange, entry) for exchange, entry in offers if entry.sha256 == sha256]
        if len({entry.sha256 for _, entry in offers}) > 1 and not built:
            names = ", ".join(f"{exchange.name} has {entry.sha256[:12]}" for exchange, entry in offers)
            report_notice(f"{step.label}: the remote stores disagree ({names}); it is built here")
            return False
        return any(self.receive(exchange, entry) for exchange, entry in built or offers)

    def receive(self, exchange: Exchange, entry: StoreEntry) -> bool:
        """Receive the file of an entry, whose lock the caller holds, from one remote; return whether it arrived."""
        report = partial(self._report, entry, exchange.name)
        with self.store.open_temporary() as file:
            report(FetchEventKind.STARTED)
            if not exchange.receive(entry, file, lambda size, total: report(FetchEventKind.BYTES, size)):
                report(FetchEventKind.REFUSED)
                return False
            self.store.put(file, entry)
        report(FetchEventKind.DONE, entry.size)
        return True

    def send(self, key: str) -> int:
        """Upload an entry of the store to every remote that accepts uploads; return how many of them have it now."""
        entry = self.store.find(key)
        writable = [exchange for exchange in self.exchanges if exchange.can_send]
        return 0 if entry is None else sum(self._send(exchange, entry) for exchange in writable)

    def _send(self, exchange: Exchange, entry: StoreEntry) -> bool:
        report = partial(self._report, entry, exchange.name, size=entry.size, is_upload=True)
        report(FetchEventKind.STARTED)
        is_there = exchange.send(entry, self.store.path(entry))
        report(FetchEventKind.DONE if is_there else FetchEventKind.REFUSED)
        return is_there

    def upload(self, key: str) -> None:
        """Upload an entry in the background."""
        if any(exchange.can_send for exchange in self.exchanges):
            self._running.append(self._uploads.submit(self.send, key))

    def __enter__(self) -> RemoteStores:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        while kind is None and (pending := [future for future in self._running if not future.done()]):
            wait_for_any(pending, TICK)

    def _report(
        self, entry: StoreEntry, location: str, kind: FetchEventKind, size: int = 0, *, is_upload: bool = False
    ) -> None:
        label = f"{entry.name} {entry.version} for {entry.target}"
        file = PinnedFile(label=label, filename=entry.kind, sha256=entry.sha256, size=entry.size)
        self._progress(
            FetchEvent(kind=kind, file=file, location=location, size=size, total=entry.size, is_upload=is_upload)
        )


def _is_for(entry: StoreEntry, step: Step, exchange: Exchange) -> bool:
    """Return whether an entry is what a step makes; a record with the right key but another name is a fault."""
    kind = EntryKind.WHEEL if step.kind is StepKind.WHEEL else EntryKind.ARTIFACT
    facts = (entry.kind, entry.name, entry.version, entry.target)
    if facts == (kind, step.name, step.version, step.platform):
        return True
    exchange.report_fault(step.label, f"its entry is that of {entry.label}")
    return False
