"""The exchange of entries with one remote: look up, receive, send; a remote that fails several times is left out."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from everywheel.errors import UsageError
from everywheel.execution.cancellation import check_cancellation
from everywheel.execution.files import hash_file
from everywheel.execution.notices import report_notice
from everywheel.execution.threads import TICK, DaemonThreads, wait_for_any
from everywheel.remote.protocol import Remote, RemoteFile
from everywheel.remote.signed_record import (
    FILES,
    LARGEST_SIGNED_RECORD,
    RECORDS,
    Refused,
    Trust,
    file_path,
    find_key,
    read_unverified,
    record_path,
)
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.progress import OnBytes
from everywheel.sources.request import Missing, Unavailable, Unreachable, WrongSize
from everywheel.sources.url import Limits
from everywheel.store.entry import StoreEntry, is_hash

MAX_FAULTS = 3
"""A remote is left out for the rest of a run after so many faults."""
LOWEST_RATE = 256 << 10
"""Bytes per second: building is an alternative to a slower remote."""
REQUEST_SECONDS = 30.0
"""The time for any request in addition to that for its bytes."""
LIST_SECONDS = 600.0

T = TypeVar("T")


class Exchange:
    """One remote store in one run. The methods are called from several threads."""

    def __init__(self, remote: Remote, name: str, trust: Trust, *, can_change: bool) -> None:
        self.name = name
        self.can_change = can_change
        self.can_send = can_change and trust.sign_key is not None
        self._remote = remote
        self._trust = trust
        self._lock = threading.Lock()
        self._faults = 0
        self._damaged: set[str] = set()  # keys of entries whose files are missing or have other bytes

    @property
    def faults(self) -> int:
        """The number of faults so far."""
        return self._faults

    def look_up(self, key: str) -> StoreEntry | None:
        """Return the entry of a key, or None if the remote does not have it, has no valid one, or is left out."""
        return self._attempt(f"entry {key[:12]}", lambda: self._trust.open(self._read(record_path(key)), key))

    def receive(self, entry: StoreEntry, file: Path, on_bytes: OnBytes) -> bool:
        """Write the file of an entry to a local one; return whether it arrived with the size and the sha256 of the entry."""

        def get() -> bool:
            limits = Limits(deadline=_make_deadline(entry.size), size=entry.size, is_pinned=True)
            defect = ""
            try:
                self._get(file_path(entry.sha256), file, limits, on_bytes)
                if file.stat().st_size != entry.size or hash_file(file) != entry.sha256:
                    defect = "its file has other bytes than the signed ones"
            except Missing:
                defect = "its file is missing"
            except WrongSize as reason:
                defect = str(reason)
            if not defect:
                self._damaged.discard(entry.key)
                return True
            if entry.key in self._damaged:  # reported already: one damaged file is one fault
                return False
            self._damaged.add(entry.key)
            raise Refused(defect)

        return bool(self._attempt(entry.label, get))

    def send(self, entry: StoreEntry, file: Path) -> bool:
        """Upload an entry with its file, unless the remote has it; return whether it has it now.

        An entry of the same key with other bytes is kept and reported: the two builds differ. A file that was refused in this
        run is replaced by the one that its record names.
        """

        def put() -> bool:
            with tempfile.TemporaryDirectory(prefix="everywheel-remote-") as folder:
                record = Path(folder) / "record"
                try:
                    present = self._trust.open(self._read(record_path(entry.key)), entry.key)
                except (Missing, Refused):
                    present = None
                if present is not None and present.sha256 != entry.sha256:
                    reason = "it has another result of the same inputs, which is kept"
                    report_notice(f"remote store {self.name}: {entry.label}: {reason}")
                    return False
                if present is None or entry.key in self._damaged:
                    self._put(file, file_path(entry.sha256), _make_deadline(entry.size))
                    record.write_bytes(self._seal(entry))
                    self._put(record, record_path(entry.key), _make_deadline(0))
                    self._damaged.discard(entry.key)
            return True

        return bool(self._attempt(entry.label, put))

    def _seal(self, entry: StoreEntry) -> bytes:
        try:
            return self._trust.seal(entry)
        except UsageError as error:
            raise Unavailable(error.fact) from None

    def list_records(self) -> dict[str, RemoteFile]:
        """Return the signed records by key. Raises Unavailable."""
        return {key: file for file in self._list(RECORDS) if (key := find_key(file)) is not None}

    def list_files(self) -> dict[str, RemoteFile]:
        """Return the files of artifacts and wheels by sha256. Raises Unavailable."""
        files = {file.path.rpartition("/")[2]: file for file in self._list(FILES)}
        return {name: file for name, file in files.items() if is_hash(name)}

    def remove(self, file: RemoteFile) -> None:
        """Remove a file. Raises Unavailable."""
        deadline = _make_deadline(0)
        with contextlib.suppress(Missing):
            _run_limited(lambda: self._remote.remove(file.path, deadline), deadline)

    def _list(self, folder: str) -> list[RemoteFile]:
        deadline = Deadline(LIST_SECONDS)
        return _run_limited(lambda: list(self._remote.list_files(folder, deadline)), deadline)

    def read_entry(self, key: str) -> StoreEntry:
        """Return an entry whose signature is not checked. Raises Unavailable."""
        return read_unverified(self._read(record_path(key)), key)

    def _attempt(self, label: str, act: Callable[[], T]) -> T | None:
        """Return the result of a request, or None if the remote does not have the file or fails, which is reported."""
        if self._faults >= MAX_FAULTS:
            return None
        try:
            return act()
        except Missing:
            return None
        except Unavailable as reason:
            self.report_fault(label, str(reason))
            return None

    def report_fault(self, label: str, reason: str) -> None:
        """Report a fault, and that the remote is left out after the last one that is accepted."""
        with self._lock:
            self._faults += 1
            faults = self._faults
        if faults > MAX_FAULTS:  # a request that was running when the others failed
            return
        report_notice(f"remote store {self.name}: {label}: {reason}")
        if faults == MAX_FAULTS:
            report_notice(f"remote store {self.name}: not used anymore in this run, after {faults} faults")

    def _read(self, path: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="everywheel-remote-") as folder:
            file = Path(folder) / "record"
            limits = Limits(deadline=_make_deadline(0), size=LARGEST_SIGNED_RECORD)
            self._get(path, file, limits, lambda size, total: None)
            return file.read_bytes()

    def _get(self, path: str, file: Path, limits: Limits, on_bytes: OnBytes) -> None:
        _run_limited(lambda: self._remote.get(path, file, limits, on_bytes), limits.deadline)

    def _put(self, file: Path, path: str, deadline: Deadline) -> None:
        _run_limited(lambda: self._remote.put(file, path, deadline), deadline)


def _make_deadline(size: int) -> Deadline:
    return Deadline(REQUEST_SECONDS + size / LOWEST_RATE)


def _run_limited(act: Callable[[], T], deadline: Deadline) -> T:
    """Return the result of a request in a thread; raise Unreachable at the deadline, even if the thread is blocked."""
    future = DaemonThreads().submit(act)
    try:
        while not wait_for_any([future], TICK):
            check_cancellation()
            deadline.check()
        return future.result()
    except DeadlineExceeded:
        raise Unreachable(f"not finished after {deadline.seconds:.0f} s") from None
    finally:
        deadline.stop()
