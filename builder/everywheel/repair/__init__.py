"""Repair: adding copies of the required libraries, their licenses and an SBOM to a wheel.

auditwheel, delvewheel, delocate or repairwheel graft the libraries; the result is renamed to the target's platform tag.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from everywheel.libraries.library_facts import Library, load_libraries
from everywheel.repair.data_files import add_data_files, find_data_owners
from everywheel.repair.linux import graft_libraries as graft_linux
from everywheel.repair.linux import merge_platlib
from everywheel.repair.macos import graft_libraries as graft_macos
from everywheel.repair.metadata import add_licenses_and_sbom, match_grafts, select_linked
from everywheel.repair.needed import NeededLibraries, check_schemes, find_needed
from everywheel.repair.request import RepairedWheel, RepairRequest, WheelTags
from everywheel.repair.validate import check_binaries
from everywheel.repair.windows import graft_libraries as graft_windows
from everywheel.wheels.wheel import Wheel, list_signatures, pack_wheel, read_tags, read_wheel, retag_wheel

__all__ = [
    "RepairRequest",
    "RepairedWheel",
    "WheelTags",
    "add_licenses_and_sbom",
    "check_binaries",
    "match_grafts",
    "repair_wheel",
]

_GRAFTS: Mapping[str, Callable[[Wheel, NeededLibraries, RepairRequest, Path], Wheel]] = MappingProxyType(
    {
        "linux": graft_linux,
        "darwin": graft_macos,
        "windows": graft_windows,
    }
)


def repair_wheel(built: Path, request: RepairRequest, output: Path) -> RepairedWheel:
    """Repair a wheel for the target, and write the result into the directory `output`.

    Libraries and data come from the prefix only, never from the build machine. On failure, nothing is written. Raises
    BuildError when a file in the wheel cannot be read, when a library cannot be grafted, and when the wheel needs a newer
    system than the target; AuditError when a library that it needs cannot be found.
    """
    original = read_wheel(built)
    check_binaries(original, request.target)
    libraries = load_libraries(request.prefix, exclude=request.exclude)
    signatures = list_signatures(original)
    wheel = replace(original, files={file: data for file, data in original.files.items() if file not in signatures})
    if request.target.os == "linux":
        wheel = merge_platlib(wheel)
    grafted = add_data_files(_graft(wheel, request, libraries), request)
    data = find_data_owners(grafted, request)
    linked = select_linked(grafted, libraries, request)
    included = [library for library in libraries if library in linked or library.name in data]
    if included or not request.is_foreign:
        grafted = add_licenses_and_sbom(grafted, included, request, data)
    notes = [f"{file} is not part of the result: the signature would not match" for file in signatures]
    if original.files.keys() - wheel.files.keys() - set(signatures):
        notes.append(
            "the files of .data/platlib and .data/purelib are in the root of the result, where they are installed"
        )
    notes += [
        f"{library.name} {library.version} is not part of the result: no file is linked to it"
        for library in libraries
        if library not in included
    ]
    path = pack_wheel(grafted, output, epoch=request.epoch, kept=request.compressed)
    return RepairedWheel(path=path, notes=tuple(notes))


def _graft(wheel: Wheel, request: RepairRequest, libraries: Sequence[Library]) -> Wheel:
    """Return the wheel with the libraries that it needs and with the tags of the result."""
    target = request.target
    single = retag_wheel(replace(wheel, build=""), python=wheel.python, abi=wheel.abi, platform=target.wheel_tag)
    needed = find_needed(single, request, libraries)
    check_schemes(single, needed, request)
    request.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=request.work, prefix="repair-") as temporary:
        grafted = _GRAFTS[target.os](single, needed, request, Path(temporary))
    # auditwheel adds a tag for each name of the policy, and for each newer policy that the wheel satisfies
    # (https://github.com/pypa/auditwheel/pull/288): the target's own tag implies them.
    return _retag(_restore(grafted, wheel) if request.is_foreign else grafted, request)


def _restore(grafted: Wheel, wheel: Wheel) -> Wheel:
    """Return a wheel of another project with the tags, the WHEEL file and the file modes that a repair tool changed."""
    files = {
        path: replace(file, executable=wheel.files[path].executable) if path in wheel.files else file
        for path, file in grafted.files.items()
    }
    path = f"{wheel.dist_info}/WHEEL"
    return replace(wheel, files={**files, path: wheel.files[path]})


def _retag(wheel: Wheel, request: RepairRequest) -> Wheel:
    tags = request.tags
    retagged = retag_wheel(replace(wheel, build=tags.build), python=tags.python, abi=tags.abi, platform=tags.platform)
    if request.is_foreign and read_tags(wheel) == read_tags(retagged):
        return replace(retagged, files=wheel.files)  # the WHEEL file is correct, and stays the same byte for byte
    return retagged
