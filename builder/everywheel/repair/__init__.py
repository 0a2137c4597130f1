"""Repair: copies of the required libraries, licenses and an SBOM are added to a wheel.

auditwheel, delvewheel, delocate or repairwheel graft the libraries; the result is renamed to the target's platform tag.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from everywheel.libraries.prefix import load_libraries
from everywheel.repair.linux import graft_libraries as graft_linux
from everywheel.repair.macos import graft_libraries as graft_macos
from everywheel.repair.metadata import add_licenses_and_sbom, match_grafts
from everywheel.repair.request import RepairRequest
from everywheel.repair.validate import check_binaries
from everywheel.repair.windows import graft_libraries as graft_windows
from everywheel.wheels.wheel import Wheel, pack_wheel, read_wheel, retag_wheel

__all__ = ["RepairRequest", "add_licenses_and_sbom", "check_binaries", "match_grafts", "repair_wheel"]

_GRAFTS: Mapping[str, Callable[[Wheel, RepairRequest, Path], Wheel]] = MappingProxyType(
    {
        "linux": graft_linux,
        "darwin": graft_macos,
        "windows": graft_windows,
    }
)


def repair_wheel(path: Path, repair: RepairRequest, into: Path) -> Path:
    """Repair the wheel at `path` for the target, put the result into a folder, and return where it is.

    The libraries come from the prefix alone, never from the build machine. Nothing is left in `into` on failure.
    Raises BuildError when a file in the wheel cannot be read, when a library cannot be grafted, and when the wheel cannot
    keep the target's promise.
    """
    wheel = read_wheel(path)
    check_binaries(wheel, repair.target)
    libraries = load_libraries(repair.prefix, leave_out=repair.leave_out)
    repair.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repair.work, prefix="repair-") as temporary:
        folder = Path(temporary)
        grafted = _GRAFTS[repair.target.os](_retag(wheel, repair), repair, folder)
    # auditwheel adds tags for every name of the policy, and for higher ones that the wheel would do for: one is enough.
    finished = add_licenses_and_sbom(_retag(grafted, repair), libraries, repair)
    return pack_wheel(finished, into, epoch=repair.epoch)


def _retag(wheel: Wheel, repair: RepairRequest) -> Wheel:
    python, abi = repair.python or wheel.python, repair.abi or wheel.abi
    return retag_wheel(wheel, python=python, abi=abi, platform=repair.target.wheel_tag)
