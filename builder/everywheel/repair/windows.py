"""Repair for Windows: delvewheel grafts the DLLs and patches the package to add them to the DLL search path."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from everywheel.repair.needed import NeededLibraries
from everywheel.repair.request import RepairRequest
from everywheel.repair.tool import RepairTool, run_repair_tool
from everywheel.wheels.wheel import Wheel, add_files


def graft_libraries(wheel: Wheel, needed: NeededLibraries, request: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with copies of the DLLs that it needs, under unique names; they come from the prefix only.

    delvewheel reads and writes PE files itself, so that the result is the same on any build machine. Raises BuildError when
    a DLL is neither in the prefix nor part of Windows.
    """
    note = f"{wheel.dist_info}/DELVEWHEEL"
    if note in wheel.files:  # delvewheel does not change a wheel that it has repaired
        if not needed.grafted:
            return wheel
        wheel = replace(wheel, files={path: file for path, file in wheel.files.items() if path != note})
    results, empty = folder / "repaired", folder / "empty"
    empty.mkdir()
    # delvewheel searches for DLLs in every directory of PATH too.
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    tool = RepairTool(
        name="delvewheel",
        module="delvewheel",
        args=("repair", "-v", "--analyze-existing", "--add-path", request.prefix / "bin", "--wheel-dir", results),
        results=results,
        environment={**os.environ, "PATH": str(empty), **temporary, "SOURCE_DATE_EPOCH": str(request.epoch)},
    )
    repaired = run_repair_tool(tool, wheel, request, folder)
    # For a module outside of a package, delvewheel puts the DLLs into the data directory, which installers merge into the
    # root (https://github.com/adang1345/delvewheel/issues/64).
    data = f"{wheel.name}-{wheel.version}.data/platlib/"
    # Meson also installs the import libraries of modules, which are not used.
    files = {name.removeprefix(data): file for name, file in repaired.files.items() if not name.endswith(".dll.a")}
    repaired = replace(repaired, files=files)
    if note not in repaired.files:
        return repaired  # there was nothing to graft
    # The file also lists the arguments, with paths of the build machine
    # (https://github.com/adang1345/delvewheel/issues/36).
    return add_files(repaired, {note: f"Version: {version('delvewheel')}\n".encode()})
