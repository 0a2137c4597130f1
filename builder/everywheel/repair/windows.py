"""Repair on Windows: delvewheel grafts the DLLs, and has the package name their folder to the loader before it imports."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel, add_files, pack_wheel, read_wheel


def graft_libraries(wheel: Wheel, repair: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with the DLLs that it needs, from the prefix alone, inside it and under names of their own.

    delvewheel reads and writes PE files by itself: it does the same on any machine. Raises BuildError when a DLL is
    neither in the prefix nor one of the system's.
    """
    label = repair.describe(wheel)
    unrepaired = pack_wheel(wheel, folder / "unrepaired", epoch=repair.epoch)
    results, empty = folder / "repaired", folder / "empty"
    empty.mkdir()
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "delvewheel",
        "repair",
        "-v",
        "--add-path",
        repair.prefix / "bin",
        "--wheel-dir",
        results,
        unrepaired,
    ]
    # It would look for DLLs in every folder of PATH as well.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    environment = {**os.environ, "PATH": str(empty), **temporary, "SOURCE_DATE_EPOCH": str(repair.epoch)}
    run_logged(
        command,
        cwd=folder,
        env=environment,
        log=repair.log,
        what=f"{label}: repair",
        hint="does the prefix hold every library that the extension needs, under `requires` of [tool.everywheel]?",
    )
    found = sorted(results.glob("*.whl"))
    if len(found) != 1:
        raise BuildError(f"{label}: delvewheel left {len(found)} wheels where one was to be", log=repair.log)
    repaired = read_wheel(found[0])
    # For a module in no package it uses a folder for what is to be beside it, which the wheel's root is already.
    beside = f"{wheel.name}-{wheel.version}.data/platlib/"
    # Meson installs import libraries of modules as well, which nobody links.
    files = {n.removeprefix(beside): file for n, file in repaired.files.items() if not n.endswith(".dll.a")}
    repaired = replace(repaired, files=files)
    note = f"{wheel.dist_info}/DELVEWHEEL"
    if note not in repaired.files:
        return repaired  # nothing was to be grafted
    # Beside its version it notes its command, with paths of this machine.
    return add_files(repaired, {note: f"Version: {version('delvewheel')}\n".encode()})
