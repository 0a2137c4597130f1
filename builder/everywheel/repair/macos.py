"""Repair on macOS: repairwheel grafts the libraries on any machine; delocate, which calls Apple's tools, does so on Macs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.execution.process import run_logged
from everywheel.repair.request import RepairRequest
from everywheel.wheels.wheel import Wheel, pack_wheel, read_wheel


def graft_libraries(wheel: Wheel, repair: RepairRequest, folder: Path) -> Wheel:
    """Return the wheel with the libraries that it needs, from the prefix alone, inside it and found from there.

    Both tools make install names relative to @loader_path and sign anew what they change; ad hoc, which is all that a
    library that is loaded into somebody else's program needs. Raises BuildError when a library cannot be grafted or
    needs a newer macOS than the tag promises.
    """
    label = repair.describe(wheel)
    unrepaired = pack_wheel(wheel, folder / "unrepaired", epoch=repair.epoch)
    libraries, results = folder / "lib", folder / "repaired"
    libraries.mkdir()
    for path in sorted((repair.prefix / "lib").glob("*.dylib")):
        shutil.copy2(path, libraries / path.name, follow_symlinks=False)
    native = repair.native and sys.platform == "darwin"
    run_logged(
        _delocate(unrepaired, results, repair) if native else _repairwheel(unrepaired, results, libraries),
        cwd=folder,
        env=_environment(repair, folder, libraries),
        log=repair.log,
        what=f"{label}: repair",
        hint="does the prefix hold every library that the extension needs, under `requires` of [tool.everywheel]?",
    )
    found = sorted(results.glob("*.whl"))
    if len(found) != 1:
        raise BuildError(f"{label}: {len(found)} wheels were left where one was to be", log=repair.log)
    repaired = read_wheel(found[0])
    if repaired.platform != wheel.platform:
        raise BuildError(
            f"{label}: the wheel needs a newer system than its tag promises",
            details={"the files in it need": repaired.platform},
            log=repair.log,
            hint="`everywheel audit` on the wheel names the file",
        )
    return repaired


def _repairwheel(wheel: Path, results: Path, libraries: Path) -> list[str | Path]:
    return [
        sys.executable,
        "-m",
        "repairwheel",
        "--output-dir",
        results,
        "--lib-dir",
        libraries,
        "--no-sys-paths",
        wheel,
    ]


def _delocate(wheel: Path, results: Path, repair: RepairRequest) -> list[str | Path]:
    return [
        sys.executable,
        "-m",
        "delocate.cmd.delocate_wheel",
        "--require-archs",
        repair.target.arch_tag,
        "--wheel-dir",
        results,
        "-v",
        wheel,
    ]


def _environment(repair: RepairRequest, folder: Path, libraries: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DYLD_")}
    ours = {
        # Where both look for `@rpath/…`; nothing that lies about on the machine can be taken.
        "DYLD_LIBRARY_PATH": str(libraries),
        "MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, repair.target.os_version)),
        "SOURCE_DATE_EPOCH": str(repair.epoch),
        "TMPDIR": str(folder),
    }
    return {**kept, **ours}
