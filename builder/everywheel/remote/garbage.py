"""Garbage of a remote store: entries that are too old or too many, and files that belong to none."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from everywheel.remote.exchange import Exchange
from everywheel.remote.protocol import RemoteFile
from everywheel.remote.signed_record import Refused
from everywheel.remote.stores import PARALLEL
from everywheel.sources.deadline import Deadline
from everywheel.sources.lanes import run_in_lanes
from everywheel.sources.request import Missing
from everywheel.store.entry import StoreEntry

UPLOAD_SECONDS = 86400.0
"""A file without an entry is kept for this time: it may belong to an upload that has not ended."""
_READ_SECONDS = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteGarbage:
    """The entries that `gc` removes from a remote, the number of all files that it removes, and their size in bytes."""

    entries: tuple[StoreEntry, ...]
    files: tuple[RemoteFile, ...]
    size: int


def collect_remote_garbage(
    exchange: Exchange,
    *,
    keep: Collection[str],
    older_than: float,
    largest: int | None = None,
    dry_run: bool = False,
) -> RemoteGarbage:
    """Remove the entries whose keys are not in `keep` and that were uploaded more than `older_than` seconds ago.

    More of them, the oldest first, are removed until the files of the rest have at most `largest` bytes. Files that belong to
    no entry are removed after a day. With `dry_run` the garbage is only returned. Raises Unavailable.
    """
    now = time.time()
    records, files = exchange.list_records(), exchange.list_files()
    entries = read_entries(exchange, records)
    old = {key for key, file in records.items() if key not in keep and now - file.modified >= older_than}
    if largest is not None:
        old |= _find_excess(records, entries, keep, old, largest)
    # A record that no version of this program has written is removed like one that is too old.
    old |= {key for key, file in records.items() if key not in entries and now - file.modified >= UPLOAD_SECONDS}
    used = {entry.sha256 for key, entry in entries.items() if key not in old}
    freed = {entry.sha256 for key, entry in entries.items() if key in old}
    unused = [
        file
        for sha256, file in files.items()
        if sha256 not in used and (sha256 in freed or now - file.modified >= UPLOAD_SECONDS)
    ]
    # Records first: a file without a record is ignored.
    removed = (*(records[key] for key in sorted(old)), *unused)
    for file in () if dry_run else removed:
        exchange.remove(file)
    return RemoteGarbage(
        entries=tuple(entries[key] for key in sorted(old & entries.keys())),
        files=removed,
        size=sum(file.size for file in removed),
    )


def _find_excess(
    records: Mapping[str, RemoteFile],
    entries: Mapping[str, StoreEntry],
    keep: Collection[str],
    old: Collection[str],
    largest: int,
) -> set[str]:
    excess: set[str] = set()
    total = sum(entry.size for key, entry in entries.items() if key not in old)
    for key in sorted(entries, key=lambda key: (records[key].modified, key)):
        if total <= largest:
            break
        if key not in keep and key not in old:
            excess.add(key)
            total -= entries[key].size
    return excess


def read_entries(exchange: Exchange, keys: Collection[str]) -> dict[str, StoreEntry]:
    """Return the entries of keys, whose signatures are not checked, without those that cannot be read. Raises Unavailable."""
    tasks = [partial(_read_entry, exchange, key) for key in keys]
    results = run_in_lanes({"": tasks}, jobs=PARALLEL, deadline=Deadline(_READ_SECONDS), per_host=PARALLEL)
    return {entry.key: entry for entry in results if entry is not None}


def _read_entry(exchange: Exchange, key: str) -> StoreEntry | None:
    try:
        return exchange.read_entry(key)
    except (Missing, Refused):
        return None
