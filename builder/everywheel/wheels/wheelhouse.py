"""The wheelhouse: the directory that receives finished wheels."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from everywheel.planning.steps import Plan
from everywheel.store.local import Store


def export_wheels(plan: Plan, store: Store, wheelhouse: Path) -> dict[str, Path]:
    """Copy the plan's finished wheels from the store into the wheelhouse; return their paths by step id.

    A wheel that already exists with the same bytes is not written again.
    """
    wheelhouse.mkdir(parents=True, exist_ok=True)
    exported: dict[str, Path] = {}
    for id, step in plan.wheels.items():
        entry = store.find(step.key)
        if entry is None:
            continue
        store.touch(step.key)
        wheel = store.path(entry)
        final = wheelhouse / wheel.name
        if not final.exists() or final.read_bytes() != wheel.read_bytes():
            unfinished = wheelhouse / f".{wheel.name}.{os.getpid()}"
            shutil.copyfile(wheel, unfinished)
            unfinished.replace(final)
        exported[id] = final
    return exported
