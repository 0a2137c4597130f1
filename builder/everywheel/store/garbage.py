"""Garbage: entries that are no longer used, and what killed and earlier runs have left in a store.

Everything that was used since the oldest living lease began is kept: see `store.lease`.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.execution.files import is_directory, remove_path, translate_os_errors
from everywheel.execution.jobserver import find_abandoned_pools
from everywheel.store.entry import EntryKind, StoreEntry
from everywheel.store.layout import file_size, is_inside, list_folder, list_names
from everywheel.store.lease import hold_if_free, remove_free_lock, stop_leases
from everywheel.store.local import Store
from everywheel.store.stamped_dir import STAMP, last_use

DAY = 86400.0
"""Seconds that the workspace of a failed step is kept at most, for `everywheel shell`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Entries, and other files and directories, that `gc` removes, and their total size in bytes.

    `kept` are those that could not be removed.
    """

    entries: tuple[StoreEntry, ...]
    leftovers: tuple[Path, ...]
    size: int
    kept: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Age:
    """Which times of last use are too old: those before `oldest_lease`, and `older_than` seconds before `now`."""

    older_than: float
    oldest_lease: float | None
    now: float = field(default_factory=time.time)

    def is_over(self, used: float, limit: float | None = None) -> bool:
        in_use = self.oldest_lease is not None and used >= self.oldest_lease
        return not in_use and self.now - used >= (self.older_than if limit is None else limit)


def collect_garbage(
    store: Store, *, keep: Collection[str], older_than: float, largest: int | None = None, dry_run: bool = False
) -> Garbage:
    """Remove the entries whose keys are not in `keep` and that were not used for `older_than` seconds, and leftovers.

    More of these entries, the least recently used first, are removed until the rest has at most `largest` bytes.

    Leftovers are the temporary files and unfinished entries of killed runs, workspaces, and build tools, logs and locks that
    are not used anymore. What a running command uses is kept. With `dry_run` the garbage is only returned. Raises
    MachineError when the store cannot be written.
    """
    with stop_leases(store.root) as oldest:
        age = _Age(older_than=older_than, oldest_lease=oldest)
        all_entries = store.entries()
        entries = _choose_entries(all_entries, keep, age, largest)
        leftovers = tuple(_find_leftovers(store, all_entries, age))
        size = sum(entry.size for entry in entries) + sum(map(_size, leftovers))
        if dry_run:
            return Garbage(entries=entries, leftovers=leftovers, size=size)
        with translate_os_errors(store.root):
            for entry in entries:
                with hold_if_free(store.root / "locks" / entry.key) as is_free:
                    if is_free:
                        store.remove(entry.key)
        kept = tuple(path for path in leftovers if not _remove(path))
        _remove_locks(store)
    return Garbage(entries=entries, leftovers=leftovers, size=size, kept=kept)


def _choose_entries(
    all_entries: Collection[StoreEntry], keep: Collection[str], age: _Age, largest: int | None
) -> tuple[StoreEntry, ...]:
    """Return the entries that are not in `keep` and too old, and more of them until the rest is small enough."""
    chosen: set[str] = set()
    total = sum(entry.size for entry in all_entries)
    for entry in sorted(all_entries, key=lambda entry: entry.used):
        is_excess = largest is not None and total > largest
        if entry.key not in keep and age.is_over(entry.used, 0.0 if is_excess else None):
            chosen.add(entry.key)
            total -= entry.size
    return tuple(entry for entry in all_entries if entry.key in chosen)


def _find_leftovers(store: Store, entries: Collection[StoreEntry], age: _Age) -> Iterator[Path]:
    """Yield what no command needs; nothing that is behind a link, which may be used by others."""
    limits = {"tmp": 0.0, "work": min(age.older_than, DAY)}
    limits |= dict.fromkeys(("logs", "smoke", "compressed"), age.older_than)
    for name, limit in limits.items():
        yield from (path for path in _list_own(store, name) if age.is_over(_last_change(path), limit))
    yield from (path for path in _list_unrecorded(store, entries) if age.is_over(_last_change(path), 0.0))
    for path in _list_own(store, "tools"):
        if path.suffix == ".lock" or not is_directory(path):
            continue
        if age.is_over(last_use(path), age.older_than if (path / STAMP).exists() else 0.0):
            yield path
    yield from _list_own(store, "patched")  # earlier versions kept patched sources there
    yield from find_abandoned_pools()


def _list_own(store: Store, name: str) -> list[Path]:
    """Return what is in a directory of the store, and nothing if the directory is a link."""
    folder = store.root / name
    return list_folder(folder) if is_inside(store.root, folder / "any") else []


def _list_unrecorded(store: Store, entries: Collection[StoreEntry]) -> Iterator[Path]:
    """Yield files and directories next to the entries that belong to none: their writer was killed or they are damaged."""
    keys = set(store.list_keys())
    artifacts = {entry.file for entry in entries if entry.kind is EntryKind.ARTIFACT}
    wheels = {entry.key for entry in entries if entry.kind is EntryKind.WHEEL}
    folder = store.root / "artifacts"
    for name in list_names(folder) if is_inside(store.root, folder / "any") else []:
        is_record = name.endswith(".json") and name.removesuffix(".json") in keys
        if not is_record and f"artifacts/{name}" not in artifacts:
            yield folder / name
    yield from (path for path in _list_own(store, "wheels") if path.name not in wheels)


def _last_change(path: Path) -> float:
    """Return the time of the latest change of a file, or in a directory of one of the files directly inside.

    A running command may remove any of them meanwhile: what is gone was in use until now.
    """
    try:
        times = [path.lstat().st_mtime]
    except FileNotFoundError:
        return math.inf
    if is_directory(path):
        with contextlib.suppress(OSError):
            times += [child.lstat().st_mtime for child in path.iterdir()]
    return max(times)


def _remove(path: Path) -> bool:
    try:
        remove_path(path)
    except OSError:
        return False
    return True


def _remove_locks(store: Store) -> None:
    """Remove the locks that no process holds: those of keys, and those of tools that were removed."""
    tools = [path for path in _list_own(store, "tools") if path.suffix == ".lock" and not path.with_suffix("").exists()]
    for path in (*_list_own(store, "locks"), *tools):
        with contextlib.suppress(OSError, MachineError):
            remove_free_lock(path)


def _size(path: Path) -> int:
    """Return the size of the files in bytes; unreadable directories and files that were removed meanwhile count as empty."""
    if not is_directory(path):
        return file_size(path)
    return sum(file_size(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)
