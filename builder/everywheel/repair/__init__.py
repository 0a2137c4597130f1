"""Repair: adding copies of the required libraries, their licenses and an SBOM to a wheel.

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


def repair_wheel(path: Path, request: RepairRequest, output: Path) -> Path:
    """Repair a wheel for the target, write the result into the directory `output`, and return its path.

    The grafted libraries come from the prefix only, never from the build machine. On failure, nothing is written. Raises
    BuildError when a file in the wheel cannot be read, when a library cannot be grafted, and when the wheel needs a newer
    system than the target.
    """
    wheel = read_wheel(path)
    check_binaries(wheel, request.target)
    libraries = load_libraries(request.prefix, exclude=request.exclude)
    request.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=request.work, prefix="repair-") as temporary:
        grafted = _GRAFTS[request.target.os](_retag(wheel, request), request, Path(temporary))
    # auditwheel adds a tag for each name of the policy, and for each newer policy that the wheel satisfies
    # (https://github.com/pypa/auditwheel/pull/288): the target's own tag implies them.
    finished = add_licenses_and_sbom(_retag(grafted, request), libraries, request)
    return pack_wheel(finished, output, epoch=request.epoch)


def _retag(wheel: Wheel, request: RepairRequest) -> Wheel:
    python, abi = request.python or wheel.python, request.abi or wheel.abi
    return retag_wheel(wheel, python=python, abi=abi, platform=request.target.wheel_tag)
