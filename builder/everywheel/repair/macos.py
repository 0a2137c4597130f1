"""Repair for macOS: delocate grafts the libraries of native builds with Apple's tools, repairwheel those of all others."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from everywheel.repair.request import RepairRequest
from everywheel.repair.tool import RepairTool, newer_system_error, run_repair_tool
from everywheel.wheels.wheel import Wheel


def graft_libraries(wheel: Wheel, request: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with copies of the libraries that it needs and load commands that find them there.

    The libraries come from the prefix only. Both tools make install names relative to @loader_path and sign the files that
    they change. The signatures are ad hoc, which is enough for a library that another program loads. Raises BuildError
    when a library cannot be grafted or needs a newer macOS than the target.
    """
    libraries, results = folder / "lib", folder / "repaired"
    libraries.mkdir()
    for path in sorted((request.prefix / "lib").glob("*.dylib")):
        shutil.copy2(path, libraries / path.name, follow_symlinks=False)
    environment = _environment(request, folder, libraries)
    native = request.native and sys.platform == "darwin"
    tool = _delocate(request, results, environment) if native else _repairwheel(libraries, results, environment)
    repaired = run_repair_tool(tool, wheel, request, folder)
    if repaired.platform != wheel.platform:
        raise newer_system_error(wheel, request, {"oldest compatible tag": repaired.platform})
    return repaired


def _repairwheel(libraries: Path, results: Path, environment: dict[str, str]) -> RepairTool:
    return RepairTool(
        name="repairwheel",
        module="repairwheel",
        args=("--output-dir", results, "--lib-dir", libraries, "--no-sys-paths"),
        results=results,
        environment=environment,
    )


def _delocate(request: RepairRequest, results: Path, environment: dict[str, str]) -> RepairTool:
    return RepairTool(
        name="delocate",
        module="delocate.cmd.delocate_wheel",
        args=("--require-archs", request.target.arch_tag, "--wheel-dir", results, "-v"),
        results=results,
        environment=environment,
    )


def _environment(request: RepairRequest, folder: Path, libraries: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DYLD_")}
    ours = {
        # Both tools search for `@rpath/…` here, and in no other directory of the build machine.
        "DYLD_LIBRARY_PATH": str(libraries),
        "MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, request.target.os_version)),
        "SOURCE_DATE_EPOCH": str(request.epoch),
        "TMPDIR": str(folder),
    }
    return {**inherited, **ours}
