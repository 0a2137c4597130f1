"""Damage: everything in a store that cannot be used, found by reading all of it, and its removal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from everywheel.execution.files import hash_file, remove_path, translate_os_errors
from everywheel.store.entry import InvalidRecord, read_record
from everywheel.store.layout import Damage, create_folders, find_damaged_folders, is_inside, list_folder
from everywheel.store.lease import stop_leases
from everywheel.store.local import Store

DamageCheck = Callable[[Store], Iterable[Damage]]
"""Finds one kind of damage in a store, such as damaged build tools; it only reads."""


def find_damage(store: Store, checks: Sequence[DamageCheck] = ()) -> list[Damage]:
    """Return the damage in the store's directories, artifacts, wheels and sources, and what further checks find."""
    damage: list[Damage] = []
    for check in (_find_damaged_folders, _find_damaged_entries, _find_damaged_sources, *checks):
        damage += check(store)
    return damage


def remove_damage(store: Store, damage: Sequence[Damage]) -> list[Damage]:
    """Remove what `find_damage` has returned, and return what was removed.

    Artifacts and wheels that a process is building again are kept, and so is everything behind a link. While any command
    uses the store, sources and tools are kept too. Raises MachineError for what cannot be removed.
    """
    folders = find_damaged_folders(store.root)
    for folder in folders:
        with translate_os_errors(folder.path):
            remove_path(folder.path)
    create_folders(store.root)
    removed = [item for item in damage if item in folders]
    with stop_leases(store.root) as oldest:
        for item in damage:
            if item.key and store.drop_damaged(item.key):
                removed.append(item)
            elif not item.key and item not in folders and oldest is None and is_inside(store.root, item.path):
                with translate_os_errors(item.path):
                    remove_path(item.path)
                removed.append(item)
    return removed


def _find_damaged_folders(store: Store) -> Iterable[Damage]:
    return find_damaged_folders(store.root)


def _find_damaged_entries(store: Store) -> Iterable[Damage]:
    for key in store.list_keys():
        reason = store.find_defect(key)
        if reason is not None:
            label, path = _describe_entry(store, key)
            yield Damage(label=label, reason=f"is damaged: {reason}", path=path, key=key)


def _describe_entry(store: Store, key: str) -> tuple[str, Path]:
    """Return the label of a damaged entry, and its damaged file: the record, else the artifact or wheel that it names."""
    record = store.record(key)
    try:
        entry = read_record(record)
    except (FileNotFoundError, InvalidRecord):
        return f"entry {key[:12]}", record
    return entry.label, store.path(entry)


def _find_damaged_sources(store: Store) -> Iterable[Damage]:
    for path in list_folder(store.root / "sources"):
        label = f"source {path.name}"
        try:
            if not path.is_file():
                yield Damage(label=label, reason="is not a regular file", path=path)
            elif hash_file(path) != path.name:
                yield Damage(label=label, reason="has another sha256", path=path)
        except OSError as error:
            reason = f"cannot be read: {(error.strerror or str(error)).lower()}"
            yield Damage(label=label, reason=reason, path=path)
