"""License texts, license expression and SBOM that a repair adds to a wheel for the libraries in it (PEP 639, PEP 770)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from packaging.metadata import RawMetadata

from everywheel.errors import BuildError
from everywheel.libraries.library_facts import Library, list_prefix_files
from everywheel.repair.request import RepairRequest
from everywheel.wheels.own_license import find_license_text, find_own_license
from everywheel.wheels.sbom import make_sbom
from everywheel.wheels.spdx import combine_expressions
from everywheel.wheels.wheel import Wheel, WheelFile, add_files, edit_metadata, read_metadata

_GRAFT_HASH = re.compile(r"(?P<stem>.+?)-[0-9a-f]{8,64}(?P<rest>\..+)")
_METADATA_VERSION = "2.4"  # the first with License-Expression (PEP 639)


def add_licenses_and_sbom(
    wheel: Wheel,
    libraries: Sequence[Library],
    request: RepairRequest,
    data: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Wheel:
    """Return the wheel with the license texts of all libraries, one license expression, and the SBOM.

    `data` maps names of libraries to the data files of the wheel that are from them.
    Raises BuildError when a license is not an SPDX expression or when the resulting METADATA is not valid.
    """
    folder = f"{wheel.dist_info}/licenses"
    texts = {f"{library.name}/{file}": text for library in libraries for file, text in library.texts.items()}
    own = find_own_license(read_metadata(wheel))
    wheel = _keep_license_text(wheel)
    try:
        expression = combine_expressions([own, *(library.license for library in libraries)])
    except ValueError as error:
        raise BuildError(f"{request.describe(wheel)}: a license is not a valid SPDX expression: {error}") from None

    def add_licenses(metadata: RawMetadata) -> RawMetadata:
        changed = RawMetadata(**metadata)
        changed.pop("license", None)  # PEP 639 allows neither it nor the classifiers together with an expression
        if "classifiers" in changed:
            changed["classifiers"] = [c for c in changed["classifiers"] if not c.startswith("License ::")]
        changed["license_expression"] = expression
        changed["license_files"] = list(dict.fromkeys([*changed.get("license_files", []), *sorted(texts)]))
        changed["metadata_version"] = max(changed["metadata_version"], _METADATA_VERSION, key=_version_key)
        return changed

    moved = _move_license_files(wheel)
    licensed = add_files(edit_metadata(moved, add_licenses), {f"{folder}/{file}": text for file, text in texts.items()})
    grafts = match_grafts(licensed, libraries)
    files = {
        library.name: {
            file: hashlib.sha256(licensed.files[file].data).hexdigest()
            for file in (*grafts.get(library.name, ()), *data.get(library.name, ()))
        }
        for library in libraries
    }
    document = make_sbom(
        name=wheel.name,
        version=wheel.version,
        license=own,
        libraries=libraries,
        files=files,
        module_exports=request.module_exports,
        epoch=request.epoch,
    )
    return add_files(licensed, {f"{wheel.dist_info}/sboms/{wheel.name}.cdx.json": document})


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _keep_license_text(wheel: Wheel) -> Wheel:
    """Return the wheel with the text in the field `License`, which the expression replaces, as a file if it has no other."""
    metadata, name = read_metadata(wheel), "LICENSE.txt"
    text = find_license_text(metadata)
    if not text or metadata.get("license_files"):
        return wheel
    changed = edit_metadata(
        wheel, lambda raw: RawMetadata(**{**raw, "license_files": [name], "metadata_version": "2.4"})
    )
    return add_files(changed, {f"{wheel.dist_info}/licenses/{name}": text.encode()})


def _move_license_files(wheel: Wheel) -> Wheel:
    """Return the wheel with license files in `licenses/` (PEP 639); older backends put them next to METADATA."""
    files: dict[str, WheelFile] = dict(wheel.files)
    for name in read_metadata(wheel).get("license_files", []):
        old, new = f"{wheel.dist_info}/{name}", f"{wheel.dist_info}/licenses/{name}"
        if old in files and new not in files:
            files[new] = files.pop(old)
    return replace(wheel, files=files)


def select_linked(wheel: Wheel, libraries: Sequence[Library], request: RepairRequest) -> tuple[Library, ...]:
    """Return the libraries of the prefix whose code is part of the repaired wheel.

    A shared library of the prefix is part of it if it was grafted; a static one if a file of the wheel is linked to it. If
    that is not known, a static one is part of it unless only libraries that are not part of the wheel require it. So is one
    without archives, which consists of headers. A library that is part of the wheel contains those that it requires.
    """
    grafted = match_grafts(wheel, libraries)
    omitted = {
        library.name for library in libraries if library.name not in grafted and _is_installed(library, request.prefix)
    }
    included = [library for library in libraries if library.name not in omitted]
    required = {name for library in libraries for name in library.requires}
    linked = _find_linked(libraries, request)
    reached: set[str] = set()
    pending = [
        library.name
        for library in included
        if library.name in grafted
        or (library.name in linked if linked is not None and library.files else library.name not in required)
    ]
    requires = {library.name: library.requires for library in libraries}
    while pending:
        name = pending.pop()
        if name not in reached and name not in omitted:
            reached.add(name)
            pending += requires.get(name, ())
    return tuple(library for library in libraries if library.name in reached)


def _find_linked(libraries: Sequence[Library], request: RepairRequest) -> frozenset[str] | None:
    """Return the names of the libraries whose archives the wheel is linked to; None if that is not known for each archive."""
    if request.linked is None:
        return None
    owners = {f"{file}.a": library.name for library in libraries for file in library.files}
    archives = [name for name in request.linked if not name.endswith(".dll.a")]  # import libraries
    return frozenset(owners[name] for name in archives) if owners.keys() >= {*archives} else None


def _is_installed(library: Library, prefix: Path) -> bool:
    """Return whether a prefix contains a library as a shared one."""
    names = [path.name for path in list_prefix_files(prefix, "lib")]
    files = [name for name in names if name.startswith("lib") and (".so" in name or ".dylib" in name)]
    files += [path.name for path in list_prefix_files(prefix, "bin") if path.name.endswith(".dll")]
    return library.linkage == "shared" and any(_library_stem(name) in library.files for name in files)


def match_grafts(wheel: Wheel, libraries: Sequence[Library]) -> Mapping[str, tuple[str, ...]]:
    """Return the grafted files of the wheel by the name of the library that each is a copy of."""
    folder = f"{wheel.name}.libs/"
    # delvewheel puts DLLs next to a module that is not in a package.
    files = [
        file
        for file in wheel.files
        if file.startswith(folder) or ".dylibs" in file or ("/" not in file and file.endswith(".dll"))
    ]
    stems = {file: _library_stem(PurePosixPath(file).name) for file in files}
    grafts = {
        library.name: tuple(sorted(file for file, stem in stems.items() if stem in (*library.files, library.name)))
        for library in libraries
    }
    return {name: files for name, files in grafts.items() if files}


def _library_stem(name: str) -> str:
    """Return a grafted file's name without hash and versions: `libvips` of `libvips.42.dylib`, `libvips-42-1a2b3c4d.dll`."""
    if name.endswith(".dylib"):
        return re.sub(r"(\.\d+)*\.dylib$", "", name)
    if name.endswith(".dll"):
        return re.sub(r"(-\d+)?-[0-9a-f]{32,64}$|-\d+$", "", name.removesuffix(".dll"))
    return drop_graft_hash(name).split(".so")[0]


def drop_graft_hash(name: str) -> str:
    """Return the file name that a library had before it was grafted: `libvips.so.42` of `libvips-1a2b3c4d.so.42`."""
    match = _GRAFT_HASH.fullmatch(name)
    return f"{match['stem']}{match['rest']}" if match else name
