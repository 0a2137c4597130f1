"""What a wheel says of the libraries in it: their licence texts, one licence expression for all of it, and the SBOM."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from packaging.metadata import RawMetadata

from everywheel.errors import BuildError
from everywheel.libraries.prefix import Library
from everywheel.repair.request import RepairRequest
from everywheel.wheels.sbom import make_sbom
from everywheel.wheels.spdx import check_expression, combine_expressions
from everywheel.wheels.wheel import Wheel, WheelFile, add_files, edit_metadata, read_metadata

_GRAFT_HASH = re.compile(r"^(?P<stem>[^.]+)-[0-9a-f]{8,64}(?P<rest>\..+)$")
_METADATA_VERSION = "2.4"  # the first with License-Expression (PEP 639)


def add_licenses_and_sbom(wheel: Wheel, libraries: Sequence[Library], repair: RepairRequest) -> Wheel:
    """Return the wheel with every library's licence texts, one expression for all of it, and the SBOM that lists it."""
    folder = f"{wheel.dist_info}/licenses"
    texts = {f"{library.name}/{file}": text for library in libraries for file, text in library.texts.items()}
    own = _own_license(wheel)
    try:
        expression = combine_expressions([own, *(library.license for library in libraries)])
    except ValueError as error:
        raise BuildError(f"{repair.describe(wheel)}: a licence is not a valid SPDX expression: {error}") from None

    def license_all(metadata: RawMetadata) -> RawMetadata:
        changed = RawMetadata(**metadata)
        changed.pop("license", None)  # PEP 639 allows neither it nor the classifiers beside an expression
        if "classifiers" in changed:
            changed["classifiers"] = [c for c in changed["classifiers"] if not c.startswith("License ::")]
        changed["license_expression"] = expression
        changed["license_files"] = list(dict.fromkeys([*changed.get("license_files", []), *sorted(texts)]))
        changed["metadata_version"] = max(changed["metadata_version"], _METADATA_VERSION, key=_number)
        return changed

    moved = _move_license_files(wheel)
    papers = add_files(edit_metadata(moved, license_all), {f"{folder}/{file}": text for file, text in texts.items()})
    grafted = match_grafts(papers, libraries)
    document = make_sbom(
        name=wheel.name,
        version=wheel.version,
        license=own,
        libraries=libraries,
        grafted=grafted,
        hashes={f: hashlib.sha256(papers.files[f].data).hexdigest() for files in grafted.values() for f in files},
        module_exports=repair.module_exports,
        epoch=repair.epoch,
    )
    return add_files(papers, {f"{wheel.dist_info}/sboms/{wheel.name}.cdx.json": document})


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _own_license(wheel: Wheel) -> str:
    metadata = read_metadata(wheel)
    found = metadata.get("license_expression") or metadata.get("license", "")
    try:
        return check_expression(found)
    except ValueError:
        raise BuildError(
            f"{wheel.filename}: its own licence is not given as an SPDX expression",
            details={"licence": f"'{found[:60]}'"},
            hint='write `license = "MIT"`, or whichever it is, in [project] of its pyproject.toml',
        ) from None


def _move_license_files(wheel: Wheel) -> Wheel:
    """Put licence files that lie beside METADATA, where older backends leave them, into `licenses/` (PEP 639)."""
    files: dict[str, WheelFile] = dict(wheel.files)
    for name in read_metadata(wheel).get("license_files", []):
        old, new = f"{wheel.dist_info}/{name}", f"{wheel.dist_info}/licenses/{name}"
        if old in files and new not in files:
            files[new] = files.pop(old)
    return replace(wheel, files=files)


def match_grafts(wheel: Wheel, libraries: Sequence[Library]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each library, its files among those that were grafted into the wheel."""
    folder = f"{wheel.name}.libs/"
    # delvewheel puts DLLs beside a module that is in no package.
    files = [
        file
        for file in wheel.files
        if file.startswith(folder) or ".dylibs" in file or ("/" not in file and file.endswith(".dll"))
    ]
    grafts = {file: _library_stem(PurePosixPath(file).name) for file in files}
    found = {
        library.name: tuple(sorted(file for file, stem in grafts.items() if stem in (*library.files, library.name)))
        for library in libraries
    }
    return {name: files for name, files in found.items() if files}


def _library_stem(name: str) -> str:
    """Return a grafted file's name without hash and versions: `libvips` of `libvips.42.dylib`, `libvips-42-1a2b3c4d.dll`."""
    if name.endswith(".dylib"):
        return re.sub(r"(\.\d+)*\.dylib$", "", name)
    if name.endswith(".dll"):
        return re.sub(r"(-\d+)?-[0-9a-f]{32,64}$|-\d+$", "", name.removesuffix(".dll"))
    return drop_graft_hash(name).split(".so")[0]


def drop_graft_hash(name: str) -> str:
    """Return a library's file name from before it was grafted: `libvips-1a2b3c4d.so.42` becomes `libvips.so.42`."""
    match = _GRAFT_HASH.match(name)
    return f"{match['stem']}{match['rest']}" if match else name
