"""Repair for macOS: delocate grafts the libraries of native builds with Apple's tools, repairwheel those of all others."""

from __future__ import annotations

import os
import posixpath
import shutil
import sys
from pathlib import Path

from everywheel.execution.input_files import leads_out
from everywheel.libraries.library_facts import list_prefix_files
from everywheel.repair.needed import NeededLibraries, scheme_of
from everywheel.repair.request import RepairRequest
from everywheel.repair.tool import RepairTool, newer_system_error, run_repair_tool
from everywheel.wheels.wheel import Wheel, add_files


def graft_libraries(wheel: Wheel, needed: NeededLibraries, request: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with copies of the libraries that it needs and load commands that find them there.

    The libraries come from the prefix only. Both tools make install names relative to @loader_path and sign the files that
    they change. The signatures are ad hoc, which is enough for a library that another program loads. Raises BuildError
    when a library cannot be grafted or needs a newer macOS than the target.
    """
    libraries, results = folder / "lib", folder / "repaired"
    libraries.mkdir()
    for path in list_prefix_files(request.prefix, "lib"):
        if path.name.endswith(".dylib"):
            shutil.copy2(path, libraries / path.name, follow_symlinks=leads_out(path, path.parent))
    environment = _environment(request, folder, libraries)
    native = request.native and sys.platform == "darwin"
    tool = _delocate(request, results, environment) if native else _repairwheel(libraries, results, environment)
    repaired = run_repair_tool(tool, _locate_own_libraries(wheel, needed, folder), request, folder)
    if repaired.platform != wheel.platform:
        raise newer_system_error(wheel, request, {"oldest compatible tag": repaired.platform})
    return repaired


def _locate_own_libraries(wheel: Wheel, needed: NeededLibraries, folder: Path) -> Wheel:
    """Return the wheel with `@rpath/…` names of libraries in the wheel itself replaced by paths relative to the file.

    A file that was linked with the search path of its build directory does not find them otherwise.
    """
    # Imported here, since the import takes longer than other commands run.
    from repairwheel.macos.machotools import set_install_name

    changed = {}
    for number, (path, binary) in enumerate(needed.binaries.items()):
        own = {name: _find_own_library(name, path, needed) for name in binary.needed if name.startswith("@rpath/")}
        file = folder / "files" / str(number) / posixpath.basename(path)
        for name, library in own.items():
            if library and not binary.rpath:
                if path not in changed:
                    file.parent.mkdir(parents=True)
                    file.write_bytes(wheel.files[path].data)
                relative = posixpath.relpath(library, posixpath.dirname(path) or ".")
                set_install_name(file, name, f"@loader_path/{relative}")
                changed[path] = file.read_bytes()
    return add_files(wheel, changed)


def _find_own_library(name: str, path: str, needed: NeededLibraries) -> str:
    """Return the path in the wheel of a library that a file needs and that the prefix does not have, or an empty string."""
    base = posixpath.basename(name)
    candidates = [own for own in needed.own.get(base, ()) if scheme_of(own) == scheme_of(path)]
    if base in needed.direct[path] or not candidates:
        return ""
    here = posixpath.dirname(path) or "."
    return min(candidates, key=lambda own: (posixpath.relpath(own, here).count("/"), own))


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
