"""The wheelhouse: the directory that receives finished wheels and source distributions."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from everywheel.errors import MachineError
from everywheel.execution.files import hash_file, hash_stream, translate_os_errors
from everywheel.planning.steps import Plan
from everywheel.store.entry import StoreEntry
from everywheel.store.local import Store

_HINT = "check its owner and mode, or set `wheelhouse` of [tool.everywheel] to another directory"
_LEFTOVER_AGE = 3600.0  # seconds after which an unfinished file is that of a killed run


def export_wheels(plan: Plan, store: Store, wheelhouse: Path) -> dict[str, Path]:
    """Copy the plan's finished wheels from the store into the wheelhouse; return their paths by step id.

    Each wheel is compared with its hash while it is copied. A wheel that already exists with the same bytes is not written
    again. Raises MachineError when the wheelhouse cannot be written, or for a damaged wheel, which is removed from the store.
    """
    exported: dict[str, Path] = {}
    for id, step in plan.wheels.items():
        entry = store.find(step.key)
        if entry is None:
            continue
        store.touch(step.key)
        final = wheelhouse / store.path(entry).name
        if not _has_content(final, entry):
            with store.open_intact(entry) as wheel, open_unfinished(final) as unfinished, unfinished.open("wb") as copy:
                if hash_stream(wheel, copy) != entry.sha256:
                    raise MachineError(f"{entry.label} was changed while it was copied", hint="run the build again")
        exported[id] = final
    return exported


def _has_content(final: Path, entry: StoreEntry) -> bool:
    """Return whether a file in the wheelhouse has the bytes of an entry."""
    with contextlib.suppress(OSError):
        return final.is_file() and final.stat().st_size == entry.size and hash_file(final) == entry.sha256
    return False


@contextlib.contextmanager
def open_unfinished(final: Path) -> Iterator[Path]:
    """Yield the path of a temporary file, and rename it to `final` at the end of the body; create its directory first.

    Raises MachineError when the directory is a file, is not writable or full.
    """
    wheelhouse = final.parent
    with translate_os_errors(wheelhouse, _HINT):
        wheelhouse.mkdir(parents=True, exist_ok=True)
        for leftover in wheelhouse.glob(f".{final.name}.*"):
            if time.time() - leftover.lstat().st_mtime > _LEFTOVER_AGE:
                leftover.unlink()
        handle, name = tempfile.mkstemp(dir=wheelhouse, prefix=f".{final.name}.")
        unfinished = Path(name)
        os.close(handle)
        try:
            unfinished.chmod(0o644)
            yield unfinished
            unfinished.replace(final)
        finally:
            unfinished.unlink(missing_ok=True)
